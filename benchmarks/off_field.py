"""Light of stars beside the detectors: is it found, is it masked, and is nothing else.

    python benchmarks/off_field.py [--seeds 1 2] [--points 4] [--detectors NRCBLONG ...]
                                   [--scenes drawn plain none] [--pictures DIR]

Stars of random brightness stand at random places beside a detector; what they throw in is
added to slope images of dithers (`benchmarks/drawn_visit.py`), which then go through both
rounds as in the path, the stars in the catalogue.

drawn  the shapes of the simulator
plain  held out, and no code shares its shapes: type I falls off exponentially from the edge
       and is a Gaussian along it, type II is an even strip of 2 % of the star, 6 arcsec wide
       and turned the other way, with a gap of 4 arcsec, a leaf is an even fan; other noise
       (BRIGHT2), other fields
none   the catalogue has the stars, but there is no light

Printed for each kind: of the events whose mean, where they exceed a tenth of their peak, is 3
times the scatter of such means beside them, the share that is found, and the share of their
light that is masked; the share that is masked of all pixels in which the light, smoothed
over 3 pixels, exceeds 3 times the noise of an exposure smoothed so. In the last lines: the
share of the area that is masked where the true light is less than a tenth of a pixel's
noise, and that in which more than such a tenth was subtracted as if it
were a wisp or claw.
"""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.artifacts import first_round, second_round  # noqa: E402
from benchmarks.drawn_visit import SIDE, Visit  # noqa: E402
from rampline.artifacts.frames import (  # noqa: E402
    is_long,
    pixel_arcsec,
    pixel_to_telescope,
)
from rampline.simulation.scattered.scatter import scatter  # noqa: E402
from rampline.simulation.scattered.view import see_stars  # noqa: E402
from rampline.simulation.scene import PlacedStarParams, StarParams  # noqa: E402

DETECTORS = ("NRCB1", "NRCB3", "NRCA4", "NRCBLONG", "NRCALONG")
KINDS = {"BREATH1": "type I", "BREATH2": "type II", "GINKGO": "ginkgo"}
KNIFE = {"NRCB1": "NRCB1", "NRCB3": "NRCB1", "NRCA2": "NRCA2", "NRCA4": "NRCA2"}
"""The detector outside which a star gives type II on one."""
PATTERN = {"drawn": ("MEDIUM8", 9), "plain": ("BRIGHT2", 10), "none": ("MEDIUM8", 9)}
SMOOTHING_PX, STANDS_OUT, NOTHING = 3.0, 3.0, 0.1


class Event(NamedTuple):
    """Light of one star in one exposure."""

    kind: str
    box: tuple
    light: np.ndarray
    """MJy/sr, in the box."""


def place_stars(detector, draw):
    """Return stars that stand where they throw light into a detector."""
    long, scale = is_long(detector), pixel_arcsec(detector)
    stars = []
    for edge in draw.permutation(4)[:3]:
        along = draw.uniform(150, SIDE - 150)
        beyond = draw.uniform(0.5, 4.0) / scale
        off = -beyond if edge % 2 else SIDE - 1 + beyond
        x, y = (along, off) if edge < 2 else (off, along)
        mag = draw.uniform(12, 16) if long else draw.uniform(10, 14)
        stars.append((*pixel_to_telescope(detector, x, y), mag))
    if detector in KNIFE:
        outer, side = KNIFE[detector], -1 if "B" in detector[3] else 1
        edge = pixel_to_telescope(
            outer, SIDE - 1 if side < 0 else 0, draw.uniform(300, SIDE - 300)
        )
        away = draw.uniform(9.5, 14.0)
        stars.append((edge.v2 + side * away, edge.v3, draw.uniform(10.5, 14.0)))
    if detector == "NRCALONG":
        stars.append(
            (draw.uniform(155, 185), -453.3 + draw.normal(), draw.uniform(9, 11.5))
        )
    return tuple(
        PlacedStarParams(v2=float(v2), v3=float(v3), magnitude=mag)
        for v2, v3, mag in stars
    )


class OffField(Visit):
    """A visit beside whose detector stars stand."""

    def __init__(self, detector, points, seed, scene):
        super().__init__(detector, points, seed, pattern=PATTERN[scene])
        self.kind = scene
        draw = np.random.default_rng([seed, sum(map(ord, detector + scene)), 11])
        light = self.scene.light.model_copy(
            update={"stars": place_stars(detector, draw)}
        )
        field = self.scene.field.model_copy(update={"stars": StarParams()})
        self.scene = self.scene.model_copy(update={"light": light, "field": field})
        self.events = []

    def scatter(self, exposure, params, sources, rate):
        """Return the planes of an exposure, and note those of each star."""
        view = self._view(exposure)
        planes = {}
        own = []
        for k in range(rate.size if self.kind != "none" else 0):
            one = np.where(np.arange(rate.size) == k, rate, 0.0)
            if self.kind == "plain":
                found = plain_light(view, sources, one)
            else:
                found = scatter(view, params, sources, one).planes
            for kind, plane in found.items():
                own.append(event(kind, plane * self.mjy_sr_per_dn_s))
                planes[kind] = planes.get(kind, 0.0) + plane
        self.events.append(own)
        return planes


