"""Cards as they stand in a file, each spelled and read once.

`astropy` asks its configuration a dozen times for each card, 40 us in all. The exposures of
a visit, and the products of an exposure, have most of their cards in common.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from astropy.io import fits

from ..exposure.header import Card, CardValue
from .fits_layout import whole_blocks

_KEPT: Final = 1 << 14
"""Cards remembered: some 10 MB."""
_LENGTH: Final = 80


def card_images(cards: Iterable[Card]) -> tuple[str, ...]:
    """Return the text of cards, 80 characters each, or more where they go on."""
    return tuple(
        _image(keyword, value, comment, repr(value))
        for keyword, value, comment in cards
    )


def header_block(images: Iterable[str]) -> bytes:
    """Return a header's blocks."""
    text = "".join(images) + "END".ljust(_LENGTH)
    return text.ljust(whole_blocks(len(text))).encode("ascii")


@lru_cache(maxsize=_KEPT)
def read_card_image(image: str) -> tuple[tuple[str, Any], ...]:
    """Return keyword and value of a card as they read back: of a long comment, of each line."""
    header = fits.Header.fromstring(image)
    return tuple((card.keyword, card.value) for card in header.cards)


@lru_cache(maxsize=_KEPT)
def _image(keyword: str, value: CardValue, comment: str, _spelled: str) -> str:
    """Spell a card; equal numbers that are spelled differently are different cards."""
    header = fits.Header([fits.Card(keyword, value, comment)])
    return str(header.tostring(endcard=False, padding=False))
