"""The measured scatter of the sky between neighbouring pixels relative to their errors.

Read noise drifts with temperature and time, telegraph noise grows in some pixels, and a
gain in error by a few per cent misestimates all photon noise; blank sky shows this in
every exposure. The statistic is the difference of the two diagonals of 2 x 2 pixels,
divided by its error: gradients of the sky and of faint sources cancel, as do stripes.
It scatters like a single pixel, one per cent less where charge couples into neighbours.
Its scatter is measured in cells, from the lower half of the values, and the median over
cells is used, so that bright sources need not be masked.
"""

from typing import Annotated, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..exposure.records import Plane
from ..numerics.jit import kernel
from ..numerics.meshes import measure_mesh
from ..params import StepParams, Unit

EVERY: Final = 2
"""Step in rows and columns at which the variances are sampled."""
LEAST_USED: Final = 0.5
"""Fraction of a cell that must be usable."""
SCALES: Final = (0.25, 4.0)
"""Allowed range: read noise in error by more than a factor of two has another cause."""


class NoiseLevelParams(StepParams):
    """How the scatter of blank sky is compared with its errors."""

    rescale: bool = False
    """Scale the read variance so that the errors of blank sky match its scatter;
    otherwise the ratio is only recorded."""
    cell: Annotated[int, Field(ge=16), Unit("pixel")] = 64
    """Width of the cells in which the scatter is measured."""


class Variances(NamedTuple):
    """Planes of an exposure, (rows, cols) or (ints, rows, cols) float32 each."""

    err: Plane
    poisson: Plane
    read: Plane
    flat: Plane


def measure_noise_ratio(
    sky: Plane, err: Plane, usable: NDArray[np.bool_], params: NoiseLevelParams
) -> float:
    """Measure the ratio of the scatter of blank sky to its errors.

    Parameters
    ----------
    sky, err : (rows, cols) float32, MJy/sr
    usable : (rows, cols) bool
        Pixels that may be used; NaN values are excluded as well.
    params : NoiseLevelParams

    Returns
    -------
    float
        NaN where no cell is usable.
    """
    pull = np.empty([n // 2 for n in sky.shape], np.float32)
    _difference_diagonals(sky, err, usable, pull)
    size = params.cell // 2
    mesh = measure_mesh(pull, np.isfinite(pull), size)
    filled = mesh.n_used >= LEAST_USED * size**2
    return float(np.median(mesh.scatter[filled])) if filled.any() else float("nan")


def read_variance_scale(
    ratio: float, noise: Variances, usable: NDArray[np.bool_]
) -> float:
    """Return the factor for the read variance that explains the scatter.

    Parameters
    ----------
    ratio : float
        From `measure_noise_ratio`.
    noise : Variances of (rows, cols), (MJy/sr)**2
    usable : (rows, cols) bool

    Returns
    -------
    float
        Limited to `SCALES`; 1 where the ratio is not known.

    Notes
    -----
    The medians of the variances represent blank sky. Similar to CEERS (Bagley et al.
    2023, ApJL 946 L12), except that there the read variance, from which the weights are
    made, is raised to the total variance of the sky, photon noise included.
    """
    some = slice(None, None, EVERY), slice(None, None, EVERY)
    known = usable[some] & (noise.read[some] > 0)
    if not np.isfinite(ratio) or not known.any():
        return 1.0
    poisson, read, flat = (float(np.median(plane[some][known])) for plane in noise[1:])
    wanted = ratio**2 * (poisson + read + flat) - poisson - flat
    return float(np.clip(wanted / read, *SCALES))


def scale_read_variance(noise: Variances, scale: float) -> None:
    """Scale the read variance and recompute the errors, in place.

    Parameters
    ----------
    noise : Variances
        Owned by the caller; ``read`` and ``err`` are changed.
    scale : float
    """
    np.multiply(noise.read, np.float32(scale), out=noise.read)
    np.sqrt(noise.poisson + noise.read + noise.flat, out=noise.err)


@kernel
def _difference_diagonals(
    sky: Plane, err: Plane, usable: NDArray[np.bool_], pull: Plane
) -> None:
    """Fill the difference of the diagonals over its error; NaN with an unusable pixel."""
    for i in range(pull.shape[0]):
        for j in range(pull.shape[1]):
            total, variance, known = 0.0, 0.0, True
            for k in range(4):
                row, col = 2 * i + k // 2, 2 * j + k % 2
                value = sky[row, col]
                total += value if k % 3 == 0 else -value
                variance += err[row, col] * err[row, col]
                known &= usable[row, col]
            good = known & (variance > 0.0)
            pull[i, j] = total / np.sqrt(variance) if good else np.nan
