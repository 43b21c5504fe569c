"""Slow twins of the kernels of ``rampline.detector``: NumPy and SciPy."""

from types import SimpleNamespace

import numpy as np
from scipy import ndimage, stats

from rampline.detector import leave_out
from rampline.detector.ramp_fit import gls_kernels, ols_rows, whole_ramps
from rampline.flags import DO_NOT_USE, JUMP, SATURATED


def first_saturated(samples, limit, start, stop):
    full = samples[:, :, start:stop].astype(np.float32) >= limit[start:stop]
    n_groups = samples.shape[1]
    return np.where(full.any(axis=1), full.argmax(axis=1), n_groups).astype(np.uint16)


def group_flags(samples, first, full, floor, start):
    band = samples[:, :, start : start + first.shape[1]]
    later = np.arange(samples.shape[1])[:, None, None] >= first[:, None]
    flags = np.where(later, full, 0) | np.where(band <= 0, floor, 0)
    return flags.astype(np.uint8)


def flag_box(where, layers, bit, flags):
    n_rows, n_cols = flags.shape[2:]
    rows, cols = np.mgrid[:n_rows, :n_cols]
    for i, group, row, col in where.T:
        near = (abs(rows - row) <= layers) & (abs(cols - col) <= layers)
        flags[i, group][near] |= np.uint8(bit)


def subtract_known(counts, planes, start, stop):
    rows = slice(start, stop)
    known = np.where(np.isnan(planes), np.float32(0), planes)
    counts[:, :, rows] -= known[None, :, rows]


def unknown_polynomials(coefficients, start, stop):
    band = coefficients[:, start:stop]
    return np.isnan(band).any(axis=0) | (band[1] == 0)


def evaluate(counts, flags, saturated, coefficients, unknown, start):
    rows = slice(start, start + len(unknown))
    band = counts[:, :, rows]
    keep = unknown | ((flags[:, :, rows] & saturated) != 0)
    powers = [coefficients[k, rows] * band**k for k in range(len(coefficients))]
    counts[:, :, rows] = np.where(keep, band, np.sum(powers, axis=0))


def clipped_means(values, clip):
    means = np.full(values.shape[:2], np.nan)
    for place in np.ndindex(means.shape):
        if values.shape[2]:
            means[place] = stats.sigmaclip(
                values[place].astype(float), clip, clip
            ).clipped.mean()
    return means


def running_medians(series, usable, half):
    padded = np.pad(series, ((0, 0), (half, half), (0, 0)), mode="reflect")
    known = np.pad(usable, ((half, half), (0, 0)), mode="reflect")
    medians = np.full(series.shape[:2], np.nan)
    for row in range(series.shape[1]):
        window = slice(row, row + 2 * half + 1)
        if known[window].any():
            medians[:, row] = np.median(padded[:, window][:, known[window]], axis=1)
    return medians


def insert(ordered, n, value):
    ordered[: n + 1] = np.sort([*ordered[:n], value])
    return n + 1


def remove(ordered, n, value):
    kept = list(ordered[:n])
    kept.remove(value)
    ordered[: n - 1] = kept
    return n - 1


def subtract_offsets(counts, columns, rows, start, stop):
    band = slice(start, stop)
    counts[:, :, band] -= columns[:, :, None]
    counts[:, :, band] -= rows[:, :, band, None]


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


def load_steps(counts, flags, span, bits, pattern, tile):
    inside = slice(*span)
    steps = np.diff(counts[:, inside], axis=0) / pattern.step_s[:, None]
    lost = flags[:, inside] & bits[0] != 0
    used = ~(lost[1:] | lost[:-1] | (flags[1:, inside] & bits[1] != 0))
    used &= np.isfinite(steps)
    tile.used[:] = used
    tile.rate[:] = np.where(used, steps, 0)
    tile.shift[:] = 0
    tile.seen[:] = np.bitwise_or.reduce(flags[:, inside], axis=0)


def pick_steps(samples, pixels, bits, pattern, tile, column):
    counts, flags = _ramps_of(samples, pixels, len(tile.rate) + 1)
    inside = slice(column, column + len(pixels))
    part = tile._replace(
        rate=tile.rate[:, inside],
        used=tile.used[:, inside],
        shift=tile.shift[inside],
        seen=tile.seen[inside],
    )
    load_steps(counts, flags, (0, len(pixels)), bits, pattern, part)


def _ramps_of(samples, pixels, n_groups):
    groups = np.arange(n_groups)[:, None]
    plane, flag_plane = samples.planes
    counts = samples.counts[pixels + groups * plane]
    return counts, samples.flags[pixels + groups * flag_plane]


def pick_pixels(flat, plane, pixels, picked):
    for group, ramp in enumerate(picked):
        ramp[:] = flat[group * plane + pixels]


def find_means(tile):
    tile.n_used[:] = tile.used.sum(axis=0)
    tile.mean[:] = tile.rate.sum(axis=0) / np.maximum(tile.n_used, 1)
    tile.largest[:] = np.where(tile.used > 0, tile.rate, -np.inf).max(axis=0)


def set_noise(tile, inverse_gain, pattern, lost):
    for c in range(inverse_gain.size):
        known = np.sort(tile.rate[tile.used[:, c] > 0, c])
        own = lost[:, known.size]
        whole = known.mean() if known.size else 0.0
        known = known[:-1] if known.size > 1 else known
        tile.mean[c] = known.mean() if known.size else 0.0
        rate = tile.mean[c] + tile.shift[c]
        photons, read = max(rate, 0) * inverse_gain[c], tile.read[c]
        variance = own @ [photons, read]
        if known.size == len(tile.rate) - 1:
            light = photons * pattern.photon_diagonal[0]
            share = light / (light + read * pattern.read_diagonal[0])
            whole = share * whole + (1 - share) * pattern.read_weight @ tile.rate[:, c]
        rate = min(rate + np.sqrt(variance), whole + tile.shift[c])
        tile.signal[c] = max(rate, 0) * inverse_gain[c]


def move_origin(tile, by):
    tile.rate[:] -= tile.used * by
    tile.shift[:] += by


