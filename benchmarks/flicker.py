"""What 1/f noise is left by both rounds, and what they do to galaxies.

    python benchmarks/flicker.py [blank] [field] [galaxies] [groups] [peer] [--seeds 1 2]

Slope images of full frames are drawn from the noise model of the simulator: white noise of
4.95 DN a read, 1/f noise with its knee at 500 Hz, half of it common to the outputs, 0.15 DN/s
of sky; SHALLOW4 with 6 groups and MEDIUM8 with 9. The second round knows the scene from the
mean of four dithers after the first, and its mask of sources, as the path does.

blank     aperture noise over white noise in boxes of 17, 33 and 65 pixels, no sources
field     the same for a cluster of galaxies and a crowd of stars, in boxes that are free
          of sources, with masks made from the data
galaxies  Sersic galaxies: flux lost within two effective radii, and bias of the wings
          from two to four, in sigma of a pixel; against the same exposures without the
          galaxy, means over the seeds, and the white noise of the flux beside them
groups    the drift followed in each difference of groups instead of in the slopes, on
          blank sky, the light known exactly
peer      `jwst` clean_flicker_noise on the slopes of the first of these exposures
"""

import argparse
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from scipy.special import gammaincinv

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.readouts import make_readout  # noqa: E402
from rampline.detector.clock_order import follow_drift  # noqa: E402
from rampline.detector.flicker_noise import (  # noqa: E402
    FlickerNoiseParams,
    Sources,
    remove_flicker_noise,
)
from rampline.detector.reference_pixels import (  # noqa: E402
    ReferencePixelParams,
    measure_reference_offsets,
    subtract_reference_offsets,
)
from rampline.detector.stripes import STRIP, sum_strips  # noqa: E402
from rampline.exposure.records import Scene  # noqa: E402
from rampline.flags import REFERENCE_PIXEL  # noqa: E402
from rampline.pipeline.draft_mosaic import mask_mosaic  # noqa: E402
from rampline.pipeline.second_round import scene_slope  # noqa: E402
from rampline.simulation.flicker import FlickerNoise, FlickerParams  # noqa: E402

SIDE, BORDER = 2048, 200
WHITE_DN, SKY, GAIN = 4.95, 0.15, 2.0
BOXES = (17, 33, 65)
DITHERS = ((0, 0), (37, 91), (-58, 143), (83, -119))
READOUTS = (("SHALLOW4", 6), ("MEDIUM8", 9))
PARAMS = FlickerNoiseParams()
LIMITS = {
    ("blank", 1): (1.10, 1.25, 1.5),
    ("blank", 2): (1.06, 1.13, 1.2),
    ("field", 1): (1.2, 1.5, 2.0),
    ("field", 2): (1.10, 1.2, 1.35),
}


class Noise:
    """Noise of slopes: those weights of the groups that are best on the sky."""

    def __init__(self, readout):
        times = readout.read_times_s()
        shared = [[np.minimum.outer(a, b).mean() for b in times] for a in times]
        read = np.eye(readout.n_groups) * WHITE_DN**2 / readout.n_frames
        photons = np.array(shared) / GAIN
        inverse = np.linalg.inv(read + SKY * photons)
        # the level of the reset is free
        terms = np.stack([np.ones(len(times)), readout.group_times_s()])
        self.weights = np.linalg.solve(terms @ inverse @ terms.T, terms @ inverse)[1]
        self.readout = readout
        self.read_variance = self.weights @ read @ self.weights
        self.photon_variance = self.weights @ photons @ self.weights
        self.sigma = np.sqrt(self.read_variance + SKY * self.photon_variance)

    def white(self, draw, light):
        variance = self.read_variance + self.photon_variance * (SKY + light)
        return np.sqrt(variance) * draw.standard_normal(light.shape, np.float32)

    def groups_of_flicker(self, draw):
        noise = FlickerNoise(self.readout, WHITE_DN, FlickerParams(), draw)
        n, period = (
            self.readout.n_frames,
            self.readout.n_frames + self.readout.n_dropped,
        )
        return (noise.mean_of_reads(g * period, n) for g in range(len(self.weights)))

    def groups_left(self, draw):
        """Return what of it the reference pixels leave in the groups."""
        groups = np.stack(list(self.groups_of_flicker(draw)))[None]
        white = WHITE_DN / np.sqrt(self.readout.n_frames)
        for edge in EDGES:
            part = groups[(..., *edge)]
            part += white * draw.standard_normal(part.shape, np.float32)
        bias, flags = np.zeros((SIDE, SIDE), np.float32), [edge_flags()]
        offsets = measure_reference_offsets(
            groups, bias, flags, self.readout, ReferencePixelParams()
        )
        subtract_reference_offsets(groups, offsets, slice(0, SIDE))
        return groups[0]

    def flicker(self, draw):
        """Return what of it the reference pixels leave in the slopes."""
        groups = self.groups_left(draw)
        total = np.einsum("g,grc->rc", self.weights.astype(np.float32), groups)
        return total - total[4:-4, 4:-4].mean()


