"""What cosmic rays and snowballs leave in whole exposures: simulated frames against truth.

    python benchmarks/events.py [--out DIR] [--seeds 1 2]
    python benchmarks/events.py --references DIR RAW...

Without raw files full frames are simulated: NRCB1 in MEDIUM8 x 9 with each seed, and, held
out, NRCALONG in SHALLOW4 x 7. The truth of each raw exposure lies in the folder ``truth``
beside its own. Everything is at its default. Printed of each exposure:

recall    share of deposits that are flagged, by their size over the noise of a difference of
          groups; a flag on the difference of the hit or the next counts
false     flags on a million differences of pixels that are nowhere near a deposit
flagged   differences flagged over those that were hit, two for a hit within a group
wild      pixels whose slope is off by more than 50 sigma though no reference calls them odd,
          and of those that are called odd but not unusable
hot       scatter over ERR of the hot and of the warm pixels of the mask that may be used
once      median bias of sky pixels hit once, and of those never hit, mDN/s
edge      mean VAR_RNOISE of the outer 25 pixels over that of the rest, of pixels of at most
          three times the median (saturated ones have a few groups)
snowballs how many were found and are, and of them near the edge; the area that is masked
          over that in which they exceed the noise; median of (slope - truth) / ERR in rings
          about the mask of the largest, 0-2, 2-5 and 5-10 pixels outside
"""

import argparse
import itertools
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy import ndimage

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from rampline.files.read import read_ramp  # noqa: E402
from rampline.flags import BAD_FOR_SLOPE, HOT, JUMP, SATURATED, WARM  # noqa: E402
from rampline.pipeline import ramp_to_slope as path  # noqa: E402
from rampline.pipeline.runner import Bench, Runner  # noqa: E402
from rampline.reference.folder import FolderSource  # noqa: E402
from rampline.reference.ramp_planes import load_ramp_planes  # noqa: E402
from rampline.reference.selection import RAMP_KINDS  # noqa: E402
from rampline.simulation.presets import benchmark_scene  # noqa: E402
from rampline.simulation.simulate import simulate  # noqa: E402

SIZES = (3, 5, 7, 10, 20, 50, np.inf)
EDGE, BORDER = 25, 4
RINGS = ((0, 2), (2, 5), (5, 10))
SKY_DN_S = (0.5, 1.5)
"""Sky pixels: within so many times the median of the truth."""
LARGE = 100
"""Pixels above the noise from which on a snowball is followed."""


def scenes(seeds):
    """Yield the name and the scene of each exposure that is simulated."""
    for seed in seeds:
        yield (
            f"seed {seed}",
            benchmark_scene(points=1).model_copy(update={"seed": seed}),
        )
    held_out = benchmark_scene(points=1)
    activity = held_out.activities[0].model_copy(
        update={"detectors": ("NRCALONG",), "pattern": "SHALLOW4", "groups": 7}
    )
    changes = {"activities": (activity,), "seed": 77}
    yield "held out", held_out.model_copy(update=changes)


def reduce_exposure(raw, source):
    """Return the slope image, the flags of the groups and the reference planes."""
    ramp = read_ramp(raw)
    planes = load_ramp_planes(source.select(ramp.header, RAMP_KINDS), ramp.header)
    kept = []

    def slopes(state, *others):
        kept.append((state.group_flags.copy(), state.n_snowballs))
        return fitted(state, *others)

    fitted, path.slopes = path.slopes, slopes
    try:
        with Bench(1) as bench:
            image = path.ramp_to_slope(ramp, Runner(planes, bench), path.RampToSlope())
    finally:
        path.slopes = fitted
    flags, n_snowballs = kept[0]
    return image, flags[0], n_snowballs, planes


