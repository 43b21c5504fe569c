"""Steps of the sky across the edges of exposures in mosaics of several detectors.

    python benchmarks/sky_steps.py [--out DIR] [--seeds 1 2] [--scale 0.03] [--no-cluster]

Dithers of four short-wavelength detectors beside each other, of which the pattern steps over
the gaps, in F200W; the long one, in F444W; and the fields of `benchmarks/mosaic.py`. The
truth without noise is drizzled with the same weights and taken off. On both sides of each
edge of each exposure lies a strip 40 pixels wide, in pieces as long; where another exposure
sees what lies beyond, the medians of empty pixels on the two sides are compared. Printed are
the rms and the largest of the edges' mean steps over the scatter of the mosaic's single
pixels, and what noise makes of the rms, by the scatter of the pieces.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.mosaic import (  # noqa: E402
    EMPTY_MJY_SR,
    Field,
    calibrate,
    cluster_scene,
    field_scene,
)
from rampline.astrometry.geometry import sky_to_pixel  # noqa: E402
from rampline.astrometry.pixel_map import grid_to_sky  # noqa: E402
from rampline.mosaic.outliers import OutlierParams  # noqa: E402
from rampline.pipeline.sky_to_mosaic import GridParams, choose_grid  # noqa: E402

STRIP_PX, GAP_PX, PIECE_PX, EVERY = 40.0, 3.0, 40, 3
LEAST_PIXELS, LEAST_PIECES = 40, 5
"""Fewer pixels on a side do not make a piece of an edge, fewer pieces no edge."""
SHORT_B = ("NRCB1", "NRCB2", "NRCB3", "NRCB4")


class Step(NamedTuple):
    """The sky inside minus outside an edge and its error, MJy/sr."""

    size: float
    error: float


def detectors_scene(seed):
    """Four detectors beside each other, and the long one that sees all they do."""
    scene = field_scene(seed, 9)
    wide = scene.field.model_copy(update={"half_width_arcsec": 40.0})
    visit = scene.visit.model_copy(update={"dither": "SMACS-9"})
    activity = scene.activities[0].model_copy(
        update={"detectors": (*SHORT_B, "NRCBLONG")}
    )
    changes = {"field": wide, "visit": visit, "activities": (activity,)}
    return scene.model_copy(update=changes)


def residual_sky(field, grid):
    """Return the mosaic minus its truth, NaN where it is not empty, and its pixels' scatter."""
    kept = [
        replace(i, flags=np.where(f | h, np.uint32(1), i.flags))
        for i, f, h in zip(field.images, field.found, field.hits, strict=True)
    ]
    truths = [
        replace(i, sky=sources.astype(np.float32))
        for i, (sources, _, _) in zip(kept, field.truths, strict=True)
    ]
    off = OutlierParams(enabled=False)
    made = field.combine(kept, off, grid=grid).mosaic
    true = field.combine(truths, off, 0.0, grid).mosaic.sky
    left = np.where(true < 5 * EMPTY_MJY_SR, made.sky - true, np.nan)
    typical = np.nanmedian(left)
    return left, 1.4826 * np.nanmedian(np.abs(left - typical))


def steps_of(geometry, grid, left):
    """Return the steps across the four edges of an exposure, from every third pixel."""
    rows, cols = (axis[::EVERY, ::EVERY] for axis in np.indices(left.shape))
    known = np.isfinite(left[::EVERY, ::EVERY])
    rows, cols = rows[known], cols[known]
    own, values = (
        sky_to_pixel(geometry, *grid_to_sky(grid, rows, cols)),
        left[rows, cols],
    )
    found = []
    for axis in (0, 1):
        length, width = (geometry.shape[k] for k in (axis, 1 - axis))
        beside = (own[1 - axis] > 0) & (own[1 - axis] < width - 1)
        for depth in (own[axis], length - 1 - own[axis]):
            near = beside & (np.abs(depth) > GAP_PX) & (np.abs(depth) < STRIP_PX)
            place = (own[1 - axis][near] / PIECE_PX).astype(int)
            step = compare_sides(values[near], depth[near] > 0, place)
            if step is not None:
                found.append(step)
    return found


def compare_sides(values, is_inside, place):
    """Return the mean step over pieces of the edge that are seen on both sides."""
    pieces = []
    for k in np.unique(place):
        sides = [values[(place == k) & (is_inside == side)] for side in (True, False)]
        if min(map(len, sides)) > LEAST_PIXELS:
            pieces.append(np.median(sides[0]) - np.median(sides[1]))
    if len(pieces) < LEAST_PIECES:
        return None
    return Step(np.mean(pieces), np.std(pieces, ddof=1) / np.sqrt(len(pieces)))


def report(name, folder, cals, seed, options):
    for band in ("nrcb[1-4]", "nrcblong"):
        members = [path for path in cals if path.match(f"*_{band}_cal.fits")]
        field = Field(folder, members, seed, {})
        grid = choose_grid(field.aligned, GridParams(pixel_scale=options.scale))
        left, sigma = residual_sky(field, grid)
        steps = [s for d in field.dithers for s in steps_of(d.geometry, grid, left)]
        sizes, errors = np.array(steps).T / sigma
        worst = np.argmax(np.abs(sizes))
        detectors = len({i.header.detector for i in field.images})
        print(
            f"{name}, {field.images[0].header.filter}, {len(members)} exposures of "
            f"{detectors} detectors: {len(sizes)} edges, steps {np.sqrt(np.mean(sizes**2)):.3f} "
            f"sigma rms, {np.sqrt(np.mean(errors**2)):.3f} of it noise; largest "
            f"{abs(sizes[worst]):.3f} +- {errors[worst]:.3f}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out/mosaic"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--scale", type=float, default=0.03)
    parser.add_argument("--no-cluster", action="store_true")
    options = parser.parse_args()
    scenes = {f"detectors{seed}": detectors_scene(seed) for seed in options.seeds}
    scenes |= {f"field{seed}": field_scene(seed, 9) for seed in options.seeds}
    if not options.no_cluster:
        scenes["cluster"] = cluster_scene(9)
    for name, scene in scenes.items():
        folder = options.out / name
        report(name, folder, calibrate(scene, folder), scene.seed, options)


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
