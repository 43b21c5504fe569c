"""Reading raw exposures, slope images and sky images, ours or those of `jwst`.

Every file is scanned first: what is truncated, foreign, incomplete or contradicts itself
is refused in one line before a pixel is read. Pixels come in this machine's byte order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..exposure.geometry import Geometry
from ..exposure.header import Header
from ..exposure.records import (
    Flags32,
    Photometry,
    Plane,
    Ramp,
    SkyImage,
    SlopeImage,
    SlopePlanes,
    TableData,
)
from .embedded import ASDF_HDU, embedded_sha256, read_embedded_wcs
from .fits_layout import Hdu, find_hdu, read_bytes, read_image, read_table, scan_fits
from .geometry_table import GEOMETRY_HDU, geometry_from_table, stored_sha256
from .headers import typed_header

_OWN_TABLES: Final = ("PARAMETERS", "PROVENANCE", GEOMETRY_HDU, ASDF_HDU, "HDRTAB")
_SLOPE_HDUS: Final = ("SCI", "ERR", "DQ", "VAR_POISSON", "VAR_RNOISE", "INT_TIMES")
_SKY_HDUS: Final = (*_SLOPE_HDUS, "AREA", "VAR_FLAT")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSky:
    """A sky image as a file has it: its geometry is ours, or a WCS to be converted.

    Attributes
    ----------
    header : Header
    sky, err, var_poisson, var_read, var_flat, area : (rows, cols) float32
        As in `SkyImage`; zero variances and unit area where the file has none.
    flags : (rows, cols) uint32
    photometry : Photometry
    background_mjy_sr : float
    background_subtracted : bool
    extras : mapping of name to array
    geometry : Geometry or None
        As stored by us; None where the file has none, or where another tool has since
        replaced the WCS.
    path : Path
        Where `read_gwcs` finds the WCS if ``geometry`` is None.
    """

    header: Header
    sky: Plane
    err: Plane
    var_poisson: Plane
    var_read: Plane
    var_flat: Plane
    flags: Flags32
    area: Plane
    photometry: Photometry
    background_mjy_sr: float
    background_subtracted: bool
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    geometry: Geometry | None
    path: Path

    def image(self, geometry: Geometry) -> SkyImage:
        """Return the sky image that looks where ``geometry`` says."""
        return SkyImage(
            header=self.header,
            sky=self.sky,
            err=self.err,
            var_poisson=self.var_poisson,
            var_read=self.var_read,
            var_flat=self.var_flat,
            flags=self.flags,
            area=self.area,
            photometry=self.photometry,
            geometry=geometry,
            background_mjy_sr=self.background_mjy_sr,
            background_subtracted=self.background_subtracted,
            extras=self.extras,
        )


def read_header(path: Path) -> Header:
    """Read what the header of an exposure says, without its pixels.

    Parameters
    ----------
    path : Path
        Level 1b, ``_rate``, ``_rateints``, ``_cal``, ``_calints`` or ``_crf``.

    Returns
    -------
    Header

    Raises
    ------
    InputError
        A file that cannot be reduced: one line with what is wrong and what to do.
    """
    hdus = scan_fits(path)
    science = _science(path, hdus)
    header = typed_header(path, hdus[0].header, science.header, science.shape[-2:])
    if len(science.shape) == 4:
        _check_axes(path, header, science)
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
    hdus = scan_fits(path)
    science = _science(path, hdus)
    if len(science.shape) != 4 or science.unsigned_offset != 1 << 15:
        model = hdus[0].header.get("DATAMODL", "unknown")
        what = f"no raw exposure (DATAMODL {model}, SCI {science.shape})"
        raise InputError(str(path), what, "give the _uncal file")
    header = typed_header(path, hdus[0].header, science.header, science.shape[-2:])
    _check_axes(path, header, science)
    zero = find_hdu(hdus, "ZEROFRAME")
    shape = (science.shape[0], *science.shape[2:])
    if zero is not None and zero.shape != shape:
        raise InputError(str(path), f"ZEROFRAME {zero.shape} does not fit SCI {shape}")
    return Ramp(
        header=header,
        samples=read_image(path, science, buffer),
        zero_frame=None if zero is None else read_image(path, zero),
        group_times=_table(path, hdus, "GROUP"),
        int_times=_table(path, hdus, "INT_TIMES"),
    )


def read_slope(path: Path, *, integrations: bool = False) -> SlopeImage:
    """Read a ``_rate`` image, ours or of `jwst`.

    Parameters
    ----------
    path : Path
    integrations : bool
        Whether ``_rateints`` beside it is read too.

    Returns
    -------
    SlopeImage

    Raises
    ------
    InputError
        A file that is no whole slope image, or a missing ``_rateints``.
    """
    hdus = scan_fits(path)
    science = _science(path, hdus)
    _check_unit(path, science, ("DN/s",), "slope image", 2)
    header = typed_header(path, hdus[0].header, science.header)
    _check_subarray(path, header, science)
    beside = path.with_name(path.name.replace("_rate.fits", "_rateints.fits"))
    return SlopeImage(
        header=header,
        planes=_slope_planes(path, hdus),
        integrations=read_slope_ints(beside) if integrations else None,
        int_times=_table(path, hdus, "INT_TIMES"),
        extras=_extras(path, hdus, _SLOPE_HDUS),
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
    hdus = scan_fits(path)
    science = _science(path, hdus)
    _check_unit(path, science, ("DN/s",), "set of slope images", 3)
    header = typed_header(path, hdus[0].header, science.header)
    _check_subarray(path, header, science)
    return _slope_planes(path, hdus)


def read_sky(path: Path) -> StoredSky:
    """Read a ``_cal`` or ``_crf`` image, ours or of `jwst`.

    Cut-outs are read too: rows and columns are then those of the image.

    Returns
    -------
    StoredSky

    Raises
    ------
    InputError
        A file that is no whole sky image in MJy/sr.
    """
    hdus = scan_fits(path)
    science = _science(path, hdus)
    _check_unit(path, science, ("MJy/sr",), "sky image", 2)
    shape = science.shape
    cards = science.header
    header = typed_header(path, hdus[0].header, cards, shape)
    return StoredSky(
        header=header,
        sky=read_image(path, science),
        err=_plane(path, hdus, "ERR"),
        var_poisson=_plane(path, hdus, "VAR_POISSON", fill=0.0),
        var_read=_plane(path, hdus, "VAR_RNOISE", fill=0.0),
        var_flat=_plane(path, hdus, "VAR_FLAT", fill=0.0),
        flags=_plane(path, hdus, "DQ"),
        area=_plane(path, hdus, "AREA", fill=1.0),
        photometry=_photometry(path, cards),
        background_mjy_sr=_background(hdus[0].header),
        background_subtracted=hdus[0].header.get("BKGSUB") is True,
        extras=_extras(path, hdus, _SKY_HDUS),
        geometry=_geometry(path, hdus),
        path=path,
    )


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
    embedded = find_hdu(scan_fits(path), ASDF_HDU)
    if embedded is None:
        raise InputError(
            str(path), "no ASDF extension, hence no WCS", "calibrate it again"
        )
    return read_embedded_wcs(path, read_bytes(path, embedded))


def _science(path: Path, hdus: tuple[Hdu, ...]) -> Hdu:
    """Return the SCI extension."""
    science = find_hdu(hdus, "SCI")
    if science is None:
        # A foreign file is better named by its instrument than by what it lacks.
        typed_header(path, hdus[0].header, hdus[0].header)
        raise InputError(str(path), "no SCI extension")
    return science


def _check_axes(path: Path, header: Header, science: Hdu) -> None:
    """Hold the data's axes against the keywords, once for all."""
    readout = header.readout
    n_ints, n_groups = science.shape[:2]
    if n_groups == 0 or n_ints == 0:
        raise InputError(str(path), "no groups in the data")
    for keyword, said, found in (
        ("NGROUPS", readout.n_groups, n_groups),
        ("the number of integrations", readout.n_ints, n_ints),
    ):
        if said != found:
            what = f"the header says {keyword} {said}, the data have {found}"
            raise InputError(str(path), what)
    _check_subarray(path, header, science)


