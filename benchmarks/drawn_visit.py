"""Slope images of a visit, drawn: sky, sources, noise and scattered light without ramps.

A full frame costs two seconds instead of the twelve of a simulated ramp and its reduction
to slopes, and a second round works on slopes. Noise is that of `benchmarks/flicker.py`, scattered
light that of the simulator with its pointings; sources are shifted by whole pixels.
"""

from dataclasses import dataclass, replace

import numpy as np

from benchmarks.flicker import SKY, Noise, add_galaxy, add_star, edge_flags
from benchmarks.readouts import make_readout
from rampline.artifacts.bright_stars import brightest_stars
from rampline.artifacts.stars import StarTable, join_stars
from rampline.exposure.planes import SkyPlanes
from rampline.exposure.records import Scene, SlopeImage, SlopePlanes
from rampline.flags import DO_NOT_USE
from rampline.pipeline.draft_mosaic import mask_mosaic, mask_mosaic_cores
from rampline.simulation.headers import exposure_header
from rampline.simulation.instrument import FLUX_CONVERSION
from rampline.simulation.pointing import plan_exposures
from rampline.simulation.presets import artifacts_scene
from rampline.simulation.scattered.scatter import ScatteredParams, scatter
from rampline.simulation.scattered.view import View
from rampline.simulation.scene import GalaxyParams
from rampline.simulation.sky import draw_sky

SIDE, BORDER = 2048, 360
SKY_MJY_SR = 0.17
KINDS = ("wisps", "claws", "breath_1", "breath_2", "ginkgo", "stripes")
FAINTEST_JY = 1.0e-3
"""AB 16.4: fainter stars light nothing that shows."""
AB_MINUS_VEGA = (0.91, 1.39, 1.85)
PIXEL_ARCSEC = {"SHORT": 0.031, "LONG": 0.063}


@dataclass
class Drawn:
    """One exposure with its truth, DN/s."""

    header: object
    slope: np.ndarray
    sources: np.ndarray
    stray: dict
    dither: tuple