def covariance(tile, pattern, c):
    """Dense covariance of the differences of a pixel; unused ones stand alone."""
    signal, read = float(tile.signal[c]), float(tile.read[c])
    both = tile.used[1:, c] * tile.used[:-1, c]
    off = (signal * pattern.photon_off + read * pattern.read_off)[:-1] * both
    diagonal = signal * pattern.photon_diagonal + read * pattern.read_diagonal
    return np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1)


def eliminate(tile, pattern):
    for c in range(tile.mean.size):
        matrix = covariance(tile, pattern, c)
        root = np.linalg.cholesky(matrix)
        unit = root / np.diag(root)
        d, one = tile.rate[:, c], tile.used[:, c]
        tile.factor[:, c] = np.append(0, np.diag(unit, -1))
        tile.inverse[:, c] = np.diag(root) ** -2
        tile.value[:, c] = np.linalg.solve(unit, d)
        tile.design[:, c] = np.linalg.solve(unit, one)
        inverse = np.linalg.inv(matrix)
        tile.sums[:, c] = d @ inverse @ d, one @ inverse @ d, one @ inverse @ one
        tile.chi2[c] = chi2_without(tile, pattern, c, []) if one.any() else 0


def weigh_reads(tile, pattern, weight):
    dark = tile._replace(signal=np.zeros_like(tile.read))
    for c in range(tile.mean.size):
        one = tile.used[:, c]
        weight[c] = one @ np.linalg.solve(covariance(dark, pattern, c), one)


def write_slopes(sums, reads, origin, lost_bit, marks, planes):
    slope, err, var_poisson, var_read = planes
    marks[~(sums[2] > 0)] |= np.uint32(lost_bit)
    lost = marks & lost_bit != 0
    with np.errstate(divide="ignore", invalid="ignore"):
        slope[:] = np.where(lost, np.nan, origin + sums[1] / sums[2])
        err[:] = np.where(lost, 0, sums[2] ** -0.5)
        var_read[:] = np.where(lost, 0, 1 / reads)
        var_poisson[:] = np.where(lost, 0, np.maximum(1 / sums[2] - 1 / reads, 0))


def invert(tile, pattern, out):
    for c in range(tile.mean.size):
        inverse = np.linalg.inv(covariance(tile, pattern, c))
        out.own[:, c] = np.diag(inverse)
        out.cross[:, c] = np.append(np.diag(inverse, 1), 0)


def project(tile, pattern, out):
    for c in range(tile.mean.size):
        inverse = np.linalg.inv(covariance(tile, pattern, c))
        d, one = tile.rate[:, c], tile.used[:, c]
        weight = one @ inverse @ one
        weights = inverse @ one
        projected = inverse - np.outer(weights, weights) / max(weight, 1e-30)
        out.residual[:, c] = projected @ d
        out.own[:, c] = np.diag(projected)
        out.cross[:, c] = np.append(np.diag(projected, 1), 0)


def chi2_without(tile, pattern, c, omitted):
    """Chi2 of a new fit without some differences."""
    kept = np.flatnonzero(tile.used[:, c])
    kept = kept[~np.isin(kept, omitted)]
    if kept.size == 0:
        return np.nan
    inverse = np.linalg.inv(covariance(tile, pattern, c)[np.ix_(kept, kept)])
    d = tile.rate[kept, c]
    slope = inverse.sum(axis=0) @ d / inverse.sum()
    return (d - slope) @ inverse @ (d - slope)


def step_in(tile, pattern, c, omitted):
    """Steps of some differences above the slope that the others give."""
    model = np.column_stack(
        [tile.used[:, c], *(np.eye(len(tile.used))[i] for i in omitted)]
    )
    inverse = np.linalg.inv(covariance(tile, pattern, c))
    normal = model.T @ inverse @ model
    return np.linalg.solve(normal, model.T @ inverse @ tile.rate[:, c])[1:]


def _find_best(tile, pattern, c, candidates):
    whole = chi2_without(tile, pattern, c, [])
    best = (0.0, 0, np.zeros(2))
    for omitted in candidates:
        if not all(tile.used[omitted, c]) or tile.used[:, c].sum() <= len(omitted):
            continue
        steps = step_in(tile, pattern, c, omitted)
        saved = whole - chi2_without(tile, pattern, c, omitted)
        if (steps > 0).all() and saved > best[0]:
            best = (saved, omitted[0], steps)
    return best


def find_best_single(tile, pattern, out):
    for c in range(tile.mean.size):
        candidates = [[i] for i in range(len(tile.used))]
        out.gain[0, c], out.first[0, c], steps = _find_best(
            tile, pattern, c, candidates
        )
        out.jump[0, c] = steps[0]


def find_best_pair(tile, pattern, out):
    for c in range(tile.mean.size):
        candidates = [[i, i + 1] for i in range(len(tile.used) - 1)]
        out.gain[1, c], out.first[1, c], steps = _find_best(
            tile, pattern, c, candidates
        )
        out.jump[1:, c] = steps


def flag_crosses(group_flags, where, bad, jump):
    cross = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], bool)
    hit = np.zeros(group_flags.shape, bool)
    hit[tuple(where)] = True
    near = ndimage.binary_dilation(hit, cross[None, None])
    group_flags[near & (group_flags & bad == 0)] |= jump


def fill_strips(image, flags, bad, flat, sky, sums):
    total, count = sums
    usable = flags & np.uint32(bad) == 0
    value = image - flat * np.float32(sky[0])
    used = usable & (np.abs(value) < np.float32(sky[1]))
    strip = np.arange(image.shape[1]) // 8
    for k in range(total.shape[1]):
        own = used & (strip == k)
        total[:, k] = np.where(own, value, 0).sum(axis=1)
        count[:, k] = own.sum(axis=1)
    return np.sum(value[used].astype(float) ** 2)


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


def kind(flags, is_lost, bits):
    return (
        1 * bool(flags != 0 or is_lost)
        + 2 * bool(flags == bits.jump and not is_lost)
        + 4 * bool(is_lost)
        + 8 * bool(flags & bits.jump)
    )


