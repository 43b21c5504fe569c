"""Mosaics of simulated dithers against their truth: what rejection takes, finds and leaves.

    python benchmarks/mosaic.py [--out DIR] [--seeds 1 2] [--points 9] [--set snr_first=5]

Simulates and calibrates dithers of a subarray in F200W and F444W for each seed, and one crowded
field in F090W and F277W that no test uses, combines them, and prints for each

- the flux that stars lose to rejection: true images drizzled with and without the flags;
- the flux of stars in the mosaic over that of the true images drizzled, in disks of 5 pixels;
- the share of pixels beyond 6 sigma of the truth that are flagged, and of injected hits;
- the share of good pixels that are flagged, on sky and on sources, and of star peaks;
- the share of warm pixels that no reference knows that are flagged;
- of a trail of a moving object across each exposure, the share of pixels that are flagged,
  and of the light that is left.
"""

import argparse
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from rampline.astrometry.pixel_map import map_pixels, map_to_grid  # noqa: E402
from rampline.flags import BAD_FOR_MOSAIC, SATURATED  # noqa: E402
from rampline.mosaic.drizzle import DrizzleParams  # noqa: E402
from rampline.mosaic.noise_curve import NoiseCurveParams  # noqa: E402
from rampline.mosaic.outliers import OutlierParams  # noqa: E402
from rampline.pipeline.combine import combine_dithers  # noqa: E402
from rampline.pipeline.runner import Bench, Runner  # noqa: E402
from rampline.pipeline.sky_to_mosaic import (  # noqa: E402
    SkyToMosaic,
    align_field,
    choose_grid,
    gather_dithers,
    level_exposures,
    survey_exposure,
)
from rampline.program.tasks.make_survey import load_sky  # noqa: E402
from rampline.simulation.scene import (  # noqa: E402
    ActivityParams,
    ClusterParams,
    FieldParams,
    GalaxyParams,
    SceneParams,
    StarParams,
    VisitParams,
)
from rampline.simulation.simulate import simulate  # noqa: E402

STAR_RADIUS, SKY_RADIUS, LEAST_SNR = 5.0, 20.0, 20.0
EMPTY_MJY_SR = 0.002
HITS_PER_PIXEL, HITS_PER_CORE_PIXEL = 1e-3, 0.02
TRAIL_SNR, TRAIL_SIGMA_PX = 20.0, 0.9
"""Peak of a trail over the noise of a pixel, and half its width."""
CORE_MJY_SR = 0.5
QUIET = NoiseCurveParams(enabled=False)


def field_scene(seed, points):
    return SceneParams(
        seed=seed,
        field=FieldParams(
            half_width_arcsec=16.0,
            stars=StarParams(number=170, brightest=20.0, faintest=27.0, slope=0.02),
            galaxies=GalaxyParams(number=120),
        ),
        visit=VisitParams(aperture="NRCB5_SUB640", dither="9-POINT", points=points),
        activities=(
            ActivityParams(subarray="SUB640", detectors=("NRCB1", "NRCBLONG")),
        ),
    )


def cluster_scene(points):
    """Crowded, turned otherwise, another readout, the sharpest filter."""
    return SceneParams(
        seed=78,
        field=FieldParams(
            ra=53.1,
            dec=-27.8,
            half_width_arcsec=16.0,
            stars=StarParams(number=900, brightest=19.5, faintest=26.0, slope=0.15),
            galaxies=GalaxyParams(number=60),
            cluster=ClusterParams(members=12, brightest=19.0, core_arcsec=3.0),
        ),
        visit=VisitParams(
            aperture="NRCB5_SUB640",
            dither="SMACS-9",
            points=points,
            position_angle=37.0,
        ),
        activities=(
            ActivityParams(
                short="F090W",
                long="F277W",
                subarray="SUB640",
                detectors=("NRCB1", "NRCBLONG"),
                pattern="SHALLOW4",
                groups=8,
            ),
        ),
    )


def calibrate(scene, folder):
    """Return calibrated files, simulated where they are not there yet."""
    cals = folder / "calibrated" / "exposures"
    if not list(cals.glob("*_cal.fits")):
        made = simulate(scene, folder)
        command = [sys.executable, "-m", "rampline.cli", "reduce", *map(str, made.raw)]
        command += ["--references", str(made.references), "--align-to", "none"]
        command += ["--out", str(folder / "calibrated"), "--until", "cal"]
        subprocess.run([*command, "--no-progress"], check=True, capture_output=True)
    return sorted(cals.glob("*_cal.fits"))


