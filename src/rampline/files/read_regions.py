"""DS9 region files as users draw them: circles, ellipses, boxes and polygons.

Image coordinates (1-based in the file, 0-based here) or fk5 and icrs, which differ by less
than a pixel. A minus before a shape, or ``include=0``, forbids. Markers without an area,
which DS9 writes behind ``#``, are no regions. What else stands there is refused rather
than guessed: a mask at the wrong place is worse than none.
"""

import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Final

from ..errors import InputError
from ..exposure.drawn import DrawnRegion, Shape

ON_SKY: Final = {
    "image": False,
    "physical": False,
    "fk5": True,
    "icrs": True,
    "j2000": True,
}
"""Coordinate systems that are read; the archive's images have no other physical one."""
N_SIZES: Final[dict[Shape, int]] = {"circle": 1, "ellipse": 2, "box": 2, "polygon": 0}
_REMEDY: Final = "save it from DS9 in image, fk5 or icrs coordinates"
_STATEMENT: Final = re.compile(
    r"([+-]?)\s*([a-z]+)\s*(?:\((.*)\)|\s(.*))", re.IGNORECASE
)
_TEXT: Final = re.compile(r"text=(?:\{(.*?)\}|\"(.*?)\"|'(.*?)')")
_SEXAGESIMAL: Final = re.compile(
    r"([+-]?)(\d+)[:hd](\d+)[:m](\d+(?:\.\d*)?)s?", re.IGNORECASE
)
_ARCSEC: Final = {'"': 1.0, "'": 60.0, "d": 3600.0}


def read_regions(path: Path) -> tuple[DrawnRegion, ...]:
    """Read a DS9 region file.

    Raises
    ------
    InputError
        One line: which line of the file cannot be understood, and why.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(str(path), "no DS9 region file: it is not text") from error
    found: list[DrawnRegion] = []
    system = ""
    for number, line in enumerate(lines, 1):
        statements, _, remark = line.partition("#")
        try:
            for text in filter(None, map(str.strip, statements.split(";"))):
                if text.lower() in ON_SKY:
                    system = text.lower()
                elif not text.startswith("global "):
                    found.append(_region(text, system, remark))
        except ValueError as error:
            raise InputError(str(path), f"line {number}: {error}", _REMEDY) from error
    return tuple(found)


def _region(text: str, system: str, remark: str) -> DrawnRegion:
    """Read one shape; a ValueError says what is wrong."""
    match = _STATEMENT.fullmatch(text.removesuffix("||").strip())
    if match is None:
        raise ValueError(f"{text[:40]!r} is no region")
    sign, word, inside, rest = match.groups()
    shape = _shape(word.lower())
    if not system:
        raise ValueError("a region before its coordinate system")
    on_sky, words = ON_SKY[system], re.split(r"[\s,]+", (inside or rest or "").strip())
    n_places = len(words) if shape == "polygon" else 2
    n_known = n_places + N_SIZES[shape]
    n_angles = 1 if shape in {"ellipse", "box"} else 0
    too_few = shape == "polygon" and (n_places < 6 or n_places % 2 == 1)
    if too_few or not n_known <= len(words) <= n_known + n_angles:
        raise ValueError(f"{len(words)} numbers make no {shape}")
    angle = words[n_known].removesuffix("d") if len(words) > n_known else "0"
    return DrawnRegion(
        shape=shape,
        on_sky=on_sky,
        places=_places(words[:n_places], on_sky=on_sky),
        sizes=tuple(_size(word, on_sky=on_sky) for word in words[n_places:n_known]),
        angle_deg=_number(angle),
        is_forbidden=sign == "-" or re.search(r"\binclude=0\b", remark) is not None,
        label=_label(remark),
    )


def _shape(word: str) -> Shape:
    for shape in N_SIZES:
        if word == shape:
            return shape
    known = ", ".join(N_SIZES)
    raise ValueError(
        f"{word!r} is neither {known} nor a coordinate system that is read"
    )


def _places(words: list[str], *, on_sky: bool) -> tuple[tuple[float, float], ...]:
    """Return pairs of positions, 0-based pixels or degrees."""
    if on_sky:
        values = [_degrees(word, is_ra=k % 2 == 0) for k, word in enumerate(words)]
        if any(abs(dec) > 90.0 for dec in values[1::2]):
            raise ValueError("a declination beyond a pole")
    else:
        values = [_number(word.rstrip("ip")) - 1.0 for word in words]
    return tuple(pair for k, pair in enumerate(pairwise(values)) if k % 2 == 0)


def _degrees(word: str, *, is_ra: bool) -> float:
    """Return an angle given as degrees or as hours or degrees, minutes and seconds."""
    match = _SEXAGESIMAL.fullmatch(word)
    if match is None:
        return _number(word.removesuffix("d"))
    sign, whole, minutes, seconds = match.groups()
    angle = float(whole) + float(minutes) / 60.0 + float(seconds) / 3600.0
    in_hours = is_ra and "d" not in word.lower()
    return (-angle if sign == "-" else angle) * (15.0 if in_hours else 1.0)


def _size(word: str, *, on_sky: bool) -> float:
    """Return a size in pixels, or in arcsec on the sky, where a bare number is degrees."""
    if on_sky:
        unit = word[-1:] if word[-1:] in _ARCSEC else ""
        size = _number(word.removesuffix(unit)) * _ARCSEC[unit or "d"]
    else:
        size = _number(word.rstrip("ip"))
    if size <= 0:
        raise ValueError(f"{word!r} is no size")
    return size


def _number(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        raise ValueError(f"{word!r} is no number") from None
    if not math.isfinite(value):
        raise ValueError(f"{word!r} is no number")
    return value


def _label(remark: str) -> str:
    match = _TEXT.search(remark)
    return (
        ""
        if match is None
        else next(text for text in match.groups() if text is not None)
    )
