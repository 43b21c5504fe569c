"""How good slopes and jumps are: simulated ramps against theory and truth.

``python benchmarks/slopes.py [noise|hits|false|strong|weak|once|full ...] [--ramps N]``

Every read is simulated (Poisson photons, read noise, gain 2 e-/DN, 10 e- a read, no dark),
averaged as on board, searched and fitted with the defaults; two seeds, the statistical
error of each figure behind it.

noise       scatter over theory, bias, ERR over scatter, chi2 of clean ramps
hits        completeness of weak hits, and false positives
false       false positives where 1e-3 are asked for, and where 1e-4 are, at many rates
strong      errors above 5 sigma after a hit of 3000 e- in ramps of few groups
weak        mean bias that hits of middle size leave, in sigma of a clean ramp
once        mean bias of pixels hit once by tracks of a real spectrum of charges
full        bias and error of stars that saturate in each of the first groups
"""

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import readouts  # noqa: E402
from rampline.detector.band import PixelNoise, RampBand  # noqa: E402
from rampline.detector.follow_up import (  # noqa: E402
    FollowUpParams,
    follow_up,
    join_hits,
)
from rampline.detector.jumps import JumpParams, find_jumps  # noqa: E402
from rampline.detector.neighbors import NeighborParams, flag_neighbors  # noqa: E402
from rampline.detector.ramp_fit.slopes import SlopeParams, fit_slopes  # noqa: E402
from rampline.detector.saturation import (  # noqa: E402
    SaturationParams,
    Wells,
    flag_saturation,
    mask_zero_frame,
)
from rampline.flags import JUMP  # noqa: E402
from rampline.simulation.cosmic_rays import CosmicRayParams, cosmic_rays  # noqa: E402

GAIN, READ_NOISE_E = 2.0, 10.0
SEEDS = (1, 2)
COLS = 1000

# pattern, groups, rate in e-/s, scatter of the slope in e-/s (exact, 10 e- a read)
THEORY = [
    ("MEDIUM8", 9, 0.02, 0.00654),
    ("MEDIUM8", 9, 0.1, 0.01176),
    ("MEDIUM8", 9, 0.2, 0.01595),
    ("MEDIUM8", 9, 0.5, 0.02441),
    ("MEDIUM8", 9, 1.0, 0.03406),
    ("MEDIUM8", 9, 10.0, 0.10607),
    ("MEDIUM8", 9, 100.0, 0.3348),
    ("MEDIUM8", 6, 0.02, 0.00999),
    ("MEDIUM8", 6, 0.2, 0.02075),
    ("MEDIUM8", 6, 1.0, 0.04303),
    ("MEDIUM8", 6, 10.0, 0.1328),
    ("SHALLOW4", 10, 0.02, 0.01225),
    ("SHALLOW4", 10, 0.2, 0.02328),
    ("SHALLOW4", 10, 1.0, 0.04692),
    ("SHALLOW4", 10, 10.0, 0.1425),
    ("SHALLOW4", 5, 0.2, 0.0422),
    ("DEEP8", 7, 0.2, 0.01287),
    ("DEEP8", 20, 0.2, 0.00707),
    ("BRIGHT2", 10, 0.2, 0.0493),
    ("RAPID", 10, 0.2, 0.1131),
    ("RAPID", 10, 2.0, 0.1814),
]
# pattern, groups, rate, charge of the hit in e-, completeness to reach at 1e-3
WEAK_HITS = [
    ("MEDIUM8", 9, 0.2, 34, 0.53),
    ("MEDIUM8", 9, 0.2, 41, 0.73),
    ("MEDIUM8", 9, 0.2, 55, 0.91),
    ("SHALLOW4", 10, 0.2, 39, 0.67),
    ("SHALLOW4", 10, 0.2, 47, 0.84),
    ("SHALLOW4", 6, 0.2, 39, 0.44),
    ("DEEP8", 5, 0.2, 60, 0.82),
    ("MEDIUM8", 6, 1.0, 70, 0.67),
    ("RAPID", 10, 0.2, 57, 0.81),
    ("RAPID", 10, 0.2, 71, 0.97),
]
FEW_GROUPS = [("SHALLOW4", 5), ("DEEP8", 5), ("DEEP8", 4), ("SHALLOW4", 4)]
FALSE = [
    ("RAPID", 10),
    ("BRIGHT2", 8),
    ("SHALLOW4", 10),
    ("MEDIUM8", 9),
    ("MEDIUM8", 5),
    ("DEEP8", 5),
    ("DEEP8", 20),
]
FALSE_E_S = (0.02, 0.2, 1.0, 5.0, 50.0)
SKY_DN_S = (0.1, 1.0, 3.0, 10.0, 30.0)
FULL = [("MEDIUM8", 9), ("SHALLOW4", 10), ("DEEP8", 7), ("RAPID", 10)]
BIAS_DN, RESET_DN, WELL_DN, ABOVE_WELL_DN = 9000.0, 18.0, 51000.0, 2000.0
MIDDLE_HITS = [(60, 0.24), (80, 0.13), (120, 0.08), (200, 0.03)]


