"""Reading mosaics back, ours or those of `jwst`, and the cards of any image."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..exposure.grid import Grid
from ..exposure.header import Card, CardValue, Header
from ..exposure.records import Mosaic, Plane, TableData
from .accepted import refuse_foreign
from .fits_layout import (
    ORIGINAL,
    Hdu,
    find_hdu,
    read_table,
    scan_fits,
)
from .headers import typed_header
from .mosaic_headers import is_exposure_science
from .names import parse_product
from .planes import check_unit, find_science, read_or_map, read_plane
from .stored_cards import StoredCards


def read_image_cards(path: Path) -> tuple[dict[str, CardValue], tuple[int, int]]:
    """Read the cards and the shape of an image: SCI, or the first with pixels.

    Parameters
    ----------
    path : Path
        Any FITS file: a mosaic, or a grid that the user gives.

    Returns
    -------
    cards : dict
    shape : (int, int)
        Rows and columns.

    Raises
    ------
    InputError
        A file that is no FITS file or has no image.
    """
    hdus = scan_fits(path)
    images = [hdu for hdu in hdus if not hdu.is_table and len(hdu.shape) == 2]
    image = find_hdu(tuple(images), "SCI") or next(iter(images), None)
    if image is None:
        raise InputError(str(path), "no image in this file", "give an _i2d mosaic")
    return dict(image.header), (image.shape[0], image.shape[1])


def read_surface(path: Path) -> Plane:
    """Read only the surface brightness of a mosaic, (rows, cols) float32, MJy/sr.

    Raises
    ------
    InputError
        A file without it.
    """
    hdus = scan_fits(path)
    plane: Plane = read_plane(path, hdus, "SCI")
    return plane


def read_mosaic(
    path: Path, grid: Grid, computed: Collection[str] | None = None
) -> Mosaic:
    """Read an ``_i2d`` mosaic.

    Parameters
    ----------
    path : Path
    grid : Grid
        As its cards describe it (`read_image_cards`).
    computed : collection of str, optional
        As in `read_or_map`.

    Returns
    -------
    Mosaic
        Exposure times are NaN where the file, not being ours, has none.

    Raises
    ------
    InputError
        A file that is no whole mosaic.
    """
    hdus = scan_fits(path)
    name = parse_product(path.name)
    cards = hdus[0].header
    refuse_foreign(str(path), cards, name.suffix)
    science, context = find_science(path, hdus), find_hdu(hdus, "CON")
    check_unit(path, science, "MJy/sr", "mosaic", (2,))
    if context is None:
        what = "no mosaic (it has no CON extension)"
        raise InputError(str(path), what, "give an _i2d mosaic")
    for keyword, place in (
        *((word, cards) for word in ("FILTER", "PUPIL", "CHANNEL")),
        ("PIXAR_SR", science.header),
    ):
        if keyword not in place:
            what = f"{keyword} is missing from the header"
            raise InputError(str(path), what, ORIGINAL)

    read = read_or_map(computed)

    def plane(name: str, fill: float | None = None) -> NDArray[Any]:
        return read_plane(path, hdus, name, fill, read=read)

    return Mosaic(
        grid=grid,
        filter=cards["FILTER"],
        pupil=cards["PUPIL"],
        channel=cards["CHANNEL"],
        name=name.root,
        sky=plane("SCI"),
        err=plane("ERR"),
        weight=plane("WHT"),
        exposure_s=plane("EXPOSURE", np.nan),
        context=read(path, context),
        var_poisson=plane("VAR_POISSON"),
        var_read=plane("VAR_RNOISE"),
        var_flat=plane("VAR_FLAT", 0.0),
        pixel_area_sr=float(science.header["PIXAR_SR"]),
        headers=_inputs(path, hdus, science),
    )


def _inputs(path: Path, hdus: tuple[Hdu, ...], science: Hdu) -> tuple[Header, ...]:
    """Make the headers of the inputs out of HDRTAB."""
    table = find_hdu(hdus, "HDRTAB")
    if table is None:
        return ()
    rows = read_table(path, table)
    of_science = {
        name
        for name in rows.dtype.names or ()
        if name in science.header or is_exposure_science(name)
    }
    comments = {
        card.keyword: card.comment
        for card in (*hdus[0].header.cards, *science.header.cards)
    }
    return tuple(_input(path, row, of_science, comments) for row in rows)


def _input(
    path: Path, row: TableData, of_science: set[str], comments: dict[str, str]
) -> Header:
    """Make the header of one input out of its row, with the mosaic's comments."""
    primary: list[Card] = []
    science: list[Card] = []
    for name in row.dtype.names or ():
        value = row[name].item()
        if isinstance(value, bytes):
            value = value.decode("ascii")
        if value != "":
            card = Card(name, value, comments.get(name, ""))
            (science if name in of_science else primary).append(card)
    cards = StoredCards(primary)
    own = path.with_name(Path(str(cards.get("FILENAME", path.name))).name)
    return typed_header(own, cards, StoredCards(science))
