"""The scatter of the sky between neighbouring pixels over what their errors say.

Read noise drifts with temperature and time, some pixels' telegraph noise grows, and a gain
off by a few per cent misjudges all photons: blank sky tells, in every exposure. What
counts is one diagonal of two by two pixels less the other: slopes of the sky and of faint
sources cancel, stripes too. It scatters as a single pixel does, less by one per cent where
charge couples into neighbours. It is taken in cells, from the lower half of the values, and
the typical cell counts, so that bright sources need no mask either.
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
"""Of the variances every second row and column is enough."""
LEAST_USED: Final = 0.5
"""Share of a cell that must be usable."""
SCALES: Final = (0.25, 4.0)
"""Read noise is not misjudged by more than a factor of two: then it is something else."""


class NoiseLevelParams(StepParams):
    """Whether the sky's scatter is only recorded."""

    rescale: bool = False
    """Scale the read variance so that errors of blank sky equal its scatter."""
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
    """Measure the scatter of blank sky over its errors.

    Parameters
    ----------
    sky, err : (rows, cols) float32, MJy/sr
    usable : (rows, cols) bool
        Pixels that may be used; NaN values are left out as well.
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
    """Return by what the read variance must be multiplied to explain the scatter.

    Parameters
    ----------
    ratio : float
        Of `measure_noise_ratio`.
    noise : Variances of (rows, cols), (MJy/sr)**2
    usable : (rows, cols) bool

    Returns
    -------
    float
        Between a quarter and four: beyond, it is not read noise that is misjudged. 1
        where the ratio is not known.

    Notes
    -----
    The medians of the variances stand for blank sky. As CEERS does (Bagley et al. 2023,
    ApJL 946 L12), but there the read variance is raised to all of the sky's, photons
    included, since it makes the weights; here it stays what the name says.
    """
    some = slice(None, None, EVERY), slice(None, None, EVERY)
    known = usable[some] & (noise.read[some] > 0)
    if not np.isfinite(ratio) or not known.any():
        return 1.0
    poisson, read, flat = (float(np.median(plane[some][known])) for plane in noise[1:])
    wanted = ratio**2 * (poisson + read + flat) - poisson - flat
    return float(np.clip(wanted / read, *SCALES))


def scale_read_variance(noise: Variances, scale: float) -> None:
    """Multiply the read variance and renew the errors, in place.

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
    """Fill one diagonal less the other over its error; NaN where a pixel is not usable."""
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