def make_readout(pattern, n_groups, n_rows):
    size = {"subarray": "SUB", "n_rows": n_rows, "n_cols": COLS}
    changes = {**size, "fast_axis": 1, "n_outputs": 1}
    return readouts.make_readout(pattern, n_groups, **changes)


def read_out(rng, readout, rate):
    """Simulate every read; return (groups, rows, cols), e-."""
    shape = (readout.n_rows, readout.n_cols)
    groups = np.empty((readout.n_groups, *shape), np.float32)
    charge = np.zeros(shape)
    for group in groups:
        total = np.zeros(shape)
        for _ in range(readout.n_frames):
            charge += rng.poisson(rate * readout.frame_s, shape)
            total += charge
        noise = READ_NOISE_E / np.sqrt(readout.n_frames)
        group[:] = total / readout.n_frames + rng.normal(0, noise, shape)
        charge += rng.poisson(rate * readout.frame_s * readout.n_dropped, shape)
    return groups


def deposit(rng, readout, groups, charge):
    """Add a charge to every ramp at a random read."""
    period = readout.n_frames + readout.n_dropped
    n_reads = period * (readout.n_groups - 1) + readout.n_frames
    read = rng.integers(1, n_reads, groups.shape[1:])
    for k in range(len(groups)):
        after = (k * period + readout.n_frames - read) / readout.n_frames
        groups[k] += (charge * np.clip(after, 0, 1)).astype(np.float32)


def reduce(groups, readout, jumps=JumpParams()):  # noqa: B008 - it is frozen
    """Search if told how and fit; return slope, err in e-/s, chi2, and which have hits."""
    counts = groups[None] / np.float32(GAIN)
    plane = np.ones(groups.shape[1:], np.float32)
    flags = np.zeros(counts.shape, np.uint8)
    band = RampBand(counts, flags, np.zeros(plane.shape, np.uint32))
    noise = PixelNoise(GAIN * plane, READ_NOISE_E / GAIN * plane)
    if jumps is not None:
        find_jumps(band, noise, readout, jumps)
    fit = fit_slopes(band, noise, readout, SlopeParams())
    slope = GAIN * fit.exposure.slope.astype(float)
    err = GAIN * fit.exposure.err.astype(float)
    return slope, err, fit.chi2, (flags & JUMP > 0).any(axis=(0, 1))


def print_noise(n_rows):
    print(
        "pattern   groups  e-/s   scatter/theory       bias %            ERR/scatter  chi2"
    )
    for pattern, n_groups, rate, sigma in THEORY:
        readout = make_readout(pattern, n_groups, n_rows)
        for seed in SEEDS:
            rng = np.random.default_rng(seed)
            slope, err, chi2, _ = reduce(
                read_out(rng, readout, rate), readout, jumps=None
            )
            n = slope.size
            ratio, known = slope.std() / sigma, 1 / np.sqrt(2 * n)
            bias, error = slope.mean() / rate - 1, sigma / rate / np.sqrt(n)
            mean_err = np.sqrt(np.mean(err**2)) / slope.std()
            print(
                f"{pattern:9s} {n_groups:4d} {rate:7.2f}   {ratio:.4f} +- {known:.4f}"
                f"   {100 * bias:+.3f} +- {100 * error:.3f}   {mean_err:.4f}"
                f"       {np.mean(chi2):.4f}"
            )


def print_hits(n_rows):
    print("pattern   groups  e-/s   hit e-   found            wanted   false positives")
    for pattern, n_groups, rate, charge, wanted in WEAK_HITS:
        readout = make_readout(pattern, n_groups, n_rows)
        for seed in SEEDS:
            rng = np.random.default_rng(seed)
            groups = read_out(rng, readout, rate)
            false = reduce(groups, readout)[3]
            deposit(rng, readout, groups, charge)
            found = reduce(groups, readout)[3]
            error, its_error = (x.std() / np.sqrt(x.size) for x in (found, false))
            print(
                f"{pattern:9s} {n_groups:4d} {rate:7.2f} {charge:7d}"
                f"   {found.mean():.4f} +- {error:.4f}   {wanted:.2f}"
                f"   {1e3 * false.mean():.3f}e-3 +- {1e3 * its_error:.3f}e-3"
            )


