"""Draw the products as they are made: pictures beside every file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..exposure.records import Mosaic, SkyImage, SlopeImage
from ..files.fits_output import whole_file
from ..files.read_mosaic import read_surface
from ..report.pictures import colour_picture, picture, shrink


def draw_slope(folder: Path, root: str, slope: SlopeImage) -> None:
    """Draw slopes and, where they were removed, the stripes."""
    _save(folder / f"{root}_rate.png", picture(slope.planes.slope))
    stripes = slope.extras.get("STRIPES")
    if stripes is not None:
        _save(folder / f"{root}_stripes.png", picture(stripes, high_sigma=3.0))


def draw_sky(folder: Path, root: str, sky: SkyImage) -> None:
    """Draw a calibrated image."""
    _save(folder / f"{root}_cal.png", picture(sky.sky))


def draw_mosaic(folder: Path, mosaic: Mosaic, release: Callable[[], None]) -> None:
    """Draw a mosaic and its weights; ``release`` lets go of what is mapped."""
    sky, weight = (shrink(plane, release) for plane in (mosaic.sky, mosaic.weight))
    _save(folder / f"{mosaic.name}_i2d.png", picture(sky))
    _save(folder / f"{mosaic.name}_wht.png", picture(weight, low_sigma=10.0))


def draw_field(folder: Path, mosaics: list[Path]) -> None:
    """Draw the mosaics of a field, which share one grid, as one colour picture."""
    if len(mosaics) < 2:
        return
    planes = [read_surface(path) for path in sorted(mosaics, key=_wavelength)]
    middle = planes[len(planes) // 2]
    if len(planes) == 2:
        middle = np.asarray((planes[0] + planes[1]) / 2, np.float32)
    field = mosaics[0].name.partition("_nircam")[0]
    picture = colour_picture(planes[0], middle, planes[-1])
    _save(folder / f"{field}_colour.png", picture)


def _wavelength(mosaic: Path) -> str:
    """Return the filter's number, which orders mosaics by wavelength."""
    element = mosaic.name.rpartition("_nircam_")[2]
    return "".join(c for c in element.partition("_")[0] if c.isdigit())


def _save(path: Path, png: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as beside:
        beside.write_bytes(png)
