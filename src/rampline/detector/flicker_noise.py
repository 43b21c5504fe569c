"""Remove 1/f noise: stripes along the rows, one level for each amplifier and row.

The reference voltages of the readout drift with a spectrum that rises towards low
frequencies. Within the 5 ms that an amplifier takes for a row the drift is nearly
constant, so it shows as stripes 512 pixels long. What is measured is the mean, not the
median, of the pixels of a row that show only sky: the correction is linear in the data.
Common to the amplifiers is a part of it, so rows that sources cover are filled up from
the others, as much as the noise of their few pixels demands. What is left over: drifts
within a row, and drifts that all amplifiers share and that look like a tilted sky.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Flags32, Plane
from ..flags import DO_NOT_USE, NON_SCIENCE, REFERENCE_PIXEL, SATURATED
from ..params import Factor, Sigma, StepParams
from .stripes import Levels, find_levels, sum_strips

_UNUSABLE = DO_NOT_USE | NON_SCIENCE | REFERENCE_PIXEL | SATURATED
_STEP = 5
"""Every fifth row and column is enough for the level of the sky."""
_SKY_ROUNDS = 3


class FlickerNoiseParams(StepParams):
    """How stripes are measured."""

    pixel_clip: Sigma = 4.0
    """Pixels this far from the sky are left out."""
    source_clip: Sigma = 3.0
    """Blocks of 8, 24 and 72 pixels this far above the sky are left out."""
    strength: Factor = 1.0
    """Prior variance of the stripes over the one measured; larger shrinks less."""


class FlickerNoise(NamedTuple):
    """Removed stripes."""

    slope: Plane
    """(rows, cols), DN/s: the corrected image."""
    stripes: Plane
    """(rows, cols), DN/s: what was subtracted; 0 where nothing could be measured."""
    stripe_err: NDArray[np.float32]
    """(outputs, rows), DN/s: uncertainty of the level of each amplifier row."""
    usable: NDArray[np.float32]
    """(outputs, rows): fraction of each amplifier row that showed only sky."""


def remove_flicker_noise(
    slope: Plane,
    pixel_flags: Flags32,
    n_outputs: int,
    params: FlickerNoiseParams,
    flat: Plane | None = None,
    scene: Plane | None = None,
) -> FlickerNoise:
    """Measure and subtract the stripes of a slope image.

    Parameters
    ----------
    slope : (rows, cols) float32, DN/s
    pixel_flags : (rows, cols) uint32
    n_outputs : int
        Amplifiers read at once: the columns are shared out evenly among them.
    params : FlickerNoiseParams
    flat : (rows, cols) float32, optional
        Flat field: the sky is smooth only once it is divided out.
    scene : (rows, cols) float32, DN/s, optional
        Model of the sources, subtracted before anything is measured.

    Returns
    -------
    FlickerNoise

    Notes
    -----
    The sky model and the masks come from the image over the flat; the stripes are
    measured on the image less sky times flat, and subtracted from the image as it came.
    The sum of the stripes of an amplifier is zero, so the sky level is kept. A level is
    the conditional mean of a common and an own Gaussian part given the row means of all
    amplifiers and their white noise; both variances are measured from the row means.
    """
    image = slope if scene is None else slope - scene
    levels = measure_stripes(image, pixel_flags, n_outputs, params, flat)
    corrected, stripes = slope.copy(), np.empty_like(slope)
    subtract_stripes(corrected, levels.level, slice(0, len(slope)), stripes)
    return FlickerNoise(corrected, stripes, levels.err, levels.usable)


def measure_stripes(
    image: Plane,
    pixel_flags: Flags32,
    n_outputs: int,
    params: FlickerNoiseParams,
    flat: Plane | None = None,
) -> Levels:
    """Measure the level of each amplifier row.

    Parameters
    ----------
    image : (rows, cols) float32, DN/s
        Slopes, less the sources where a model of them is known.
    pixel_flags, n_outputs, params, flat
        As of `remove_flicker_noise`.

    Returns
    -------
    Levels
    """
    response = np.ones((1, 1), np.float32) if flat is None else flat
    level, scatter = _measure_sky(image, pixel_flags, flat)
    sky = level, params.pixel_clip * scatter
    strips = sum_strips(image, pixel_flags, _UNUSABLE, response, sky)
    n_outputs = min(n_outputs, strips.total.shape[1])
    return find_levels(strips, n_outputs, params.source_clip, params.strength)


def subtract_stripes(
    slope: Plane, level: NDArray[np.float32], rows: slice, stripes: Plane | None = None
) -> None:
    """Subtract the levels of the amplifier rows, in place.

    Parameters
    ----------
    slope : (rows, cols) float32, DN/s
        Owned by the caller; changed in ``rows`` only.
    level : (outputs, rows) float32, DN/s
        The columns are shared out evenly among the outputs.
    rows : slice
        Rows to work on.
    stripes : (rows, cols) float32, DN/s, optional
        Filled in ``rows`` with what was subtracted.
    """
    n_outputs, n_cols = len(level), slope.shape[1]
    width = n_cols // n_outputs
    for k in range(n_outputs):
        stop = n_cols if k == n_outputs - 1 else (k + 1) * width
        own = level[k, rows, None]
        slope[rows, k * width : stop] -= own
        if stripes is not None:
            stripes[rows, k * width : stop] = own


def _measure_sky(
    image: Plane, pixel_flags: Flags32, flat: Plane | None
) -> tuple[float, float]:
    """Return level and scatter of the sky, from the lower half of a sample of pixels."""
    sample = image[::_STEP, ::_STEP]
    with np.errstate(divide="ignore", invalid="ignore"):
        sample = sample if flat is None else sample / flat[::_STEP, ::_STEP]
    usable = (pixel_flags[::_STEP, ::_STEP] & np.uint32(_UNUSABLE)) == 0
    values = sample[usable & np.isfinite(sample)]
    if values.size == 0:
        return 0.0, 0.0
    level, scatter = 0.0, 0.0
    for _ in range(_SKY_ROUNDS):
        low, level = (float(q) for q in np.percentile(values, (15.87, 50.0)))
        scatter = level - low
        values = values[values <= level + 3.0 * scatter]
    return level, scatter
