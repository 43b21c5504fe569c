"""Slow twins of the kernels of ``rampline.simulation``."""

import numpy as np
from scipy import ndimage
from scipy.interpolate import BSpline
from scipy.special import gammaln
from scipy.stats import poisson

MASK = (1 << 64) - 1


GAMMA = 0x9E3779B97F4A7C15


def mixed(x):
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def seed(number, state):
    for j in range(state.size):
        state[j] = mixed((int(number) + (j + 1) * GAMMA) & MASK)


def uniform(state, j):
    state[j] = (int(state[j]) + GAMMA) & MASK
    return (mixed(int(state[j])) >> 11) / 2**53


def normal(state, j):
    radius = np.sqrt(-2 * np.log(1 - uniform(state, j)))
    return radius * np.cos(2 * np.pi * uniform(state, j))


def poisson_inversion(mean, nothing, state, j):
    assert np.isclose(np.exp(-mean), nothing)
    u = uniform(state, j)
    counts = np.arange(201)
    cumulative = poisson.cdf(counts, mean)
    return min(int(np.searchsorted(cumulative, u)), 200)


def poisson_rejection(mean, state, j):
    """Compare the full ratio of densities wherever the squeeze does not decide."""
    b = 0.931 + 2.53 * np.sqrt(mean)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    while True:
        u, v = uniform(state, j) - 0.5, 1 - uniform(state, j)
        us = 0.5 - abs(u)
        count = np.floor((2 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= 0.9277 - 3.6224 / (b - 2.0):
            return int(count)
        if count < 0 or (us < 0.013 and v > us):
            continue
        density = -mean + count * np.log(mean) - gammaln(count + 1)
        if np.log(v * inverse_alpha / (a / us**2 + b)) <= density:
            return int(count)


def add_photons(expected, nothing, gain, well, charge, state):
    for j, mean in enumerate(expected):
        if mean <= 0 or charge[j] >= well[j] * gain[j]:
            continue
        if mean < 12:
            charge[j] += poisson_inversion(mean, nothing[j], state, j)
        elif mean < 1e5:
            charge[j] += poisson_rejection(mean, state, j)
        else:
            charge[j] += np.rint(mean + np.sqrt(mean) * normal(state, j))


def read(charge, gain, curvature, well, total):
    full = charge / gain > well
    charge[full] = (well.astype(float) * gain)[full]
    signal = charge / gain
    total += signal / (1 + curvature * signal)


def gather_band(planes, events, row_start, timing, seeds, out):
    rate, gain, curvature, well = planes
    n_groups, n_frames, n_dropped, frame_s = timing
    groups, first = out
    period = n_frames + n_dropped
    for i in range(rate.shape[0]):
        state = np.zeros(rate.shape[1], np.uint64)
        seed(seeds[i], state)
        mine = slice(row_start[i], row_start[i + 1])
        frames, cols, electrons = (part[mine] for part in events)
        charge = np.zeros(rate.shape[1])
        arrived = np.zeros(frames.size, bool)
        for group in range(n_groups):
            total = np.zeros(rate.shape[1])
            for k in range(n_frames):
                mean = rate[i].astype(float) * frame_s
                add_photons(mean, np.exp(-mean), gain[i], well[i], charge, state)
                due = ~arrived & (frames <= group * period + k)
                np.add.at(charge, cols[due], electrons[due])
                arrived |= due
                read(charge, gain[i], curvature[i], well[i], total)
                if group == 0 and k == 0:
                    first[i] = total
            groups[group, i] = total / n_frames
            if n_dropped and group < n_groups - 1:
                mean = rate[i].astype(float) * frame_s * n_dropped
                add_photons(mean, np.exp(-mean), gain[i], well[i], charge, state)


def spread(source, kernel3, out):
    out[:] = ndimage.convolve(source, kernel3, mode="constant")[1:-1, 1:-1]


def spline_weights(t, out):
    basis = BSpline.basis_element(np.arange(-2, 3), extrapolate=False)
    out[:] = [float(np.nan_to_num(basis(t - k))) for k in (-1, 0, 1, 2)]


def add_star(image, knots, oversample, star, half):
    """Ask scipy for the spline at every pixel of the stamp."""
    row, col, rate = star
    rows, cols = np.indices(image.shape)
    near = (abs(rows - np.rint(row)) <= half) & (abs(cols - np.rint(col)) <= half)
    centre = (knots.shape[0] - 1) // 2
    places = [
        centre + (rows[near] - row) * oversample,
        centre + (cols[near] - col) * oversample,
    ]
    values = ndimage.map_coordinates(knots, places, order=3, prefilter=False)
    image[near] += rate * values


def fold(optics, table, shape, centre, folded):
    highest = optics.shape[1] - 1
    size = folded.shape[0]
    rows, cols = np.mgrid[-highest : highest + 1, : highest + 1]
    waves = np.stack([cols, rows]) * 2 * np.pi / size
    length = np.hypot(*np.tensordot(shape.T, waves, axes=1))
    value = np.interp(np.log1p(length) / 0.004, np.arange(table.size), table, right=0)
    phase = np.exp(-2j * np.pi * (rows * centre[0] + cols * centre[1]) / size)
    term = optics * value * phase
    np.add.at(folded, (rows % size, cols % size), term)
    right = cols > 0
    mirrored = -rows[right] % size, -cols[right] % size
    np.add.at(folded, mirrored, term[right].conjugate())


def lay_down(board, values, rows, cols, cuts):
    place = (np.arange(cuts) + 0.5) / cuts
    for (i, j), value in np.ndenumerate(values):
        for u in place:
            for v in place:
                weights = np.outer([1 - u, u], [1 - v, v])
                row = np.sum(weights * rows[i : i + 2, j : j + 2])
                col = np.sum(weights * cols[i : i + 2, j : j + 2])
                if 1 <= row < board.shape[0] - 2 and 1 <= col < board.shape[1] - 2:
                    share_out(board, row, col, value / cuts**2)


def share_out(board, row, col, share):
    rows, cols = (
        [quadratic(k, x) for k in range(n)]
        for n, x in zip(board.shape, (row, col), strict=True)
    )
    board += share * np.outer(rows, cols)


def quadratic(point, off):
    spline = BSpline.basis_element([-1.5, -0.5, 0.5, 1.5], extrapolate=False)
    return float(np.nan_to_num(spline(point - off)))


def overlaps(corners, n):
    return any(
        1 <= x < n - 2 for x in np.linspace(np.min(corners), np.max(corners), 99)
    )