def true_sky(folder, image):
    """Return the sky and the sources of an exposure without noise, and warm pixels, MJy/sr."""
    header = image.header
    name = f"{header.root}_truth.fits"
    with fits.open(folder / "truth" / name) as truth:
        flat = truth["FLAT"].data
        scale = image.photometry.mjy_sr_per_dn_s
        sources = truth["SOURCES"].data / flat * scale
        sky = truth["SKY"].data / flat * scale
        warm = truth["WARM"].data / flat * scale
    return sources, sources + sky, warm


def inject_hits(image, usable, sources, rng):
    """Return an image with hits of 6 to 60 sigma on single pixels, and where they are."""
    rate = np.where(sources > CORE_MJY_SR, HITS_PER_CORE_PIXEL, HITS_PER_PIXEL)
    where = (rng.random(image.sky.shape) < rate) & usable
    height = rng.uniform(6, 60, image.sky.shape) * image.err
    sky = image.sky + np.where(where, height, 0).astype(np.float32)
    return replace(image, sky=sky), where


def add_trail(image, rng):
    """Return an image with a straight trail of a moving object, and the trail's light."""
    rows, cols = np.indices(image.sky.shape)
    row, col = rng.uniform(0.3, 0.7, 2) * image.sky.shape
    angle = rng.uniform(0, np.pi)
    apart = (rows - row) * np.cos(angle) + (cols - col) * np.sin(angle)
    light = np.exp(-0.5 * (apart / TRAIL_SIGMA_PX) ** 2)
    light *= TRAIL_SNR * np.nanmedian(image.err)
    return replace(image, sky=image.sky + light.astype(np.float32)), light


class Field:
    """One filter of one scene: exposures with hits, their truth and their flags."""

    def __init__(self, folder, cals, seed, params):
        self.images = [load_sky(cal) for cal in cals]
        rng = np.random.default_rng(seed)
        self.params, self.folder = params, folder
        self.truths = [true_sky(folder, image) for image in self.images]
        self.usable = [
            (image.flags & BAD_FOR_MOSAIC == 0) & np.isfinite(image.sky)
            for image in self.images
        ]
        pairs = zip(self.images, self.usable, self.truths, strict=True)
        struck = [inject_hits(i, usable, t[0], rng) for i, usable, t in pairs]
        self.struck = [image for image, _ in struck]
        self.hits = [where for _, where in struck]
        self.aligned = self.align()
        self.grid = choose_grid(self.aligned, SkyToMosaic().grid)
        self.dithers = self.level()
        self.made = self.combine(self.struck, OutlierParams(**params))
        self.found = self.made.outliers

    def align(self):
        params = SkyToMosaic()
        surveys = [survey_exposure(image, params) for image in self.images]
        return align_field(surveys, None, params.alignment)

    def level(self):
        members, params = range(len(self.images)), SkyToMosaic().levels
        levels = level_exposures(self.aligned, members, self.grid, params)
        return gather_dithers(self.aligned, members, levels, lambda k: self.images[k])

    def combine(
        self, images, outliers, level=None, grid=None, pixfrac=1.0, noise=QUIET
    ):
        loaded = [
            replace(dither, load=lambda image=image: image)
            for dither, image in zip(self.dithers, images, strict=True)
        ]
        if level is not None:
            loaded = [replace(dither, level_mjy_sr=level) for dither in loaded]
        with Bench(2) as bench:
            run = Runner(None, bench)
            steps = (outliers, DrizzleParams(pixfrac=pixfrac), noise)
            return combine_dithers(loaded, grid or self.grid, "benchmark", run, steps)

    def pixels(self, k):
        """Return sources, deviation from the truth over ERR, warm pixels; sky centred."""
        sources, truth, warm = self.truths[k]
        image = self.struck[k]
        deviation = image.sky - truth
        blank = self.usable[k] & (sources < EMPTY_MJY_SR)
        deviation = deviation - np.median(deviation[blank])
        return sources, deviation / image.err, warm / image.err


def overlapped(field):
    """Return for each exposure the pixels that at least two others see."""
    maps = [map_to_grid(d.geometry, field.grid) for d in field.dithers]
    count = sum(
        (field.made.mosaic.context[0].view(np.uint32) >> k) & 1
        for k in range(len(maps))
    )
    seen = []
    for pixel_map in maps:
        rows, cols = np.indices(pixel_map.shape)
        place = np.rint(map_pixels(pixel_map, rows, cols)).astype(int)
        row = np.clip(place[..., 0], 0, count.shape[0] - 1)
        col = np.clip(place[..., 1], 0, count.shape[1] - 1)
        seen.append(count[row, col] >= min(3, len(maps)))
    return seen


def share(where, among):
    total = sum(int(a.sum()) for a in among)
    both = sum(int((w & a).sum()) for w, a in zip(where, among, strict=True))
    return both, total


def percent(counts):
    both, total = counts
    return f"{100 * both / total:8.3f} % of {total}" if total else "       - of 0"


