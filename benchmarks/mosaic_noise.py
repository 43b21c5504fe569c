"""Noise of areas of mosaics over what is said of it.

    python benchmarks/mosaic_noise.py [--out DIR] [--seeds 1 2] [--points 9]
        [--scales 0.02 0.03 0.04 0.06] [--pixfracs 1.0 0.8] [--without flicker coupling]
        [--simulated DIR CAL ...]

The scenes of `benchmarks/mosaic.py`, drizzled onto pixels and with drops of several sizes. For
apertures 3 to 33 pixels wide, at random where no light is, the scatter of their sums over
the root of their summed ERR squared is printed over

- the factor of drizzle (`rampline.mosaic.correlation`), for white noise in place of that of the
  exposures: how good the theory of drizzle is;
- the same, for the exposures, whose true sources are taken off; ``--without`` simulates them
  without 1/f noise or without the coupling of pixels, to tell what each adds;
- the factor in the table NOISE, measured from the exposures without any truth: true sources
  taken off, and left in, in apertures outside the mask of sources.

Calibrated exposures of one filter that are named, and the folder of their simulation, take the
place of the scenes. In brackets are the errors in thousandths, by the number of
apertures that fit side by side.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.mosaic import (  # noqa: E402
    EMPTY_MJY_SR,
    QUIET,
    Field,
    calibrate,
    cluster_scene,
    disk,
    field_scene,
)
from rampline.astrometry.footprint import pixel_scale  # noqa: E402
from rampline.mosaic.correlation import noise_autocorrelation  # noqa: E402
from rampline.mosaic.noise_curve import NoiseCurveParams  # noqa: E402
from rampline.mosaic.outliers import OutlierParams  # noqa: E402
from rampline.pipeline.draft_mosaic import mask_mosaic  # noqa: E402
from rampline.pipeline.sky_to_mosaic import GridParams, choose_grid  # noqa: E402
from rampline.simulation.electronics import ElectronicsParams  # noqa: E402
from rampline.simulation.flicker import FlickerParams  # noqa: E402

RADII = (1.5, 3.0, 5.0, 8.0, 12.0, 16.5)
LEAST_APERTURES = 400
"""Fewer tell a scatter to more than 5 %."""
OFF = OutlierParams(enabled=False)


def disk_factor(correlation, radius):
    """Return how much larger the noise of a disk is than that of independent pixels."""
    reach, y, x = disk(radius)
    inside = np.zeros((2 * reach + 1 + 2 * correlation.shape[0],) * 2)
    middle = inside.shape[0] // 2
    inside[middle + y, middle + x] = 1
    half = correlation.shape[0] // 2
    pairs = sum(
        value * np.sum(inside * np.roll(inside, (i - half, j - half), (0, 1)))
        for (i, j), value in np.ndenumerate(correlation)
    )
    return np.sqrt(pairs / inside.sum())


def scatter_in_apertures(sky, err, empty, rng):
    """Return the scatter of pulls by radius, NaN where apertures are few, and its error.

    Apertures overlap: only as many as fit side by side count for the error.
    """
    found = []
    for radius in RADII:
        reach, y, x = disk(radius)
        rows, cols = rng.integers(reach, np.array(empty.shape) - reach, (200000, 2)).T
        at = rows[:, None], cols[:, None]
        at = at[0][empty[rows, cols]][:20000], at[1][empty[rows, cols]][:20000]
        inside = empty[at[0] + y, at[1] + x].all(axis=1)
        at = at[0][inside] + y, at[1][inside] + x
        pulls = sky[at].sum(axis=1) / np.sqrt(
            np.square(err[at], dtype=float).sum(axis=1)
        )
        covered = np.zeros(empty.shape, bool)
        covered[at] = True
        apart = max(covered.sum() / len(y), 1)
        enough = len(pulls) >= LEAST_APERTURES
        spread = (
            1.4826 * np.median(np.abs(pulls - np.median(pulls))) if enough else np.nan
        )
        # a MAD scatters by 1.17 over root n for normal values
        found.append((spread, 1.17 / np.sqrt(apart)))
    return np.array(found).T


def print_row(title, over, error):
    words = [
        f"{2 * radius:4g}: {value:.3f}({1000 * value * sigma:3.0f})"
        if np.isfinite(value)
        else f"{2 * radius:4g}:    -      "
        for radius, value, sigma in zip(RADII, over, error, strict=True)
    ]
    print(f"      {title:<34}{' '.join(words)}", flush=True)


def print_exposures(field):
    """Print scatter over ERR and the correlation of neighbours, along and across rows."""
    found = []
    for k in range(len(field.images)):
        sources, deviation, _ = field.pixels(k)
        blank = field.usable[k] & (sources < EMPTY_MJY_SR) & (np.abs(deviation) < 4)
        chi = np.where(blank, deviation, np.nan)
        pairs = (chi[:, 1:] * chi[:, :-1], chi[1:] * chi[:-1])
        spread = 1.4826 * np.nanmedian(np.abs(chi))
        found.append((spread, *(np.nanmean(p) / np.nanvar(chi) for p in pairs)))
    spread, along, across = np.mean(found, axis=0)
    print(
        f"    exposures: scatter over ERR {spread:.3f}, correlation of neighbours "
        f"{along:.3f} along rows, {across:.3f} across"
    )


class Drizzled:
    """One field on pixels and with drops of some size."""

    def __init__(self, field, scale, pixfrac, rng):
        self.field, self.pixfrac, self.rng = field, pixfrac, rng
        self.grid = choose_grid(field.aligned, GridParams(pixel_scale=scale))
        self.ratio = scale / pixel_scale(field.dithers[0].geometry)
        flagged = [
            found | hits for found, hits in zip(field.found, field.hits, strict=True)
        ]
        kept = [
            np.where(bad, np.uint32(1), image.flags)
            for image, bad in zip(field.images, flagged, strict=True)
        ]
        self.kept = [
            replace(i, flags=f) for i, f in zip(field.images, kept, strict=True)
        ]
        skies = [image.sky for image in self.kept]
        self.mosaic, _, self.curve = self.drizzle(skies, None, NoiseCurveParams())

    def drizzle(self, skies, level=0.0, noise=QUIET):
        images = [
            replace(image, sky=sky.astype(np.float32))
            for image, sky in zip(self.kept, skies, strict=True)
        ]
        return self.field.combine(images, OFF, level, self.grid, self.pixfrac, noise)

    def over(self, sky, err, empty, factor):
        """Return the scatter in apertures over a factor of the radius, and its error."""
        sky = sky - np.median(sky[empty])
        spread, error = scatter_in_apertures(sky, err, empty, self.rng)
        return spread / np.array([factor(radius) for radius in RADII]), error

    def report(self):
        mosaic, field = self.mosaic, self.field
        truth = self.drizzle([sources for sources, _, _ in field.truths]).mosaic.sky
        white = [self.rng.normal(0, image.err) for image in self.kept]
        white = self.drizzle(white).mosaic
        deep = np.bitwise_count(mosaic.context[0].view(np.uint32)) >= min(
            3, len(field.images)
        )
        deep &= np.isfinite(mosaic.sky)
        empty = deep & (truth < 5 * EMPTY_MJY_SR)
        correlation = noise_autocorrelation(self.pixfrac, self.ratio)

        def drizzled(radius):
            return disk_factor(correlation, radius)

        def measured(radius):
            return self.curve.factor(len(disk(radius)[1]))

        rows = {
            "white noise over drizzle's": (white.sky, white.err, empty, drizzled),
            "exposures over drizzle's": (
                mosaic.sky - truth,
                mosaic.err,
                empty,
                drizzled,
            ),
            "exposures over NOISE": (mosaic.sky - truth, mosaic.err, empty, measured),
            "with faint sources, over NOISE": (
                mosaic.sky,
                mosaic.err,
                deep & ~mask_mosaic(mosaic.sky),
                measured,
            ),
        }
        for title, row in rows.items():
            print_row(title, *self.over(*row))


def without(scene, parts):
    """Return a scene without some parts of the electronics."""
    off = {"flicker": FlickerParams(enabled=False), "coupling": False}
    changes = {part: off[part] for part in parts}
    electronics = ElectronicsParams().model_copy(update=changes)
    return scene.model_copy(update={"electronics": electronics})


def report(name, scene, options):
    scene = without(scene, options.without)
    folder = options.out / "_".join((name, *(f"no_{part}" for part in options.without)))
    cals = calibrate(scene, folder)
    for channel in ("nrcb1", "nrcblong"):
        members = [cal for cal in cals if f"_{channel}_" in cal.name][: options.points]
        report_field(folder, members, scene.seed, options)


def report_field(folder, members, seed, options):
    field = Field(folder, members, seed, {})
    header = field.images[0].header
    print(f"{folder.name}, {header.filter}, {len(members)} exposures")
    print_exposures(field)
    for scale in options.scales:
        for pixfrac in options.pixfracs:
            print(f"    pixels of {1000 * scale:g} mas, pixfrac {pixfrac:g}")
            Drizzled(field, scale, pixfrac, np.random.default_rng(seed)).report()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cals", type=Path, nargs="*")
    parser.add_argument("--simulated", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out/mosaic"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--points", type=int, default=9)
    parser.add_argument("--no-cluster", action="store_true")
    parser.add_argument(
        "--scales", type=float, nargs="+", default=[0.02, 0.03, 0.04, 0.06]
    )
    parser.add_argument("--pixfracs", type=float, nargs="+", default=[1.0, 0.8])
    parser.add_argument(
        "--without", nargs="*", default=[], choices=("flicker", "coupling")
    )
    options = parser.parse_args()
    if options.cals:
        report_field(options.simulated, options.cals, options.seeds[0], options)
        return
    for seed in options.seeds:
        report(f"field{seed}", field_scene(seed, 9), options)
    if not options.no_cluster:
        report("cluster", cluster_scene(9), options)


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