def take_ramp(block, place, times, bits, scratch):
    pixel, i = place
    flags = block.flags[i, :, pixel].astype(int)
    scratch.values[i] = block.counts[i, :, pixel]
    full = flags & bits.saturated != 0
    lost = (flags & bits.do_not_use != 0) | full | np.isnan(scratch.values[i])
    bare = flags & ~bits.persistence
    scratch.kind[i] = [kind(f, b, bits) for f, b in zip(bare, lost, strict=True)]
    n_good, clean = np.count_nonzero(scratch.kind[i] == 0), (flags == 0) & ~lost
    zero, n = block.zero[i, pixel], len(flags)
    scratch.single_s[i], scratch.is_single[i] = times.group, False
    is_lost, is_full, starts_full = lost.all(), full.all(), full[0]
    if not times.keep_one_group and n_good == 1:
        scratch.kind[i], is_lost = 5, True
    elif times.keep_one_group and clean.sum() == 1 and clean[0]:
        scratch.single_s[i], scratch.is_single[i] = times.one_group, True
    elif times.keep_one_group and not clean.any() and np.isfinite(zero) and zero != 0:
        scratch.single_s[i], scratch.is_single[i] = times.frame, True
        scratch.values[i, 0], scratch.kind[i, 0] = zero, 0
        is_lost, is_full, starts_full = lost.sum() > n, False, False
    seen = int(np.bitwise_or.reduce(flags))
    scratch.is_cut[i] = full.any()
    scratch.added[i] = (
        seen & (bits.jump | bits.persistence)
        | (bits.do_not_use if is_lost or starts_full else 0)
        | (bits.saturated if is_full or starts_full else 0)
    )
    return seen


def median_rate(scratch, i, times):
    kinds, values = scratch.kind[i], scratch.values[i]
    if kinds.size == 1:
        return values[0] / times.one_group if kinds[0] & 4 == 0 else 0.0
    if scratch.is_single[i]:
        return values[0] / scratch.single_s[i]
    known = (kinds[1:] & 12 == 0) & (kinds[:-1] & 4 == 0)
    if known.any():
        return np.median(np.diff(values)[known]) / times.group
    return values[0] / times.group if kinds[0] & 4 == 0 else 0.0


def find_segments(kinds, segments):
    labels, _ = ndimage.label(kinds & 1 == 0)
    found = []
    for own in ndimage.find_objects(labels):
        start = own[0].start
        start -= bool(start > 0 and kinds[start - 1] & 2)
        found.append((start, own[0].stop - start))
    if any(length > 1 for _, length in found):
        found = [one for one in found if one[1] > 1]
    else:
        found = found[:1]
    for k, one in enumerate(found):
        segments[k] = one
    return len(found)


def read_variance(length, variance, times, single_s):
    if length == 1:
        return 2 * variance / single_s**2
    x = np.arange(length) - (length - 1) / 2
    return variance / (x @ x) / times.group**2


def power_index(rise, gain, variance):
    total = variance * gain**2 + rise * gain
    snr = rise * gain / np.sqrt(total) if total > 0 else 0.0
    return int(np.digitize(snr, (5, 10, 20, 50, 100)))


def fit_integration(scratch, i, noise, table, times):
    signal, variance, gain = noise
    sums = np.zeros(4)
    n = find_segments(scratch.kind[i], scratch.segments)
    for start, length in scratch.segments[:n]:
        values = scratch.values[i, start : start + length]
        time = times.group if length > 1 else scratch.single_s[i]
        power = power_index(values[-1] - values[0], gain, variance) if length > 2 else 0
        slope = table[length, power, :length] @ values / time
        var_read = read_variance(length, variance, times, time)
        var_poisson = signal / (time * max(length - 1, 1))
        inverse = 1 / var_poisson if var_poisson > 0 else 0.0
        sums += slope / var_read, 1 / var_read, inverse, 1 / (var_read + var_poisson)
    return sums


def limited(inverse):
    return 1 / inverse if inverse > 1e-6 else 0.0


def write_fit(sums, is_lost, place, result):
    i, pixel = place
    if is_lost:
        result.planes[0, i, pixel] = np.nan
        return
    var_read, var_poisson = limited(sums[1]), limited(sums[2])
    err = np.sqrt(var_read + var_poisson)
    result.planes[:, i, pixel] = sums[0] * var_read, err, var_poisson, var_read


def fit_pixel(block, place, model, bits, scratch, result):
    pixel, signal = place
    n_ints = len(block.counts)
    noise = signal, block.read_variance[pixel], block.gain[pixel]
    invalid = bits.do_not_use | bits.saturated
    sums = [fit_integration(scratch, i, noise, *model) for i in range(n_ints)]
    total, flags = np.zeros(4), []
    for i in range(n_ints):
        added = int(scratch.added[i]) | (bits.do_not_use if sums[i][1] == 0 else 0)
        total += sums[i] if added & invalid == 0 else 0
        flags.append(int(result.flags[i, pixel]) | added)
        write_fit(sums[i], flags[i] & invalid != 0, (i, pixel), result)
        if flags[i] & invalid == 0:
            result.planes[1, i, pixel] = np.sqrt(1 / sums[i][3])
        result.flags[i, pixel] = flags[i] | bits.saturated * int(scratch.is_cut[i])
    whole = int(result.flags[n_ints, pixel])
    whole |= np.bitwise_or.reduce(scratch.added & ~np.uint32(invalid))
    whole |= np.bitwise_and.reduce(flags) & invalid
    write_fit(total, whole & invalid != 0, (n_ints, pixel), result)
    cut = bits.saturated * int(scratch.is_cut.any())
    result.flags[n_ints, pixel] = int(whole) | cut


def restore_groups(block, place, bits, scratch):
    pixel, i = place
    flags = block.flags[i, :, pixel].astype(int)
    marked = flags & bits.chargeloss != 0
    flags[marked] &= ~(bits.do_not_use | bits.chargeloss)
    lost = flags & (bits.do_not_use | bits.saturated) != 0
    bare = flags & ~bits.persistence
    scratch.kind[i] = [kind(f, b, bits) for f, b in zip(bare, lost, strict=True)]
    return marked.any()


