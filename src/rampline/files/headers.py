"""Header cards made into the typed record, and checked against each other.

Only the header counts: an exposure's ASDF extension repeats its keywords, but a keyword
that is missing from the header is an error even where that copy has it, because users who
edit a file edit its header. Contradictions are refused: with a wrong frame time or a wrong
number of groups the slopes would look right and be wrong.
"""

import math
import re
from pathlib import Path
from typing import Any, Final

from ..errors import InputError
from ..exposure.header import Card, Header, Pointing, SkyPlace
from ..exposure.timing import PATTERNS, Readout
from .fits_layout import ORIGINAL
from .names import parse_product
from .stored_cards import StoredCards

_STRUCTURAL: Final = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|GROUPS|BSCALE|BZERO|BLANK"
    r"|EXTNAME|EXTVER|EXTLEVEL|T(FIELDS|FORM\d+|TYPE\d+|UNIT\d+|DIM\d+|NULL\d+|DISP\d+)"
    r"|CHECKSUM|DATASUM|NEXTEND|CONTHASH|END"
)
_DETECTORS: Final = {
    **{f"NRC{module}{i}": (module, "SHORT") for module in "AB" for i in range(1, 5)},
    "NRCALONG": ("A", "LONG"),
    "NRCBLONG": ("B", "LONG"),
}
"""Module and channel of each detector."""

_PIXEL_S: Final = 1.0e-5
_LINE_OVERHEAD: Final = 12
_FULL_SIZE: Final = 2048


def science_cards(header: StoredCards) -> tuple[Card, ...]:
    """Return the cards of a header without those that describe the layout of its data."""
    return tuple(
        card for card in header.cards if not _STRUCTURAL.fullmatch(card.keyword)
    )


def typed_header(
    path: Path,
    primary: StoredCards,
    science: StoredCards,
    shape: tuple[int, ...] | None = None,
) -> Header:
    """Make the record of an exposure.

    Parameters
    ----------
    path : Path
        The file, for its name and for messages.
    primary, science : StoredCards
        Of the file and of its SCI extension.
    shape : tuple of int, optional
        Rows and columns, where they may differ from those of the subarray (a cut-out).

    Raises
    ------
    InputError
        A keyword that is missing, out of its range, or contradicts another.
    """
    name = parse_product(path.name)
    first, second = _Keywords(path, primary, "primary"), _Keywords(path, science, "SCI")
    detector = first.text("DETECTOR")
    if detector not in _DETECTORS:
        what = f"DETECTOR is {detector!r}, which NIRCam does not have"
        raise InputError(str(path), what, ORIGINAL)
    module, channel = _DETECTORS[detector]
    _agree(path, primary, "MODULE", module, ("A", "B"))
    _agree(path, primary, "CHANNEL", channel, ("SHORT", "LONG"))
    return Header(
        root=name.root,
        program=first.text("PROGRAM"),
        observation=first.text("OBSERVTN"),
        visit=first.text("VISIT"),
        detector=detector,
        module=module,
        channel=channel,
        filter=first.text("FILTER"),
        pupil=first.text("PUPIL"),
        exp_type=first.text("EXP_TYPE"),
        start_mjd=first.number("EXPSTART", 50000.0, 90000.0),
        end_mjd=first.number("EXPEND", 50000.0, 90000.0),
        exposure_s=first.number("EFFEXPTM", 0.0, 1.0e7),
        first_integration=int(primary.get("INTSTART") or 1),
        is_moving_target=primary.get("TARGTYPE") == "MOVING",
        readout=_readout(path, first, primary, shape),
        pointing=_pointing(second),
        moving_target=_moving_target(primary, science, second),
        primary=science_cards(primary),
        science=science_cards(science),
    )


class _Keywords:
    """Required keywords of one header; one that is missing or out of range is an error."""

    def __init__(self, path: Path, cards: StoredCards, place: str) -> None:
        self.path, self.cards, self.place = path, cards, place

    def _required(self, keyword: str) -> Any:
        value = self.cards.get(keyword)
        if value is None:
            what = f"{keyword} is missing from the {self.place} header"
            raise InputError(str(self.path), what, ORIGINAL)
        return value

    def text(self, keyword: str) -> str:
        """Return a word."""
        return str(self._required(keyword)).strip()

    def number(self, keyword: str, low: float, high: float) -> float:
        """Return a finite number within bounds."""
        value = self._required(keyword)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or not low <= value <= high:
            what = f"{keyword} is {value!r}, not a number from {low:g} to {high:g}"
            raise InputError(str(self.path), what, ORIGINAL)
        return float(value)

    def count(self, keyword: str, low: int, high: int) -> int:
        """Return a whole number within bounds."""
        value = self._required(keyword)
        if type(value) is not int or not low <= value <= high:
            what = f"{keyword} is {value!r}, not a whole number from {low} to {high}"
            raise InputError(str(self.path), what, ORIGINAL)
        return value


def _moving_target(
    primary: StoredCards, science: StoredCards, keywords: _Keywords
) -> SkyPlace | None:
    """Return where a moving target stood, None where there is none or nobody knows."""
    if primary.get("TARGTYPE") != "MOVING" or science.get("MT_RA") is None:
        return None
    return SkyPlace(
        keywords.number("MT_RA", 0.0, 360.0), keywords.number("MT_DEC", -90.0, 90.0)
    )


