"""Twins: generalised least squares."""

import numpy as np

from rampline.detector.ramp_fit import whole_ramps


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
