"""Which odd pixels are found in a visit's own exposures, and how many good ones with them.

    python benchmarks/bad_pixels.py [CASE ...] [--seeds 1 2] [--side 600] [--dithers 9]

Ramps of dithers of an empty sky are drawn read by read, searched and fitted with the
defaults and laid on each other as the second round does. A hundredth of the pixels is odd,
and no reference file knows of them. Telegraph pixels are told by the scatter that they give
a slope, all others by the mean change of it, over the error of a single slope. Open pixels
give half their charge or more to their four neighbours; they are found if they are called
open. Cases:

short     MEDIUM8 x 9, sky of 0.1 DN/s, as short wavelengths have it
long      MEDIUM8 x 9, sky of 0.6 DN/s
heldout   SHALLOW4 x 7, sky of 0.3 DN/s, dwell times and levels of another law
"""

import argparse
import itertools
import sys
from pathlib import Path

import numpy as np
from scipy import ndimage

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.readouts import make_readout  # noqa: E402
from rampline.detector.bad_pixels import (  # noqa: E402
    BadPixelParams,
    Exposed,
    add_exposure,
    empty_stack,
    judge_pixels,
)
from rampline.detector.band import PixelNoise, RampBand  # noqa: E402
from rampline.detector.jumps import JumpParams, find_jumps  # noqa: E402
from rampline.detector.ramp_fit.slopes import SlopeParams, fit_slopes  # noqa: E402
from rampline.flags import HOT, JUMP, LOW_QE, OPEN, TELEGRAPH  # noqa: E402

GAIN, READ_NOISE_DN = 2.0, 5.5
CASES = {
    "short": ("MEDIUM8", 9, 0.1, (5.0, 500.0, 25.0)),
    "long": ("MEDIUM8", 9, 0.6, (5.0, 500.0, 25.0)),
    "heldout": ("SHALLOW4", 7, 0.3, (30.0, 2000.0, 40.0)),
}
SIZES = (0.5, 1.0, 2.0, 4.0, np.inf)
HITS = 0.005
"""Share of the differences of groups that a cosmic ray hits."""
ANY_BIT = 0xFFFFFFFF
CROSS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])


class Detector:
    """Pixels of which a hundredth is hot, weak, open or jumps between two levels."""

    def __init__(self, side, telegraph, rng):
        self.rng, self.side = rng, side
        shape = (side, side)
        kind = rng.random(shape)
        self.is_hot, self.is_low = kind < 0.004, (kind >= 0.004) & (kind < 0.006)
        self.is_telegraph = (kind >= 0.006) & (kind < 0.010)
        self.glow = self.is_hot * 10 ** rng.uniform(-2.5, 0.0, shape)
        self.response = np.where(self.is_low, rng.uniform(0.0, 0.9, shape), 1.0)
        self.is_open = (kind >= 0.010) & (kind < 0.0105)
        lost = np.where(self.is_open, rng.uniform(0.5, 1.0, shape), 0.0)
        self.response += ndimage.convolve(lost, CROSS / 4, mode="constant") - lost
        self.is_good = ~(self.is_hot | self.is_low | self.is_telegraph)
        self.is_good &= ~self.is_open & ~ndimage.binary_dilation(self.is_open, CROSS)
        low, high, level = telegraph
        number = self.is_telegraph.sum()
        self.dwell_s = low * (high / low) ** rng.random(number)
        self.level_dn = level * np.exp(0.5 * rng.standard_normal(number))

    def telegraph(self, readout):
        """Return the level of the telegraph pixels in each group, DN."""
        period = readout.n_frames + readout.n_dropped
        n_reads = period * (readout.n_groups - 1) + readout.n_frames
        odds = 0.5 * -np.expm1(-2 * readout.frame_s / self.dwell_s)
        flips = self.rng.random((n_reads, odds.size)) < odds
        state = (np.cumsum(flips, axis=0) + self.rng.integers(0, 2, odds.size)) % 2
        starts = period * np.arange(readout.n_groups)
        means = [state[k : k + readout.n_frames].mean(axis=0) for k in starts]
        return self.level_dn * np.array(means)

    def expose(self, readout, sky_dn_s):
        """Return the counts of an exposure, and the levels of telegraph pixels in it."""
        rng, shape = self.rng, (self.side, self.side)
        rate = (sky_dn_s * self.response + self.glow) * GAIN * readout.frame_s
        counts = np.empty((readout.n_groups, *shape), np.float32)
        charge = np.zeros(shape)
        for group in counts:
            total = np.zeros(shape)
            for _ in range(readout.n_frames):
                charge += rng.poisson(rate)
                total += charge
            group[:] = total / readout.n_frames / GAIN
            hit = rng.random(shape) < HITS
            charge += rng.poisson(rate * readout.n_dropped) + 2000 * hit
        noise = READ_NOISE_DN / np.sqrt(readout.n_frames)
        counts += noise * rng.standard_normal(counts.shape, np.float32)
        levels = self.telegraph(readout)
        counts[:, self.is_telegraph] += levels.astype(np.float32)
        return counts[None], levels