def _agree(
    path: Path, cards: StoredCards, keyword: str, expected: str, known: tuple[str, ...]
) -> None:
    """Refuse a keyword whose value is a known one but not the detector's."""
    value = cards.get(keyword)
    if value in known and value != expected:
        what = f"{keyword} {value} contradicts DETECTOR {cards['DETECTOR']}"
        raise InputError(str(path), what, ORIGINAL)


def _readout(
    path: Path, words: _Keywords, cards: StoredCards, shape: tuple[int, ...] | None
) -> Readout:
    """Read how the detector was read out, and check the keywords against each other."""
    pattern = words.text("READPATT")
    n_frames, n_dropped = (
        words.count("NFRAMES", 1, 1000),
        words.count("GROUPGAP", 0, 1000),
    )
    if pattern not in PATTERNS:
        what = f"READPATT is {pattern!r}, which NIRCam does not have"
        raise InputError(str(path), what, ORIGINAL)
    if (n_frames, n_dropped) != PATTERNS[pattern]:
        what = (
            f"NFRAMES {n_frames} and GROUPGAP {n_dropped} contradict READPATT {pattern}"
            f" ({PATTERNS[pattern][0]} and {PATTERNS[pattern][1]})"
        )
        raise InputError(str(path), what, ORIGINAL)
    frame_s, group_s = (
        words.number("TFRAME", 1e-6, 1e5),
        words.number("TGROUP", 1e-6, 1e6),
    )
    expected_s = (n_frames + n_dropped) * frame_s
    if abs(group_s - expected_s) > 1e-3 * expected_s:
        what = f"TGROUP {group_s} s contradicts TFRAME {frame_s} s ({expected_s:g} s)"
        raise InputError(str(path), what, ORIGINAL)
    size = (
        words.count("SUBSIZE2", 1, _FULL_SIZE),
        words.count("SUBSIZE1", 1, _FULL_SIZE),
    )
    n_rows, n_cols = shape or size
    return Readout(
        pattern=pattern,
        n_ints=_integrations(path, words, cards),
        n_groups=words.count("NGROUPS", 1, 10000),
        n_frames=n_frames,
        n_dropped=n_dropped,
        frame_s=frame_s,
        group_s=group_s,
        subarray=words.text("SUBARRAY"),
        row_start=words.count("SUBSTRT2", 1, _FULL_SIZE) - 1,
        col_start=words.count("SUBSTRT1", 1, _FULL_SIZE) - 1,
        n_rows=n_rows,
        n_cols=n_cols,
        fast_axis=words.count("FASTAXIS", -1, 1),
        slow_axis=words.count("SLOWAXIS", -2, 2),
        n_outputs=_outputs(cards, frame_s, n_rows, n_cols),
    )


def _integrations(path: Path, words: _Keywords, cards: StoredCards) -> int:
    """Return the number of integrations in this file: of a segment, only its own."""
    n_ints = words.count("NINTS", 1, 100000)
    if cards.get("INTSTART") is None or cards.get("INTEND") is None:
        return n_ints
    first, last = words.count("INTSTART", 1, n_ints), words.count("INTEND", 1, n_ints)
    if last < first:
        what = f"INTEND {last} lies before INTSTART {first}"
        raise InputError(str(path), what, ORIGINAL)
    return last - first + 1


def _outputs(cards: StoredCards, frame_s: float, n_rows: int, n_cols: int) -> int:
    """Return the number of amplifiers: NOUTPUTS, or the number that fits the frame time.

    A row takes one 10 us tick per pixel and 12 more; a frame takes two further rows with one
    amplifier, one with four (full frame 10.73677 s, SUB320 1.06904 s).
    """
    if cards.get("NOUTPUTS") in (1, 4):
        return int(cards["NOUTPUTS"])
    if n_cols < _FULL_SIZE:
        return 1
    one = (n_cols + _LINE_OVERHEAD) * (n_rows + 2) * _PIXEL_S
    four = (n_cols / 4 + _LINE_OVERHEAD) * (n_rows + 1) * _PIXEL_S
    return 4 if abs(frame_s - four) < abs(frame_s - one) else 1


def _pointing(words: _Keywords) -> Pointing:
    """Read where the telescope looked; NIRCam lies within 600 arcsec of V1 in V2, V3."""
    return Pointing(
        ra_ref_deg=words.number("RA_REF", 0.0, 360.0),
        dec_ref_deg=words.number("DEC_REF", -90.0, 90.0),
        roll_ref_deg=words.number("ROLL_REF", -360.0, 360.0),
        v2_ref_arcsec=words.number("V2_REF", -600.0, 600.0),
        v3_ref_arcsec=words.number("V3_REF", -900.0, 0.0),
        v3i_yang_deg=words.number("V3I_YANG", -360.0, 360.0),
        vparity=_parity(words),
        va_scale=words.number("VA_SCALE", 0.999, 1.001),
    )


def _parity(words: _Keywords) -> int:
    """Read VPARITY, 1 or -1."""
    value = words.count("VPARITY", -1, 1)
    if value == 0:
        raise InputError(str(words.path), "VPARITY is 0, not 1 or -1", ORIGINAL)
    return value