def print_false(n_rows):
    print("pattern   groups   asked for" + "".join(f"{r:9.2f} e-/s" for r in FALSE_E_S))
    for pattern, n_groups in FALSE:
        readout = make_readout(pattern, n_groups, n_rows)
        for asked in (1e-3, 1e-4):
            for seed in SEEDS:
                rng, line = np.random.default_rng(seed), ""
                for rate in FALSE_E_S:
                    groups = read_out(rng, readout, rate)
                    params = JumpParams(false_positives=asked)
                    found = reduce(groups, readout, params)[3]
                    line += f"{found.mean() / asked:14.3f}"
                error = 1.0 / np.sqrt(asked * found.size)
                print(f"{pattern:9s} {n_groups:4d} {asked:10.0e} {line} +- {error:.3f}")


def print_strong(n_rows):
    print("pattern   groups   above 5 sigma (ERR), %    mean bias, sigma")
    for pattern, n_groups in FEW_GROUPS:
        readout = make_readout(pattern, n_groups, n_rows)
        for seed in SEEDS:
            rng = np.random.default_rng(seed)
            groups = read_out(rng, readout, 0.2)
            deposit(rng, readout, groups, 3000)
            slope, err, _, _ = reduce(groups, readout)
            pull = (slope - 0.2) / err
            wrong = np.abs(pull) > 5
            error = wrong.std() / np.sqrt(wrong.size)
            print(
                f"{pattern:9s} {n_groups:4d}     {100 * wrong.mean():.4f} +-"
                f" {100 * error:.4f}        {np.nanmean(pull):+.3f}"
            )


def print_weak(n_rows):
    print("MEDIUM8 x 9 at 0.2 e-/s: hit e-   bias, sigma      at most")
    readout = make_readout("MEDIUM8", 9, n_rows)
    for charge, limit in MIDDLE_HITS:
        for seed in SEEDS:
            rng = np.random.default_rng(seed)
            groups = read_out(rng, readout, 0.2)
            deposit(rng, readout, groups, charge)
            bias = (reduce(groups, readout)[0] - 0.2) / 0.01595
            error = bias.std() / np.sqrt(bias.size)
            print(f"{charge:31d}   {bias.mean():+.4f} +- {error:.4f}   {limit:.2f}")


def print_once(n_rows):
    print("MEDIUM8 x 9, DN/s   hit, %  found   bias, %             as jwst")
    readout = make_readout("MEDIUM8", 9, n_rows)
    period = readout.n_frames + readout.n_dropped
    for sky in SKY_DN_S:
        for seed in SEEDS:
            rng = np.random.default_rng(seed)
            groups = read_out(rng, readout, GAIN * sky)
            clean = reduce(groups, readout, jumps=None)[0]
            tracks = cosmic_rays(readout, CosmicRayParams(), rng)
            pixel, charge = (tracks.row, tracks.col), tracks.electrons
            for k in range(len(groups)):
                after = (
                    k * period + readout.n_frames - tracks.frame
                ) / readout.n_frames
                seen = charge * np.clip(after, 0.0, 1.0)
                np.add.at(groups[k], pixel, seen.astype(np.float32))
            n_hits = np.zeros(clean.shape, int)
            # before the first read a hit is a matter of the reset
            np.add.at(n_hits, pixel, 1 + (tracks.frame == 0))
            once = n_hits == 1
            off, found = [], None
            for rules in ("gls", "jwst"):
                slope, is_hit = search_tracks(groups, readout, rules)
                off.append(100 * (slope - clean)[once] / (GAIN * sky))
                found = is_hit[once].mean() if found is None else found
            ours, theirs = (
                f"{np.nanmean(x):+.3f} +- {np.nanstd(x) / x.size**0.5:.3f}" for x in off
            )
            print(
                f"{sky:17.1f}   {100 * once.mean():5.2f}  {found:.3f}"
                f"   {ours}   {theirs}"
            )


