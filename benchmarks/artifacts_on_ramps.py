"""Scattered light against the truth: what two rounds of a reduction leave of it.

    python benchmarks/artifacts_on_ramps.py [--out DIR] [--points 6] [--seed 1] [--workers 2]
                                   [--detectors NRCB1 NRCB4 NRCBLONG]
                                   [--kinds wisps claws]

Simulates full-frame dithers with every kind of scattered light, reduces them with
``--rounds 2`` and the true stars around the field, and compares with the truth of each
exposure: how much of wisps and claws is left where they are, how much of the light from beside
the detectors is masked, and which part of the area was masked or changed for nothing.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import QTable, Table
from scipy import ndimage

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

AB_MINUS_VEGA_K = 1.85
STRAY = ("WISPS", "CLAWS", "STRIPES")
BESIDE = ("BREATH1", "BREATH2", "GINKGO")
FAINT = 0.1
"""Light below this share of its peak does not count as the place of a wisp or claw."""


def simulate_scene(out, options):
    from rampline.simulation.presets import artifacts_scene
    from rampline.simulation.simulate import simulate

    scene = artifacts_scene(points=options.points)
    imaging = scene.activities[0].model_copy(
        update={"detectors": tuple(options.detectors)}
    )
    light = scene.light
    if options.kinds:
        kinds = {name: {"enabled": True} for name in options.kinds}
        scattered = type(light.scattered).model_validate(kinds)
        light = light.model_copy(update={"scattered": scattered})
    changes = {"activities": (imaging,), "seed": options.seed, "light": light}
    scene = scene.model_copy(update=changes)
    if not list((out / "truth").glob("*_truth.fits")):
        simulate(scene, out, options.workers)
    return scene


def write_true_stars(out, scene):
    """Write the stars whose light may get in, as 2MASS would have them."""
    catalog = QTable.read(out / "truth_catalog.ecsv")
    stars = catalog[catalog["kind"] == "star"]
    band = next(name for name in stars.colnames if name.endswith("_abmag"))
    k_mag = np.asarray(stars[band], float) - AB_MINUS_VEGA_K
    bright = k_mag < 17.0
    table = Table(
        {
            "RA": np.asarray(stars["ra"].value)[bright],
            "DEC": np.asarray(stars["dec"].value)[bright],
            "Kmag": k_mag[bright],
        }
    )
    truth = min((out / "truth").glob("*_truth.fits"))
    causes = fits.getdata(truth, "CAUSES")
    for star in scene.light.stars:
        # pointing errors move the stars in the focal plane by a tenth of an arcsecond
        near = np.hypot(causes["v2"] - star.v2, causes["v3"] - star.v3) < 1.0
        if near.any():
            cause = causes[near][0]
            table.add_row((cause["ra"], cause["dec"], star.magnitude - AB_MINUS_VEGA_K))
    path = out / "stars.ecsv"
    table.write(path, format="ascii.ecsv", overwrite=True)
    return path


def reduce_twice(simulated, out, options):
    command = [sys.executable, "-m", "rampline.cli", "reduce", str(simulated / "raw")]
    command += ["--references", str(simulated / "references"), "--out", str(out)]
    command += ["--align-to", str(simulated / "alignment_catalog.ecsv")]
    command += ["--stars", str(simulated / "stars.ecsv"), "--rounds", "2"]
    command += ["--workers", str(options.workers), "--no-progress"]
    started = time.perf_counter()
    subprocess.run(command, check=True)
    print(f"both rounds: {time.perf_counter() - started:.0f} s")


def rms(values):
    return float(np.sqrt(np.nanmean(np.square(values))))


def score_stray(truth, cal):
    """Return rms of stray light before and after, smoothed over 5 pixels, MJy/sr."""
    planes = [hdu.data for hdu in truth if hdu.name in STRAY]
    if not planes:
        return None
    scale = cal["SCI"].header["PHOTMJSR"]
    response = truth["FLAT"].data
    with np.errstate(divide="ignore", invalid="ignore"):
        light = np.where(response > 0, np.sum(planes, axis=0) / response * scale, 0.0)
    removed = (
        np.nan_to_num(cal["STRAY"].data) if "STRAY" in cal else np.zeros_like(light)
    )
    left = light - removed
    place = light > FAINT * light.max()
    # a constant left everywhere is sky
    left = left - np.median(left[~place])
    before, after = (
        rms(ndimage.uniform_filter(plane, 5)[place]) for plane in (light, left)
    )
    elsewhere = removed[light < 0.01 * light.max()]
    return before, after, float((elsewhere != 0).mean())


def score_beside(truth, cal):
    """Return for each kind: mean surface brightness, share of light masked."""
    masked = cal["DQ"].data & 1 != 0
    artifact = (
        cal["ARTIFACT"].data if "ARTIFACT" in cal else np.zeros(masked.shape, int)
    )
    rows, reached = {}, np.zeros(masked.shape, bool)
    for name in BESIDE:
        if name in truth:
            light = truth[name].data * cal["SCI"].header["PHOTMJSR"]
            where = light > FAINT * light.max()
            reached |= light > 0.01 * light.max()
            lost = light[masked & (artifact & 0b1110000 != 0)].sum()
            rows[name] = (light[where].mean(), lost / light.sum())
    for_nothing = masked & (artifact & 0b1110000 != 0) & ~reached
    return rows, for_nothing.mean()


def report(simulated, reduced):
    print(f"{'exposure':<44} kind      MJy/sr   left or masked   area for nothing")
    for path in sorted((reduced / "round2/exposures").glob("*_cal.fits")):
        root = path.name.removesuffix("_cal.fits")
        with (
            fits.open(path) as cal,
            fits.open(simulated / "truth" / f"{root}_truth.fits") as truth,
        ):
            stray, (beside, for_nothing) = (
                score_stray(truth, cal),
                score_beside(truth, cal),
            )
        if stray:
            before, after, area = stray
            share = f"{100 * after / before:5.1f} % left ({after:.5f})"
            print(f"{root:<44} stray     {before:.4f}   {share}   {100 * area:.3f} %")
        for kind, (mean, share) in beside.items():
            print(f"{root:<44} {kind:<9} {mean:.4f}   {100 * share:5.1f} % masked")
        print(f"{root:<44} masked for nothing: {100 * for_nothing:.3f} %")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("benchmark-artifacts"))
    parser.add_argument("--points", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kinds", nargs="+", help="of scattered light; else all")
    parser.add_argument(
        "--detectors", nargs="+", default=["NRCB1", "NRCB4", "NRCBLONG"]
    )
    options = parser.parse_args()
    simulated = options.out / "simulated"
    scene = simulate_scene(simulated, options)
    write_true_stars(simulated, scene)
    reduce_twice(simulated, options.out / "reduced", options)
    report(simulated, options.out / "reduced")


if __name__ == "__main__":
    main()