def measure(case, seed, side, dithers):
    """Return the detector, what was found, and how large each pixel's fault is."""
    pattern, n_groups, sky, telegraph = CASES[case]
    readout = make_readout(pattern, n_groups, n_rows=side, n_cols=side)
    rng = np.random.default_rng(seed)
    detector, stack = Detector(side, telegraph, rng), empty_stack((side, side))
    plane = np.ones((side, side), np.float32)
    noise = PixelNoise(np.float32(GAIN) * plane, np.float32(READ_NOISE_DN) * plane)
    scatter = []
    for _ in range(dithers):
        counts, levels = detector.expose(readout, sky)
        flags = np.zeros(counts.shape, np.uint8)
        band = RampBand(counts, flags, np.zeros(plane.shape, np.uint32))
        find_jumps(band, noise, readout, JumpParams())
        fit = fit_slopes(band, noise, readout, SlopeParams())
        slope, err = fit.exposure.slope, fit.exposure.err
        # sources cover a fifth of the pixels of a crowded field
        residual = np.where(rng.random(slope.shape) < 0.2, np.nan, slope - sky)
        is_hit = (flags & JUMP > 0).any(axis=(0, 1))
        exposed = (residual, err, sky, fit.chi2, is_hit, readout.n_groups - 2)
        add_exposure(stack, Exposed(*exposed))
        scatter.append(np.polyfit(readout.group_times_s(), levels, 1)[0])
    found = judge_pixels(stack, BadPixelParams())
    typical = float(np.median(err))
    size = np.abs(detector.glow - sky * (1 - detector.response)) / typical
    size[detector.is_telegraph] = np.std(scatter, axis=0) / typical
    return detector, found.flags, size


def print_case(case, seed, side, dithers):
    detector, flags, size = measure(case, seed, side, dithers)
    print(f"{case}, seed {seed}")
    kinds = (
        ("hot", detector.is_hot, HOT),
        ("weak", detector.is_low, LOW_QE),
        ("telegraph", detector.is_telegraph, TELEGRAPH),
        ("open", detector.is_open, OPEN),
    )
    for name, own, bit in kinds:
        line = ""
        for low, high in itertools.pairwise(SIZES):
            some = own & (size >= low) & (size < high)
            seen = flags[some] & (bit if bit == OPEN else ANY_BIT) != 0
            seen = seen.mean() if some.any() else np.nan
            line += f"{100 * seen:8.1f} ({some.sum():4d})"
        false = detector.is_good & (flags & bit > 0)
        rate = 100 * false.sum() / detector.is_good.sum()
        error = rate / np.sqrt(max(false.sum(), 1))
        print(f"  {name:10s}{line}   {rate:.4f} +- {error:.4f}", flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--side", type=int, default=600, help="of the frame, pixels")
    parser.add_argument("--dithers", type=int, default=9)
    asked = parser.parse_args()
    print("found with any flag (open: with OPEN), % (of how many),")
    print("by size 0.5-1, 1-2, 2-4, >4 sigma; good pixels that get the flag, %")
    for case in asked.cases or CASES:
        for seed in asked.seeds:
            print_case(case, seed, asked.side, asked.dithers)


if __name__ == "__main__":
    main()
