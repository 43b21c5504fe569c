"""The drift of the outputs between groups, from reference pixels.

Every reference pixel has its own level, which changes at each reset but is constant from
group to group and holds no information on the drift. After subtraction of its mean over the
groups all pixels of a row measure the same drift and can be averaged, whereas a median of
pixels with different levels follows the noise of the middle one.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_NOISY: Final = 4.0
"""Pixels that scatter more than the others by this factor are bad."""
_MIN_GROUPS: Final = 4
"""Minimum number of groups to measure a pixel's scatter."""
_BINS: Final = 24
"""Number of logarithmic bins of the spectrum."""


_SURE: Final = 3.0
"""Excess over the white power, in units of its error, above which it is taken for drift."""


def steady(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return counts minus each pixel's mean over the groups.

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
        From `steady`; the drift may be included, as it is common to all pixels.
    usable : (...) bool

    Returns
    -------
    (...) bool
        All usable pixels if there are too few groups.
    """
    if counts.shape[1] < _MIN_GROUPS or not usable.any():
        return usable
    scatter = np.median(np.abs(counts), axis=(0, 1))
    quiet = scatter <= _NOISY * np.median(scatter[usable])
    return np.asarray(usable & quiet, np.bool_)


def follow_rows(
    counts: NDArray[np.float32], usable: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return the drift from row to row that is common to the side pixels.

    Parameters
    ----------
    counts : (ints, groups, rows, pixels) float32, DN
        From `steady`, minus the level of the group.
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
    # zero-padded, so that the first rows are independent of the last
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
    """Return the fraction of the power that is not white, in logarithmic bins."""
    place = np.arange(power.size)
    part = (_BINS * np.log2(1.0 + place) / np.log2(power.size)).astype(np.intp)
    count = np.maximum(np.bincount(part), 1)
    mean = np.bincount(part, power) / count
    gain = np.clip(1.0 - white / np.maximum(mean, 1e-30), 0.0, 1.0)
    # excesses within the noise of the spectrum are not drift
    gain[gain < _SURE / np.sqrt(count * n_groups)] = 0.0
    # all is drift below the peak's frequency, nothing above the first bin without excess
    peak = int(gain.argmax())
    gain[:peak] = gain[peak]
    silent = (gain == 0.0) & (np.bincount(part) > 0)
    gain[np.argmax(silent) if silent.any() else gain.size :] = 0.0
    shares = gain[part]
    shares[0] = 1.0
    return np.asarray(shares, np.float64)