def _check_subarray(path: Path, header: Header, science: Hdu) -> None:
    """Hold rows and columns against SUBSIZE2 and SUBSIZE1."""
    cards = {card.keyword: card.value for card in header.primary}
    said = (cards.get("SUBSIZE2"), cards.get("SUBSIZE1"))
    if said != science.shape[-2:]:
        what = f"SUBSIZE2, SUBSIZE1 {said} contradict the data {science.shape[-2:]}"
        raise InputError(str(path), what)


def _check_unit(
    path: Path, science: Hdu, units: tuple[str, ...], kind: str, n_axes: int
) -> None:
    """Refuse images of another processing level."""
    unit = str(science.header.get("BUNIT", "no unit")).strip()
    if len(science.shape) != n_axes or unit not in units:
        what = f"no {kind} (SCI has {len(science.shape)} axes, in {unit})"
        raise InputError(str(path), what)


def _slope_planes(path: Path, hdus: tuple[Hdu, ...]) -> SlopePlanes:
    """Read the five planes of slopes."""
    return SlopePlanes(
        slope=_plane(path, hdus, "SCI"),
        err=_plane(path, hdus, "ERR"),
        var_poisson=_plane(path, hdus, "VAR_POISSON"),
        var_read=_plane(path, hdus, "VAR_RNOISE"),
        flags=_plane(path, hdus, "DQ"),
    )


