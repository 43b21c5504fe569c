"""Reference planes, cut to one exposure's subarray and in house units.

`reference/` fills them from CRDS files, the path hands their arrays to the steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .records import Flags32, Plane, SlopePlanes


class UsedFile(NamedTuple):
    """One reference file that entered a product."""

    kind: str
    """Reference type: ``superbias``, ``flat``, ..."""
    name: str
    """File name without folder."""
    sha1: str


class HeldCharge(NamedTuple):
    """What the traps of a detector hold at the start of an exposure."""

    row: NDArray[np.int32]
    """(n,), of the subarray."""
    col: NDArray[np.int32]
    charge_dn: NDArray[np.float32]
    """(kinds, n), DN: by the release times of ``detector.trapped_charge``."""
    relative_error: NDArray[np.float32]
    """(n,): of what each pixel releases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RampPlanes:
    """What calibrates a ramp.

    Attributes
    ----------
    full_well_dn : (rows, cols) float32, DN
        Saturation threshold of the raw counts; NaN where unknown or not to be checked.
    superbias_dn : (rows, cols) float32, DN
    linearity : (coefficients, rows, cols) float32
        Polynomial of the bias-subtracted counts, constant term first.
    dark_dn : (groups, rows, cols) float32, DN
        Dark ramp averaged to the exposure's readout pattern.
    dark_noise : float
        Variance of the dark over that of an exposure without light: one over the number
        of exposures that it is the mean of; 0 where that is not known.
    gain : (rows, cols) float32, e-/DN
        NaN where unknown.
    read_noise_dn : (rows, cols) float32, DN
        Noise of a single read (the file's CDS noise over the root of 2); NaN where unknown.
    gain_factor : float
        GAINFACT of the gain file: the on-board gain change of some exposures; 1 if none.
    ipc_kernel : (k, k) float32 or None
        The file's kernel, where IPC correction is asked for.
    dark_rate_dn_s : (rows, cols) float32, DN/s, or None
        Slope of the dark where it is significant, 0 elsewhere.
    average_dark_e_s : () or (rows, cols) float32, e-/s
        Mean dark current (AVDRKCUR of the dark file), whose photon-like noise stays in a
        dark-subtracted ramp; 0 where the file says none.
    flags : mapping of reference type to (rows, cols) uint32
        DQ planes of ``mask``, ``saturation``, ``superbias``, ``linearity``, ``dark``, in
        JWST's bits; all-zero planes are left out.
    flat : (rows, cols) float32 or None
        Response of each pixel, by which stripes are told from the sky's texture.
    held : HeldCharge or None
        Charge of earlier exposures, where the detector's ledger knows of any.
    files : tuple of UsedFile
    """

    full_well_dn: Plane
    superbias_dn: Plane
    linearity: NDArray[np.float32]
    dark_dn: NDArray[np.float32]
    gain: Plane
    read_noise_dn: Plane
    dark_noise: float = 0.0
    dark_rate_dn_s: Plane | None = None
    gain_factor: float = 1.0
    ipc_kernel: NDArray[np.float32] | None = None
    average_dark_e_s: NDArray[np.float32] = field(
        default_factory=lambda: np.zeros((), np.float32)
    )
    flags: Mapping[str, Flags32] = field(default_factory=dict)
    flat: Plane | None = None
    held: HeldCharge | None = None
    files: tuple[UsedFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SkyPlanes:
    """What turns slopes into surface brightness with a place on the sky.

    Attributes
    ----------
    flat, flat_err : (rows, cols) float32
    flat_flags : (rows, cols) uint32
    area : (rows, cols) float32
        Pixel area over the nominal one.
    pixel_area_sr : float, sr
    mjy_sr_per_dn_s : float
        Flux conversion of this filter and pupil at the time of the exposure.
    distortion : object
        The model of the distortion file, detector to (V2, V3): a `TreeModel`, or where
        that cannot be, one of ``astropy.modeling``.
    filter_offset_px : (float, float)
        Column and row offset of the filter (filteroffset file), pixels.
    dedicated_background : SlopePlanes of (rows, cols), DN/s, or None
        Mean of the exposure's dedicated background exposures, where it has any.
    files : tuple of UsedFile
    """

    flat: Plane
    flat_err: Plane
    flat_flags: Flags32
    area: Plane
    pixel_area_sr: float
    mjy_sr_per_dn_s: float
    distortion: Any
    filter_offset_px: tuple[float, float] = (0.0, 0.0)
    dedicated_background: SlopePlanes | None = None
    files: tuple[UsedFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogPlanes:
    """What the catalogue needs of the references.

    Attributes
    ----------
    encircled_energy : (3,) float64
        Fractions, for example 0.3, 0.5, 0.7.
    radius_px, correction : (3,) float64
        Aperture radii in pixels of the exposures' own scale, and aperture corrections.
    sky_in_px, sky_out_px : float, pixels
        Annulus of the local background.
    ab_minus_vega : float
        The file's AB-to-Vega offset: Vega magnitude is AB magnitude minus this.
    files : tuple of UsedFile
    """

    encircled_energy: NDArray[np.float64]
    radius_px: NDArray[np.float64]
    correction: NDArray[np.float64]
    sky_in_px: float
    sky_out_px: float
    ab_minus_vega: float
    files: tuple[UsedFile, ...] = ()
