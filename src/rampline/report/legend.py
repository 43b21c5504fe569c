"""The strip below a picture: what it shows, its grey scale, its size on the sky and north."""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

ROWS = 48
"""Height of the strip, pixels."""
MARGIN, FONT, BAR = 8, 12, 110
"""Of the strip: margin, size of the letters, length of the grey scale; pixels."""
COMPASS = 12
"""Length of the arrows to north and east, pixels."""
LONGEST = 0.15
"""Longest ruler, of the width of the picture."""
INK, DIM = 235, 150
"""Shades of words and of lines."""


class Legend(NamedTuple):
    """What is said of a picture.

    NaN for size and angle: neither ruler nor arrows are drawn.
    """

    title: str
    unit: str = ""
    """Of the values."""
    scale_arcsec: float = math.nan
    """Size of a pixel of the plane, arcsec."""
    position_angle_deg: float = math.nan
    """Of the upward axis, from north through east, deg; east is left of north."""


class Shades(NamedTuple):
    """Values drawn black and white, and how those between them are drawn."""

    black: float
    white: float
    stretch: str


def legend_strip(
    legend: Legend, width: int, shades: Shades | None, magnification: float
) -> NDArray[np.uint8]:
    """Draw the strip.

    Parameters
    ----------
    legend : Legend
    width : int
        Of the picture, pixels.
    shades : Shades or None
        None where the picture is in colour.
    magnification : float
        Pixels of the picture for one of the plane.

    Returns
    -------
    (ROWS, width) uint8
        Grey, the upper row first.
    """
    # only where pictures are drawn
    from PIL import Image, ImageFont  # noqa: PLC0415
    from PIL.ImageDraw import Draw  # noqa: PLC0415

    image = Image.new("L", (width, ROWS), 0)
    pen = Draw(image)
    pen.font = ImageFont.load_default(FONT)
    pen.text((MARGIN, 4), legend.title, fill=INK)
    if shades is not None:
        _scale(pen, shades, legend.unit)
    right = width - MARGIN
    if math.isfinite(legend.position_angle_deg):
        right = _compass(pen, legend.position_angle_deg, right)
    if math.isfinite(legend.scale_arcsec):
        arcsec = legend.scale_arcsec / magnification
        length = round_length(LONGEST * width * arcsec)
        _ruler(pen, f'{length:g}"', round(length / arcsec), right)
    return np.asarray(image)


def round_length(longest: float) -> float:
    """Return the longest of 1, 2, 5, 10, ... that does not exceed a length."""
    decade = 10.0 ** math.floor(math.log10(longest))
    return float(decade * max(k for k in (1, 2, 5) if k * decade <= longest))


def compass_arrows(position_angle_deg: float) -> dict[str, tuple[float, float]]:
    """Return where north and east point, to the right and up, east being left of north.

    Parameters
    ----------
    position_angle_deg : float, deg
        Of the upward axis, from north through east.
    """
    angle = math.radians(position_angle_deg)
    north = (math.sin(angle), math.cos(angle))
    return {"N": north, "E": (-north[1], north[0])}


def _scale(pen: "ImageDraw", shades: Shades, unit: str) -> None:
    """Draw the grey scale between the values at its ends."""
    y = ROWS - FONT - 9
    black = f"{shades.black:.3g}"
    left = MARGIN + 6 + int(pen.textlength(black))
    pen.text((MARGIN, y), black, fill=INK)
    for k in range(BAR):
        shade = round(255 * k / (BAR - 1))
        pen.line([(left + k, y + 3), (left + k, y + FONT)], fill=shade)
    words = f"{shades.white:.3g} {unit} ({shades.stretch})"
    pen.text((left + BAR + 6, y), words, fill=INK)


def _compass(pen: "ImageDraw", angle_deg: float, right: int) -> int:
    """Draw the arrows; returns where the room to their left ends."""
    reach = COMPASS + FONT // 2 + 1
    x, y = right - reach, ROWS // 2
    for letter, (across, up) in compass_arrows(angle_deg).items():
        tip = (x + COMPASS * across, y - COMPASS * up)
        pen.line([(x, y), tip], fill=DIM)
        place = (x + reach * across, y - reach * up)
        pen.text(place, letter, fill=INK, anchor="mm")
    return right - 2 * reach - MARGIN


def _ruler(pen: "ImageDraw", words: str, pixels: int, right: int) -> None:
    """Draw a line with its length above."""
    y = ROWS - MARGIN
    pen.line([(right - pixels, y), (right, y)], fill=INK, width=2)
    pen.text((right - pixels / 2, y - 4), words, fill=INK, anchor="mb")
