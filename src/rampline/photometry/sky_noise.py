"""The noise of a mosaic, measured on its blank sky.

The sizes of pixels and drops predict the correlation of the noise between neighbours, but
not the contributions of rotated grids, inter-pixel capacitance, drifts within a row and
undetected sources. Two measurements account for them: the autocorrelation of blank pixels
at the lags that drizzle correlates, minus the level common to all nearby pixels (which the
local sky removes), and the scatter of fluxes in blank apertures, measured as those of
sources are. Neither makes an error smaller than predicted.
"""

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Labels, Plane
from ..numerics.jit import kernel
from ..numerics.selection import MAD_TO_SIGMA
from .apertures import ApertureFluxes, measure_apertures
from .labelled_image import LabelledImage

LEAST_PIXELS = 20_000
"""With fewer blank pixels the predicted autocorrelation is used (error of 1 %)."""
LEAST_APERTURES = 100
"""With fewer blank apertures the errors of fluxes are not raised (error of 10 %)."""
MARGIN_PX = 4
"""Margin around sources that is not blank sky, because of their wings."""
SAMPLE = 300_000
"""Number of pixels that determines their scatter to a few thousandths."""


def find_blank(image: LabelledImage) -> NDArray[np.bool_]:
    """Find the pixels that have data and no source within the margin.

    Returns
    -------
    (rows, cols) bool
    """
    is_blank = np.empty(image.signal.shape, np.bool_)
    _mark_blank(*image, is_blank)
    return is_blank