class Visit:
    """Exposures of one detector and filter; with the same seed, the same but for ``kinds``."""

    def __init__(
        self, detector, points, seed, observation="001", pattern=("MEDIUM8", 9)
    ):
        scene = artifacts_scene(points=points)
        imaging = scene.activities[0].model_copy(update={"detectors": (detector,)})
        visit = scene.visit.model_copy(update={"observation": observation})
        # galaxies scatter no light; those of the field are drawn by `make_field`
        field = scene.field.model_copy(update={"galaxies": GalaxyParams(number=0)})
        self.scene = scene.model_copy(
            update={
                "activities": (imaging,),
                "seed": seed,
                "visit": visit,
                "field": field,
            }
        )
        self.noise = Noise(make_readout(*pattern))
        self.seed, self.exposures = seed, plan_exposures(self.scene)
        band = self.exposures[0].band
        key = detector, band.filter, band.pupil
        self.mjy_sr_per_dn_s = FLUX_CONVERSION[key]
        draw = np.random.default_rng([seed, int(observation), 5])
        self.field = make_field(draw, self.sigma)
        self.flat = draw.normal(1.0, 0.01, (SIDE, SIDE)).astype(np.float32)
        self.noises = [self._noise(k) for k in range(points)]
        self.planes = SkyPlanes(
            flat=self.flat,
            flat_err=np.zeros_like(self.flat),
            flat_flags=np.zeros(self.flat.shape, np.uint32),
            area=np.ones_like(self.flat),
            pixel_area_sr=2.3e-14,
            mjy_sr_per_dn_s=self.mjy_sr_per_dn_s,
            distortion=None,
        )

    def _noise(self, k):
        draw = np.random.default_rng([self.seed, self.exposures[k].key[0], 6])
        flicker = self.noise.flicker(draw)
        light = self.sky + self.cut(self.field, self.dither(k)) * self.flat
        # the noise model counts a sky of its own
        return flicker + self.noise.white(draw, light - SKY)

    @property
    def sigma(self):
        """Return the white noise of a pixel of sky, DN/s."""
        photons = self.sky * self.noise.photon_variance
        return np.sqrt(self.noise.read_variance + photons)

    @property
    def sky(self):
        return SKY_MJY_SR / self.mjy_sr_per_dn_s

    def dither(self, k):
        first, here = self.exposures[0], self.exposures[k]
        step = PIXEL_ARCSEC[first.detector.channel]
        off = np.subtract(here.offset_arcsec, first.offset_arcsec) / step
        return round(off[1]), round(-off[0])

    def cut(self, plane, dither):
        row, col = BORDER + dither[0], BORDER + dither[1]
        return plane[row : row + SIDE, col : col + SIDE]

    def expose(self, kinds):
        """Return the exposures with these kinds of scattered light."""
        params = ScatteredParams.model_validate(
            {name: {"enabled": True} for name in kinds}
        )
        sources = draw_sky(self.scene)
        drawn = []
        for k, exposure in enumerate(self.exposures):
            rate = sources.flux_in(exposure.band) / (
                1e6 * self.mjy_sr_per_dn_s * 2.3e-14
            )
            planes = self.scatter(exposure, params, sources, rate)
            stray = {name: plane.astype(np.float32) for name, plane in planes.items()}
            own = self.cut(self.field, self.dither(k))
            light = self.sky + own + sum(stray.values())
            slope = (light * self.flat + self.noises[k]).astype(np.float32)
            header = replace(
                exposure_header(self.scene, exposure), readout=self.noise.readout
            )
            drawn.append(Drawn(header, slope, own, stray, self.dither(k)))
        self.stars = _star_table(sources)
        return drawn

    def scatter(self, exposure, params, sources, rate):
        """Return the scattered light of an exposure by kind, DN/s."""
        return scatter(self._view(exposure), params, sources, rate).planes

    def _view(self, exposure):
        return View(
            detector=exposure.detector,
            band=exposure.band,
            grism="",
            camera=exposure.true,
            shape=(SIDE, SIDE),
            dn_s_per_mjy_sr=1.0 / self.mjy_sr_per_dn_s,
            seed=self.seed,
            key=(exposure.key[0], exposure.detector.number),
        )

    def image(self, drawn, slope, stripes):
        """Return the slopes of the first round."""
        variance = np.full(slope.shape, self.sigma**2 / 2, np.float32)
        planes = SlopePlanes(
            slope=slope,
            err=np.sqrt(2 * variance),
            var_poisson=variance,
            var_read=variance,
            flags=edge_flags(),
        )
        return SlopeImage(
            header=drawn.header, planes=planes, extras={"STRIPES": stripes}
        )

    def long_masks(self, drawn):
        """Return what mosaics of long wavelengths say of each exposure: cores, all light.

        The same field without wisps and claws; angled stripes are gone after the first round.
        """
        draw = np.random.default_rng([self.seed, 8])
        shape = self.field.shape
        noise = self.sigma / np.sqrt(len(drawn)) * draw.standard_normal(shape)
        sky = (self.field + noise).astype(np.float32)
        masks = mask_mosaic_cores(sky), mask_mosaic(sky)
        return [[self.cut(mask, d.dither) for mask in masks] for d in drawn]

    def scenes(self, drawn, images, masks):
        """Return what the draft mosaic of the own filter says about each exposure."""
        slopes = []
        for image in images:
            slope = image.planes.slope / self.flat
            slope = slope - image.extras.get("STRAY", np.float32(0)) / self.flat
            masked = image.planes.flags & DO_NOT_USE != 0
            slopes.append(np.where(masked, np.nan, slope - np.median(slope[~masked])))
        sky = self.stack(drawn, slopes) * self.mjy_sr_per_dn_s
        mask = mask_mosaic(sky)
        return [
            Scene(
                sky=self.cut(sky, d.dither).copy(),
                is_source=self.cut(mask, d.dither) & all_light,
            )
            for d, (_, all_light) in zip(drawn, masks, strict=True)
        ]

    def stack(self, drawn, planes):
        """Return the mean of planes of the exposures on the sky; NaN where none is."""
        total, count = np.zeros((2, *self.field.shape), np.float32)
        for d, plane in zip(drawn, planes, strict=True):
            if plane is not None:
                self.cut(total, d.dither)[:] += np.nan_to_num(plane)
                self.cut(count, d.dither)[:] += np.isfinite(plane)
        return total / np.where(count > 0, count, np.nan)


def make_field(draw, sigma):
    """Return faint galaxies and stars, denser than a deep field, DN/s."""
    side = SIDE + 2 * BORDER
    plane = np.zeros((side, side), np.float32)
    for _ in range(900):
        n, r_e = draw.choice([1.0, 1.0, 4.0]), 10 ** draw.uniform(0.2, 0.9)
        mu_e = min(sigma * 0.7 * draw.pareto(1.2) * (3 / r_e), 50 * sigma)
        shape = draw.uniform(0.3, 1), draw.uniform(0, np.pi)
        add_galaxy(plane, draw.uniform(0, side, 2), n, r_e, mu_e, *shape)
    for _ in range(80):
        add_star(plane, draw.uniform(0, side, 2), sigma * 30 * draw.pareto(0.8))
    return plane


def _star_table(sources):
    """Return the bright stars as 2MASS would have them."""
    bright = np.flatnonzero(sources.is_star & (sources.flux_jy > FAINTEST_JY))
    mags = []
    for offset, wavelength in zip(AB_MINUS_VEGA, (1.235, 1.662, 2.159), strict=True):
        flux = sources.flux_jy[bright] * (wavelength / 2.0) ** sources.colour[bright]
        mags.append(8.90 - 2.5 * np.log10(flux) - offset)
    names = tuple(f"star {k}" for k in bright)
    own = StarTable(names, sources.ra_deg[bright], sources.dec_deg[bright], *mags)
    return join_stars([own, brightest_stars()])
