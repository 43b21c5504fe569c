"""Shells: diffuse, partial rings of very bright sources on grism exposures.

Their positions have not been measured, so they are searched for in the pixels. Features
narrow across the dispersion, spectra and tadpoles, are excluded. A shell is then a
region that stands out between the scales of 20 and 60 pixels and is larger than a
smoothed point; regions elongated along the dispersion are wings of bright spectra.
"""

from typing import Annotated, Final

import numpy as np
import scipy
from numpy.typing import NDArray
from pydantic import Field

from ..exposure.records import Plane
from ..numerics.selection import MAD_TO_SIGMA
from ..params import Factor, PixelsFloat, Sigma, StepParams
from .cells import average_blocks
from .grism_ghosts import running_median
from .grism_sky import smooth_known

BLOCK: Final = 4
"""Width of the blocks averaged first, pixels: much less than the width of any shell."""
LEAST_OF_BLOCK: Final = 0.5
"""Minimum fraction of known pixels in a block."""
NARROW_PX: Final = 2.0
"""Standard deviation of the smoothing before the search for spectra."""
ACROSS_PX: Final = 41
"""Length of the running median across the dispersion, subtracted to find spectra."""
ALONG_STEP: Final = 8
"""Pixels averaged along the dispersion."""
ALONG_STEPS: Final = (1, 5, 25)
"""Number of these means averaged again; spectra may stand out in any of them."""
GROW_PX: Final = ((1.0, 4), (10.0, 13), (100.0, 40))
"""Multiples of the threshold, and the growth to each side of pixels above them: the
wings of a point spread function fall with the third power, those of a spectrum with the
second."""
GHOST_PX: Final = (121, 31)
"""Size of the mask along and across the dispersion around tadpoles: tails fade slowly."""
WING: Final = 0.5
"""Fraction of the threshold down to which a shell is followed."""
LEAST_KNOWN: Final = 0.2
"""Minimum weight of spectrum-free blocks around a place."""


class ShellParams(StepParams):
    """How shells are searched for."""

    threshold: Sigma = 5.0
    """Minimum significance of a shell in the smoothed image."""
    spectra: Sigma = 3.0
    """Narrow features above this are masked as spectra."""
    inner: PixelsFloat = 20.0
    """Smaller scale of the difference of Gaussians."""
    outer: PixelsFloat = 60.0
    """Larger scale of the difference of Gaussians."""
    longest: Annotated[Factor, Field(ge=1)] = 4.0
    """Maximum length along the dispersion relative to the width across it."""


def find_shells(
    residual: Plane, is_ghost: NDArray[np.bool_], axis: int, params: ShellParams
) -> NDArray[np.bool_]:
    """Flag shells.

    Parameters
    ----------
    residual : (rows, cols) float32, DN/s
        Image minus its sky; NaN on bad pixels.
    is_ghost : (rows, cols) bool
        Pixels of tadpoles, excluded like spectra.
    axis : int
        Axis of the dispersion: 0 for GRISMC, 1 for GRISMR.
    params : ShellParams

    Returns
    -------
    (rows, cols) bool
    """
    if axis == 1:
        return find_shells(np.ascontiguousarray(residual.T), is_ghost.T, 0, params).T
    hidden = find_spectra(residual, params.spectra)
    hidden |= scipy.ndimage.maximum_filter(is_ghost.view(np.uint8), GHOST_PX) > 0
    blocks, known = average_blocks(
        np.where(hidden, np.float32(np.nan), residual), BLOCK
    )
    blocks[known < LEAST_OF_BLOCK] = np.nan
    inner, share = smooth_known(blocks, params.inner / BLOCK)
    outer, _ = smooth_known(blocks, params.outer / BLOCK)
    # fewer blocks mean more noise
    ratio = (inner - outer) * np.sqrt(share)
    ratio[share < LEAST_KNOWN] = np.nan
    seen = ratio[np.isfinite(ratio)]
    if seen.size == 0:
        return np.zeros(residual.shape, np.bool_)
    middle = np.median(seen)
    scatter = float(np.median(np.abs(seen - middle))) * MAD_TO_SIGMA
    ratio = np.nan_to_num(ratio - middle, nan=-np.inf)
    found = _regions(ratio, params.threshold * scatter, params)
    wide = np.repeat(np.repeat(found, BLOCK, axis=0), BLOCK, axis=1)
    out = np.zeros(residual.shape, np.bool_)
    out[: wide.shape[0], : wide.shape[1]] = wide
    return out


def find_spectra(residual: Plane, threshold: float) -> NDArray[np.bool_]:
    """Return features narrow across the columns: spectra, grown to cover their wings.

    Parameters
    ----------
    residual : (rows, cols) float32
        Dispersed along the columns.
    threshold : float, sigma

    Returns
    -------
    (rows, cols) bool
    """
    smooth = np.nan_to_num(smooth_known(residual, NARROW_PX)[0], nan=0.0)
    rows = smooth.shape[0]
    starts = np.arange(0, rows, ALONG_STEP)
    count = np.diff(np.append(starts, rows)).astype(np.float32)
    fine = np.add.reduceat(smooth, starts, axis=0) / count[:, None]
    found = np.zeros(fine.shape, np.bool_)
    # short means find heads and tails, long ones fainter spectra
    for steps in ALONG_STEPS:
        found |= _narrow(scipy.ndimage.uniform_filter1d(fine, steps, axis=0), threshold)
    return np.repeat(found, ALONG_STEP, axis=0)[:rows]


def _narrow(values: Plane, threshold: float) -> NDArray[np.bool_]:
    """Return features narrow across the columns, grown farther the brighter they are."""
    narrow = values - running_median(np.ascontiguousarray(values.T), ACROSS_PX).T
    middle = np.median(narrow)
    scatter = float(np.median(np.abs(narrow - middle))) * MAD_TO_SIGMA
    ratio = (narrow - middle) / max(scatter, float(np.finfo(np.float32).tiny))
    found = np.zeros(narrow.shape, np.bool_)
    for times, grow in GROW_PX:
        bright = (ratio > times * threshold).view(np.uint8)
        found |= scipy.ndimage.maximum_filter(bright, (3, 2 * grow + 1)) > 0
    return found


def _regions(ratio: Plane, limit: float, params: ShellParams) -> NDArray[np.bool_]:
    """Return the connected regions that are significant, large and not elongated."""
    core = ratio > limit
    followed = scipy.ndimage.binary_propagation(core, mask=ratio > WING * limit)
    labels, n_labels = scipy.ndimage.label(followed)
    size = np.bincount(labels.ravel(), minlength=n_labels + 1)
    # a bright point looks like the Gaussian itself, out to two standard deviations
    kept = size >= 4.0 * np.pi * (params.inner / BLOCK) ** 2
    for k, box in enumerate(scipy.ndimage.find_objects(labels), start=1):
        length = box[0].stop - box[0].start
        width = size[k] / length
        kept[k] &= length <= params.longest * width
    kept[0] = False
    return np.asarray(kept[labels])
