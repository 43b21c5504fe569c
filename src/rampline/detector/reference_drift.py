"""The drift of the outputs between groups, from reference pixels.

Every reference pixel has a level of its own, after each reset another one, that stays
the same from group to group and tells nothing of the drift. With its mean over the
groups taken off first, all pixels of a row tell the same drift and may be averaged: a
median of pixels with different levels follows the noise of the one in the middle.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_NOISY: Final = 4.0
"""Scatter over that of the other pixels from which on a pixel is bad."""
_MIN_GROUPS: Final = 4
"""Groups that tell a pixel's scatter."""
_BINS: Final = 24
"""Octave parts of the spectrum."""


_SURE: Final = 3.0
"""Errors of the power above the white one from which on it is taken for drift."""


def steady(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return counts less each pixel's mean over the groups.

    Parameters
    ----------
    counts : (ints, groups, ...) float32, DN
    """
    return np.asarray(counts - counts.mean(axis=1, keepdims=True), np.float32)


def is_quiet(
    counts: NDArray[np.float32], usable: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which pixels scatter no more than the others.

    Parameters
    ----------
    counts : (ints, groups, ...) float32, DN
        Steady, drift included: that is in all.
    usable : (...) bool

    Returns
    -------
    (...) bool
        All that are usable where there are too few groups to tell.
    """
    if counts.shape[1] < _MIN_GROUPS or not usable.any():
        return usable
    scatter = np.median(np.abs(counts), axis=(0, 1))
    quiet = scatter <= _NOISY * np.median(scatter[usable])
    return np.asarray(usable & quiet, np.bool_)


def follow_rows(
    counts: NDArray[np.float32], usable: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return the drift from row to row that side pixels have in common.

    Parameters
    ----------
    counts : (ints, groups, rows, pixels) float32, DN
        Steady, less the level of the group.
    usable : (rows, pixels) bool

    Returns
    -------
    (ints, groups, rows) float32, DN

    Notes
    -----
    The mean of a row's pixels is filtered by ``1 - W / P``: ``P`` is its power spectrum,
    from all groups, ``W`` the power of the pixels' own noise, from the scatter of the
    pixels within a row (Wiener's filter, in the order of the clock).
    """
    known = usable.sum(axis=1)
    weight = np.where(usable, np.float32(1.0), np.float32(0.0))
    count = np.maximum(known, 1)
    mean = (counts * weight).sum(axis=-1) / count
    apart = (counts - mean[..., None]) ** 2 * weight
    freedom = (known - 1)[known > 1].sum() * counts.shape[0] * counts.shape[1]
    if freedom == 0:
        return np.zeros(counts.shape[:3], np.float32)
    variance = apart[..., known > 1, :].sum() / freedom
    present = (known > 0).astype(np.float64)
    n_rows = present.size
    # as many rows of nothing keep the first rows from following the last
    spectrum = np.fft.rfft(mean * present, 2 * n_rows)
    power = np.mean(np.abs(spectrum) ** 2, axis=(0, 1)) / present.sum()
    white = variance * np.mean(1.0 / count[known > 0])
    gain = _wiener_gain(power, float(white), mean.shape[0] * mean.shape[1])
    total = np.fft.irfft(gain * spectrum, 2 * n_rows)[..., :n_rows]
    norm = np.fft.irfft(gain * np.fft.rfft(present, 2 * n_rows), 2 * n_rows)[:n_rows]
    seen = norm > 0.1
    drift = np.zeros(counts.shape[:3], np.float32)
    np.divide(total, norm, out=total, where=seen)
    drift[..., seen] = total[..., seen]
    return drift


def _wiener_gain(
    power: NDArray[np.float64], white: float, n_groups: int
) -> NDArray[np.float64]:
    """Return the share of the power that is not white, in parts of octaves."""
    place = np.arange(power.size)
    part = (_BINS * np.log2(1.0 + place) / np.log2(power.size)).astype(np.intp)
    count = np.maximum(np.bincount(part), 1)
    mean = np.bincount(part, power) / count
    gain = np.clip(1.0 - white / np.maximum(mean, 1e-30), 0.0, 1.0)
    # noise of the spectrum is no drift
    gain[gain < _SURE / np.sqrt(count * n_groups)] = 0.0
    # slower than its peak all is drift, faster than the first part without nothing
    peak = int(gain.argmax())
    gain[:peak] = gain[peak]
    silent = (gain == 0.0) & (np.bincount(part) > 0)
    gain[np.argmax(silent) if silent.any() else gain.size :] = 0.0
    shares = gain[part]
    shares[0] = 1.0
    return np.asarray(shares, np.float64)