EDGES = [
    (rows, cols)
    for ends, sides in ((slice(0, 4), slice(0, 4)), (slice(-4, None), slice(-4, None)))
    for rows, cols in ((ends, slice(None)), (slice(4, -4), sides))
]


def edge_flags():
    flags = np.full((SIDE, SIDE), REFERENCE_PIXEL, np.uint32)
    flags[4:-4, 4:-4] = 0
    return flags


def sersic(shape, center, n, r_e, mu_e, ratio=1.0, angle=0.0):
    """Return surface brightness, ``mu_e`` at the effective radius."""
    y, x = np.indices(shape, np.float32)
    y, x = y - center[0], x - center[1]
    u = x * np.cos(angle) + y * np.sin(angle)
    v = y * np.cos(angle) - x * np.sin(angle)
    radius = np.sqrt(u**2 + (v / ratio) ** 2 + 0.25)
    b = gammaincinv(2 * n, 0.5)
    profile = mu_e * np.exp(-b * ((radius / r_e) ** (1 / n) - 1))
    return profile.astype(np.float32)


def add_galaxy(plane, center, n, r_e, mu_e, ratio=1.0, angle=0.0):
    reach = int(min(12 * r_e * max(1.0, n / 2), max(plane.shape)))
    rows = slice(max(int(center[0]) - reach, 0), int(center[0]) + reach)
    cols = slice(max(int(center[1]) - reach, 0), int(center[1]) + reach)
    part = plane[rows, cols]
    inner = (center[0] - rows.start, center[1] - cols.start)
    part += sersic(part.shape, inner, n, r_e, mu_e, ratio, angle)


def make_field(kind, draw, sigma):
    """Return light of sources on the frame and its border, DN/s."""
    side = SIDE + 2 * BORDER
    plane = np.zeros((side, side), np.float32)
    if kind == "blank":
        return plane
    n_small = {"cluster": 1500, "stars": 300}[kind]
    for _ in range(n_small):
        n, r_e = draw.choice([1.0, 1.0, 4.0]), 10 ** draw.uniform(0.2, 0.9)
        mu_e = sigma * 0.7 * draw.pareto(1.2) * (3 / r_e)
        place = draw.uniform(0, side, 2)
        shape = draw.uniform(0.3, 1), draw.uniform(0, np.pi)
        add_galaxy(plane, place, n, r_e, min(mu_e, 50 * sigma), *shape)
    if kind == "cluster":
        middle = np.array([0.45, 0.55]) * side
        add_galaxy(plane, middle, 4.0, 90.0, 2.0 * sigma, 0.7, 0.6)
        for _ in range(40):
            place = middle + draw.normal(0, 350, 2)
            r_e = 10 ** draw.uniform(0.8, 1.5)
            add_galaxy(plane, place, 4.0, r_e, 4 * sigma, draw.uniform(0.5, 1))
    n_stars = {"cluster": 20, "stars": 2500}[kind]
    for _ in range(n_stars):
        add_star(plane, draw.uniform(0, side, 2), sigma * 30 * draw.pareto(0.8))
    return plane


