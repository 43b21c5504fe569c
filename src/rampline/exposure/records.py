"""Ramp, slope image, sky image, mosaic, scene: what the steps take and give."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .geometry import Geometry
from .grid import Grid
from .header import Header

Plane: TypeAlias = NDArray[np.float32]
Flags8: TypeAlias = NDArray[np.uint8]
Flags32: TypeAlias = NDArray[np.uint32]
Labels: TypeAlias = NDArray[np.int32]
TableData: TypeAlias = NDArray[np.void]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """One exposure, up the ramp, as it comes from the archive.

    Attributes
    ----------
    header : Header
    samples : (ints, groups, rows, cols) uint16 or float32, DN
    zero_frame : (ints, rows, cols) uint16 or float32, DN, or None
        First read of each integration, where the file has it.
    group_times, int_times : record arrays or None
        The GROUP and INT_TIMES tables, unread.
    """

    header: Header
    samples: NDArray[np.uint16] | Plane
    zero_frame: NDArray[np.uint16] | Plane | None = None
    group_times: TableData | None = None
    int_times: TableData | None = None

    def __post_init__(self) -> None:
        """Check the shapes against the header, once."""
        readout = self.header.readout
        expected = (readout.n_ints, readout.n_groups, readout.n_rows, readout.n_cols)
        if self.samples.shape != expected:
            raise ValueError(f"samples {self.samples.shape}, header says {expected}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlopePlanes:
    """Slopes with their errors, of an exposure or, with a first axis, of its integrations.

    Attributes
    ----------
    slope : float32, DN/s
        NaN where DO_NOT_USE.
    err : float32, DN/s
        Root of the sum of the variances.
    var_poisson, var_read : float32, (DN/s)**2
    flags : uint32
    """

    slope: Plane
    err: Plane
    var_poisson: Plane
    var_read: Plane
    flags: Flags32


@dataclass(frozen=True, slots=True, kw_only=True)
class SlopeImage:
    """One exposure as count rates, DN/s.

    Attributes
    ----------
    header : Header
    planes : SlopePlanes of (rows, cols)
    integrations : SlopePlanes of (ints, rows, cols), or None where not kept
    int_times : record array or None
    extras : mapping of name to array
        Further planes that become extensions of their own: removed stripes (STRIPES, DN/s),
        goodness of fit (CHI2), artifact bits (ARTIFACT, uint32) and what later steps add.
    """

    header: Header
    planes: SlopePlanes
    integrations: SlopePlanes | None = None
    int_times: TableData | None = None
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Photometry:
    """How counts became surface brightness.

    Attributes
    ----------
    mjy_sr_per_dn_s : float
        PHOTMJSR, with the time dependence in it.
    pixel_area_sr : float, sr
        Nominal pixel area, PIXAR_SR.
    """

    mjy_sr_per_dn_s: float
    pixel_area_sr: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SkyIntegrations:
    """Surface brightness of each integration of a time series, MJy/sr.

    Attributes
    ----------
    sky, err : (ints, rows, cols) float32, MJy/sr
    var_poisson, var_read, var_flat : (ints, rows, cols) float32, (MJy/sr)**2
    flags : (ints, rows, cols) uint32
    int_times : record array or None
    """

    sky: Plane
    err: Plane
    var_poisson: Plane
    var_read: Plane
    var_flat: Plane
    flags: Flags32
    int_times: TableData | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SkyImage:
    """One exposure as surface brightness, MJy/sr.

    Attributes
    ----------
    header : Header
    sky, err : (rows, cols) float32, MJy/sr
    var_poisson, var_read, var_flat : (rows, cols) float32, (MJy/sr)**2
    flags : (rows, cols) uint32
    area : (rows, cols) float32
        Pixel area over the nominal one.
    photometry : Photometry
    geometry : Geometry
        Where each pixel looks.
    background_mjy_sr : float
        Level of the sky measured with sources masked; NaN where not measured.
    background_subtracted : bool
    integrations : SkyIntegrations or None
        Kept for time series.
    extras : mapping of name to array
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
    geometry: Geometry
    background_mjy_sr: float = float("nan")
    background_subtracted: bool = False
    integrations: SkyIntegrations | None = None
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mosaic:
    """One filter on the common grid.

    Attributes
    ----------
    grid : Grid
    filter, pupil, channel : str
    name : str
        Product root, for example ``jw02736-smacs0723_nircam_f200w``.
    sky, err : (rows, cols) float32, MJy/sr
        NaN where no exposure contributes.
    weight : (rows, cols) float32
        Sum of the inverse-variance weights (WHT).
    exposure_s : (rows, cols) float32, s
    context : (planes, rows, cols) int32
        Bit ``k % 32`` of plane ``k // 32`` is set where input ``k`` contributes (CON).
    var_poisson, var_read, var_flat : (rows, cols) float32, (MJy/sr)**2
    pixel_area_sr : float, sr
    headers : tuple of Header
        The inputs, in the order of the context bits.
    """

    grid: Grid
    filter: str
    pupil: str
    channel: str
    name: str
    sky: Plane
    err: Plane
    weight: Plane
    exposure_s: Plane
    context: NDArray[np.int32]
    var_poisson: Plane
    var_read: Plane
    var_flat: Plane
    pixel_area_sr: float
    headers: tuple[Header, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the draft mosaic says about one exposure's field: the input of round 2.

    Attributes
    ----------
    sky : (rows, cols) float32, MJy/sr
        The draft mosaic blotted back to the exposure's pixels; NaN outside of it.
    is_source : (rows, cols) bool
        True on pixels that sources reach.
    """

    sky: Plane
    is_source: NDArray[np.bool_]
