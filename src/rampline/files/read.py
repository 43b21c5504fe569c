"""Reading raw exposures, slope images and sky images, ours or those of `jwst`.

Every file is scanned first: one that is truncated, foreign, incomplete or contradicts itself
is refused in one line before a pixel is read. Pixels come in this machine's byte order.
"""

from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..exposure.geometry import Geometry
from ..exposure.header import Header
from ..exposure.records import (
    Ramp,
    SkyImage,
    SlopeImage,
    SlopePlanes,
)
from .embedded import ASDF_HDU, embedded_sha256, read_embedded_wcs
from .fits_layout import (
    ORIGINAL,
    FileStamp,
    file_stamp,
    find_hdu,
    read_bytes,
    read_image,
    scan_fits,
)
from .geometry_table import GEOMETRY_HDU, geometry_from_table, stored_sha256
from .headers import typed_header
from .planes import (
    SKY_HDUS,
    SLOPE_HDUS,
    check_axes,
    check_subarray,
    check_unit,
    find_table,
    is_subtracted,
    open_exposure,
    read_background,
    read_extras,
    read_or_map,
    read_photometry,
    read_plane,
    read_slope_planes,
)


def read_header(path: Path) -> Header:
    """Read the header of an exposure, without its pixels.

    Parameters
    ----------
    path : Path
        Level 1b, ``_rate``, ``_rateints``, ``_cal``, ``_calints`` or ``_crf``.

    Raises
    ------
    InputError
        A file that cannot be reduced: one line with what is wrong and what to do.
    """
    try:
        return _header(path, file_stamp(path))
    except OSError as error:
        what = f"cannot be read ({error.strerror or error})"
        raise InputError(str(path), what) from error


@lru_cache(maxsize=64)
def _header(path: Path, _stamp: FileStamp) -> Header:
    """Read a header; cached for as long as the file has the same stamp."""
    hdus, science = open_exposure(path)
    header = typed_header(path, hdus[0].header, science.header, science.shape[-2:])
    if len(science.shape) == 4:
        check_axes(path, header, science)
    return header


def read_ramp(path: Path, buffer: NDArray[np.uint16] | None = None) -> Ramp:
    """Read a raw exposure.

    Parameters
    ----------
    path : Path
        Level 1b (``_uncal``), with or without ZEROFRAME, tables and ASDF extension.
    buffer : (ints, groups, rows, cols) uint16, optional
        Filled and used for the samples where its shape fits: touching fresh memory costs
        ten times the reading.

    Returns
    -------
    Ramp
        Samples and zero frame as uint16, DN.

    Raises
    ------
    InputError
        A file that is no whole raw exposure of NIRCam's imaging.
    """
    hdus, science = open_exposure(path)
    if len(science.shape) != 4 or science.unsigned_offset != 1 << 15:
        model = hdus[0].header.get("DATAMODL", "of unknown kind")
        bits = int(science.header["BITPIX"])
        kind = "floating point" if bits < 0 else "integer"
        what = (
            f"no raw exposure but {model}: SCI holds {abs(bits)} bit {kind} numbers on"
            f" {len(science.shape)} axes, not a detector's 16 bit counts on 4"
        )
        raise InputError(str(path), what, "give the _uncal file")
    header = typed_header(path, hdus[0].header, science.header, science.shape[-2:])
    check_axes(path, header, science)
    zero = find_hdu(hdus, "ZEROFRAME")
    shape = (science.shape[0], *science.shape[2:])
    if zero is not None and zero.shape != shape:
        what = f"ZEROFRAME {zero.shape} does not fit SCI {shape}"
        raise InputError(str(path), what, ORIGINAL)
    return Ramp(
        header=header,
        samples=read_image(path, science, buffer),
        zero_frame=None if zero is None else read_image(path, zero),
        group_times=find_table(path, hdus, "GROUP"),
        int_times=find_table(path, hdus, "INT_TIMES"),
    )