def add_star(plane, place, peak):
    """Add a core of two pixels with wings of r**-3."""
    peak = min(peak, 3e4)
    reach = int(np.clip(2 * (peak / 1e-5) ** (1 / 3), 10, 400))
    low = [max(int(p) - reach, 0) for p in place]
    part = plane[low[0] : int(place[0]) + reach, low[1] : int(place[1]) + reach]
    y, x = np.indices(part.shape, np.float32)
    square = (y - place[0] + low[0]) ** 2 + (x - place[1] + low[1]) ** 2
    part += (peak * (1 + square / 1.2**2) ** -1.5).astype(np.float32)


def cut(plane, dither=(0, 0)):
    row, col = BORDER + dither[0], BORDER + dither[1]
    return plane[row : row + SIDE, col : col + SIDE]


def first_round(slope, noise):
    return remove_flicker_noise(slope, edge_flags(), noise.readout, PARAMS)


def second_round(slope, scene, noise):
    planes = SimpleNamespace(flat=np.float32(1), mjy_sr_per_dn_s=np.float32(1))
    light = scene_slope(scene, planes)
    args = slope, edge_flags(), noise.readout, PARAMS
    return remove_flicker_noise(*args, scene=Sources(light, scene.is_source))


def mean_scene(exposures):
    """Return what dithers after the first round say of the first of them."""
    total, count = np.zeros((2, SIDE + 2 * BORDER, SIDE + 2 * BORDER), np.float32)
    for exposure, dither in zip(exposures, DITHERS, strict=True):
        cut(total, dither)[:] += exposure - np.median(exposure)
        cut(count, dither)[:] += 1
    with np.errstate(invalid="ignore"):
        sky = total / np.where(count > 0, count, np.nan)
    return Scene(sky=cut(sky).copy(), is_source=cut(mask_mosaic(sky)).copy())


def expose(noise, field, seed, only_one=False):
    """Return slopes of the dithers, DN/s."""
    slopes = []
    for k, dither in enumerate(DITHERS[:1] if only_one else DITHERS):
        draw = np.random.default_rng([seed, k])
        light = cut(field, dither)
        slopes.append(SKY + light + noise.flicker(draw) + noise.white(draw, light))
    return slopes


def box_ratios(left, light, sigma):
    """Return noise of box means over white noise, boxes free of light; and their number."""
    ratios, number = [], []
    for k in BOXES:
        n = (SIDE - 8) // k
        shape = (n, k, n, k)
        inner = slice(4, 4 + n * k)
        mean = left[inner, inner].reshape(shape).mean((1, 3))
        bright = light[inner, inner].reshape(shape)
        free = (bright.mean((1, 3)) < 0.1 * sigma) & (bright.max((1, 3)) < 3 * sigma)
        ratios.append(float(mean[free].std() * k / sigma))
        number.append(int(free.sum()))
    return ratios, number


def both_rounds(noise, field, seed):
    """Return exposure, and what is left of noise without, after one and after two rounds."""
    slopes = expose(noise, field, seed)
    started = time.process_time()
    after = [first_round(slope, noise).slope for slope in slopes]
    seconds = [(time.process_time() - started) / len(slopes)]
    scene = mean_scene(after)
    started = time.process_time()
    again = second_round(slopes[0], scene, noise).slope
    seconds.append(time.process_time() - started)
    truth = SKY + cut(field)
    return [plane - truth for plane in (slopes[0], after[0], again)], seconds


