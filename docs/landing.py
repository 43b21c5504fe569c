"""Draw the picture of the README from what ``make demo`` leaves.

    python docs/landing.py demo

Writes ``docs/pictures/landing.png``: a raw exposure, the same calibrated, the field in colour.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pictures import FOLDER, INK, MARGIN_PX, PAPER
from PIL import Image, ImageDraw, ImageFont

from rampline.files.read import read_ramp, read_sky, stored_geometry

ROOT = "jw02736001001_02103_00001_nrcb1"
SIDE_PX, LABEL_PX = 320, 24


def grey(image: NDArray[np.float32]) -> Image.Image:
    """Return an image from 2 sigma below the sky to 40 above, asinh."""
    level = np.nanmedian(image)
    sigma = 1.4826 * np.nanmedian(np.abs(image - level))
    value = np.arcsinh((np.nan_to_num(image, nan=level) - level) / sigma + 2.0)
    shown = np.clip(value / np.arcsinh(42.0), 0.0, 1.0)
    return Image.fromarray(np.uint8(255 * shown)[::-1]).convert("RGB")


def draw(demo: Path) -> Image.Image:
    """Return the three panels beside each other."""
    samples = read_ramp(demo / "simulated/raw" / f"{ROOT}_uncal.fits").samples[0]
    cal = demo / "reduced/exposures" / f"{ROOT}_cal.fits"
    geometry = stored_geometry(cal)
    assert geometry is not None  # noqa: S101 - we have just written it
    (colour,) = (demo / "reduced/pictures").glob("*_colour.png")
    panels = (
        ("raw: last group minus first", grey(samples[-1] - samples[0].astype("f4"))),
        ("the same exposure, calibrated", grey(read_sky(cal, geometry).sky)),
        ("four dithers, two filters", Image.open(colour).convert("RGB")),
    )
    width = len(panels) * (SIDE_PX + MARGIN_PX) + MARGIN_PX
    sheet = Image.new("RGB", (width, SIDE_PX + LABEL_PX + 2 * MARGIN_PX), PAPER)
    pen = ImageDraw.Draw(sheet)
    for k, (label, panel) in enumerate(panels):
        place = MARGIN_PX + k * (SIDE_PX + MARGIN_PX), MARGIN_PX
        sheet.paste(panel.resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS), place)
        pen.text(
            (place[0], SIDE_PX + 2 * MARGIN_PX), label, INK, ImageFont.load_default(14)
        )
    return sheet


if __name__ == "__main__":
    drawn = draw(Path(sys.argv[1])).quantize(128, dither=Image.Dither.NONE)
    drawn.save(FOLDER / "landing.png", optimize=True)
