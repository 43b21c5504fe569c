"""Templates of wisps that the user supplies: which file is for an exposure, and its planes.

A file belongs to a detector and filter whose names stand in its own, as in STScI's
``WISP_NRCB4_F200W_CLEAR.fits``. Extension CAL (MJy/sr, flat-fielded) is read, else RATE (DN/s,
with the flat in it), else the first image, taken as CAL; several components are one file each,
or the planes of a cube.
"""

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from ..errors import InputError
from ..exposure.header import Header
from ..exposure.planes import SkyPlanes
from ..exposure.records import Plane
from .fits_layout import Hdu, find_hdu, read_image, scan_fits

EXTENSIONS: Final = ("CAL", "RATE")
FULL_SIDE: Final = 2048


class SuppliedLight(NamedTuple):
    """Templates for one detector and filter."""

    paths: tuple[Path, ...]
    problems: tuple[str, ...]
    """One line for each file that cannot be used."""


def find_supplied(folder: str, header: Header) -> SuppliedLight:
    """Find the templates of an exposure's detector and filter.

    Parameters
    ----------
    folder : str
        Empty: none are supplied.
    header : Header

    Returns
    -------
    SuppliedLight
        Files that are corrupt or of another size are problems, and so is a folder that
        is not there.
    """
    if not folder:
        return SuppliedLight((), ())
    if not Path(folder).is_dir():
        return SuppliedLight((), (f"{folder}: no such folder of wisp templates",))
    paths, problems = [], []
    for path in sorted(Path(folder).glob("*.fits")):
        words = path.stem.upper().replace("-", "_").split("_")
        if header.detector in words and header.filter in words:
            try:
                _light_hdu(path)
            except InputError as error:
                problems.append(f"wisp template left out: {error}")
            else:
                paths.append(path)
    return SuppliedLight(tuple(paths), tuple(problems))


def read_supplied(
    paths: tuple[Path, ...], header: Header, references: SkyPlanes
) -> Plane:
    """Read templates as flat-fielded slopes.

    Parameters
    ----------
    paths : tuple of Path
        Of `find_supplied`; at least one.
    header : Header
        Its subarray is cut out.
    references : SkyPlanes
        Flat and flux conversion of the exposures.

    Returns
    -------
    (components, rows, cols) float32, DN/s
        0 where unknown.
    """
    scale, readout = references.mjy_sr_per_dn_s, header.readout
    first_row, first_col = readout.row_start, readout.col_start
    rows = slice(first_row, first_row + readout.n_rows)
    cols = slice(first_col, first_col + readout.n_cols)
    found = []
    for path in paths:
        hdu = _light_hdu(path)
        planes = np.asarray(read_image(path, hdu), np.float32)
        planes = planes.reshape(-1, *hdu.shape[-2:])[:, rows, cols]
        with np.errstate(divide="ignore", invalid="ignore"):
            is_rate = hdu.name == "RATE"
            planes = planes / (references.flat if is_rate else np.float32(scale))
        found.append(np.nan_to_num(planes, nan=0.0, posinf=0.0, neginf=0.0))
    return np.concatenate(found)


def _light_hdu(path: Path) -> Hdu:
    """Return the extension with the light.

    Raises
    ------
    InputError
        A file that is corrupt, has no image, or one that is no full frame.
    """
    hdus = scan_fits(path)
    named = (find_hdu(hdus, name) for name in EXTENSIONS)
    images = (h for h in hdus if not h.is_table and h.header["NAXIS"] in {2, 3})
    hdu = next((h for h in named if h is not None), None) or next(images, None)
    if hdu is None:
        raise InputError(str(path), "no image", "give an image of a full frame")
    if hdu.shape[-2:] != (FULL_SIDE, FULL_SIDE):
        size = " x ".join(map(str, hdu.shape))
        what = f"{size} pixels, not a full frame of {FULL_SIDE}"
        raise InputError(str(path), what, "give an image of a full frame")
    return hdu