def report_boxes(kind, seeds):
    """Print aperture noise over white noise."""
    scenes = ("blank",) if kind == "blank" else ("cluster", "stars")
    print(f"\n{kind}: aperture noise over white noise")
    print(f"{'':<30}{'boxes':>16}   " + "".join(f"{k:>7}" for k in BOXES) + "   CPU s")
    for pattern, n_groups in READOUTS:
        noise = Noise(make_readout(pattern, n_groups))
        for seed in seeds:
            for scene in scenes:
                draw = np.random.default_rng([seed, 99])
                field = make_field(scene, draw, noise.sigma)
                planes, seconds = both_rounds(noise, field, seed)
                labels = "none", "round 1", "round 2"
                named = zip(labels, planes, (0.0, *seconds), strict=True)
                for label, plane, cpu in named:
                    ratios, number = box_ratios(plane, cut(field), noise.sigma)
                    limits = LIMITS.get((kind, int(label[-1]) if cpu else 0))
                    words = "".join(f"{r:7.3f}" for r in ratios)
                    if limits:
                        missed = np.array(ratios) > limits
                        words += f"   {cpu:4.2f}" + ("  MISSED" if missed.any() else "")
                    title = f"{pattern} {n_groups} {scene} {seed} {label}"
                    boxes = "/".join(map(str, number)) if label == "none" else ""
                    print(f"{title:<30}{boxes:>16}   {words}", flush=True)


GALAXIES = [(n, r_e) for n in (1.0, 4.0) for r_e in (5, 15, 50, 150)]


def report_galaxies(seeds):
    """Print flux lost and bias of the wings, galaxies in a field of faint sources."""
    print(
        "\ngalaxies: flux lost (%) and bias of the wings (sigma of a pixel), by round;"
        " white noise of the flux (%)"
    )
    noise = Noise(make_readout(*READOUTS[1]))
    for n, r_e in GALAXIES:
        lost, wings = np.zeros((2, 2, len(seeds)))
        mu_e = noise.sigma * max(0.5, 10 / r_e)
        for seed in seeds:
            draw = np.random.default_rng([seed, 7])
            place = BORDER + SIDE * draw.uniform(0.35, 0.65, 2)
            galaxy = np.zeros((SIDE + 2 * BORDER,) * 2, np.float32)
            add_galaxy(galaxy, place, n, float(r_e), mu_e, 0.8, draw.uniform(0, 3))
            empty = np.zeros_like(galaxy)
            biased = [
                with_it - without
                for with_it, without in zip(
                    both_rounds(noise, galaxy, seed)[0],
                    both_rounds(noise, empty, seed)[0],
                    strict=True,
                )
            ]
            y, x = np.indices((SIDE, SIDE))
            radius = np.hypot(y - place[0] + BORDER, x - place[1] + BORDER)
            inside = radius < 2 * r_e
            wing = (radius > 2 * r_e) & (radius < 4 * r_e)
            flux = cut(galaxy)[inside].sum()
            change = np.array(biased[1:]) - biased[0]
            lost[:, seeds.index(seed)] = -100 * change[:, inside].sum(1) / flux
            wings[:, seeds.index(seed)] = change[:, wing].mean(1) / noise.sigma
        white = 100 * noise.sigma * np.sqrt(inside.sum()) / flux
        words = "   ".join(
            f"round {k + 1}: {spread(lost[k], 2)} | {spread(wings[k], 4)}"
            for k in range(2)
        )
        print(f"n {n:.0f} r_e {r_e:>4}   {words}   {white:5.2f}", flush=True)


def spread(values, digits):
    """Return mean and its error, of as many values as there are seeds."""
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{values.mean():7.{digits}f} +- {error:.{digits}f}"


def differences(noise, seed):
    """Yield drift and white noise of differences of groups on blank sky, DN."""
    groups = noise.groups_left(np.random.default_rng([seed, 0]))
    draw = np.random.default_rng([seed, 5])

    def scatter(sigma):
        return np.float32(sigma) * draw.standard_normal((SIDE, SIDE), np.float32)

    read = WHITE_DN / np.sqrt(noise.readout.n_frames)
    before = scatter(read)
    for g, seconds in enumerate(np.diff(noise.readout.group_times_s())):
        after = scatter(read)
        white = after - before + scatter(np.sqrt(SKY * seconds / GAIN))
        yield groups[g + 1] - groups[g], white
        before = after


def follow(left, readout):
    """Return an image of drift and white noise less the drift that is found in it."""
    clip = 4 * left[4:-4, 4:-4].std()
    ones = np.ones((1, 1), np.float32)
    strips = sum_strips(left, edge_flags(), REFERENCE_PIXEL, ones, (0.0, clip))
    drift = follow_drift(strips.total, strips.used, strips.variance, readout)
    return left - np.repeat(drift, STRIP, axis=1)