def rejection(field):
    seen = overlapped(field)
    planes = [field.pixels(k) for k in range(len(field.struck))]
    good = [u & s for u, s in zip(field.usable, seen, strict=True)]
    core = [sources > CORE_MJY_SR for sources, _, _ in planes]
    far = [dev > 6 for _, dev, _ in planes]
    clean = [np.abs(dev) < 3 for _, dev, _ in planes]
    hits = field.hits

    def among(*conditions):
        return [
            np.logical_and.reduce(each) for each in zip(good, *conditions, strict=True)
        ]

    off_core = [~c for c in core]
    empty = [sources < EMPTY_MJY_SR for sources, _, _ in planes]
    warm = [w > 6 for _, _, w in planes]
    unhit = [~h for h in hits]
    rows = {
        "beyond 6 sigma of the truth": among(far, unhit),
        "  of those off cores": among(far, unhit, off_core),
        "injected hits off cores": among(hits, off_core),
        "injected hits on cores": among(hits, core),
        "warm pixels": among(warm, unhit),
        "good pixels of blank sky": among(clean, empty, unhit),
        "good pixels on sources": among(clean, core, unhit),
    }
    for name, where in rows.items():
        print(f"    {name:<32}{percent(share(field.found, where))}")
    return good


def trails(field, good):
    """Print how much of the trails of moving objects is found."""
    rng = np.random.default_rng(5)
    struck, lights = zip(
        *(add_trail(image, rng) for image in field.images), strict=True
    )
    found = field.combine(list(struck), OutlierParams(**field.params)).outliers
    cores = [sources > CORE_MJY_SR for sources, _, _ in field.truths]
    snr = [light / i.err for light, i in zip(lights, field.images, strict=True)]
    for low, high in ((6, np.inf), (3, 6)):
        bands = [(s > low) & (s <= high) for s in snr]
        among = [g & b & ~c for g, b, c in zip(good, bands, cores, strict=True)]
        name = f"trails, {low} to {high} sigma, off cores"
        print(f"    {name:<32}{percent(share(found, among))}")
    whole = sum(light[g].sum() for light, g in zip(lights, good, strict=True))
    left = sum(
        light[g & ~f].sum() for light, g, f in zip(lights, good, found, strict=True)
    )
    print(f"    {'light of trails left':<32}{100 * left / whole:8.3f} %")


def star_table(field):
    table = Table.read(field.folder / "truth_catalog.ecsv")
    sizes = [name for name in table.colnames if name.startswith("half_light")]
    table = table[np.nan_to_num(np.asarray(table[sizes[0]], float)) == 0]
    band = field.images[0].header.filter.lower()
    return table, np.asarray(table[f"{band}_abmag"], float)


def star_peaks(field, good):
    """Count brightest pixels of stars that are good and flagged, by magnitude."""
    table, mags = star_table(field)
    counts = {}
    for k in range(len(field.images)):
        name = f"{field.images[k].header.root}_truth.fits"
        places = fits.getdata(field.folder / "truth" / name, "POSITIONS")
        sources, deviation, _ = field.pixels(k)
        row_of = {int(i): n for n, i in enumerate(table["id"])}
        for entry in places:
            n = row_of.get(int(entry["id"]))
            row, col = round(float(entry["row"])), round(float(entry["col"]))
            inside = 1 <= row < sources.shape[0] - 1 and 1 <= col < sources.shape[1] - 1
            if n is None or not inside:
                continue
            around = sources[row - 1 : row + 2, col - 1 : col + 2]
            down, along = np.unravel_index(np.argmax(around), (3, 3))
            at = (row + down - 1, col + along - 1)
            fine = good[k][at] and abs(deviation[at]) < 5 and not field.hits[k][at]
            if not fine or field.images[k].flags[at] & SATURATED:
                continue
            bin_ = int(mags[n])
            eaten, total = counts.get(bin_, (0, 0))
            counts[bin_] = (eaten + int(field.found[k][at]), total + 1)
    for bin_ in sorted(counts):
        print(f"    peaks eaten at AB {bin_}-{bin_ + 1:<15}{percent(counts[bin_])}")


