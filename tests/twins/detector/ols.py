"""Twins: ordinary least squares."""

from types import SimpleNamespace

import numpy as np
from scipy import ndimage

from rampline.detector.ramp_fit import ols_rows
from rampline.flags import DO_NOT_USE


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
