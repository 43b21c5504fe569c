"""How near the jump search is to what theory allows.

    python benchmarks/jump_limits.py [theory|bound ...] [--ramps N]

theory   false positives over those asked for where the noise is Gaussian and known: the limits
         of detector/thresholds.py alone, for several shares of photon noise
bound    completeness of weak hits: of the search, and of the likelihood ratio that knows the
         charge and only neither the rate nor the read of the hit (averaged over both), at a
         limit that as many of the same ramps without a hit exceed as the search flags. No
         search finds more on average over rates (Neyman & Pearson); ours knows no charge.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import slopes  # noqa: E402
from rampline.detector.leave_out import (  # noqa: E402
    find_best_pair,
    find_best_single,
    invert,
    make_outliers,
    project,
)
from rampline.detector.ramp_fit.covariance import readout_pattern  # noqa: E402
from rampline.detector.ramp_fit.gls_kernels import (  # noqa: E402
    eliminate,
    find_means,
    make_tile,
    move_origin,
)
from rampline.detector.thresholds import chi2_limits  # noqa: E402

ASKED = 1e-3
SHARES = (0.0, 0.25, 0.5, 1.0)
REACH = 9.0
"""Rates that are thought possible, in errors of the slope about the true one."""


def covariance(made, photons, reads):
    """Return the matrix for a photon variance a second and that of a read."""
    off = (photons * made.photon_off + reads * made.read_off)[:-1].astype(float)
    own = photons * made.photon_diagonal + reads * made.read_diagonal
    return np.diag(own.astype(float)) + np.diag(off, 1) + np.diag(off, -1)


def print_theory(n_ramps):
    print("pattern   groups   " + "".join(f"   photons {s:.2f}" for s in SHARES))
    for pattern, n_groups in slopes.FALSE:
        readout = slopes.make_readout(pattern, n_groups, 1)
        made, n = readout_pattern(readout), n_groups - 1
        limits, rng = (
            chi2_limits(readout, ASKED),
            np.random.default_rng(slopes.SEEDS[0]),
        )
        line = ""
        for share in SHARES:
            photons = share / made.photon_diagonal[0]
            reads = (1.0 - share) / made.read_diagonal[0]
            reached = saved_by_chance(rng, made, (photons, reads), n_ramps)
            limit = limits[round(share * (len(limits) - 1)), n]
            line += f"{np.mean(reached > limit) / ASKED:14.3f}"
        print(
            f"{pattern:9s} {n_groups:4d}     {line} +- {1 / (ASKED * n_ramps) ** 0.5:.3f}"
        )


def saved_by_chance(rng, made, noise, n_ramps):
    """Return by how much the best omission lowers chi2 of ramps without a hit."""
    root, n = np.linalg.cholesky(covariance(made, *noise)), len(made.step_s)
    width, saved = 1 << 15, []
    for _ in range(-(-n_ramps // width)):
        tile, out = make_tile(n, width), make_outliers(n, width)
        tile.rate[:] = root @ rng.normal(size=(n, width))
        tile.used[:], tile.shift[:] = 1, 0
        tile.signal[:], tile.read[:] = noise
        find_means(tile)
        move_origin(tile, tile.mean)
        eliminate(tile, made)
        invert(tile, made, out)
        project(tile, out)
        find_best_single(out)
        find_best_pair(tile.used, made, out)
        saved.append(out.gain[:2].max(axis=0))
    return np.concatenate(saved)[:n_ramps]


def print_bound(n_ramps):
    print(
        "pattern   groups  e-/s   hit e-   asked   found             at most    false"
    )
    for pattern, n_groups, rate, charge, wanted in slopes.WEAK_HITS:
        readout = slopes.make_readout(pattern, n_groups, max(n_ramps // slopes.COLS, 1))
        rng = np.random.default_rng(slopes.SEEDS[0])
        groups = slopes.read_out(rng, readout, rate)
        judge = LikelihoodRatio(readout, rate, charge)
        false, chance = slopes.reduce(groups, readout)[3].mean(), judge(groups)
        slopes.deposit(rng, readout, groups, charge)
        found = slopes.reduce(groups, readout)[3]
        most = np.mean(judge(groups) > np.quantile(chance, 1.0 - false))
        print(
            f"{pattern:9s} {n_groups:4d} {rate:7.2f} {charge:7d}     {wanted:.2f}"
            f"   {found.mean():.4f} +- {found.std() / found.size**0.5:.4f}"
            f"   {most:.4f}     {1e3 * false:.2f}e-3",
            flush=True,
        )


class LikelihoodRatio:
    """Of a hit of known charge at any read, over none, averaged over rates."""

    def __init__(self, readout, rate, charge):
        made = self.made = readout_pattern(readout)
        period = readout.n_frames + readout.n_dropped
        reads = np.arange(1, period * (readout.n_groups - 1) + readout.n_frames)
        last = period * np.arange(readout.n_groups) + readout.n_frames
        after = np.clip((last - reads[:, None]) / readout.n_frames, 0, 1)
        shapes, number = np.unique(np.diff(after), axis=0, return_counts=True)
        self.hits, self.weight = charge * shapes / made.step_s, number / number.sum()
        inverse = np.linalg.inv(covariance(made, rate, slopes.READ_NOISE_E**2))
        error = inverse.sum() ** -0.5
        self.rates = rate + error * np.arange(-REACH, REACH + 0.1, 0.5)

    def __call__(self, groups):
        steps = np.diff(groups.reshape(len(groups), -1).T) / self.made.step_s
        parts = np.array_split(steps, max(len(steps) // 20_000, 1))
        return np.concatenate([self.judge(part) for part in parts])

    def judge(self, steps):
        """Return the logarithm of the ratio."""
        none, hit = np.full((2, len(steps)), -np.inf)
        for rate in self.rates:
            own = covariance(self.made, max(rate, 0.0), slopes.READ_NOISE_E**2)
            inverse, volume = np.linalg.inv(own), 0.5 * np.linalg.slogdet(own)[1]
            off = steps - rate
            pull = off @ inverse
            alone = -0.5 * (pull * off).sum(axis=1) - volume
            more = pull @ self.hits.T
            more -= 0.5 * np.einsum("ki,ij,kj->k", self.hits, inverse, self.hits)
            best = more.max(axis=1)
            gain = best + np.log(np.exp(more - best[:, None]) @ self.weight)
            none = np.logaddexp(none, alone)
            hit = np.logaddexp(hit, alone + gain)
        return hit - none


TABLES = {"theory": print_theory, "bound": print_bound}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join(TABLES))
    parser.add_argument("--ramps", type=float, default=3e5, help="ramps of each case")
    options = parser.parse_args()
    for name in options.tables or TABLES:
        TABLES[name](int(options.ramps))
        print()


if __name__ == "__main__":
    main()
