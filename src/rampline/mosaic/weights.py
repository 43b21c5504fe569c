"""How much each pixel counts in a mosaic.

The mean of least variance weights with the inverse variance; but a weight that knows a
source's own photons pulls its flux down, because low draws look more certain. So the
weight takes the noise of a pixel of blank sky: read noise and the sky's photons. The same
holds for pixels that saturate: the fewer groups are left, the brighter the source, and
where drops of a star's core and of its flank meet in an output pixel, the core would count
less. Such pixels get the weight of their neighbours.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Flags32, Plane
from ..flags import SATURATED

WeightType = Literal["sky", "read"]
SAMPLES_PER_SIDE = 512
"""A median of so many squared is known to a three-hundredth of the scatter."""


class NoisePlanes(NamedTuple):
    """The variances of one exposure, each (rows, cols) float32, (MJy/sr)**2."""

    var_poisson: Plane
    var_read: Plane
    var_flat: Plane


def weigh_pixels(
    sky: Plane, flags: Flags32, noise: NoisePlanes, bad: int, kind: WeightType
) -> NDArray[np.float32]:
    """Return inverse-variance weights.

    Parameters
    ----------
    sky : (rows, cols) float32, MJy/sr
    flags : (rows, cols) uint32
    noise : NoisePlanes
    bad : int
        Flags that give a pixel no weight.
    kind : {"sky", "read"}
        ``"sky"``: one over read-noise variance (the median for pixels with saturated
        groups) plus the Poisson variance of blank sky, the median over usable pixels.
        ``"read"``: one over read-noise variance, the ``ivm`` of the JWST pipeline.

    Returns
    -------
    (rows, cols) float32, (MJy/sr)**-2
        0 where flagged, or where sky or weight would not be finite.

    Notes
    -----
    For exposures of equal length the two differ little. Where lengths differ, read-noise
    variance falls with the cube of the number of groups and the sky's with its first
    power, so ``"read"`` gives long exposures more than they deserve. On simulated stars of
    AB 19.5 to 20 in F200W, saturated after a few groups, the JWST pipeline's mosaic lost
    13 % of the flux within 0.3 arcsec, ``"sky"`` without its rule for saturated pixels 7 %,
    with it nothing (0.5 % more than stars of AB 21 to 22).
    """
    usable = (flags & np.uint32(bad) == 0) & np.isfinite(sky)
    variance = noise.var_read
    if kind == "sky":
        typical = _median(noise.var_read, usable)
        saturated = flags & np.uint32(SATURATED) != 0
        variance = np.where(saturated, typical, variance)
        variance += _median(noise.var_poisson, usable)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.float32(1) / variance
    return np.where(usable & np.isfinite(weight), weight, np.float32(0))


def _median(plane: Plane, usable: NDArray[np.bool_]) -> np.float32:
    """Return the median of usable and known values on a regular sample, 0 without any."""
    rows, cols = (max(1, n // SAMPLES_PER_SIDE) for n in plane.shape)
    values = plane[::rows, ::cols]
    values = values[usable[::rows, ::cols] & np.isfinite(values)]
    return np.float32(np.median(values)) if values.size else np.float32(0)
