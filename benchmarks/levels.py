"""Steps of the sky in mosaics of all ten detectors, whose levels differ.

    python benchmarks/levels.py [--seeds 1 2] [--points 4] [--no-held-out] [--set mesh=32]

Slope images of both modules, eight short-wavelength detectors and two long-wavelength ones,
are drawn full frame: sky, galaxies and stars, white and 1/f noise as `benchmarks/flicker.py` has
them, and levels of their own: by 5 % of the sky from one detector and exposure to the
next, by 4 % from amplifier to amplifier, by 2 % from dither to dither. The path takes their
stripes off, finds their sources, aligns, levels and combines them. The held-out scene has a
cluster and a crowd of stars, other dithers and another readout. From each exposure the
true sources are taken off before it enters the mosaic; what is left may have steps:

- across each edge of each exposure and each border of its amplifiers, medians of strips
  of 40 pixels on either side; the same across lines inside amplifiers, which have none,
  tells what these figures owe to noise;
- between detectors, and between modules, which no dither ties together.

All are in units of the noise of one pixel of the mosaic's sky. The same without levels is
printed above them.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import programme as pr  # noqa: E402
from benchmarks.flicker import (  # noqa: E402
    SKY,
    Noise,
    add_galaxy,
    add_star,
    edge_flags,
    first_round,
)
from benchmarks.readouts import make_readout  # noqa: E402
from rampline.astrometry.footprint import grid_from_footprints  # noqa: E402
from rampline.astrometry.pixel_map import map_pixels, map_to_grid  # noqa: E402
from rampline.background.level_matching import LevelMatchingParams  # noqa: E402
from rampline.exposure.records import Photometry, SkyImage  # noqa: E402
from rampline.flags import DO_NOT_USE, REFERENCE_PIXEL  # noqa: E402
from rampline.mosaic.blot import blot_plane  # noqa: E402
from rampline.mosaic.drizzle import DrizzleParams  # noqa: E402
from rampline.mosaic.noise_curve import NoiseCurveParams  # noqa: E402
from rampline.mosaic.outliers import OutlierParams  # noqa: E402
from rampline.pipeline.combine import Dither, combine_dithers  # noqa: E402
from rampline.pipeline.runner import Bench, Runner  # noqa: E402
from rampline.pipeline.sky_to_mosaic import (  # noqa: E402
    SkyToMosaic,
    align_field,
    level_exposures,
    survey_exposure,
)

SIDE, SCALE = 2048, 0.03
BETWEEN_EXPOSURES, BETWEEN_AMPLIFIERS, BETWEEN_DITHERS = 0.05, 0.04, 0.02
"""Scatter of levels that are no light of the field, in skies."""
STRIP, CLEAR = 40, 4
"""Width of the strips beside a line, and what is left out next to it, pixels."""
LEAST_PIXELS = 10_000
"""A strip of which fewer are blank says too little."""
EDGES, BORDERS, NULLS = (0, 2048), (512, 1024, 1536), (256, 768, 1280, 1792)
EXACT = pr.Errors(
    visit_arcsec=0, roll_deg=0, dither_arcsec=0, distortion_mas=0, detector_mas=0
)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A field and how it is observed."""

    name: str
    seed: int
    pattern: str = "4-POINT"
    readout: tuple[str, int] = ("MEDIUM8", 9)
    galaxies_per_mpx: float = 150.0
    stars_per_mpx: float = 13.0
    with_cluster: bool = False


HELD_OUT = Scene(
    name="held-out",
    seed=91,
    pattern="SMACS-9",
    readout=("SHALLOW4", 6),
    galaxies_per_mpx=250.0,
    stars_per_mpx=200.0,
    with_cluster=True,
)


