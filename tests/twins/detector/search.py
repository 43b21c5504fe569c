"""Twins: the search for hits."""

import numpy as np

from rampline.detector import leave_out
from rampline.detector.ramp_fit import gls_kernels

from .gls import chi2_without, covariance, pick_steps, step_in


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