def refit_noise(block, pixel, times, bits, scratch, result):
    n_ints = len(block.counts)
    inverses = np.zeros(n_ints)
    for i in range(n_ints):
        if restore_groups(block, (pixel, i), bits, scratch):
            n = find_segments(scratch.kind[i], scratch.segments)
            for _, length in scratch.segments[:n]:
                own = block.read_variance[pixel], times, scratch.single_s[i]
                inverses[i] += 1 / read_variance(length, *own)
            if inverses[i] > 0 and np.isfinite(result.planes[0, i, pixel]):
                result.planes[3, i, pixel] = limited(inverses[i])
        elif result.planes[3, i, pixel] > 0:
            inverses[i] = 1 / result.planes[3, i, pixel]
    if inverses.sum() > 0 and np.isfinite(result.planes[0, n_ints, pixel]):
        result.planes[3, n_ints, pixel] = limited(inverses.sum())


def fit_pixels(block, table, times, bits, result, scratch):
    n_ints = len(block.counts)
    for pixel in range(block.counts.shape[2]):
        seen = [
            take_ramp(block, (pixel, i), times, bits, scratch) for i in range(n_ints)
        ]
        rates = [median_rate(scratch, i, times) for i in range(n_ints)]
        signal = max(np.mean(rates), 0.0) + block.dark[pixel]
        with np.errstate(invalid="ignore"):
            place = pixel, signal / block.gain[pixel]
            fit_pixel(block, place, (table, times), bits, scratch, result)
        if np.bitwise_or.reduce(seen) & bits.chargeloss:
            refit_noise(block, pixel, times, bits, scratch, result)


def take_ramps(samples, span, scratch):
    (start, n), (plane, flag_plane) = span, samples.planes
    groups = np.arange(len(scratch.ramp))[:, None]
    pixels = start + np.arange(n)
    counts = samples.counts[groups * plane + pixels]
    scratch.ramp[:, :n] = counts - counts[0]
    scratch.step[:, :n] = np.diff(counts, axis=0)
    scratch.line[ols_rows._SUM, :n] = (counts - counts[0]).sum(axis=0)
    scratch.flags[:-1, :n] = samples.flags[groups * flag_plane + pixels]
    scratch.seen[:n] = np.bitwise_or.reduce(scratch.flags[:-1, :n], axis=0)


def take_pixels(noise, span, n_frames, scratch):
    start, n = span
    inside = slice(start, start + n)
    scratch.line[ols_rows._GAIN, :n] = noise.gain[inside]
    scratch.line[ols_rows._READ, :n] = noise.read_noise[inside] ** 2 / n_frames
    dark = noise.dark[inside]
    scratch.line[ols_rows._DARK, :n] = dark if dark.size else 0


def drop_steps(n, bits, scratch):
    lost, jump = np.uint8(bits[0] | bits[1]), np.uint8(bits[2])
    flags = scratch.flags[:-1, :n]
    used = (flags[:-1] & lost == 0) & (flags[1:] & (lost | jump) == 0)
    scratch.step[:, :n][~used] = np.inf
    scratch.n_used[:n] = used.sum(axis=0)


def find_rates(n, group_s, scratch):
    for c in range(n):
        steps = scratch.step[: len(scratch.ramp) - 1, c]
        steps = steps[steps < np.inf].astype(float)
        rate = np.median(steps) / group_s if steps.size else np.inf
        scratch.line[ols_rows._RATE, c] = rate


def choose_slopes(n, model, scratch):
    line, bounds = scratch.line, np.sqrt(model.squares[1:])
    for c in range(n):
        gain, variance = line[[ols_rows._GAIN, ols_rows._READ], c].astype(float)
        ramp = scratch.ramp[:, c].astype(float)
        signal = (ramp[-1] - ramp[0]) * gain
        total = variance * gain**2 + signal
        ratio = signal / np.sqrt(total) if total > 0 else 0.0
        power = (0, 0.4, 1, 3, 6, 10)[int(np.digitize(ratio, bounds))]
        weight = np.sqrt(np.abs(np.linspace(-1, 1, len(ramp))) ** power)
        scratch.slope[0, c] = np.polyfit(np.arange(len(ramp)), ramp, 1, w=weight)[0]


def write_whole_ramps(span, model, scratch, out):
    (start, n), line, n_groups = span, scratch.line, len(scratch.ramp)
    inside = slice(start, start + n)
    signal = np.maximum(line[ols_rows._RATE, :n], 0) + line[ols_rows._DARK, :n]
    x = (np.arange(n_groups) - (n_groups - 1) / 2) * model.group_s
    out.slope[inside] = scratch.slope[0, :n] / model.group_s
    out.var_read[inside] = line[ols_rows._READ, :n] / (x @ x)
    out.var_poisson[inside] = signal / line[ols_rows._GAIN, :n] / (x[-1] - x[0])
    out.err[inside] = np.sqrt(out.var_read[inside] + out.var_poisson[inside])
    out.own_err[inside] = out.err[inside]


def judge_ramps(span, bits, flags, scratch):
    (start, n), line, seen = span, scratch.line, scratch.seen
    plain = seen[:n] & ~np.uint8(sum(bits)) == 0
    plain &= flags[start : start + n] & np.uint32(bits[0] | bits[1]) == 0
    plain &= (line[ols_rows._GAIN, :n] > 0) & (line[ols_rows._READ, :n] > 0)
    plain &= np.isfinite(line[ols_rows._SUM, :n])
    scratch.state[:n] = np.where(plain, seen[:n] != 0, 2)


def list_segments(n, bits, scratch):
    (lost, full, jump), found = bits, []
    own = SimpleNamespace(jump=jump)
    for c in np.flatnonzero(scratch.state[:n] == 1):
        flags = scratch.flags[:-1, c]
        kinds = [kind(int(f), bool(f & (lost | full)), own) for f in flags]
        segments = np.zeros((len(flags) + 1, 2), int)
        segments = segments[: find_segments(np.array(kinds), segments)]
        segments = [(c, *one) for one in segments if one[1] > 1]
        n_good = np.count_nonzero(flags == 0)
        is_odd = n_good < 2 or not segments or scratch.n_used[c] == 0
        if is_odd or flags[0] & full:
            scratch.state[c] = 2
        else:
            found += segments
    scratch.segments[:, : len(found)] = np.array(found, np.int32).reshape(-1, 3).T
    return len(found)