def star_losses(field):
    """Compare stars in mosaics of the truth, drizzled with and without the flags."""
    whole, cut = [], []
    for k, image in enumerate(field.images):
        sources, _, _ = field.truths[k]
        kept = np.where(field.usable[k] & ~field.hits[k], image.flags, 1)
        far = np.abs(field.pixels(k)[1]) > 6
        kept = np.where(far, np.uint32(1), kept).astype(np.uint32)
        whole.append(replace(image, sky=sources.astype(np.float32), flags=kept))
        flags = np.where(field.found[k], np.uint32(1), kept).astype(np.uint32)
        cut.append(replace(whole[-1], flags=flags))
    off = OutlierParams(enabled=False)
    before, after = (field.combine(each, off, 0.0).mosaic for each in (whole, cut))
    losses = {}
    for at, _, mag in star_disks(field, before.sky.shape):
        first, second = before.sky[at].sum(), after.sky[at].sum()
        if np.isfinite(first) and np.isfinite(second) and first > 0:
            losses.setdefault(int(mag), []).append(100 * (1 - second / first))
    for bin_ in sorted(losses):
        each = np.array(losses[bin_])
        print(
            f"    flux lost at AB {bin_}-{bin_ + 1}: median {np.median(each):7.3f} %, "
            f"90 % within {np.percentile(np.abs(each), 90):6.3f} %, "
            f"worst {each[np.argmax(np.abs(each))]:7.3f} % ({len(each)} stars)"
        )


def star_fluxes(field):
    """Compare stars in mosaics of the exposures, without hits, and of the truth."""
    bad = [found | hits for found, hits in zip(field.found, field.hits, strict=True)]
    images = [
        replace(image, flags=np.where(where, np.uint32(1), image.flags))
        for image, where in zip(field.images, bad, strict=True)
    ]
    truths = [
        replace(image, sky=sources.astype(np.float32))
        for image, (sources, _, _) in zip(images, field.truths, strict=True)
    ]
    off = OutlierParams(enabled=False)
    made = field.combine(images, off).mosaic
    true = field.combine(truths, off, 0.0).mosaic.sky
    left, biases = made.sky - true, {}
    for at, around, mag in star_disks(field, true.shape):
        flux = true[at].sum()
        off_by = left[at].sum() - np.nanmedian(left[around]) * len(at[0])
        err = np.sqrt(np.square(made.err[at], dtype=float).sum())
        if np.isfinite(off_by) and flux > LEAST_SNR * err:
            biases.setdefault(int(mag), []).append(100 * off_by / flux)
    for bin_ in sorted(biases):
        each = np.array(biases[bin_])
        spread = 1.4826 * np.median(np.abs(each - np.median(each)))
        print(
            f"    flux over truth at AB {bin_}-{bin_ + 1}: median {np.median(each):+6.2f} % "
            f"+- {1.25 * spread / np.sqrt(len(each)):.2f}, scatter {spread:5.2f} % "
            f"({len(each)} stars)"
        )


def star_disks(field, shape):
    """Yield for each star in the mosaic the pixels of its disk, those around, magnitude."""
    table, mags = star_table(field)
    rows, cols = true_places(field, table)
    _, y, x = disk(STAR_RADIUS)
    outer, v, u = disk(SKY_RADIUS)
    far = np.hypot(v, u) > 3 * STAR_RADIUS
    for row, col, mag in zip(np.rint(rows), np.rint(cols), mags, strict=True):
        if outer <= row < shape[0] - outer and outer <= col < shape[1] - outer:
            i, j = int(row), int(col)
            yield (i + y, j + x), (i + v[far], j + u[far]), mag


def true_places(field, table):
    """Return rows and columns on the grid of true sources as the first exposure sees them.

    NaN where it does not.
    """
    name = f"{field.images[0].header.root}_truth.fits"
    places = fits.getdata(field.folder / "truth" / name, "POSITIONS")
    of_id = {int(i): n for n, i in enumerate(places["id"])}
    seen = [n for n, i in enumerate(table["id"]) if int(i) in of_id]
    at = places[[of_id[int(table["id"][n])] for n in seen]]
    on_grid = np.full((len(table), 2), np.nan)
    pixel_map = map_to_grid(field.dithers[0].geometry, field.grid)
    on_grid[seen] = map_pixels(pixel_map, at["row"], at["col"])
    return on_grid.T


def disk(radius):
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    inside = y**2 + x**2 <= radius**2
    return reach, y[inside], x[inside]


def report(name, scene, out, options):
    folder = out / name
    cals = calibrate(scene, folder)
    for channel in ("nrcb1", "nrcblong"):
        members = [cal for cal in cals if f"_{channel}_" in cal.name][: options.points]
        field = Field(folder, members, scene.seed, options.params)
        header = field.images[0].header
        print(f"{name}, {header.filter}, {len(members)} exposures")
        good = rejection(field)
        trails(field, good)
        star_peaks(field, good)
        star_losses(field)
        star_fluxes(field)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out/mosaic"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--points", type=int, default=9)
    parser.add_argument("--no-cluster", action="store_true")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    words = [word.split("=", 1) for word in options.set]
    options.params = dict(words)
    for seed in options.seeds:
        report(f"field{seed}", field_scene(seed, 9), options.out, options)
    if not options.no_cluster:
        report("cluster", cluster_scene(9), options.out, options)


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
