"""Twins: regions, ellipses and halos."""

import numpy as np
from scipy import ndimage

from rampline.flags import DO_NOT_USE, JUMP, SATURATED


def flood(wet):
    outside = ndimage.binary_propagation(
        _corner(wet.shape), np.ones((3, 3)), mask=~wet | _corner(wet.shape)
    )
    wet |= outside
    return np.count_nonzero(outside)


def _corner(shape):
    corner = np.zeros(shape, bool)
    corner[0, 0] = True
    return corner


def fill_areas(runs, box, area, chosen):
    filled = area.copy()
    for region in np.flatnonzero(chosen):
        mask = np.zeros((box[:, 1].max() + 1, box[:, 3].max() + 1), bool)
        for row, start, stop, own in runs:
            mask[row, start:stop] |= own == region
        filled[region] = np.count_nonzero(
            ndimage.binary_fill_holes(mask, np.ones((3, 3)))
        )
    return filled


def fill_excess(flags, counts, group, least):
    lost = flags & (DO_NOT_USE | SATURATED) != 0
    steps = np.diff(counts, axis=0)
    steps[lost[1:] | lost[:-1]] = np.nan
    others = np.where(flags[1:] & JUMP != 0, np.nan, steps)
    others[group - 1 : group + 1] = np.nan
    known = np.isfinite(others).sum(axis=0)
    middle = np.maximum(known - 1, 0)[None] // 2
    level = np.take_along_axis(np.sort(others, axis=0), middle, axis=0)[0]
    return steps[group - 1] - np.where(known >= least, level, 0)


def find_runs(words, veto, bits, runs, first):
    flags, vetoed = words.view(np.uint8), veto.view(np.uint8)
    event = (flags & bits[0] != 0) & (vetoed & bits[1] == 0)
    edges = np.diff(np.pad(event, ((0, 0), (1, 1))).astype(int), axis=1)
    starts, stops = np.argwhere(edges == 1), np.argwhere(edges == -1)
    runs[: len(starts), :3] = np.column_stack([starts, stops[:, 1]])
    first[:] = np.searchsorted(starts[:, 0], np.arange(len(words) + 1))
    return len(starts)


def root(parent, k):
    return k if parent[k] == k else root(parent, parent[k])


def join_runs(runs, first, parent):
    del first, parent
    shape = runs[:, 0].max() + 1, runs[:, 2].max()
    plane = np.zeros(shape, bool)
    for row, start, stop, _ in runs:
        plane[row, start:stop] = True
    labels, n = ndimage.label(plane, np.ones((3, 3)))
    runs[:, 3] = labels[runs[:, 0], runs[:, 1]] - 1
    return n


def window(form, shape):
    row, col, reach = int(form[0]), int(form[1]), int(max(form[2:4])) + 2
    rows, cols = np.arange(shape[0]), np.arange(shape[1])
    near = rows[abs(rows - row) <= reach], cols[abs(cols - col) <= reach]
    return near[0][0], near[0][-1] + 1, near[1][0], near[1][-1] + 1


def fill_ellipses(flags, forms, bit, veto):
    r, c = np.indices(flags.shape)
    for row, col, semi_minor, semi_major, cosine, sine in forms:
        if semi_minor == 0 or semi_major == 0:
            continue
        y, x = r - row, c - col
        along = (y * cosine + x * sine) / semi_major
        across = (y * sine - x * cosine) / semi_minor
        inside = (along**2 + across**2 < 1) & (flags & veto == 0)
        flags[inside] |= np.uint8(bit)


def pixels_of(runs, region):
    """Return (row, column) of the pixels of a region."""
    own = runs[runs[:, 3] == region]
    return np.array([(row, col) for row, a, b, _ in own for col in range(a, b)])


def sum_regions(runs, area, box):
    for region in range(len(area)):
        pixels = pixels_of(runs, region)
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        area[region] = len(pixels)
        box[region] = low[0], high[0], low[1], high[1]


def sum_moments(runs, box, sums):
    for region in range(len(sums)):
        r, c = (pixels_of(runs, region) - box[region, ::2]).T
        sums[region] += (r.sum(), c.sum(), r @ r, r @ c, c @ c)