def fit_segments(n_segments, model, scratch):
    scratch.sums[:] = 0
    times = SimpleNamespace(group=model.group_s)
    for c, start, n in scratch.segments[:, :n_segments].T:
        gain, variance, rate, dark = (
            float(scratch.line[k, c])
            for k in (ols_rows._GAIN, ols_rows._READ, ols_rows._RATE, ols_rows._DARK)
        )
        values = scratch.ramp[start : start + n, c].astype(float)
        power = power_index(values[-1] - values[0], gain, variance) if n > 2 else 0
        slope = model.table[n, power, :n] @ values
        read = read_variance(n, variance, times, 0)
        photons = (max(rate, 0) + dark) / gain / (model.group_s * (n - 1))
        weight = 12 * variance / (read * model.group_s**2)
        scratch.sums[:, c] += weight * slope, weight, 1 / (read + photons), n - 1


def write_cut_ramps(span, model, bits, scratch, out):
    start, n = span
    for c in np.flatnonzero(scratch.state[:n] == 1):
        gain, variance, rate, dark = (
            float(scratch.line[k, c])
            for k in (ols_rows._GAIN, ols_rows._READ, ols_rows._RATE, ols_rows._DARK)
        )
        slope, weight, both, n_steps = scratch.sums[:, c]
        var_read = 12 * variance / model.group_s**2 / weight
        var_poisson = (max(rate, 0) + dark) / gain / (model.group_s * n_steps)
        var_read, var_poisson = (v if v < 1e6 else 0 for v in (var_read, var_poisson))
        pixel = start + c
        out.slope[pixel] = slope / weight / model.group_s if var_read else 0
        out.var_read[pixel], out.var_poisson[pixel] = var_read, var_poisson
        out.err[pixel] = (var_read + var_poisson) ** 0.5
        out.own_err[pixel] = both**-0.5
        out.flags[pixel] |= scratch.seen[c] & np.uint8(bits[1] | bits[2])


def fit_rows(samples, noise, model, bits, out, rest):
    n, n_groups = samples.n_rows * samples.n_cols, model.weights.shape[1]
    scratch = ols_scratch(n_groups, n)
    take_ramps(samples, (0, n), scratch)
    take_pixels(noise, (0, n), model.n_frames, scratch)
    drop_steps(n, bits, scratch)
    find_rates(n, model.group_s, scratch)
    judge_ramps((0, n), bits, out.flags, scratch)
    odd = scratch.state == 2
    scratch.line[:, odd], scratch.ramp[:, odd] = 1, 1
    choose_slopes(n, model, scratch)
    write_whole_ramps((0, n), model, scratch, out)
    fit_segments(list_segments(n, bits, scratch), model, scratch)
    write_cut_ramps((0, n), model, bits, scratch, out)
    found = np.flatnonzero(scratch.state == 2)
    rest[: found.size] = found
    return found.size


def ols_scratch(n_groups, n):
    """Return scratch for ``n`` pixels."""
    lost = np.full((n_groups + 1, n), DO_NOT_USE, np.uint8)
    lines = n_groups, n_groups - 1, 6, ols_rows._LINES
    return ols_rows.Scratch(
        *(np.zeros((m, n), np.float32) for m in lines),
        lost,
        np.zeros(n, np.uint8),
        np.zeros(n, np.int32),
        np.zeros(n, np.uint8),
        np.zeros((3, n * n_groups), np.int32),
        np.zeros((4, n)),
    )


def keep_columns(tile, chosen):
    for plane in (tile.rate, tile.used, tile.read, tile.shift):
        plane[..., : chosen.size] = plane[..., chosen]


def _ramp_alone(samples, noise, pixel, model):
    """A tile of one ramp, with the noise of the search, and one over its gain."""
    pattern, _, bits = model
    tile = gls_kernels.make_tile(len(pattern.step_s), 1)
    pick_steps(samples, np.array([pixel]), bits, pattern, tile, 0)
    tile.read[:] = noise.read_noise[pixel] ** 2
    tile.shift[:] = noise.dark[pixel] if noise.dark.size else 0
    return tile, (1 / noise.gain[pixel : pixel + 1]).astype(np.float32)


def _fit_without_largest(tile, inverse_gain, lost, pattern):
    gls_kernels.find_means(tile)
    leave_out.set_noise(tile, inverse_gain, pattern, lost)
    gls_kernels.move_origin(tile, tile.mean.copy())
    gls_kernels.eliminate(tile, pattern)


def search_ramps(samples, noise, pixels, bits, model):
    """One ramp after the other; the parts have twins of their own."""
    pattern, lost, limits = model
    found = []
    for pixel in pixels:
        known = pattern, lost, bits
        tile, inverse_gain = _ramp_alone(samples, noise, pixel, known)
        out, n_changed = leave_out.make_outliers(*tile.rate.shape), 1
        while n_changed:
            _fit_without_largest(tile, inverse_gain, lost, pattern)
            leave_out.invert(tile, pattern, out)
            leave_out.project(tile, out)
            leave_out.find_best_single(out)
            leave_out.find_best_pair(tile.used, pattern, out)
            where, size = np.zeros((3, 2), np.int32), np.zeros((2, 2), np.float32)
            changed = np.zeros(1, np.intp)
            known = pattern, limits
            args = tile, inverse_gain, known, out, (where, size), changed
            n, n_changed = leave_out.omit(*args)
            found += [(where[1, k], pixel, *size[:, k]) for k in range(n)]
    return np.array(sorted(found)).T


def test_pixels(samples, noise, pixels, ways, model):
    """Chi2 saved by a charge of known shape, by dense least squares."""
    pattern, lost, _ = model
    saved = np.zeros(pixels.size)
    for k, pixel in enumerate(pixels):
        tile, inverse_gain = _ramp_alone(samples, noise, pixel, model)
        _fit_without_largest(tile, inverse_gain, lost, pattern)
        shape = np.zeros(len(tile.rate))
        first = ways[0][k]
        shape[first] = ways[1][0, k]
        if ways[1][1, k] > 0:
            shape[first + 1] = ways[1][1, k]
        inverse = np.linalg.inv(covariance(tile, pattern, 0))
        light = tile.used[:, 0].astype(float)
        across = inverse - np.outer(inverse @ light, light @ inverse) / (
            light @ inverse @ light
        )
        charge = shape @ across @ tile.rate[:, 0]
        saved[k] = max(charge, 0) ** 2 / (shape @ across @ shape)
    return saved