def _plane(
    path: Path, hdus: tuple[Hdu, ...], name: str, fill: float | None = None
) -> NDArray[Any]:
    """Read a plane of the shape of SCI; an absent one is filled where that has a sense."""
    shape = _science(path, hdus).shape
    hdu = find_hdu(hdus, name)
    if hdu is None:
        if fill is None:
            raise InputError(str(path), f"no {name} extension")
        return np.full(shape, fill, np.float32)
    if hdu.shape != shape:
        raise InputError(str(path), f"{name} {hdu.shape} does not fit SCI {shape}")
    return read_image(path, hdu)


def _table(path: Path, hdus: tuple[Hdu, ...], name: str) -> TableData | None:
    """Read a table, or None where the file has none."""
    hdu = find_hdu(hdus, name)
    return None if hdu is None else read_table(path, hdu)


def _extras(
    path: Path, hdus: tuple[Hdu, ...], known: tuple[str, ...]
) -> dict[str, NDArray[Any]]:
    """Read the planes that are neither JWST's nor tables."""
    return {
        hdu.name: read_image(path, hdu)
        for hdu in hdus[1:]
        if not hdu.is_table and hdu.name not in (*known, *_OWN_TABLES)
    }


def _photometry(path: Path, cards: Mapping[str, Any]) -> Photometry:
    """Read the flux conversion."""
    factor, area = cards.get("PHOTMJSR"), cards.get("PIXAR_SR")
    if not (
        isinstance(factor, float) and isinstance(area, float) and factor * area > 0
    ):
        what = f"PHOTMJSR {factor} and PIXAR_SR {area} are not two positive numbers"
        raise InputError(str(path), what)
    return Photometry(mjy_sr_per_dn_s=factor, pixel_area_sr=area)


def _background(cards: Mapping[str, Any]) -> float:
    """Read the sky level; NaN where none is recorded."""
    level = cards.get("BKGLEVEL")
    return float(level) if isinstance(level, int | float) else float("nan")


def _geometry(path: Path, hdus: tuple[Hdu, ...]) -> Geometry | None:
    """Read our geometry unless the WCS was replaced after we wrote it."""
    table, embedded = find_hdu(hdus, GEOMETRY_HDU), find_hdu(hdus, ASDF_HDU)
    if table is None or embedded is None:
        return None
    if stored_sha256(table.header) != embedded_sha256(read_bytes(path, embedded)):
        return None
    return geometry_from_table(read_image(path, table), table.header)
