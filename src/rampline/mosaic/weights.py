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
from ..numerics.jit import kernel

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
    typical = added = np.float32(np.nan)
    if kind == "sky":
        typical = _median(noise.var_read, sky, flags, bad)
        added = _median(noise.var_poisson, sky, flags, bad)
    weight = np.empty(sky.shape, np.float32)
    bits = np.uint32(bad), np.uint32(SATURATED)
    weigh_rows(sky, flags, noise.var_read, bits, (typical, added), weight)
    return weight


def _median(plane: Plane, sky: Plane, flags: Flags32, bad: int) -> np.float32:
    """Return the median of usable and known values on a regular sample, 0 without any."""
    rows, cols = (max(1, n // SAMPLES_PER_SIDE) for n in plane.shape)
    sample = np.s_[::rows, ::cols]
    usable = (flags[sample] & np.uint32(bad) == 0) & np.isfinite(sky[sample])
    values = plane[sample][usable & np.isfinite(plane[sample])]
    return np.float32(np.median(values)) if values.size else np.float32(0)


@kernel
def weigh_rows(
    sky: NDArray[np.float32],
    flags: NDArray[np.uint32],
    var_read: NDArray[np.float32],
    bits: tuple[np.uint32, np.uint32],
    blank: tuple[np.float32, np.float32],
    out: NDArray[np.float32],
) -> None:
    """Write one over the variance, 0 for unusable pixels.

    ``bits`` are those that make a pixel unusable and those of saturation; ``blank`` the
    read-noise variance of pixels that saturate and the sky's, NaN where read noise counts
    alone.
    """
    bad, saturated = bits
    typical, added = blank
    with_sky = added == added  # noqa: PLR0124
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            flag, variance = flags[row, col], var_read[row, col]
            is_full = with_sky and flag & saturated != 0
            variance = typical if is_full else variance
            variance = variance + added if with_sky else variance
            weight = np.float32(1.0) / variance
            usable = flag & bad == 0 and np.isfinite(sky[row, col])
            known = usable and np.isfinite(weight)
            out[row, col] = weight if known else np.float32(0.0)