test_pixels.__test__ = False


def mark(flags, where, bit):
    flags[tuple(where)] |= bit


def omit(tile, inverse_gain, model, out, hits, changed):
    (pattern, limits), (where, size) = model, hits
    n_hits, redo = 0, []
    for c, n_used in enumerate(tile.n_used.astype(int)):
        if n_used < 2:
            continue
        best = out.gain[:2, c].max()
        if n_used >= 5 and out.gain[2, c] > best:
            continue
        i = out.first[0, c]
        own = out.own[i, c] if np.isfinite(out.own[i, c]) else 0.0
        photons = tile.signal[c] * pattern.photon_diagonal[i]
        share = photons / (photons + tile.read[c] * pattern.read_diagonal[i])
        shares = np.linspace(0, 1, len(limits))
        root = np.interp(share, shares, limits[:, n_used]) ** 0.5
        third = pattern.photon_third[i] * tile.signal[c] * inverse_gain[c]
        lean = third * own**1.5 * (n_used - 1) / n_used
        root += lean * (root**2 - 1) / 6
        if best <= root**2:
            continue
        is_pair = out.gain[1, c] - out.gain[0, c] > np.log(np.pi / 2 * root**2)
        first = out.first[int(is_pair), c]
        jumps = out.jump[1:, c] if is_pair else out.jump[:1, c]
        steps = np.arange(first, first + len(jumps))
        sigma = np.sqrt(np.diag(covariance(tile, pattern, c))[steps])
        for step, jump, own in zip(steps, jumps, sigma, strict=True):
            where[1:, n_hits] = step + 1, c
            size[:, n_hits] = jump / own, jump * pattern.step_s[step]
            n_hits += 1
        tile.rate[steps, c] = tile.used[steps, c] = 0
        if is_pair or tile.chi2[c] - out.gain[0, c] >= 0.5 * limits[0, n_used - 1]:
            redo.append(c)
    changed[: len(redo)] = redo
    return n_hits, len(redo)


def take_rates(samples, span, pattern, scratch):
    (start, n), (plane, flag_plane) = span, samples.planes
    groups = np.arange(len(pattern.step_s) + 1)[:, None]
    pixels = start + np.arange(n)
    steps = np.diff(samples.counts[groups * plane + pixels], axis=0)
    scratch.rate[:, :n] = steps / pattern.step_s[:, None]
    scratch.line[whole_ramps._MEAN, :n] = scratch.rate[:, :n].mean(axis=0)
    flags = samples.flags[groups * flag_plane + pixels]
    scratch.seen[:n] = np.bitwise_or.reduce(flags, axis=0)


def take_noise(noise, span, line):
    start, n = span
    gain, read = (part[start : start + n] for part in (noise.gain, noise.read_noise))
    line[whole_ramps._GAIN, :n] = 1 / np.where(gain > 0, gain, np.nan)
    line[whole_ramps._READ, :n] = np.where(read > 0, read, np.nan) ** 2
    dark = noise.dark[start : start + n]
    line[whole_ramps._DARK, :n] = dark if dark.size else 0


def guess_signal(n, pattern, scratch):
    line, rate = scratch.line, scratch.rate.astype(np.float64)
    for c in range(n):
        dark, inverse_gain = line[whole_ramps._DARK, c], line[whole_ramps._GAIN, c]
        photons = (max(line[whole_ramps._MEAN, c], 0) + dark) * inverse_gain
        read = line[whole_ramps._READ, c]
        own = photons * pattern.photon_diagonal[0] + read * pattern.read_diagonal[0]
        off = photons * pattern.photon_off[0] + read * pattern.read_off[0]
        own = max(own, 2.001 * abs(off))
        matrix = own * np.eye(len(rate))
        matrix += off * (np.eye(len(matrix), k=1) + np.eye(len(matrix), k=-1))
        weights = np.linalg.solve(matrix, np.ones(len(matrix)))
        slope = weights @ rate[:, c] / weights.sum()
        line[whole_ramps._SIGNAL, c] = (max(slope, 0) + dark) * inverse_gain


def leave_largest(n, lost, scratch):
    line, n_others = scratch.line, len(scratch.rate) - 1
    rate = scratch.rate[:, :n].astype(np.float64)
    mean = (rate.sum(axis=0) - rate.max(axis=0)) / n_others
    inverse_gain, read = line[whole_ramps._GAIN, :n], line[whole_ramps._READ, :n]
    light = mean + line[whole_ramps._DARK, :n]
    photons = np.maximum(light, 0) * inverse_gain
    level = light + np.sqrt(np.array(lost) @ [photons, read])
    level = np.minimum(level, rate.mean(axis=0) + line[whole_ramps._DARK, :n])
    line[whole_ramps._SIGNAL, :n] = np.maximum(level, 0) * inverse_gain
    line[whole_ramps._MEAN, :n] = mean


def eliminate_whole(n, pattern, scratch):
    line, one = scratch.line, np.ones(len(scratch.rate))
    sums = [whole_ramps._CHI, whole_ramps._RIGHT, whole_ramps._WEIGHT]
    for c in range(n):
        signal, read = (
            float(line[k, c]) for k in (whole_ramps._SIGNAL, whole_ramps._READ)
        )
        off = (signal * pattern.photon_off + read * pattern.read_off)[:-1]
        diagonal = signal * pattern.photon_diagonal + read * pattern.read_diagonal
        inverse = np.linalg.inv(np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1))
        d = scratch.rate[:, c] - line[whole_ramps._MEAN, c]
        line[sums, c] = d @ inverse @ d, one @ inverse @ d, one @ inverse @ one