class Field:
    """The exposures of a scene, both channels on one grid."""

    def __init__(self, scene, points):
        self.draw = np.random.default_rng([scene.seed, 5])
        self.noise = Noise(make_readout(*scene.readout))
        programme = pr.Programme(
            filters=pr.FILTERS[2:], points=points, pattern=scene.pattern
        )
        nowhere = pr.Sky(*np.zeros((3, 0)), *np.zeros((2, 0), bool))
        self.observed = pr.observe(programme, nowhere, EXACT, self.draw).surveys
        places = [survey.geometry for survey in self.observed]
        self.grid = grid_from_footprints(places, SCALE, pr.ROLL_DEG)
        self.light = self.draw_light(scene)
        self.flicker = [self.noise.flicker(self.draw) for _ in range(3)]
        self.dithers = self.draw.normal(0, BETWEEN_DITHERS, points)

    def draw_light(self, scene):
        """Return the light of all sources on the grid, DN/s."""
        draw, sigma = self.draw, self.noise.sigma
        shape = self.grid.n_rows, self.grid.n_cols
        plane = np.zeros(shape, np.float32)
        area = plane.size / 1e6
        for _ in range(int(scene.galaxies_per_mpx * area)):
            n, r_e = draw.choice([1.0, 1.0, 4.0]), 10 ** draw.uniform(0.2, 0.9)
            mu_e = min(sigma * 0.7 * draw.pareto(1.2) * (3 / r_e), 50 * sigma)
            turned = draw.uniform(0.3, 1), draw.uniform(0, np.pi)
            add_galaxy(plane, draw.uniform(0, 1, 2) * shape, n, r_e, mu_e, *turned)
        for _ in range(int(scene.stars_per_mpx * area)):
            place = draw.uniform(0, 1, 2) * shape
            add_star(plane, place, sigma * 30 * draw.pareto(0.8))
        if scene.with_cluster:
            middle = np.array([0.55, 0.3]) * shape
            add_galaxy(plane, middle, 4.0, 90.0, 2.0 * sigma, 0.7, 0.6)
            for _ in range(40):
                place, r_e = middle + draw.normal(0, 350, 2), 10 ** draw.uniform(0.8, 2)
                add_galaxy(plane, place, 4.0, r_e, 2 * sigma, draw.uniform(0.5, 1))
        return plane

    def expose(self, k):
        """Return an exposure after the path's slopes, and the light of its sources."""
        survey = self.observed[k]
        light = blot_plane(self.light, map_to_grid(survey.geometry, self.grid))
        light = np.nan_to_num(light)
        flips = [slice(None, None, step) for step in self.draw.choice([-1, 1], 2)]
        drift = self.flicker[self.draw.integers(3)][tuple(flips)]
        drift = np.roll(drift, self.draw.integers(SIDE), axis=0)
        dither = int(survey.header.root.split("_")[2]) - 1
        own = self.draw.normal(0, BETWEEN_EXPOSURES) + self.dithers[dither]
        levels = own + self.draw.normal(0, BETWEEN_AMPLIFIERS, 4)
        slope = light + drift + self.noise.white(self.draw, light)
        slope += SKY * (1 + np.repeat(levels, SIDE // 4))
        return self.image(survey, first_round(slope, self.noise).slope), light

    def image(self, survey, sky):
        """Return a calibrated image; DN/s stand for MJy/sr."""
        is_edge = edge_flags() & REFERENCE_PIXEL != 0
        half = np.full(sky.shape, self.noise.sigma**2 / 2, np.float32)
        return SkyImage(
            header=survey.header,
            sky=sky.astype(np.float32),
            err=np.sqrt(2 * half),
            var_poisson=half,
            var_read=half,
            var_flat=np.zeros_like(half),
            flags=np.where(is_edge, DO_NOT_USE, 0).astype(np.uint32),
            area=np.ones_like(half),
            photometry=Photometry(mjy_sr_per_dn_s=1.0, pixel_area_sr=2.2e-14),
            geometry=survey.geometry,
        )

    def channel(self, name, params):
        """Return surveys and exposures less their sources, of one channel."""
        surveys, left = [], []
        for k, observed in enumerate(self.observed):
            if observed.header.channel == name:
                image, light = self.expose(k)
                surveys.append(survey_exposure(image, params))
                left.append(image.sky - light)
        return align_field(surveys, None, params.alignment), left

    def mosaic(self, aligned, left, levels):
        """Combine exposures less their sources."""
        dithers = [
            Dither(
                header=survey.header,
                geometry=geometry,
                level_mjy_sr=float(level),
                load=lambda survey=survey, sky=sky: self.image(survey, sky),
            )
            for survey, geometry, sky, level in zip(
                aligned.surveys, aligned.geometries, left, levels, strict=True
            )
        ]
        with Bench(2) as bench:
            steps = (OutlierParams(), DrizzleParams(), NoiseCurveParams(enabled=False))
            run = Runner(None, bench)
            mosaic = combine_dithers(dithers, self.grid, "levels", run, steps).mosaic
        return np.where(self.light < self.noise.sigma, mosaic.sky, np.nan)


def on_grid(pixel_map, axis, across, along):
    """Return where points of a strip lie on the grid, (across, along, 2)."""
    places = np.meshgrid(across, along, indexing="ij")
    rows, cols = places if axis == 0 else places[::-1]
    return np.asarray(map_pixels(pixel_map, rows, cols))


def step_across(sky, pixel_map, axis, place):
    """Return the step across a line of an exposure; NaN where a side says too little."""
    away, along = np.arange(CLEAR, CLEAR + STRIP) + 0.5, np.arange(4.0, SIDE - 4)
    line = place - 0.5
    medians = []
    for sign in (-1, 1):
        is_beyond = place == (0 if sign < 0 else SIDE)
        inside = line + (-sign if is_beyond else sign) * away
        at = on_grid(pixel_map, axis, inside, along)
        if is_beyond:  # as far from the edge as what lies inside
            at = 2 * on_grid(pixel_map, axis, np.full(STRIP, line), along) - at
        at = np.rint(at).astype(int)
        at = at[((at >= 0) & (at < sky.shape)).all(axis=-1)]
        values = sky[tuple(at.T)]
        values = values[np.isfinite(values)]
        medians.append(np.median(values) if len(values) > LEAST_PIXELS else np.nan)
    return medians[1] - medians[0]


def detector_medians(sky, aligned, maps):
    """Return the median where each detector looks, by its name."""
    nodes = np.arange(8.0, SIDE - 8, 4)
    values = {}
    for survey, pixel_map in zip(aligned.surveys, maps, strict=True):
        at = np.rint(on_grid(pixel_map, 0, nodes, nodes)).astype(int).reshape(-1, 2)
        values.setdefault(survey.header.detector, []).append(sky[tuple(at.T)])
    return {k: np.nanmedian(np.concatenate(v)) for k, v in sorted(values.items())}


def print_steps(title, sky, aligned, grid):
    noise = 1.4826 * np.nanmedian(np.abs(sky - np.nanmedian(sky)))
    maps = [map_to_grid(geometry, grid) for geometry in aligned.geometries]
    lines = {
        "edges of detectors": [(axis, place) for axis in (0, 1) for place in EDGES],
        "borders of amplifiers": [(1, place) for place in BORDERS],
        "lines without a border": [(1, place) for place in NULLS],
    }
    print(f"  {title}; noise of a pixel {noise:.5f} DN/s")
    for name, each in lines.items():
        steps = np.array([step_across(sky, m, *line) for m in maps for line in each])
        steps = np.abs(steps[np.isfinite(steps)]) / noise
        print(
            f"    {name:<24}{len(steps):4d}: rms {np.sqrt(np.mean(steps**2)):.3f}, "
            f"95 % within {np.percentile(steps, 95):.3f}, largest {steps.max():.3f}"
        )
    inside = {k: v / noise for k, v in detector_medians(sky, aligned, maps).items()}
    modules = [np.mean([v for k, v in inside.items() if k[3] == m]) for m in "AB"]
    each = " ".join(f"{name[3:]} {value:+.3f}" for name, value in inside.items())
    apart = max(inside.values()) - min(inside.values())
    print(f"    detectors, peak to peak       {apart:.3f} ({each})")
    print(
        f"    module A less B              {modules[0] - modules[1]:+.3f}", flush=True
    )


def report(scene, points, params):
    field = Field(scene, points)
    for channel in ("SHORT", "LONG"):
        aligned, left = field.channel(channel, params)
        members = range(len(left))
        found = level_exposures(aligned, members, field.grid, params.levels)
        groups = found.group.max() + 1
        print(
            f"{scene.name} {scene.seed}, {channel.lower()} wavelengths, {len(left)} "
            f"exposures; groups that overlaps tie: {groups}"
        )
        for title, levels in (
            ("no levels", np.zeros(len(left))),
            ("levels", found.level),
        ):
            sky = field.mosaic(aligned, left, levels)
            print_steps(title, sky, aligned, field.grid)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--points", type=int, default=4)
    parser.add_argument("--no-held-out", action="store_true")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    words = dict(word.split("=", 1) for word in options.set)
    params = SkyToMosaic(levels=LevelMatchingParams.model_validate(words))
    scenes = [Scene(name="field", seed=seed) for seed in options.seeds]
    for scene in scenes + [HELD_OUT] * (not options.no_held_out):
        report(scene, options.points, params)


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