def read_slope(path: Path, *, integrations: bool = False) -> SlopeImage:
    """Read a ``_rate`` image, ours or of `jwst`.

    Parameters
    ----------
    path : Path
    integrations : bool
        Whether ``_rateints`` beside it is read too.

    Raises
    ------
    InputError
        A file that is no whole slope image, or a missing ``_rateints``.
    """
    hdus, science = open_exposure(path)
    check_unit(path, science, "DN/s", "slope image", (2,))
    header = typed_header(path, hdus[0].header, science.header)
    check_subarray(path, header, science)
    beside = path.with_name(path.name.replace("_rate.fits", "_rateints.fits"))
    return SlopeImage(
        header=header,
        planes=read_slope_planes(path, hdus),
        integrations=read_slope_ints(beside) if integrations else None,
        int_times=find_table(path, hdus, "INT_TIMES"),
        extras=read_extras(path, hdus, SLOPE_HDUS),
    )


def read_slope_ints(path: Path) -> SlopePlanes:
    """Read the slopes of each integration, ``_rateints``.

    Returns
    -------
    SlopePlanes of (ints, rows, cols)

    Raises
    ------
    InputError
        A file that holds no slopes per integration.
    """
    hdus, science = open_exposure(path)
    check_unit(path, science, "DN/s", "set of slope images", (3,))
    header = typed_header(path, hdus[0].header, science.header)
    check_subarray(path, header, science)
    return read_slope_planes(path, hdus)


def read_sky(
    path: Path, geometry: Geometry, computed: Collection[str] | None = None
) -> SkyImage:
    """Read a ``_cal`` or ``_crf`` image, or a ``_calints``, ours or of `jwst`.

    Cut-outs are read too: rows and columns are then those of the image. The planes of a
    ``_calints`` have the integrations as first axis. Variances are zero and areas one where
    the file has none.

    Parameters
    ----------
    path : Path
    geometry : Geometry
        As `stored_geometry` returns it, or made from the WCS (`read_gwcs`).
    computed : collection of str, optional
        As in `read_or_map`.

    Raises
    ------
    InputError
        A file that is no whole sky image in MJy/sr.
    """
    hdus, science = open_exposure(path)
    check_unit(path, science, "MJy/sr", "sky image", (2, 3))
    read = read_or_map(computed)

    def plane(name: str, fill: float | None = None, n_axes: int = 0) -> NDArray[Any]:
        return read_plane(path, hdus, name, fill, n_axes, read)

    return SkyImage(
        header=read_header(path),
        sky=read(path, science),
        err=plane("ERR"),
        var_poisson=plane("VAR_POISSON", 0.0),
        var_read=plane("VAR_RNOISE", 0.0),
        var_flat=plane("VAR_FLAT", 0.0),
        flags=plane("DQ"),
        area=plane("AREA", 1.0, 2),
        photometry=read_photometry(path, science.header),
        geometry=geometry,
        background_mjy_sr=read_background(hdus[0].header),
        background_subtracted=is_subtracted(hdus[0].header),
        extras=read_extras(path, hdus, SKY_HDUS, read),
    )


def stored_geometry(path: Path) -> Geometry | None:
    """Read our geometry; None where there is none, or another tool has replaced the WCS."""
    hdus = scan_fits(path)
    table, embedded = find_hdu(hdus, GEOMETRY_HDU), find_hdu(hdus, ASDF_HDU)
    if table is None or embedded is None:
        return None
    if stored_sha256(table.header) != embedded_sha256(read_bytes(path, embedded)):
        return None
    return geometry_from_table(read_image(path, table), table.header)


def read_gwcs(path: Path) -> Any:
    """Read the GWCS of a calibrated image or mosaic.

    Returns
    -------
    gwcs.WCS

    Raises
    ------
    InputError
        A file without one.
    """
    return read_embedded_wcs(path, read_wcs_tree(path))


def read_wcs_tree(path: Path) -> bytes:
    """Read the ASDF extension with the WCS of a calibrated image or mosaic, as it stands.

    Raises
    ------
    InputError
        A file without one.
    """
    embedded = find_hdu(scan_fits(path), ASDF_HDU)
    if embedded is None:
        raise InputError(
            str(path), "no ASDF extension, hence no WCS", "calibrate it again"
        )
    return read_bytes(path, embedded)