class Truth:
    """What was deposited in the pixels that see light."""

    def __init__(self, raw, readout):
        name = raw.name.replace("_uncal", "_truth")
        with fits.open(raw.parent.parent / "truth" / name) as hdus:
            light = ("SOURCES", "SKY", "WARM")
            self.rate = np.sum([hdus[n].data for n in light if n in hdus], axis=0)
            self.sky = hdus["SKY"].data
            self.events = np.array(hdus["EVENTS"].data)
        period = readout.n_frames + readout.n_dropped
        group, read = np.divmod(self.events["frame"], period)
        self.group = np.where(read == 0, group, group + 1)
        """The difference, by its later group, that a deposit first shows in."""
        self.is_split = (read > 0) & (read < readout.n_frames)
        """Whether the next has a part of it, too: it came within a group."""
        self.group = np.where(self.is_split, group, self.group)


def difference_noise(image, planes, readout):
    """Return the noise of a difference of groups, DN."""
    sky = np.nanmedian(image.planes.slope)
    light = max(sky, 0.0) * readout.group_s / planes.gain
    return np.sqrt(2 * planes.read_noise_dn**2 / readout.n_frames + light)


def deposits(truth, shape, gain):
    """Return the charge that each difference of a pixel was given first, DN."""
    given = np.zeros(shape, np.float32)
    known = (truth.group >= 1) & (truth.group < shape[0])
    own = truth.events[known]
    place = truth.group[known], own["row"], own["col"]
    np.add.at(given, place, own["electrons"])
    return given / gain


def hit_differences(truth, shape):
    """Return which differences were hit, two for a hit within a group."""
    is_hit = np.zeros(shape, bool)
    for later in (0, 1):
        group = truth.group + later
        known = (group >= 1) & (group < shape[0]) & ((later == 0) | truth.is_split)
        own = truth.events[known]
        is_hit[group[known], own["row"], own["col"]] = True
    return is_hit


def print_hits(image, flags, truth, planes):
    readout = image.header.readout
    is_jump, is_full = flags & JUMP > 0, flags & SATURATED > 0
    usable = ~np.logical_or.accumulate(is_full, axis=0)
    usable &= image.planes.flags & BAD_FOR_SLOPE == 0
    frame = np.zeros(usable.shape[1:], bool)
    frame[BORDER:-BORDER, BORDER:-BORDER] = True
    usable &= frame & np.isfinite(planes.gain)
    noise = difference_noise(image, planes, readout)
    given = deposits(truth, flags.shape, planes.gain)
    is_hit = hit_differences(truth, flags.shape)
    seen = is_jump.copy()
    seen[:-1] |= is_jump[1:]
    line = []
    with np.errstate(invalid="ignore"):
        size = given / noise
    for low, high in itertools.pairwise(SIZES):
        own = usable & (size >= low) & (size < high)
        line.append(f"{100 * seen[own].mean():.2f}")
    print(f"  recall at {SIZES[:-1]} sigma, %: " + " ".join(line))
    touched = is_hit.any(axis=0)
    away = usable & ~ndimage.binary_dilation(touched, np.ones((5, 5)))
    away[0] = False
    false, number = is_jump[away].mean(), away.sum()
    error = np.sqrt(false / number)
    print(f"  false per million: {1e6 * false:.0f} +- {1e6 * error:.0f}")
    ratio = (is_jump & usable).sum() / (is_hit & usable).sum()
    print(f"  flagged over hit differences: {ratio:.3f}")


def print_slopes(image, truth, references):
    planes = image.planes
    known = np.isfinite(planes.slope) & (planes.flags & BAD_FOR_SLOPE == 0)
    off = planes.slope - truth.rate
    wild = known & (np.abs(off) > 50 * planes.err)
    mask = references.flags.get("mask", np.zeros(off.shape, np.uint32))
    odd, wild = wild & (mask != 0), wild & (mask == 0)
    pull = off / planes.err
    for name, bit in (("hot", HOT), ("warm", WARM)):
        own = pull[known & (mask & bit != 0)]
        low, high = np.percentile(own, (15.87, 84.13)) if own.size else (0.0, 0.0)
        print(f"  {name} pixels scatter by {(high - low) / 2:.3f} of their errors")
    number = np.zeros(off.shape, int)
    # those that a snowball has reached are neither
    weight = np.where(truth.events["kind"] == 1, 1, 10)
    np.add.at(number, (truth.events["row"], truth.events["col"]), weight)
    is_sky = np.abs(truth.rate / np.median(truth.sky) - 1) < 0.1
    line = []
    for count in (1, 0):
        own = known & is_sky & (number == count)
        error = 1.25 * off[own].std() / np.sqrt(own.sum())
        line.append(f"{1e3 * np.median(off[own]):+.3f} +- {1e3 * error:.3f}")
    print(
        f"  wild {wild.sum()} and {odd.sum()}; sky pixels hit once and never, mDN/s: {line}"
    )
    inner = np.zeros(off.shape, bool)
    inner[BORDER + EDGE : -BORDER - EDGE, BORDER + EDGE : -BORDER - EDGE] = True
    variance = planes.var_read / references.read_noise_dn**2
    known &= variance < 3 * np.median(variance[known])
    ratio = variance[known & ~inner].mean() / variance[known & inner].mean()
    print(f"  VAR_RNOISE at the edge over the rest: {ratio:.4f}")


