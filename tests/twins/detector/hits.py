"""Twins: what follows a hit: neighbours, shared groups."""

import numpy as np
from scipy import ndimage

from .gls import covariance
from .search import _fit_without_largest, _ramp_alone


def flag_crosses(group_flags, where, bad, jump):
    cross = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], bool)
    hit = np.zeros(group_flags.shape, bool)
    hit[tuple(where)] = True
    near = ndimage.binary_dilation(hit, cross[None, None])
    group_flags[near & (group_flags & bad == 0)] |= jump


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


test_pixels.__test__ = False
