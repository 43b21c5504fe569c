"""Loops over pixels for `sources`: smoothing, peaks, centroids, apertures."""

import numpy as np
from numpy.typing import NDArray

from ..numerics.jit import kernel
from ..numerics.selection import select
from .point_spread import INNER_PX, OUTER_PX

COLUMNS = (
    "rows",
    "cols",
    "error_px",
    "flux",
    "snr",
    "ellipticity",
    "concentration",
)
"""What `measure_peaks` writes, in this order."""
WINDOW_REACH = 5
"""Pixels of the window on each side: a window of sigma 1.2 has fallen to 2e-4 there."""
REACH = 8
"""Pixels looked at on each side of a peak: the ring of the local sky ends here."""
RING_PX = 5.5
"""Inner radius of the ring of the local sky, pixels."""
MARGIN = REACH + 1
"""No peak is sought nearer to the frame's edge."""
STEPS = 30
"""Most steps of a centroid; it converges by a factor of two or more in each."""
BINOMIAL_NOISE = 0.375
"""Noise of white noise after 3 x 3 binomial smoothing: sqrt(6)/4 squared."""

Plane = NDArray[np.float32]


@kernel
def smooth_binomial(
    sky: Plane, usable: NDArray[np.bool_], level: Plane, size: int, out: Plane
) -> None:
    """Fill ``out`` with the sky over its level, smoothed by (1, 2, 1)/4 on both axes.

    ``level`` holds one value per cell of ``size`` pixels. Unusable pixels count as sky;
    the outermost rows and columns become zero.
    """
    n_rows, n_cols = sky.shape
    zero, two, sixteenth = np.float32(0), np.float32(2), np.float32(1 / 16)
    lines = np.zeros((3, n_cols), np.float32)
    under = np.empty(n_cols, np.float32)
    out[0] = zero
    out[n_rows - 1] = zero
    for r in range(n_rows):
        if r % size == 0:
            spread_cells(level[r // size], size, under)
        line = lines[r % 3]
        for c in range(n_cols):
            value = sky[r, c] - under[c]
            line[c] = value if usable[r, c] else zero
        if r < 2:
            continue
        above, middle = lines[(r - 2) % 3], lines[(r - 1) % 3]
        out[r - 1, 0] = zero
        out[r - 1, n_cols - 1] = zero
        for c in range(1, n_cols - 1):
            left = above[c - 1] + two * middle[c - 1] + line[c - 1]
            centre = above[c] + two * middle[c] + line[c]
            right = above[c + 1] + two * middle[c + 1] + line[c + 1]
            out[r - 1, c] = (left + two * centre + right) * sixteenth


@kernel
def spread_cells(
    cells: NDArray[np.float32], size: int, out: NDArray[np.float32]
) -> None:
    """Give each pixel of a row the value of its cell: to divide at each is slower."""
    for j in range(len(cells)):
        out[j * size : (j + 1) * size] = cells[j]


@kernel
def find_peaks(smooth: Plane, limit: Plane, size: int, peaks: NDArray[np.int32]) -> int:
    """Write rows and columns of local maxima into ``peaks`` (2, room); return how many.

    A maximum exceeds the four neighbours that come before it in reading order, is not below
    the four after it, and exceeds 0.375 of its cell's ``limit``. None lies within MARGIN
    pixels of the edge.
    """
    n = 0
    n_rows, n_cols = smooth.shape
    least = np.empty(n_cols, np.float32)
    for r in range(MARGIN, n_rows - MARGIN):
        if r == MARGIN or r % size == 0:
            spread_cells(limit[r // size] * np.float32(BINOMIAL_NOISE), size, least)
        for c in range(MARGIN, n_cols - MARGIN):
            v = smooth[r, c]
            if v <= least[c]:
                continue
            if v <= smooth[r, c - 1] or v < smooth[r, c + 1]:
                continue
            above, below = smooth[r - 1], smooth[r + 1]
            if v <= max(above[c - 1], above[c], above[c + 1]):
                continue
            if v < max(below[c - 1], below[c], below[c + 1]):
                continue
            if n < peaks.shape[1]:
                peaks[0, n] = r
                peaks[1, n] = c
                n += 1
    return n


@kernel
def measure_peaks(
    sky: Plane,
    err: Plane,
    usable: NDArray[np.bool_],
    peaks: tuple[NDArray[np.int32], NDArray[np.int32]],
    window: float,
    table: NDArray[np.float64],
) -> None:
    """Fill one row of ``table`` (peaks, COLUMNS) for each peak; NaN where it is no source.

    ``window`` is the sigma of the centroid's window in pixels.
    """
    ring = np.empty((2 * REACH + 1) ** 2, np.float32)
    weights = np.empty((2, 2 * WINDOW_REACH + 1))
    for i in range(len(table)):
        r, c = peaks[0][i], peaks[1][i]
        if not is_clean(usable, r, c):
            continue
        level = ring_level(sky, usable, r, c, ring)
        centre = find_centroid(sky, usable, level, (r, c), window, weights)
        if centre[0] != centre[0]:
            continue
        table[i, 0], table[i, 1] = centre
        shape = measure_shape(sky, err, usable, level, centre, window)
        table[i, 2], table[i, 5] = shape
        inner, inner_var = sum_aperture(sky, err, level, centre, INNER_PX)
        outer, _ = sum_aperture(sky, err, level, centre, OUTER_PX)
        table[i, 3] = outer
        table[i, 4] = inner / np.sqrt(inner_var)
        table[i, 6] = inner / outer


@kernel
def is_clean(usable: NDArray[np.bool_], row: int, col: int) -> bool:
    """Tell whether all pixels within 3.5 pixels are usable."""
    for r in range(row - 3, row + 4):
        for c in range(col - 3, col + 4):
            near = (r - row) ** 2 + (c - col) ** 2 <= OUTER_PX**2
            if near and not usable[r, c]:
                return False
    return True


@kernel
def ring_level(
    sky: Plane, usable: NDArray[np.bool_], row: int, col: int, ring: Plane
) -> float:
    """Return the median of the usable pixels between 5.5 and 8 pixels; NaN if there is none."""
    n = 0
    for r in range(row - REACH, row + REACH + 1):
        for c in range(col - REACH, col + REACH + 1):
            square = (r - row) ** 2 + (c - col) ** 2
            inside = RING_PX**2 <= square <= REACH**2
            if inside and usable[r, c]:
                ring[n] = sky[r, c]
                n += 1
    return select(ring, n, (n - 1) // 2) if n > 0 else np.nan


@kernel
def find_centroid(
    sky: Plane,
    usable: NDArray[np.bool_],
    level: float,
    peak: tuple[int, int],
    window: float,
    weights: NDArray[np.float64],
) -> tuple[float, float]:
    """Return row and column where a Gaussian window is balanced; NaN if it runs away.

    ``weights`` (2, 2 * WINDOW_REACH + 1) is room for the window's factors along the two
    axes. Unusable pixels, which can only lie in the window's skirts, count as sky.
    """
    row, col = float(peak[0]), float(peak[1])
    for _ in range(STEPS):
        top, left = round(row) - WINDOW_REACH, round(col) - WINDOW_REACH
        for k in range(weights.shape[1]):
            weights[0, k] = np.exp(-((top + k - row) ** 2) / (2.0 * window * window))
            weights[1, k] = np.exp(-((left + k - col) ** 2) / (2.0 * window * window))
        total, move_row, move_col = 0.0, 0.0, 0.0
        for i in range(weights.shape[1]):
            line, moment = 0.0, 0.0
            for j in range(weights.shape[1]):
                if usable[top + i, left + j]:
                    value = weights[1, j] * (sky[top + i, left + j] - level)
                    line += value
                    moment += value * (left + j - col)
            total += weights[0, i] * line
            move_row += weights[0, i] * line * (top + i - row)
            move_col += weights[0, i] * moment
        if not total > 0.0:
            return np.nan, np.nan
        row += 2.0 * move_row / total
        col += 2.0 * move_col / total
        if abs(row - peak[0]) > 1.5 or abs(col - peak[1]) > 1.5:
            return np.nan, np.nan
        if abs(move_row) + abs(move_col) < 1e-5 * total:
            break
    return row, col


@kernel
def measure_shape(
    sky: Plane,
    err: Plane,
    usable: NDArray[np.bool_],
    level: float,
    centre: tuple[float, float],
    window: float,
) -> tuple[float, float]:
    """Return the centroid's error in pixels and the ellipticity 1 - b/a.

    With windowed moments M and window variance s^2 the source has the covariance
    (M^-1 - I/s^2)^-1, and a centroid moves 1/(1 - M/s^2) times what its balance does.
    """
    row, col = round(centre[0]), round(centre[1])
    variance = window * window
    total, m_rr, m_cc, m_rc, noise = 0.0, 0.0, 0.0, 0.0, 0.0
    for r in range(row - WINDOW_REACH, row + WINDOW_REACH + 1):
        for c in range(col - WINDOW_REACH, col + WINDOW_REACH + 1):
            if not usable[r, c]:
                continue
            dr, dc = r - centre[0], c - centre[1]
            square = dr * dr + dc * dc
            weight = np.exp(-square / (2.0 * variance))
            value = weight * (sky[r, c] - level)
            total += value
            m_rr += value * dr * dr
            m_cc += value * dc * dc
            m_rc += value * dr * dc
            noise += weight * weight * square * err[r, c] * err[r, c] / 2.0
    m_rr, m_cc, m_rc = m_rr / total, m_cc / total, m_rc / total
    half, middle = np.hypot((m_rr - m_cc) / 2.0, m_rc), (m_rr + m_cc) / 2.0
    if not total > 0.0 or middle <= half or middle + half >= variance:
        return np.sqrt(noise) / abs(total), 1.0
    major = 1.0 / (1.0 / (middle + half) - 1.0 / variance)
    minor = 1.0 / (1.0 / (middle - half) - 1.0 / variance)
    gain = 1.0 / (1.0 - middle / variance)
    return gain * np.sqrt(noise) / total, 1.0 - np.sqrt(minor / major)


@kernel
def sum_aperture(
    sky: Plane, err: Plane, level: float, centre: tuple[float, float], radius: float
) -> tuple[float, float]:
    """Return flux over ``level`` and its variance in a circle with a one-pixel soft edge."""
    row, col = round(centre[0]), round(centre[1])
    flux, variance = 0.0, 0.0
    for r in range(row - 4, row + 5):
        for c in range(col - 4, col + 5):
            distance = np.hypot(r - centre[0], c - centre[1])
            share = min(max(radius + 0.5 - distance, 0.0), 1.0)
            if share > 0.0 and sky[r, c] == sky[r, c]:
                flux += share * (sky[r, c] - level)
                variance += share * share * err[r, c] * err[r, c]
    return flux, variance