def print_snowballs(image, flags, truth, planes, n_found):
    readout, is_bad = image.header.readout, flags & (JUMP | SATURATED) > 0
    noise = difference_noise(image, planes, readout)
    own = truth.events["kind"] == 2
    numbers = np.unique(truth.events["number"][own])
    at_edge, areas, rings = 0, [], [[] for _ in RINGS]
    pull = (image.planes.slope - truth.rate) / image.planes.err
    pull[image.planes.flags & BAD_FOR_SLOPE > 0] = np.nan
    for number in numbers:
        part = own & (truth.events["number"] == number)
        row, col = truth.events["row"][part], truth.events["col"][part]
        group = int(np.median(truth.group[part]))
        if not 1 <= group < len(flags):
            continue
        charge = np.zeros(noise.shape, np.float32)
        np.add.at(charge, (row, col), truth.events["electrons"][part])
        above = charge / planes.gain > noise
        ends = row.min(), col.min(), 2047 - row.max(), 2047 - col.max()
        at_edge += min(ends) < BORDER + EDGE
        if above.sum() < LARGE or min(ends) < BORDER + 12:
            continue
        box = (
            slice(max(row.min() - 30, BORDER), row.max() + 30),
            slice(max(col.min() - 30, BORDER), col.max() + 30),
        )
        later = group + int(truth.is_split[part].any())
        masked = is_bad[group : later + 1].any(axis=0)[box]
        label, _ = ndimage.label(masked, np.ones((3, 3)))
        touching = np.unique(label[above[box] & (label > 0)])
        masked = np.isin(label, touching) & (label > 0)
        areas.append((masked.sum(), above.sum()))
        distance = ndimage.distance_transform_edt(~masked)
        for ring, (low, high) in zip(rings, RINGS, strict=True):
            ring.append(pull[box][(distance > low) & (distance <= high)])
    print(
        f"  snowballs found {n_found}, true {len(numbers)},"
        f" {at_edge} of them at the edge"
    )
    if areas:
        ratio = np.divide(*np.sum(areas, axis=0))
        line = []
        for ring in rings:
            values = np.concatenate(ring)
            values = values[np.isfinite(values)]
            error = 1.25 * values.std() / np.sqrt(values.size)
            line.append(f"{np.median(values):+.3f} +- {error:.3f}")
        print(f"  masked over needed area of {len(areas)}: {ratio:.2f}; rings {line}")


def print_exposure(name, raw, source):
    image, flags, n_snowballs, planes = reduce_exposure(raw, source)
    truth = Truth(raw, image.header.readout)
    print(f"{name}: {raw.name}", flush=True)
    print_hits(image, flags, truth, planes)
    print_slopes(image, truth, planes)
    print_snowballs(image, flags, truth, planes, n_snowballs)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("raw", nargs="*", type=Path)
    parser.add_argument("--references", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out/events"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    asked = parser.parse_args()
    if asked.raw and asked.references is None:
        parser.error("raw files need --references")
    for raw in asked.raw:
        print_exposure("given", raw, FolderSource(asked.references))
    if not asked.raw:
        for name, scene in scenes(asked.seeds):
            made = simulate(scene, asked.out / name.replace(" ", "_"))
            print_exposure(name, made.raw[0], FolderSource(made.references))


if __name__ == "__main__":
    main()