def event(kind, light):
    """Return light cut to where it is."""
    there = light > 1e-3 * light.max()
    box = tuple(
        slice(k[0], k[-1] + 1)
        for k in (np.flatnonzero(there.any(axis=axis)) for axis in (1, 0))
    )
    return Event(kind, box, light[box].astype(np.float32))


def plain_light(view, sources, rate):
    """Return what the facts say and no more, DN/s."""
    stars = see_stars(view, sources, rate, rate.size)
    row, col = np.indices((SIDE, SIDE), np.float32)
    planes = {}
    for k in np.flatnonzero(stars.rate > 0):
        args = view, stars, int(k), row, col
        for kind, shape in (
            ("BREATH1", plain_wall(*args)),
            ("BREATH2", plain_knife(*args)),
            ("GINKGO", plain_leaf(*args)),
        ):
            if shape is not None and shape.any():
                planes[kind] = stars.rate[k] * shape
    return planes


def plain_wall(view, stars, k, row, col):
    """Return 1.5 or 0.4 % of a star, falling off from the edge."""
    long = view.detector.channel == "LONG"
    off = stars.row[k], stars.col[k]
    if not np.isfinite(off).all():
        return None
    foot = np.clip(off, 0, SIDE - 1)
    away = np.hypot(*np.subtract(off, foot)) * (0.063 if long else 0.031)
    if not 0.5 < away < 3.5:
        return None
    share = (0.015 if long else 0.004) * np.exp(-0.5 * ((away - 1.9) / 0.7) ** 2)
    inward = np.subtract(foot, off) / np.hypot(*np.subtract(off, foot))
    deep = (row - foot[0]) * inward[0] + (col - foot[1]) * inward[1]
    side = (row - foot[0]) * inward[1] - (col - foot[1]) * inward[0]
    depth, width = (70.0, 17.0) if long else (130.0, 34.0)
    shape = np.exp(-np.maximum(deep, 0) / depth - 0.5 * (side / width) ** 2)
    return share * shape / shape.sum()


def plain_knife(view, stars, k, row, col):
    """Return 2 % of a star in an even strip, turned the other way, with a gap."""
    name = view.detector.name
    if name not in KNIFE:
        return None
    outer, inward = (-154.0, 1.0) if "B" in name[3] else (151.5, -1.0)
    if not 9.0 < (outer - stars.v2[k]) * inward < 14.5:
        return None
    v2, v3 = view.camera.pixel_to_focal(row, col)
    along = (v2 - stars.v2[k]) * inward
    across = v3 - stars.v3[k] + np.tan(np.radians(3.0)) * along
    start = abs(outer - stars.v2[k]) + 55.0
    inside = (along > start) & (along < start + 59.0)
    inside &= (along < start + 25.0) | (along > start + 29.0)
    strip = inside & (np.abs(across) < 3.0)
    return 0.02 * strip * 0.031**2 / (55.0 * 6.0)


def plain_leaf(view, stars, k, row, col):
    """Return an even fan of 1 % of a star."""
    beyond = stars.v2[k] - 149.8
    if view.detector.name != "NRCALONG" or not 0 < beyond < 60:
        return None
    if abs(stars.v3[k] + 453.3) > 4.0:
        return None
    radius, angle = np.hypot(row - 1660.0, col), np.arctan2(row - 1660.0, col + 1.0)
    fan = (radius < 700.0) & (np.abs(angle) < np.radians(30.0))
    return 0.01 * (1 - beyond / 60) * fan / (np.radians(30.0) * 700.0**2)


class Tally:
    """Counts of one detector, scene and kind, over all exposures."""

    def __init__(self):
        self.strong, self.found = 0, 0
        self.light, self.masked_light = 0.0, 0.0
        self.bright, self.masked = 0, 0


