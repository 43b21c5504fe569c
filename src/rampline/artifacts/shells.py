"""Shells: diffuse, partial rings of very bright sources on grism exposures.

Nobody measured where they lie, so they are looked for in the pixels. What is narrow across
the dispersion, spectra and tadpoles, is left out; what then stands out between the scales of
20 and 60 pixels, over more than the smoothing could make of one place, is a shell. What is
long along the dispersion is the wing of a bright spectrum.
"""

from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from ..exposure.records import Plane
from ..numerics.selection import MAD_TO_SIGMA
from ..params import Factor, PixelsFloat, Sigma, StepParams
from .grism_ghosts import running_median
from .grism_sky import smooth_known

BLOCK: Final = 4
"""Pixels that are averaged first: much less than any shell is wide."""
NARROW_PX: Final = 2.0
"""Smoothing in which spectra are found."""
ACROSS_PX: Final = 41
"""Of the median across the dispersion, above which spectra stand out."""
ALONG_STEP: Final = 8
"""Pixels along the dispersion that are averaged."""
ALONG_STEPS: Final = (1, 5, 25)
"""And of these means again: what stands out in any of them."""
GROW_PX: Final = ((1.0, 4), (10.0, 13), (100.0, 40))
"""Times the threshold, and the growth to each side of what stands out so far: the wings of a
point spread function fall with the third power, those of a spectrum with the second."""
GHOST_PX: Final = (121, 31)
"""Along and across the dispersion, round tadpoles: their tails fade slowly."""
WING: Final = 0.5
"""Share of the threshold down to which a shell is followed."""
LEAST_KNOWN: Final = 0.2
"""Of the blocks round a place must be free of spectra."""


class ShellParams(StepParams):
    """How shells are looked for."""

    threshold: Sigma = 5.0
    """A shell stands out this far, smoothed."""
    spectra: Sigma = 3.0
    """What is narrow and stands out this far is a spectrum."""
    inner: PixelsFloat = 20.0
    """Smaller scale of the difference of Gaussians."""
    outer: PixelsFloat = 60.0
    """Larger one."""
    longest: Annotated[Factor, Field(ge=1)] = 4.0
    """Regions this many times longer along the dispersion than across are no shells."""


def find_shells(
    residual: Plane, is_ghost: NDArray[np.bool_], axis: int, params: ShellParams
) -> NDArray[np.bool_]:
    """Flag shells.

    Parameters
    ----------
    residual : (rows, cols) float32, DN/s
        Less its sky; NaN on bad pixels.
    is_ghost : (rows, cols) bool
        Tadpoles, left out like spectra.
    axis : int
        Along which light is dispersed: 0 for GRISMC, 1 for GRISMR.
    params : ShellParams

    Returns
    -------
    (rows, cols) bool
    """
    if axis == 1:
        return find_shells(residual.T, is_ghost.T, 0, params).T
    hidden = find_spectra(residual, params.spectra)
    hidden |= ndimage.maximum_filter(is_ghost.view(np.uint8), GHOST_PX) > 0
    blocks = _blocks(np.where(hidden, np.float32(np.nan), residual))
    inner, share = smooth_known(blocks, params.inner / BLOCK)
    outer, _ = smooth_known(blocks, params.outer / BLOCK)
    # few blocks make more noise
    ratio = (inner - outer) * np.sqrt(share)
    ratio[share < LEAST_KNOWN] = np.nan
    known = ratio[np.isfinite(ratio)]
    if known.size == 0:
        return np.zeros(residual.shape, np.bool_)
    middle = np.median(known)
    scatter = float(np.median(np.abs(known - middle))) * MAD_TO_SIGMA
    ratio = np.nan_to_num(ratio - middle, nan=-np.inf)
    found = _regions(ratio, params.threshold * scatter, params)
    wide = np.repeat(np.repeat(found, BLOCK, axis=0), BLOCK, axis=1)
    out = np.zeros(residual.shape, np.bool_)
    out[: wide.shape[0], : wide.shape[1]] = wide
    return out


def find_spectra(residual: Plane, threshold: float) -> NDArray[np.bool_]:
    """Return what is narrow across the columns: spectra, grown by their wings.

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
    # heads and tails are short; along a spectrum a mean of many rows finds fainter ones
    for steps in ALONG_STEPS:
        found |= _narrow(ndimage.uniform_filter1d(fine, steps, axis=0), threshold)
    return np.repeat(found, ALONG_STEP, axis=0)[:rows]


def _narrow(values: Plane, threshold: float) -> NDArray[np.bool_]:
    """Return what is narrow across the columns, grown the more the brighter it is."""
    narrow = values - running_median(np.ascontiguousarray(values.T), ACROSS_PX).T
    middle = np.median(narrow)
    scatter = float(np.median(np.abs(narrow - middle))) * MAD_TO_SIGMA
    ratio = (narrow - middle) / max(scatter, float(np.finfo(np.float32).tiny))
    found = np.zeros(narrow.shape, np.bool_)
    for times, grow in GROW_PX:
        bright = (ratio > times * threshold).view(np.uint8)
        found |= ndimage.maximum_filter(bright, (3, 2 * grow + 1)) > 0
    return found


def _blocks(values: Plane) -> Plane:
    """Return means of the known pixels of whole blocks; NaN where most are unknown."""
    rows, cols = (n // BLOCK for n in values.shape)
    cut = values[: rows * BLOCK, : cols * BLOCK].reshape(rows, BLOCK, cols, BLOCK)
    known = np.isfinite(cut)
    count = known.sum(axis=(1, 3))
    total = np.where(known, cut, 0.0).sum(axis=(1, 3))
    mean = np.full((rows, cols), np.nan, np.float32)
    np.divide(total, count, out=mean, where=count >= BLOCK**2 // 2)
    return mean


def _regions(ratio: Plane, limit: float, params: ShellParams) -> NDArray[np.bool_]:
    """Return the connected blocks that stand out, wide enough and not long."""
    core = ratio > limit
    followed = ndimage.binary_propagation(core, mask=ratio > WING * limit)
    labels, n_labels = ndimage.label(followed)
    size = np.bincount(labels.ravel(), minlength=n_labels + 1)
    # one bright place would look like the Gaussian itself, out to two deviations
    kept = size >= 4.0 * np.pi * (params.inner / BLOCK) ** 2
    for k, box in enumerate(ndimage.find_objects(labels), start=1):
        length = box[0].stop - box[0].start
        width = size[k] / length
        kept[k] &= length <= params.longest * width
    kept[0] = False
    return np.asarray(kept[labels])
