"""Draw the products as they are made: pictures beside every file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...astrometry.pixel_map import grid_from_cards
from ...astrometry.point_spread import PIXEL_ARCSEC
from ...exposure.header import Header
from ...exposure.records import Mosaic, SkyImage, SlopeImage
from ...files.names import optical_element
from ...files.read_mosaic import read_image_cards, read_surface
from ...files.whole_file import write_bytes
from ...report.legend import Legend
from ...report.pictures import (
    colour_picture,
    linear_picture,
    picture,
    reduction,
    shrink,
)

LIGHT = {
    "STRAY": ("stray", "stray light"),
    "PERSIST": ("persist", "afterglow"),
    "GRISM_SKY": ("grismsky", "sky"),
}
"""Light that may have been subtracted: ending of its picture's name, and what it is."""


def draw_slope(
    folder: Path, root: str, slope: SlopeImage, suffix: str = "rate"
) -> None:
    """Draw slopes and what was subtracted from them."""
    legend = _legend(root, slope.header, suffix, "DN/s")
    _save(folder / f"{root}_{suffix}.png", picture(slope.planes.slope, legend=legend))
    stripes = slope.extras.get("STRIPES")
    if stripes is not None:
        legend = _legend(root, slope.header, "stripes, subtracted", "DN/s")
        drawn = picture(stripes, high_sigma=3.0, legend=legend)
        _save(folder / f"{root}_stripes.png", drawn)
    for name, (ending, words) in LIGHT.items():
        path = folder / f"{root}_{ending}.png"
        light = slope.extras.get(name)
        if light is not None and np.any(light > 0):
            legend = _legend(root, slope.header, f"{words}, subtracted", "DN/s")
            _save(path, linear_picture(light, legend))
        else:
            path.unlink(missing_ok=True)


def draw_sky(folder: Path, root: str, sky: SkyImage) -> None:
    """Draw a calibrated image."""
    legend = _legend(root, sky.header, "cal", "MJy/sr")
    _save(folder / f"{root}_cal.png", picture(sky.sky, legend=legend))


def draw_mosaic(folder: Path, mosaic: Mosaic, release: Callable[[], None]) -> None:
    """Draw a mosaic and its weights; ``release`` lets go of what is mapped."""
    grid, name = mosaic.grid, mosaic.name
    scale = grid.scale_arcsec * reduction(mosaic.sky)
    sky, weight = (shrink(plane, release) for plane in (mosaic.sky, mosaic.weight))
    legend = Legend(f"{name} i2d", "MJy/sr", scale, grid.position_angle_deg)
    _save(folder / f"{name}_i2d.png", picture(sky, legend=legend))
    legend = legend._replace(title=f"{name} weight", unit="(MJy/sr)^-2")
    _save(folder / f"{name}_wht.png", linear_picture(weight, legend))


def draw_field(folder: Path, mosaics: list[Path]) -> None:
    """Draw the mosaics of a field, which share one grid, as one colour picture."""
    if len(mosaics) < 2:
        return
    mosaics = sorted(mosaics, key=_wavelength)
    bands = [path.name.rpartition("_nircam_")[2] for path in mosaics]
    bands = [band.partition("_")[0].upper() for band in bands]
    planes = [read_surface(path) for path in mosaics]
    middle, green = planes[len(planes) // 2], bands[len(planes) // 2]
    if len(planes) == 2:
        middle = np.asarray((planes[0] + planes[1]) / 2, np.float32)
        green = "mean of both"
    cards, shape = read_image_cards(mosaics[0])
    grid = grid_from_cards(cards, *shape)
    field = mosaics[0].name.partition("_nircam")[0]
    title = f"{field}   blue {bands[0]}, green {green}, red {bands[-1]}"
    legend = Legend(title, "", grid.scale_arcsec, grid.position_angle_deg)
    drawn = colour_picture(planes[0], middle, planes[-1], legend)
    _save(folder / f"{field}_colour.png", drawn)


def _legend(root: str, header: Header, what: str, unit: str) -> Legend:
    """Return what is said of an exposure: the sky as its header has it."""
    pointing = header.pointing
    element = optical_element(header.filter, header.pupil).upper()
    return Legend(
        f"{root}   {element} {what}",
        unit,
        PIXEL_ARCSEC[header.channel],
        pointing.roll_ref_deg + pointing.v3i_yang_deg,
    )


def _wavelength(mosaic: Path) -> str:
    """Return the filter's number, which orders mosaics by wavelength."""
    element = mosaic.name.rpartition("_nircam_")[2]
    return "".join(c for c in element.partition("_")[0] if c.isdigit())


def _save(path: Path, png: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, png)
