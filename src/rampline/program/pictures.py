"""Draw the products as they are made: pictures beside every file."""

from pathlib import Path

import numpy as np

from ..exposure.records import Mosaic, SkyImage, SlopeImage
from ..files.fits_output import whole_file
from ..report.pictures import colour_picture, picture


def draw_slope(folder: Path, root: str, slope: SlopeImage) -> None:
    """Draw slopes and, where they were removed, the stripes."""
    _save(folder / f"{root}_rate.png", picture(slope.planes.slope))
    stripes = slope.extras.get("STRIPES")
    if stripes is not None:
        _save(folder / f"{root}_stripes.png", picture(stripes, high_sigma=3.0))


def draw_sky(folder: Path, root: str, sky: SkyImage) -> None:
    """Draw a calibrated image."""
    _save(folder / f"{root}_cal.png", picture(sky.sky))


def draw_mosaic(folder: Path, mosaic: Mosaic) -> None:
    """Draw a mosaic and its weights."""
    _save(folder / f"{mosaic.name}_i2d.png", picture(mosaic.sky))
    _save(folder / f"{mosaic.name}_wht.png", picture(mosaic.weight, low_sigma=10.0))


def draw_colour(folder: Path, name: str, mosaics: list[Mosaic]) -> None:
    """Draw up to three mosaics of one grid, ordered by wavelength, in colour."""
    planes = [mosaic.sky for mosaic in mosaics]
    middle = planes[len(planes) // 2]
    if len(planes) == 2:
        middle = np.asarray((planes[0] + planes[1]) / 2, np.float32)
    _save(folder / f"{name}_colour.png", colour_picture(planes[0], middle, planes[-1]))


def _save(path: Path, png: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as beside:
        beside.write_bytes(png)
