"""The cards of a header as they stand in a file, taken apart and put together.

Cards of the kinds that headers are full of are read and spelled here, to the character as
`astropy` does it. The import of `astropy.io.fits` alone takes longer than an exposure of a
stage, and it asks its configuration a dozen times for each card; it is left what is rare:
HIERARCH, record-valued cards, complex numbers, and what bends the standard.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np

from ..exposure.header import Card, CardValue

CARD_LENGTH: Final = 80
_KEPT: Final = 1 << 14
"""Cards remembered: some 10 MB."""
_WORD_LENGTH, _NUMBER_LENGTH = 8, 20
_PIECE, _COMMENT_PIECE = 67, 64
"""Characters of a long word, and of its comment, on each of several cards."""
_COMMENTARY: Final = ("COMMENT", "HISTORY", "")
_KEYWORD: Final = re.compile(r"[A-Z0-9_-]{1,8}")
_STANDARD: Final = re.compile(r"([A-Z0-9_-]{1,8}) *\Z")
_TEXT: Final = re.compile(r"[ -~]*")
_VALUE: Final = re.compile(
    r" *(?:'(?P<word>(?:[^']|'')*)'(?=[ /]|\Z)|(?P<truth>[TF])(?=[ /]|\Z)"
    r"|(?P<whole>[+-]?\d+)(?=[ /]|\Z)"
    r"|(?P<real>[+-]?(?:\.\d+|\d+(?:\.\d*)?)(?:[DE][+-]?\d+)?)(?=[ /]|\Z)|)"
    r" *(?:/ *(?P<comment>.*))?\Z"
)
_RECORD: Final = re.compile(r"'?[A-Za-z_][\w.]*: +[+-]?[.\d][.\dDEde+-]*'?")
"""A word that `astropy` takes for a field and its number."""


class StoredCards(Mapping[str, Any]):
    """A header of a file; of cards that are repeated the first one counts.

    Parameters
    ----------
    cards : iterable of Card
    images : iterable of str
        As they stand in the file, 80 characters each, or more where a long word goes on.
    """

    __slots__ = ("_values", "cards", "images")

    def __init__(self, cards: Iterable[Card], images: Iterable[str] = ()) -> None:
        self.cards, self.images = tuple(cards), tuple(images)
        self._values: dict[str, CardValue] = {}
        for keyword, value, _ in self.cards:
            self._values.setdefault(keyword, value)

    def __getitem__(self, keyword: str) -> Any:
        return self._values[keyword]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def read_cards(text: str) -> StoredCards:
    """Take a header apart, up to its end.

    Raises
    ------
    ValueError
        A card whose value is none that FITS knows.
    """
    images = split_cards(text)
    return StoredCards([read_card(image) for image in images], images)


def split_cards(text: str) -> list[str]:
    """Return the images of the cards of a header up to its end."""
    images: list[str] = []
    for start in range(0, len(text), CARD_LENGTH):
        line = text[start : start + CARD_LENGTH]
        if line.rstrip() == "END":
            break
        if line.startswith("CONTINUE") and images:
            images[-1] += line
        else:
            images.append(line)
    return images


@lru_cache(maxsize=_KEPT)
def read_card(image: str) -> Card:
    """Take a card apart.

    Parameters
    ----------
    image : str
        80 characters, or more where a long word goes on.

    Returns
    -------
    Card
        Its value None where it has none, or one that no header of JWST has.

    Raises
    ------
    ValueError
        Where the value is none that FITS knows.
    """
    keyword = image[:_WORD_LENGTH].rstrip()
    if keyword in _COMMENTARY and len(image) <= CARD_LENGTH:
        return Card(keyword, image[_WORD_LENGTH:].rstrip(), "")
    found = None
    if image[8:10] == "= " and _STANDARD.match(image[:8]):
        found = _read_long(image) if len(image) > CARD_LENGTH else _read_plain(image)
    return found or _read_by_astropy(image)


def _read_plain(image: str) -> Card | None:
    """Read a card of one line; None where it is of a rare kind."""
    found = _VALUE.match(image, 10)
    rest = image[10:].lstrip()
    if found is None or (": " in rest and _RECORD.match(rest)):
        return None
    comment = (found["comment"] or "").rstrip()
    return Card(image[:8].rstrip(), _value(found), comment)


def _value(found: re.Match[str]) -> CardValue:
    if (word := found["word"]) is not None:
        return word.rstrip().replace("''", "'")
    if (truth := found["truth"]) is not None:
        return truth == "T"
    if (whole := found["whole"]) is not None:
        return int(whole)
    real = found["real"]
    return None if real is None else float(real.replace("D", "E"))


def _read_long(image: str) -> Card | None:
    """Join the pieces of a long word; None where they are anything else."""
    words, comments = [], []
    for start in range(0, len(image), CARD_LENGTH):
        line = image[start : start + CARD_LENGTH]
        found = _VALUE.match(line, 10)
        if found is None or found["word"] is None:
            return None
        words.append(found["word"].rstrip().removesuffix("&"))
        if found["comment"]:
            comments.append(found["comment"].rstrip())
    word = "".join(words).rstrip().replace("''", "'")
    return Card(image[:8].rstrip(), word, " ".join(comments).rstrip())


def _read_by_astropy(image: str) -> Card:
    from astropy.io import fits  # noqa: PLC0415 - a quarter of a second, rarely needed
    from astropy.io.fits.verify import VerifyError  # noqa: PLC0415

    (card,) = fits.Header.fromstring(image).cards
    try:
        value = card.value
    except VerifyError as error:
        raise ValueError(
            f"the value of {card.keyword} is none that FITS knows"
        ) from error
    is_plain = isinstance(value, str | int | float | bool)
    return Card(card.keyword, value if is_plain else None, card.comment)


def spell_card(card: Card) -> str:
    """Return the image of a card: 80 characters, or more where a long word goes on.

    Raises
    ------
    ValueError
        What no card can hold.
    """
    keyword, value, comment = card
    if keyword in _COMMENTARY and isinstance(value, str) and _TEXT.fullmatch(value):
        step = CARD_LENGTH - _WORD_LENGTH
        starts = range(0, max(len(value), 1), step)
        pieces = (f"{keyword:8}{value[i : i + step]}" for i in starts)
        return "".join(piece.ljust(CARD_LENGTH) for piece in pieces)
    word = _spell_value(value)
    if word is not None and _KEYWORD.fullmatch(keyword) and _TEXT.fullmatch(comment):
        image = f"{keyword:8}= {word}" + (f" / {comment}" if comment else "")
        if len(word) <= CARD_LENGTH - 10:
            # where the value leaves too little room for it, the comment is cut off
            return image[:CARD_LENGTH].ljust(CARD_LENGTH)
        if isinstance(value, str):
            return _spell_long(keyword, value, comment)
    return _spell_by_astropy(card)


def _spell_value(value: CardValue) -> str | None:
    """Spell a value; None where it is of a rare kind."""
    if isinstance(value, str):
        if not _TEXT.fullmatch(value) or (": " in value and _RECORD.match(value)):
            return None
        quoted = value.replace("'", "''")
        return f"'{quoted:8}'".ljust(_NUMBER_LENGTH) if value else "''"
    if isinstance(value, bool):
        return ("T" if value else "F").rjust(_NUMBER_LENGTH)
    if isinstance(value, int | np.integer):
        return str(int(value)).rjust(_NUMBER_LENGTH)
    if isinstance(value, float | np.floating) and np.isfinite(value):
        return _spell_real(value).rjust(_NUMBER_LENGTH)
    return "" if value is None else None


def _spell_real(value: float) -> str:
    """Spell a number in at most 20 characters: digits beyond are cut off."""
    digits, mark, power = str(value).partition("e")
    power = mark.upper() + power
    return digits[: _NUMBER_LENGTH - len(power)] + power


def _spell_long(keyword: str, word: str, comment: str) -> str:
    """Spread a long word, then its comment, over several cards (CONTINUE)."""
    pieces = _wrap(word.replace("'", "''"), _PIECE)
    heads = [f"{keyword:8}= ", *["CONTINUE  "] * (len(pieces) - 1)]
    tails = ["&"] * (len(pieces) - 1) + ["&" if comment else ""]
    lines = [
        f"{head}'{piece}{tail}'"
        for head, piece, tail in zip(heads, pieces, tails, strict=True)
    ]
    told = _wrap(comment, _COMMENT_PIECE) if comment else []
    lines += [f"CONTINUE  '&' / {piece}" for piece in told[:-1]]
    lines += [f"CONTINUE  '' / {piece}" for piece in told[-1:]]
    return "".join(line.ljust(CARD_LENGTH) for line in lines)


def _wrap(text: str, width: int) -> list[str]:
    """Cut a text into pieces of at most ``width``: after blanks, inside longer words."""
    pieces, start = [], 0
    while True:
        rest = len(text) - start
        cut = (
            rest if rest < width else text.rfind(" ", start, start + width) + 1 - start
        )
        if cut <= 0:
            cut = min(width, rest)
        pieces.append(text[start : start + cut])
        start += cut
        if start >= len(text):
            return pieces


def _spell_by_astropy(card: Card) -> str:
    from astropy.io import fits  # noqa: PLC0415 - a quarter of a second, rarely needed

    header = fits.Header([fits.Card(*card)])
    return str(header.tostring(endcard=False, padding=False))