def write_whole(span, read_weight, bits, scratch, out):
    (start, n), line = span, scratch.line
    inside = slice(start, start + n)
    _, _, kept, lost, no_gain = bits
    chi, right, weight = (
        line[k, :n] for k in (whole_ramps._CHI, whole_ramps._RIGHT, whole_ramps._WEIGHT)
    )
    out.flags[inside] |= scratch.seen[:n] & np.uint8(kept)
    out.flags[inside] |= np.isnan(line[whole_ramps._GAIN, :n]) * np.uint32(no_gain)
    out.flags[inside] |= ~(weight > 0) * np.uint32(lost)
    is_lost = out.flags[inside] & np.uint32(lost) != 0
    read = line[whole_ramps._READ, :n] / read_weight
    slope = line[whole_ramps._MEAN, :n] + right / weight
    out.slope[inside] = np.where(is_lost, np.nan, slope)
    out.err[inside] = np.where(is_lost, 0, weight**-0.5)
    out.var_read[inside] = np.where(is_lost, 0, read)
    out.var_poisson[inside] = np.where(is_lost, 0, np.maximum(1 / weight - read, 0))
    chi2 = (chi - right**2 / weight) / (len(scratch.rate) - 1)
    out.chi2[inside] = np.where(weight > 0, chi2, 0)


def _scratch(pattern, n):
    n_steps, lines = len(pattern.step_s), whole_ramps._LINES
    return whole_ramps.Scratch(
        *(np.empty((m, n), np.float32) for m in (n_steps, n_steps, lines)),
        np.empty(n, np.uint8),
    )


def sweep_whole_ramps(samples, noise, model, bits, out, rest):
    pattern, lost, limit, read_weight = model
    n = samples.n_rows * samples.n_cols
    scratch = _scratch(pattern, n)
    take_rates(samples, (0, n), pattern, scratch)
    take_noise(noise, (0, n), scratch.line)
    if np.isnan(lost[0]):
        guess_signal(n, pattern, scratch)
    else:
        leave_largest(n, lost, scratch)
    eliminate_whole(n, pattern, scratch)
    if np.isnan(lost[0]):
        write_whole((0, n), read_weight, bits, scratch, out)
    chi, right, weight = (
        scratch.line[k]
        for k in (whole_ramps._CHI, whole_ramps._RIGHT, whole_ramps._WEIGHT)
    )
    spoiled = scratch.seen & np.uint8(bits[0] | bits[1]) != 0
    spoiled |= np.isnan(scratch.line[whole_ramps._MEAN])
    found = np.flatnonzero(spoiled | (chi - right**2 / weight > limit))
    rest[: found.size] = found
    return found.size


def choose_drifting(counts, flags, read, photons, square):
    """Which pixels tell the drift of their row, and what each rises by a group."""
    rise = (counts[-1] - counts[0]) / (len(counts) - 1)
    limit = square * (read + np.maximum(rise, 0) * photons)
    apart = np.abs(np.diff(counts, axis=0) - rise) ** 2
    sees = (apart < limit).all(axis=0) & (flags == 0).all(axis=0)
    return sees, rise


def remove_drift(ramps, noise, layout, limits, out):
    counts, flags = ramps
    sees, rise = choose_drifting(counts, flags, *noise, limits[0])
    output = (np.arange(counts.shape[2]) + layout[1]) // layout[0]
    above = counts - counts[0] - np.arange(len(counts))[:, None, None] * rise
    for row in range(counts.shape[1]):
        for k in range(out.shape[2]):
            own = sees[row] & (output == k)
            if own.sum() >= limits[1]:
                out[:, row, k] = above[:, row, own].mean(axis=1)
    out[[0, -1]] = 0
    counts -= out[:, :, output]


def take_shares(counts, where, steps, shares):
    side, corner = shares
    kernel = np.array([[corner, side, corner], [side, 0, side], [corner, side, corner]])
    for (i, group, row, col), (first, second) in zip(where.T, steps.T, strict=True):
        charge = np.zeros(counts.shape[1])
        charge[group:] += first
        charge[group + 1 :] += second
        wide = np.zeros((counts.shape[2] + 4, counts.shape[3] + 4))
        wide[row + 1 : row + 4, col + 1 : col + 4] = kernel
        counts[i] -= charge[:, None, None] * wide[2:-2, 2:-2]


def flag_sides(flags, where, steps, bits):
    for (i, group, row, col), second in zip(where.T, steps[1], strict=True):
        for r, c in ((row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)):
            if 0 <= r < flags.shape[2] and 0 <= c < flags.shape[3]:
                own = flags[i, group : group + 1 + (second > 0), r, c]
                own[own & bits[0] == 0] |= bits[1]


def choose_strongest(ramps, planes, where, steps, unit, out):
    (counts, flags), (gain, read), (best, chosen) = ramps, planes, out
    total = steps.sum(axis=0)
    for row, col in np.ndindex(best.shape):
        for k in range(where.shape[1]):
            group, r, c = where[:, k]
            groups = slice(group - 1, group + 1 + (steps[1, k] > 0))
            near = max(abs(r - row), abs(c - col)) == 1
            if not near or flags[groups, row, col].any():
                continue
            own = np.diff(counts[:, row, col])
            inside = np.zeros(own.size, bool)
            inside[group - 1 : groups.stop - 1] = True
            mean = own[~inside].sum() / max(own.size - inside.sum(), 1)
            variance = max(mean, 0) / gain[row, col] * unit[0]
            variance += read[row, col] ** 2 * unit[1]
            above = (own[inside] - mean).sum()
            is_step = above > 0 and above**2 > unit[2] * variance
            if is_step and (best[row, col] < 0 or total[k] > total[best[row, col]]):
                best[row, col] = k
    found = np.flatnonzero(best >= 0)
    chosen[: found.size] = found
    return found.size


def find_hit_runs(flags, bad, jump, first, last):
    hit = (flags[1:] & jump != 0) & ((flags[1:] | flags[:-1]) & bad == 0)
    for c in range(flags.shape[1]):
        runs, n_runs = ndimage.label(hit[:, c])
        place = np.flatnonzero(runs)
        if n_runs == 1 and place.size <= 2:
            first[c], last[c] = place[0], place[-1]


def save(out, ways, start, chi2):
    for c in range(chi2.size):
        i, shape = ways[0][start + c], np.zeros(len(out.own))
        shape[i] = ways[1][0, start + c]
        if ways[1][1, start + c] > 0:
            shape[i + 1] = ways[1][1, start + c]
        across = np.diag(out.own[:, c])
        across += np.diag(out.cross[:-1, c], 1) + np.diag(out.cross[:-1, c], -1)
        value, weight = shape @ out.residual[:, c], shape @ across @ shape
        chi2[c] = value**2 / weight if value > 0 and weight > 0 else 0