def measure_autocorrelation(
    image: LabelledImage,
    is_blank: NDArray[np.bool_],
    predicted: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Measure the autocorrelation of the noise of blank pixels.

    Parameters
    ----------
    image : LabelledImage
        Background-subtracted.
    is_blank : (rows, cols) bool
        See `find_blank`.
    predicted : (k, k) float64
        Predicted autocorrelation, 1 in the centre; see `mosaic.correlation`.

    Returns
    -------
    (k, k) float64
        The larger of measured and predicted at each lag, 1 in the centre.

    Notes
    -----
    The mean covariance one lag beyond the reach of drizzle is subtracted: it varies too
    slowly to affect positions, and the subtraction of the local sky removes it from fluxes.
    `measure_excess` finds any part that remains in the fluxes.
    """
    if np.count_nonzero(is_blank) < LEAST_PIXELS:
        return predicted
    signal, err = image.signal, image.err
    reach = predicted.shape[0] // 2
    sums = np.zeros((2, reach + 2, 2 * reach + 3))
    limit = 4.0 * _scatter_of_ratio(signal, err, is_blank)
    _sum_products(signal, err, is_blank, limit, sums)
    mean = sums[0] / np.maximum(sums[1], 1.0)
    both = np.concatenate([mean[:0:-1, ::-1], mean])
    shared = np.concatenate([both[[0, -1]].ravel(), both[1:-1, [0, -1]].ravel()]).mean()
    measured = both[1:-1, 1:-1] - shared
    measured /= measured[reach, reach]
    return np.asarray(np.maximum(measured, predicted))


def measure_excess(
    image: LabelledImage,
    is_blank: NDArray[np.bool_],
    radii_px: NDArray[np.float64],
    annulus_px: tuple[float, float],
    autocorrelation: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Measure the ratio of the scatter of fluxes in blank apertures to their errors.

    Parameters
    ----------
    image, radii_px, annulus_px, autocorrelation
        As in `measure_apertures`.
    is_blank : (rows, cols) bool
        See `find_blank`.

    Returns
    -------
    (radii,) float64
        Scatter over error, at least 1.
    """
    places = _blank_places(is_blank, annulus_px[0])
    if len(places) < LEAST_APERTURES:
        return np.ones(len(radii_px))
    found = measure_apertures(image, places, radii_px, annulus_px, autocorrelation)
    pulls = found.flux / found.flux_err
    pulls = pulls[:, np.isfinite(pulls).all(axis=0)]
    if pulls.shape[1] < LEAST_APERTURES:
        return np.ones(len(radii_px))
    centre = np.median(pulls, axis=1, keepdims=True)
    scatter = MAD_TO_SIGMA * np.median(np.abs(pulls - centre), axis=1)
    return np.asarray(np.maximum(scatter, 1.0))


def add_excess(fluxes: ApertureFluxes, excess: NDArray[np.float64]) -> ApertureFluxes:
    """Raise the sky's part of the flux errors by the excess of blank apertures.

    Parameters
    ----------
    fluxes : ApertureFluxes
    excess : (radii,) float64
        See `measure_excess`.

    Notes
    -----
    The photon noise of the source itself is not raised: the sky's part of an error is taken
    to be at most the 20th percentile of all errors.
    """
    if not np.isfinite(fluxes.flux_err).any(axis=1).all():
        return fluxes
    faint = np.nanpercentile(fluxes.flux_err, 20, axis=1, keepdims=True)
    sky = np.minimum(fluxes.flux_err, faint)
    extra = sky * np.sqrt(excess[:, None] ** 2 - 1.0)
    return fluxes._replace(flux_err=np.hypot(fluxes.flux_err, extra))


def _blank_places(is_blank: NDArray[np.bool_], radius_px: float) -> NDArray[np.float64]:
    """Return the nodes of a lattice whose surroundings are blank, (n, 2)."""
    step = max(int(2 * radius_px) + 1, 3)
    clear = np.empty([-(-n // step) for n in is_blank.shape], np.bool_)
    _find_clear(is_blank, step, clear)
    return np.argwhere(clear).astype(np.float64) * step


def _scatter_of_ratio(signal: Plane, err: Plane, is_blank: NDArray[np.bool_]) -> float:
    """Return the scatter of signal over error from a sample of the blank pixels."""
    every = max(int(np.sqrt(is_blank.size / SAMPLE)), 1)
    some = slice(None, None, every), slice(None, None, every)
    chosen = is_blank[some]
    ratio = np.abs(signal[some][chosen] / err[some][chosen])
    return MAD_TO_SIGMA * float(np.median(ratio)) if ratio.size else np.inf


@kernel
def _mark_blank(
    signal: Plane, err: Plane, labels: Labels, is_blank: NDArray[np.bool_]
) -> None:
    """Mark pixels with data and no source in the square that the margin spans."""
    n_rows, n_cols = labels.shape
    # For each column the last row, up to the margin ahead, with a source within the
    # margin to either side.
    last_seen = np.full(n_cols, -2 * MARGIN_PX - 1)
    for below in range(n_rows + MARGIN_PX):
        if below < n_rows:
            reached = 0
            for j in range(n_cols):
                if labels[below, j] > 0:
                    end = min(j + MARGIN_PX + 1, n_cols)
                    last_seen[max(j - MARGIN_PX, reached) : end] = below
                    reached = end
        i = below - MARGIN_PX
        if i >= 0:
            for j in range(n_cols):
                ratio = signal[i, j] / err[i, j]
                is_blank[i, j] = np.isfinite(ratio) & (last_seen[j] < i - MARGIN_PX)


@kernel
def _sum_products(
    signal: Plane,
    err: Plane,
    is_blank: NDArray[np.bool_],
    limit: float,
    sums: NDArray[np.float64],
) -> None:
    """Sum products of signal over error, and their number, by lag.

    ``sums`` is (2, lags down from 0, lags across from -reach); only ratios within the limit
    are used. The last rows that a lag can reach are kept, padded on either side.
    """
    n_rows, n_cols = signal.shape
    n_kept = sums.shape[1]
    reach = n_kept - 1
    ratio = np.zeros((n_kept, n_cols + 2 * reach), np.float32)
    counts = np.zeros((n_kept, n_cols + 2 * reach), np.float32)
    for i in range(n_rows):
        here, counted = ratio[i % n_kept], counts[i % n_kept]
        for j in range(n_cols):
            value = signal[i, j] / err[i, j]
            used = is_blank[i, j] & (abs(value) < limit)
            here[reach + j] = value if used else np.float32(0.0)
            counted[reach + j] = np.float32(1.0) if used else np.float32(0.0)
        for up in range(min(i, reach) + 1):
            above, counted_above = ratio[(i - up) % n_kept], counts[(i - up) % n_kept]
            for k in range(2 * reach + 1):
                one = slice(reach, reach + n_cols)
                sums[0, up, k] += np.dot(above[one], here[k : k + n_cols])
                sums[1, up, k] += np.dot(counted_above[one], counted[k : k + n_cols])


@kernel
def _find_clear(
    is_blank: NDArray[np.bool_], step: int, clear: NDArray[np.bool_]
) -> None:
    """Fill for each node of a lattice whether the square of one step around it is blank."""
    n_rows, n_cols = is_blank.shape
    low, high = step // 2, (step + 1) // 2
    for i in range(clear.shape[0]):
        for j in range(clear.shape[1]):
            top, left = max(i * step - low, 0), max(j * step - low, 0)
            bottom = min(i * step + high, n_rows)
            right = min(j * step + high, n_cols)
            clear[i, j] = is_blank[top:bottom, left:right].all()
