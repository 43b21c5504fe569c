"""Add exposures to a mosaic: sky, weight, variances, exposure time, context.

Surface brightness is averaged, so no area factor enters; flux, the sum of sky times
weight over the output pixels, is conserved (Fruchter & Hook 2002, equations 3 to 5).
Variances are propagated with squared weights, which gives the variance of the weighted
mean of independent pixels. Neighbouring output pixels share input pixels; their
correlation is given by `rampline.mosaic.correlation`.
"""

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..exposure.geometry import PixelMap
from ..exposure.records import Plane
from ..params import Params, Unit
from .drizzle_kernel import (
    TERMS,
    DrizzlePlanes,
    Target,
    average_sums,
    drizzle_pixels,
    stamp_exposure,
)
from .weights import NoisePlanes, WeightType
from .window import CONTEXT_BITS, Window, lattice_of


class DrizzleParams(Params):
    """How exposures are added to a mosaic."""

    pixfrac: Annotated[float, Field(gt=0, le=1), Unit("1")] = 1.0
    """Side of the drop relative to the side of the input pixel."""
    weight: WeightType = "sky"
    """Weights: inverse variance of blank sky, or (``read``) of the read noise alone."""


class DrizzleInput(NamedTuple):
    """One exposure, ready to be drizzled.

    Attributes
    ----------
    sky : (rows, cols) float32, MJy/sr
        NaN where a pixel is not usable.
    weight : (rows, cols) float32
        0 there, and where a pixel must not contribute.
    noise : NoisePlanes
    pixel_map : PixelMap
    level : float, MJy/sr
        Sky level to subtract.
    exposure_s : float, s
    """

    sky: Plane
    weight: Plane
    noise: NoisePlanes
    pixel_map: PixelMap
    level: float
    exposure_s: float


class MosaicPlanes(NamedTuple):
    """A window of a mosaic; planes as in `rampline.exposure.records.Mosaic`."""

    sky: Plane
    err: Plane
    weight: Plane
    exposure_s: Plane
    context: NDArray[np.int32]
    var_poisson: Plane
    var_read: Plane
    var_flat: Plane


class Sums(NamedTuple):
    """Running sums of a window.

    Attributes
    ----------
    window : Window
    pad : int
    values : (pad + rows + pad, pad + cols + pad, 5) float64
        As in `rampline.mosaic.drizzle_kernel.Target`.
    seen : (rows, cols) float64
        Sum of weights after the last exposure was added.
    exposure_s : (rows, cols) float32, s
        Total exposure time of the contributing exposures.
    context : (planes, rows, cols) int32
    """

    window: Window
    pad: int
    values: NDArray[np.float64]
    seen: NDArray[np.float64]
    exposure_s: NDArray[np.float32]
    context: NDArray[np.int32]

    @property
    def inner(self) -> NDArray[np.float64]:
        """The values without the padding, (rows, cols, 5)."""
        rows, cols = self.window.shape
        pad = self.pad
        return self.values[pad : pad + rows, pad : pad + cols]


def start_sums(window: Window, pad: int, n_exposures: int) -> Sums:
    """Return empty sums for a window.

    Parameters
    ----------
    window : Window
    pad : int
        At least the `reach` of each exposure; more costs time.
    n_exposures : int
        0: neither context nor exposure time is recorded.
    """
    rows, cols = window.shape
    n_planes = (n_exposures + CONTEXT_BITS - 1) // CONTEXT_BITS
    kept = window.shape if n_exposures else (0, 0)
    return Sums(
        window=window,
        pad=pad,
        values=np.zeros((rows + 2 * pad, cols + 2 * pad, TERMS)),
        seen=np.zeros(kept),
        exposure_s=np.zeros(kept, np.float32),
        context=np.zeros((n_planes, *window.shape), np.int32),
    )


def reach(pixel_map: PixelMap) -> int:
    """Return how many output pixels one input pixel can touch along a row or column."""
    nodes, step = pixel_map.nodes, pixel_map.step
    along = np.abs(np.diff(nodes[:, :-1], axis=0)) / step
    across = np.abs(np.diff(nodes[:-1], axis=1)) / step
    # a margin of 0.1 %: a pixel may be larger than the mean of its cell
    extent = 1.001 * np.nanmax(along + across, initial=0.0)
    return int(np.ceil(extent)) + 1


def add_exposure(
    sums: Sums, exposure: DrizzleInput, number: int, pixfrac: float
) -> None:
    """Drizzle one exposure into the sums of a window.

    Parameters
    ----------
    sums : Sums
        Owned by the caller; updated in place.
    exposure : DrizzleInput
    number : int
        Index of the context bit to set, from 0.
    pixfrac : float
        Side of the drop relative to the side of the pixel, above 0 and at most 1.

    Notes
    -----
    Agrees with the ``square`` kernel of the ``drizzle`` package. Its version 2.2 places
    corners between pixel centres by bilinear interpolation and sums in float32; here
    corners are placed by the cubic of the pixel map and sums are float64.
    """
    planes = DrizzlePlanes(exposure.sky, exposure.weight, *exposure.noise)
    lattice = lattice_of(exposure.pixel_map)
    whole = (sums.values, sums.pad, sums.window)
    target = Target(*whole, exposure.level)
    drizzle_pixels(planes, lattice, pixfrac / 2, target)
    if len(sums.context):
        bit = np.array(1 << number % CONTEXT_BITS, np.uint32).view(np.int32)
        plane = sums.context[number // CONTEXT_BITS]
        mark = (int(bit), exposure.exposure_s)
        stamp_exposure(sums.inner, sums.seen, mark, sums.exposure_s, plane)


def finish_sums(sums: Sums) -> MosaicPlanes:
    """Compute mosaic planes from the sums.

    Parameters
    ----------
    sums : Sums
        Of at least one exposure.

    Returns
    -------
    MosaicPlanes
        NaN in sky, error and variances where no exposure contributes.
    """
    shape = sums.window.shape
    sky, err, weight, poisson, read, flat = np.empty((6, *shape), np.float32)
    average_sums(sums.inner, (sky, err, weight, poisson, read, flat))
    return MosaicPlanes(
        sky=sky,
        err=err,
        weight=weight,
        exposure_s=sums.exposure_s,
        context=sums.context,
        var_poisson=poisson,
        var_read=read,
        var_flat=flat,
    )