def write(pixels, fitted, tile, bits, out):
    n = pixels.size
    origin, reads, inverse_gain = (line[:n] for line in fitted)
    marks = out.flags[pixels] | (tile.seen[:n] & bits[2])
    marks[np.isnan(inverse_gain)] |= np.uint32(bits[4])
    planes = np.empty((4, n), np.float32)
    write_slopes(tile.sums[:, :n], reads, origin, bits[3], marks, planes)
    out.flags[pixels] = marks
    named = out.slope, out.err, out.var_poisson, out.var_read
    for plane, values in zip(named, planes, strict=True):
        plane[pixels] = values
    chi, right, weight = tile.sums[:, :n]
    freedom = tile.n_used[:n] - 1
    with np.errstate(all="ignore"):
        chi2 = (chi - right**2 / weight) / freedom
    out.chi2[pixels] = np.where(freedom > 0, chi2, np.nan)


def load_light(noise, pixels, slope, tile, origin):
    n = pixels.size
    dark = noise.dark[pixels] if noise.dark.size else 0
    origin[:n] = slope[pixels]
    tile.signal[:n] = (np.maximum(slope[pixels], 0) + dark) / noise.gain[pixels]
    tile.read[:n] = noise.read_noise[pixels] ** 2


def replace(tile, pixels, found, out):
    known = (found[1] > 0) & (tile.used[:, : pixels.size].sum(axis=0) >= 3)
    at, (shift, variance) = pixels[known], found[:, known]
    ratio = variance / out.err[at] ** 2
    out.slope[at] += shift
    out.err[at] = np.sqrt(variance)
    out.var_poisson[at] *= ratio
    out.var_read[at] *= ratio


def average_reads(tile, pattern, hits, frames, found):
    """Fit slope and charge for each read by dense least squares, then average."""
    n_steps = len(tile.rate)
    n_frames, n_dropped = frames
    for c in range(tile.rate.shape[1]):
        used = np.flatnonzero(tile.used[:, c])
        inverse = np.linalg.inv(covariance(tile, pattern, c)[np.ix_(used, used)])
        data, begin, end = tile.rate[used, c].astype(float), *hits[:, c]
        weight, slope, spread, is_coarse = [], [], [], False
        for i in range(begin - 1, end + 1):
            for k in range(n_frames):
                share = np.zeros(n_steps + 2)
                share[i + 1], share[i + 2] = 1 - k / n_frames, k / n_frames
                share, reads = share[1:-1], 1.0
                if k == 0:
                    ends = (i == 0) + (i == n_steps - 1)
                    reads += n_dropped + ends * (n_frames - 1)
                is_whole = k == 0 and i >= begin
                is_shared = k > 0 and 0 <= i < n_steps - 1
                lost = share[np.setdiff1d(np.arange(n_steps), used)].any()
                if not (is_whole or is_shared) or lost:
                    continue
                design = np.stack([np.ones(used.size), share[used]])
                normal = design @ inverse @ design.T
                if np.linalg.cond(normal) > 1e8:
                    continue
                normal = np.linalg.inv(normal)
                fitted = normal @ (design @ inverse @ data)
                if fitted[1] <= 0:
                    continue
                rest = data - fitted @ design
                is_coarse |= fitted[1] ** 2 / normal[1, 1] > 1e4
                weight.append(
                    (-0.5 * rest @ inverse @ rest, reads * normal[1, 1] ** 0.5)
                )
                slope.append(fitted[0])
                spread.append(normal[0, 0])
        if weight and not is_coarse:
            fit, prior = np.array(weight).T
            share = prior * np.exp(fit - fit.max())
            share /= share.sum()
            found[0, c] = share @ slope
            found[1, c] = share @ (np.array(spread) + np.array(slope) ** 2)
            found[1, c] -= found[0, c] ** 2


def list_shares(hit, n_steps, frames, shares):
    (begin, end), (n_frames, n_dropped) = hit, frames
    whole = [
        (i, 1, 1 + n_dropped + ((i == 0) + (i == n_steps - 1)) * (n_frames - 1))
        for i in range(begin, end + 1)
    ]
    split = [
        (i, k / n_frames, 1)
        for i in range(max(begin - 1, 0), min(end + 1, n_steps - 1))
        for k in range(1, n_frames)
    ]
    ways = np.array(whole + split).T
    shares[:, : ways.shape[1]] = ways
    return ways.shape[1]


def try_ways(tile, out, inside, ways, trial, best):
    """Half the chi2 that each way saves: minus infinity where it cannot be."""
    some = slice(*inside)
    for k, (first, one) in enumerate(ways[:2].T):
        i, two = int(first), 1.0 - one
        pair = [i] if one == 1.0 else [i, i + 1]
        part = np.array([[one], [two]])[: len(pair)]
        value = (part * out.residual[pair, some]).sum(axis=0)
        along = (part * tile.design[pair, some]).sum(axis=0)
        weight = (part**2 * out.own[pair, some]).sum(axis=0)
        if len(pair) == 2:
            weight = weight + 2.0 * one * two * out.cross[i, some]
        can_be = tile.used[pair, some].all(axis=0) & (value > 0) & (weight > 0)
        trial[1:, k] = along, value, weight
        trial[0, k] = np.where(can_be, 0.5 * value**2 / np.abs(weight), -np.inf)
    best[:] = trial[0].max(axis=0)


def average_ways(trial, reads, unit):
    chi2, along, value, weight = trial[:, np.isfinite(trial[0])]
    share = reads[np.isfinite(trial[0])] * np.exp(chi2 - chi2.max()) / weight**0.5
    shift = value / weight * unit * along
    variance = (unit * along) ** 2 / weight
    mean = np.average(shift, weights=share)
    second = np.average(variance + shift**2, weights=share)
    return mean, second - mean**2


def add_weighted(weight, parts, first_row, output, sums):
    """Spread the image out over all rows and cells, then sum over rows and squares."""
    cell_row = np.searchsorted(first_row, np.arange(len(weight)), side="right") - 1
    seen = weight * (parts.rows[:, output] + parts.squares[cell_row])
    np.add.at(sums.rows.T, output, seen.T)
    np.add.at(sums.squares, cell_row, seen)