def report_groups(seeds):
    """Print what is left where each difference of groups is cleaned alone."""
    print("\ngroups: aperture noise over white noise, blank sky, light known exactly")
    print(f"{'':<36}" + "".join(f"{k:>7}" for k in BOXES) + "   CPU s")
    for pattern, n_groups in READOUTS:
        noise = Noise(make_readout(pattern, n_groups))
        share = np.cumsum(noise.weights[::-1])[::-1][1:].astype(np.float32)
        for seed in seeds:
            white, slope, cleaned = np.zeros((3, SIDE, SIDE), np.float32)
            seconds = 0.0
            for part, (drift, own) in zip(share, differences(noise, seed), strict=True):
                started = time.process_time()
                cleaned += part * follow(own + drift, noise.readout)
                seconds += time.process_time() - started
                white += part * own
                slope += part * (own + drift)
            started = time.process_time()
            done = follow(slope, noise.readout)
            spent = 0.0, time.process_time() - started, seconds
            nothing = np.zeros_like(white)
            of_white, _ = box_ratios(white, nothing, noise.sigma)
            planes = slope, done, cleaned
            labels = "none", "slopes", "groups"
            named = zip(labels, planes, spent, strict=True)
            for title, plane, cpu in named:
                ratios = np.array(box_ratios(plane, nothing, noise.sigma)[0]) / of_white
                words = f"{pattern} {n_groups} {seed} {title}"
                print(
                    f"{words:<36}" + "".join(f"{r:7.3f}" for r in ratios),
                    f" {cpu:5.2f}",
                )


def clean_with_peer(slope, by_channel):
    """Return slopes after `jwst` clean_flicker_noise, as it treats slope images."""
    from jwst.clean_flicker_noise.clean_flicker_noise import do_correction
    from stdatamodels.jwst.datamodels import ImageModel

    model = ImageModel(data=slope.astype(np.float32), dq=edge_flags())
    model.meta.instrument.name, model.meta.instrument.detector = "NIRCAM", "NRCB1"
    model.meta.exposure.type = "NRC_IMAGE"
    model.meta.subarray.name = "FULL"
    model.meta.subarray.fastaxis, model.meta.subarray.slowaxis = -1, 2
    cleaned, *_, status = do_correction(model, fit_by_channel=by_channel)
    if status != "COMPLETE":
        raise RuntimeError(f"clean_flicker_noise: {status}")
    return np.asarray(cleaned.data)


def report_peer(seeds):
    """Print what `jwst` leaves of the first exposures, and what both rounds leave."""
    print("\npeer: aperture noise over white noise")
    print(f"{'':<44}" + "".join(f"{k:>7}" for k in BOXES))
    for pattern, n_groups in READOUTS:
        noise = Noise(make_readout(pattern, n_groups))
        for scene in ("blank", "cluster"):
            seed = seeds[0]
            field = make_field(scene, np.random.default_rng([seed, 99]), noise.sigma)
            light = cut(field)
            planes, _ = both_rounds(noise, field, seed)
            truth = SKY + light
            left = dict(zip(("none", "round 1", "round 2"), planes, strict=True))
            for title, by_channel in (("jwst", False), ("jwst by channel", True)):
                cleaned = clean_with_peer(left["none"] + truth, by_channel)
                left[title] = cleaned - truth
            for title, plane in left.items():
                ratios, _ = box_ratios(plane, light, noise.sigma)
                words = f"{pattern} {n_groups} {scene} {seed} {title}"
                print(f"{words:<44}" + "".join(f"{r:7.3f}" for r in ratios))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["blank", "field", "galaxies"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    for part in options.parts:
        if part in ("blank", "field"):
            report_boxes(part, options.seeds)
        elif part == "galaxies":
            report_galaxies(options.seeds)
        elif part == "groups":
            report_groups(options.seeds)
        elif part == "peer":
            report_peer(options.seeds)


if __name__ == "__main__":
    main()