def search_tracks(groups, readout, rules):
    """Search, look round the hits and fit; return slope in e-/s, and what was flagged."""
    counts = groups[None] / np.float32(GAIN)
    plane = np.ones(groups.shape[1:], np.float32)
    flags = np.zeros(counts.shape, np.uint8)
    band = RampBand(counts, flags, np.zeros(plane.shape, np.uint32))
    noise = PixelNoise(GAIN * plane, READ_NOISE_E / GAIN * plane)
    found = find_jumps(band, noise, readout, JumpParams(algorithm=rules))
    if rules == "gls":
        no_coupling = 0.0, 0.0
        strikes = join_hits(found)
        follow_up(band, noise, readout, strikes, no_coupling, FollowUpParams())
    else:
        flag_neighbors(flags, found, NeighborParams(algorithm=rules))
    fit = fit_slopes(band, noise, readout, SlopeParams(algorithm=rules))
    return GAIN * fit.exposure.slope.astype(float), (flags & JUMP > 0).any(axis=(0, 1))


def print_full(n_rows):
    print(
        "pattern   groups  full in   kept   bias, %             ERR, %  scatter", end=""
    )
    print("   as jwst: kept   bias, %")
    for pattern, n_groups in FULL:
        readout = make_readout(pattern, n_groups, n_rows)
        period = readout.n_frames + readout.n_dropped
        for group in range(1, 6):
            rng = np.random.default_rng(SEEDS[0])
            first = max((group - 2) * period + readout.n_frames, 0.6)
            last = (group - 1) * period + readout.n_frames
            read = rng.uniform(first, last, (n_rows, COLS))
            rate = WELL_DN / (read * readout.frame_s)
            samples, zero = read_out_star(rng, readout, rate)
            row = f"{pattern:9s} {n_groups:4d} {group:8d}   "
            for rules in ("gls", "jwst"):
                slope, err = fit_star(samples, zero, readout, rules)
                known = np.isfinite(slope)
                row += f"{known.mean():.3f}   "
                if not known.any():
                    continue
                off = 100 * (slope / rate - 1)[known]
                row += f"{off.mean():+.3f} +- {off.std() / off.size**0.5:.3f}   "
                size = 100 * np.sqrt(np.mean((err / rate)[known] ** 2))
                row += f"{size:6.3f}  {off.std():.3f}            " * (rules == "gls")
            print(row)


def read_out_star(rng, readout, rate):
    """Simulate raw samples of bright pixels, and the zero frame; uint16, DN."""
    shape = rate.shape
    level = BIAS_DN + rng.normal(0, RESET_DN, shape)
    samples = np.empty((1, readout.n_groups, *shape), np.uint16)
    for k in range(readout.n_groups):
        reads = []
        for _ in range(readout.n_frames):
            level += rng.poisson(GAIN * rate * readout.frame_s) / GAIN
            held = np.minimum(level, BIAS_DN + WELL_DN + ABOVE_WELL_DN)
            read = held + rng.normal(0, READ_NOISE_E / GAIN, shape)
            reads.append(np.rint(np.minimum(read, 65535)))
        if k == 0:
            zero = reads[0][None].astype(np.uint16)
        samples[0, k] = np.rint(np.mean(reads, axis=0))
        level += rng.poisson(GAIN * rate * readout.frame_s * readout.n_dropped) / GAIN
    return samples, zero


def fit_star(samples, zero, readout, rules):
    """Flag what is full and fit; return slope and err in DN/s."""
    shape = samples.shape[2:]
    plane = np.ones(shape, np.float32)
    no_flags = np.zeros(shape, np.uint32)
    bias = np.float32(BIAS_DN)
    wells = Wells(bias + WELL_DN * plane, bias * plane, no_flags)
    last_read = "jwst" if rules == "jwst" else "extrapolated"
    # each pixel is a star of its own: nothing spills
    params = SaturationParams(grow=0, bloom=False, last_read=last_read)
    rows = slice(0, shape[0])
    flags = flag_saturation(samples, wells, rows, readout, params)
    zero = mask_zero_frame(zero, wells, rows, params) - bias
    band = RampBand(samples.astype(np.float32) - bias, flags, no_flags, zero)
    noise = PixelNoise(GAIN * plane, READ_NOISE_E / GAIN * plane)
    find_jumps(band, noise, readout, JumpParams(algorithm=rules))
    keep = rules != "jwst"
    fitted = SlopeParams(algorithm=rules, one_group_ramps=keep)
    exposure = fit_slopes(band, noise, readout, fitted).exposure
    return exposure.slope.astype(float), exposure.err.astype(float)


TABLES = {
    "noise": print_noise,
    "hits": print_hits,
    "false": print_false,
    "strong": print_strong,
    "weak": print_weak,
    "once": print_once,
    "full": print_full,
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join(TABLES))
    parser.add_argument("--ramps", type=float, default=1e6, help="ramps of each case")
    options = parser.parse_args()
    for name in options.tables or TABLES:
        TABLES[name](max(int(options.ramps) // COLS, 1))
        print()


if __name__ == "__main__":
    main()
