"""Header cards as text, 80 characters each; conversions either way are cached.

Exposures of a visit, and products of an exposure, have most of their cards in common.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from ..exposure.header import Card, CardValue
from .stored_cards import read_card, spell_card, split_cards

_KEPT: Final = 1 << 14
"""Cards remembered: some 10 MB."""


def card_images(cards: Iterable[Card]) -> tuple[str, ...]:
    """Return the text of cards, 80 characters each, or more where they go on."""
    return tuple(
        _image(keyword, value, comment, repr(value))
        for keyword, value, comment in cards
    )


@lru_cache(maxsize=_KEPT)
def read_card_image(image: str) -> tuple[tuple[str, Any], ...]:
    """Return keyword and value of a card as they read back: of a long comment, of each line."""
    return tuple(read_card(one)[:2] for one in split_cards(image))


@lru_cache(maxsize=_KEPT)
def _image(keyword: str, value: CardValue, comment: str, _spelled: str) -> str:
    """Spell a card; equal numbers that are spelled differently are different cards."""
    return spell_card(Card(keyword, value, comment))