def scatter_of_means(noise, event):
    """Return the scatter of the means of sky in shapes like that of an event."""
    smooth = ndimage.gaussian_filter(event.light, SMOOTHING_PX)
    shape = smooth > 0.1 * smooth.max()
    rows, cols = shape.shape
    means = []
    for row in range(0, SIDE - rows + 1, max(1, (SIDE - rows) // 8)):
        for col in range(0, SIDE - cols + 1, max(1, (SIDE - cols) // 8)):
            part = noise[row : row + rows, col : col + cols][shape]
            if np.isfinite(part).mean() > 0.3:
                means.append(np.nanmean(part))
    return float(event.light[shape].mean()), float(np.std(means))


def score(visit, masked, quiet, tallies):
    """Count what was found in the exposures of a visit."""
    scale = visit.mjy_sr_per_dn_s
    for events, mask, noise in zip(visit.events, masked, quiet, strict=True):
        bare = np.nan_to_num(noise)
        smooth = ndimage.gaussian_filter(bare, SMOOTHING_PX)[8:-8, 8:-8]
        limit = STANDS_OUT * smooth.std()
        for kind in {e.kind for e in events}:
            tally = tallies.setdefault(kind, Tally())
            total = np.zeros((SIDE, SIDE), np.float32)
            for e in events:
                if e.kind == kind:
                    total[e.box] += e.light
            inner = np.s_[4:-4, 4:-4]
            bright = ndimage.gaussian_filter(total, SMOOTHING_PX)[inner] > limit
            tally.bright += int(bright.sum())
            tally.masked += int((bright & mask[inner]).sum())
        for e in events:
            mean, err = scatter_of_means(noise, e)
            if not mean > STANDS_OUT * err:
                continue
            tally, here = tallies[e.kind], mask[e.box]
            tally.strong += 1
            # a corner of another mask is no finding
            tally.found += bool(e.light[here].sum() > 0.2 * e.light.sum())
            tally.light += float(e.light.sum())
            tally.masked_light += float(e.light[here].sum())
    return scale


def report(detector, seed, scene, options):
    """Print what was found on one detector in one scene."""
    visit = OffField(detector, options.points, seed, scene)
    drawn = visit.expose(("breath_1", "breath_2", "ginkgo"))
    images, _ = first_round(visit, drawn)
    masks = visit.long_masks(drawn)
    cleaned, _ = second_round(visit, drawn, images, masks)
    scale = visit.mjy_sr_per_dn_s
    beside = np.uint16(16 | 32 | 64)
    masked = [
        (c.image.extras.get("ARTIFACT", np.zeros((SIDE, SIDE), np.uint16)) & beside) > 0
        for c in cleaned
    ]
    light = [sum(d.stray.values(), np.zeros((SIDE, SIDE), np.float32)) for d in drawn]
    quiet = []
    for k, d in enumerate(drawn):
        noise = visit.noises[k] / visit.flat * scale
        quiet.append(np.where(d.sources > 0.1 * visit.sigma, np.nan, noise))
    tallies = {}
    score(visit, masked, quiet, tallies)
    head = f"{detector:<9}{scene:<6} seed {seed}"
    for kind, t in tallies.items():
        print(
            f"{head} {KINDS[kind]:<8} {t.found:2d} of {t.strong:2d} strong events found, "
            f"{100 * t.masked_light / max(t.light, 1e-9):5.1f} % of their light masked, "
            f"{100 * t.masked / max(t.bright, 1):5.1f} % of {t.bright} pixels"
        )
    nothing = NOTHING * visit.sigma
    false = [np.mean(m & (p < nothing)) for m, p in zip(masked, light, strict=True)]
    changed = [
        np.mean(np.abs(c.image.extras.get("STRAY", np.zeros(1))) > nothing)
        for c in cleaned
    ]
    print(
        f"{head} for nothing: masked {100 * np.mean(false):.3f} % "
        f"(worst {100 * np.max(false):.3f}), subtracted {100 * np.mean(changed):.3f} %"
        f"; in all masked {100 * np.mean(masked):.2f} %",
        flush=True,
    )
    if options.pictures:
        draw(
            options.pictures / f"{detector}_{scene}_{seed}.png",
            *(visit, cleaned, masked, light),
        )


def draw(path, visit, cleaned, masked, light):
    """Draw each exposure: slopes, true light, and the mask over the slopes."""
    lines = []
    for c, m, p in zip(cleaned, masked, light, strict=True):
        slope = c.image.planes.slope / visit.flat
        slope = slope - np.median(slope[8:-8, 8:-8])
        panels = [slope, p, np.where(m, np.nan, slope)]
        shades = []
        for plane in panels:
            mean = plane[4:-4, 4:-4].reshape(408, 5, 408, 5).mean((1, 3))
            shade = np.clip(mean / visit.sigma / 2 + 0.3, 0, 1)
            shades.append(np.nan_to_num(255 * shade[::-1]).astype(np.uint8))
            shades.append(np.full((408, 6), 128, np.uint8))
        lines += [np.hstack(shades[:-1]), np.full((6, 408 * 3 + 12), 128, np.uint8)]
    Image.fromarray(np.vstack(lines[:-1])).save(path, optimize=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--points", type=int, default=4)
    parser.add_argument("--detectors", nargs="+", default=list(DETECTORS))
    parser.add_argument("--scenes", nargs="+", default=list(PATTERN))
    parser.add_argument("--pictures", type=Path, help="folder that gets them")
    options = parser.parse_args()
    for detector in options.detectors:
        for scene in options.scenes:
            for seed in options.seeds:
                report(detector, seed, scene, options)


if __name__ == "__main__":
    main()
