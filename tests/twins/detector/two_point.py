"""Twins: the two-point search."""

import numpy as np


def take_steps(block, pixel, bad, steps):
    electrons = block.counts[:, :, pixel] * block.gain[pixel]
    electrons[block.flags[:, :, pixel] & bad != 0] = np.nan
    steps[:] = np.diff(electrons, axis=1).ravel()


def difference_noise(block, pixel):
    return (
        2 * (float(block.read_noise[pixel]) * block.gain[pixel]) ** 2 / block.n_frames
    )


def judge_worst(block, start, bad, rule, out):
    (limits, single), (ordered, state) = rule, out
    n_steps = len(ordered)
    for c, pixel in enumerate(range(start, block.gain.size)[: state.size]):
        steps = np.empty(n_steps, np.float32)
        take_steps(block, pixel, bad, steps)
        if np.isnan(steps).any():
            state[c] = 1
            continue
        sizes = np.sort(steps if single else np.abs(steps)).astype(float)
        ordered[:, c] = sizes
        middle = np.median(sizes) if single else clipped_median(sizes, 0, n_steps)
        limit = limits[0] if single or n_steps > 3 else limits[4 - n_steps]
        far = max(sizes[-1] - middle, middle - sizes[0])
        variance = abs(middle) + difference_noise(block, pixel)
        state[c] = 0 if far**2 <= 0.999 * limit**2 * variance else 2


def judge_ranges(block, start, bad, rule, state):
    limits, single = rule
    steps = np.empty(block.counts.shape[0] * (block.counts.shape[1] - 1), np.float32)
    for c, pixel in enumerate(range(start, block.gain.size)[: state.size]):
        take_steps(block, pixel, bad, steps)
        sizes = (steps if single else np.abs(steps)).astype(float)
        known = sizes[~np.isnan(sizes)]
        state[c] = 0
        if known.size:
            least = max(known.min(), -known.max(), 0.0)
            variance = difference_noise(block, pixel) + least
            state[c] = np.ptp(known) ** 2 > 0.999 * min(limits) ** 2 * variance


def sort_usable(steps, signed, ordered):
    sizes = steps if signed else np.abs(steps)
    known = np.sort(sizes[np.isfinite(sizes)])
    ordered[: known.size] = known
    return known.size


def median(ordered, first, n):
    return np.median(ordered[first : first + n].astype(float)) if n else np.nan


def clipped_median(ordered, first, n):
    values = ordered[first : first + n].astype(float)
    if n == 2:
        return values.min()
    if n == 3:
        return np.median(values)
    kept = values[values < values.max()]
    return np.median(kept) if kept.size else np.nan


def search_steps(ordered, n, variance, limits, single):
    known = ordered[:n].astype(float)
    if single:
        middle = np.median(known)
        reach = limits[0] * np.sqrt(abs(middle) + variance)
        return middle - reach, middle + reach
    found = False
    while known.size >= 2:
        middle = clipped_median(known, 0, known.size)
        ratio = np.abs(known - middle) / np.sqrt(middle + variance)
        if not ratio.max() > limits[max(4 - known.size, 0)]:
            break
        known, found = known[ratio < ratio.max()], True
    if not found:
        return np.inf, -np.inf
    return (known.min(), known.max()) if known.size else (-1.0, -1.0)


def note_hits(steps, ordered, outside, scale, place, hits):
    del ordered
    (variance, gain), (pixel, n_steps, n_hits) = scale, place
    middle = np.median(steps[np.isfinite(steps)].astype(float))
    for k in np.flatnonzero(outside):
        hits.where[:, n_hits] = k // n_steps, k % n_steps + 1, pixel
        excess = steps[k] - middle
        ratio = abs(excess) / np.sqrt(abs(middle) + variance)
        hits.size[:, n_hits] = ratio, excess / gain
        n_hits += 1
    return n_hits


def search_pixels(block, bad, limits, single, hits):
    n_ints, n_groups = block.counts.shape[:2]
    steps = np.empty(n_ints * (n_groups - 1), np.float32)
    n_hits = 0
    for pixel in np.flatnonzero(block.gain > 0):
        take_steps(block, pixel, bad, steps)
        if not np.isfinite(steps).any():
            continue
        variance = difference_noise(block, pixel)
        sizes = steps if single else np.abs(steps)
        known = np.sort(sizes[np.isfinite(steps)])
        low, high = search_steps(known, known.size, variance, limits, single)
        outside = (sizes < low) | (sizes > high)
        if low <= high and outside.any():
            scale = difference_noise(block, pixel), block.gain[pixel]
            place = pixel, n_groups - 1, n_hits
            n_hits = note_hits(steps, None, outside, scale, place, hits)
    return n_hits


def clip_sorted(ordered, n, limit):
    values = ordered[:n].astype(float)
    low, high = -np.inf, np.inf
    for _ in range(5):
        low, high = np.median(values) + np.array([-1, 1]) * limit * values.std()
        values = values[(values >= low) & (values <= high)]
    return low, high


def clip_integrations(block, bad, limit, hits):
    n_ints, n_groups = block.counts.shape[:2]
    steps = np.empty((n_ints, n_groups - 1), np.float32)
    n_hits = 0
    for pixel in np.flatnonzero(block.gain > 0):
        flat = steps.reshape(-1)
        take_steps(block, pixel, bad, flat)
        outside = np.zeros(steps.shape, bool)
        for k in range(n_groups - 1):
            known = np.sort(steps[:, k][np.isfinite(steps[:, k])])
            if known.size:
                low, high = clip_sorted(known, known.size, limit)
                outside[:, k] = (steps[:, k] < low) | (steps[:, k] > high)
        if outside.any():
            scale = difference_noise(block, pixel), block.gain[pixel]
            place = pixel, n_groups - 1, n_hits
            n_hits = note_hits(flat, None, outside.ravel(), scale, place, hits)
    return n_hits
