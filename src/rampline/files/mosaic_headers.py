"""The header of a mosaic, blended from those of its inputs, and the table of them.

Times span all inputs, exposure times add up over pointings (the detectors of one pointing
count once), words that differ become MULTIPLE; all else is the first input's, as `jwst`
blends it. What holds for one detector only is left out.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..exposure.header import Card, CardValue, Header, card_values, put_cards
from .stamp import mjd_to_iso

_WCS: Final = re.compile(
    r"(A|B|AP|BP)_(ORDER|\d+_\d+)|(CD|PC)\d_\d|CDELT\d|CRPIX\d|CRVAL\d|CTYPE\d|CUNIT\d"
    r"|WCSAXES|WCSNAME|LONPOLE|LATPOLE|SIPMXERR|SIPIVERR|S_REGION"
)
_ONE_EXPOSURE_SCIENCE: Final = re.compile(
    r"(RA|DEC|ROLL|V2|V3)_REF|VPARITY|V3I_YANG|PHOTMJSR|PHOTUJA2|PIXAR_SR|PIXAR_A2"
)
_ONE_EXPOSURE_PRIMARY: Final = re.compile(
    "BKGLEVEL|BKGSUB|SKYLEVEL|SKYSUB|NOISERAT|RNSCALE|PRIMECRS|EXTNCRS"
)
_NO_COLUMN: Final = ("", "COMMENT", "HISTORY")
_SUMMED: Final = ("EFFEXPTM", "TMEASURE", "DURATION", "XPOSURE", "TELAPSE")
_COLUMN_KIND: Final = {bool: np.bool_, int: np.int64, float: np.float64}


def without_wcs(cards: tuple[Card, ...]) -> tuple[Card, ...]:
    """Return the cards without those of a WCS."""
    return _without(cards, _WCS)


def is_exposure_science(keyword: str) -> bool:
    """Whether a card of an exposure's SCI header does not go into a mosaic's."""
    return bool(_WCS.fullmatch(keyword) or _ONE_EXPOSURE_SCIENCE.fullmatch(keyword))


def blend_headers(
    headers: Sequence[Header],
) -> tuple[tuple[Card, ...], tuple[Card, ...]]:
    """Return the primary and the SCI cards that stand for all inputs."""
    first = headers[0]
    primary = _without(first.primary, _ONE_EXPOSURE_PRIMARY)
    science = _without(without_wcs(first.science), _ONE_EXPOSURE_SCIENCE)
    begin, end = min(h.start_mjd for h in headers), max(h.end_mjd for h in headers)
    middle = float(np.mean([0.5 * (h.start_mjd + h.end_mjd) for h in headers]))
    start, stop = mjd_to_iso(begin), mjd_to_iso(end)
    spans = (
        Card("DATE-OBS", start[:10]),
        Card("TIME-OBS", start[11:]),
        Card("DATE-BEG", start),
        Card("DATE-END", stop),
        Card("EXPSTART", begin),
        Card("EXPMID", middle),
        Card("EXPEND", end),
        Card("DETECTOR", _one_word([h.detector for h in headers])),
        Card("MODULE", _one_word([h.module for h in headers])),
        Card("NDRIZ", len(_pointings(headers)), "Number of pointings included"),
    )
    primary = put_cards(primary, (*spans, *_summed(headers, "primary")))
    times = (Card("MJD-BEG", begin), Card("MJD-AVG", middle), Card("MJD-END", end))
    return primary, put_cards(science, (*times, *_summed(headers, "science")))


def header_table(headers: Sequence[Header]) -> NDArray[np.void]:
    """Return HDRTAB: all cards of all inputs, a row an input, in the order of CON's bits."""
    rows = [card_values((*h.primary, *h.science)) for h in headers]
    names = dict.fromkeys(key for row in rows for key in row if key not in _NO_COLUMN)
    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    table = np.empty(len(rows), [(name, c.dtype) for name, c in columns.items()])
    for name, values in columns.items():
        table[name] = values
    return table


def _without(cards: tuple[Card, ...], which: re.Pattern[str]) -> tuple[Card, ...]:
    return tuple(card for card in cards if not which.fullmatch(card.keyword))


def _pointings(headers: Sequence[Header]) -> dict[str, Header]:
    """Return one input of each pointing: roots differ in the detector only."""
    return {h.root.replace(h.detector.lower(), ""): h for h in reversed(headers)}


def _summed(headers: Sequence[Header], place: str) -> tuple[Card, ...]:
    """Return the exposure times, added up over pointings."""
    one_each = _pointings(headers).values()
    values = [card_values(getattr(h, place)) for h in one_each]
    found: list[Card] = []
    for keyword in _SUMMED:
        times = [row.get(keyword) for row in values]
        numbers = [t for t in times if isinstance(t, int | float)]
        if numbers and len(numbers) == len(times):
            found.append(Card(keyword, float(sum(numbers))))
    return tuple(found)


def _one_word(words: Sequence[str]) -> str:
    return words[0] if len(set(words)) == 1 else "MULTIPLE"


def _column(values: Sequence[CardValue]) -> NDArray[Any]:
    """Return one column; values of several kinds, or missing ones, become text."""
    kinds = {type(value) for value in values}
    if kinds == {int, float}:
        kinds = {float}
    if len(kinds) == 1 and kinds <= set(_COLUMN_KIND):
        return np.array(values, _COLUMN_KIND[kinds.pop()])
    words = ["" if value is None else str(value) for value in values]
    # a FITS table has no text column of width 0
    width = max(1, *(len(word) for word in words))
    return np.array([word.encode("ascii", "replace") for word in words], f"S{width}")
