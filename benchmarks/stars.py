"""Stars of simulated fields in the catalogue against their truth, by magnitude.

    python benchmarks/stars.py [--out DIR] [--seeds 1 2] [--no-cluster]

Reduces the scenes of `benchmarks/mosaic.py` (two fields in F200W and F444W, and a crowd of 900
stars with a cluster of galaxies on half a square arcminute in F090W and F277W) from raw ramps
to catalogues, aligned to the simulation's catalogue of stars, and prints for each filter how its
exposures were aligned, the comparison that `rampline demo` makes, and for each magnitude the
median of measured over true flux (aper_total), its error, and the distance from the
true place (rms on either axis). Stars count that are detected above 20 sigma, lie off the
edges, are not saturated, and have neighbours of at most 0.3 % of their flux in four apertures'
radii, according to the truth. Segments do not decide: noise makes a star's segment small where
it takes flux away, so of stars that touch no other segment the fluxes are 0.5 to 1 % low in a
crowd.

The simulator's stars are equally wide in pixels wherever they fall, those of the sky in arcsec:
where pixels are larger than the nominal ones of PIXAR_A2, in which apertures are laid, its stars
are too wide for them. What light that costs is printed beside the filter, and stays in the fluxes.
"""

import argparse
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.mosaic import cluster_scene, field_scene  # noqa: E402
from rampline.astrometry.footprint import pixel_scale  # noqa: E402
from rampline.files.catalogs import read_catalog  # noqa: E402
from rampline.photometry.catalog import NEAR_EDGE, SATURATED_CORE  # noqa: E402
from rampline.program.demo import truth_lines  # noqa: E402
from rampline.program.output.folders import Folders  # noqa: E402
from rampline.program.tasks.make_survey import load_sky  # noqa: E402
from rampline.simulation.instrument import DETECTORS, passband  # noqa: E402
from rampline.simulation.optics import (  # noqa: E402
    encircled_energy,
    point_spread,
    widened,
)
from rampline.simulation.simulate import simulate  # noqa: E402
from rampline.units import ARCSEC_PER_RAD  # noqa: E402

MATCH_ARCSEC = 0.1
LEAST_SNR, FAINT_NEIGHBOUR, RADII = 20.0, 0.003, 4.0
PIXEL_ARCSEC = {"SHORT": 0.031, "LONG": 0.063}


def reduce(scene, folder):
    """Make what is not there yet."""
    raw = sorted((folder / "raw").glob("*_uncal.fits")) or simulate(scene, folder).raw
    command = [sys.executable, "-m", "rampline.cli", "reduce", *map(str, raw)]
    command += ["--references", str(folder / "references"), "--name", "stars"]
    command += ["--align-to", str(folder / "alignment_catalog.ecsv")]
    command += ["--out", str(folder / "calibrated"), "--no-progress"]
    subprocess.run(command, check=True, capture_output=True)
    return Folders(folder / "calibrated")


def plane(ra, dec, at):
    """Return arcsec east and north."""
    east = 3600 * (ra - at[0]) * np.cos(np.radians(at[1]))
    return np.stack([east, 3600 * (dec - at[1])], axis=1)


def isolated(places, flux, reach):
    """Return whether no neighbour within reach is brighter than allowed."""
    near = cKDTree(places).query_ball_point(places, reach)
    return np.array(
        [
            sum(flux[k] for k in ks if k != n) < FAINT_NEIGHBOUR * flux[n]
            for n, ks in enumerate(near)
        ]
    )


def light_beyond(path, folders):
    """Return the light, per cent, that apertures in nominal pixels miss of simulated stars."""
    table, band = read_catalog(path), path.name.split("_")[2]
    radius = table.meta["aperture_params"]["aperture_radii"][-1]
    channel = "nrcb1" if int(band[1:4]) < 240 else "nrcblong"
    image = load_sky(next(folders.exposures.glob(f"*_{channel}_cal.fits")))
    nominal = np.sqrt(image.photometry.pixel_area_sr) * ARCSEC_PER_RAD
    spread = point_spread(passband(band.upper()), DETECTORS[channel.upper()])
    laid = radius * nominal / pixel_scale(image.geometry)
    part, whole = encircled_energy(widened(spread, 3), np.array([laid, radius]))
    return 100 * (part / whole - 1)


def star_rows(path, true):
    """Return magnitudes, measured over true fluxes, and offsets in mas."""
    table, band = read_catalog(path), path.name.split("_")[2]
    channel = "SHORT" if int(band[1:4]) < 240 else "LONG"
    radius = table.meta["aperture_params"]["aperture_radii"][-1] * PIXEL_ARCSEC[channel]
    at = float(np.mean(true["ra"].value)), float(np.mean(true["dec"].value))
    places = plane(np.asarray(true["ra"].value), np.asarray(true["dec"].value), at)
    flux = np.asarray(true[f"{band}_flux_jy"].value)
    wanted = np.flatnonzero(
        (true["kind"] == "star") & isolated(places, flux, RADII * radius)
    )
    sky = table["sky_centroid_win"]
    found = plane(sky.ra.deg, sky.dec.deg, at)
    measured, err = (
        np.asarray(table[name].value)
        for name in ("aper_total_flux", "aper_total_flux_err")
    )
    clean = np.asarray(table["flags"] & (NEAR_EDGE | SATURATED_CORE) == 0)
    usable = np.flatnonzero(
        clean & np.isfinite(found).all(axis=1) & (measured > LEAST_SNR * err)
    )
    apart, nearest = cKDTree(found[usable]).query(places[wanted])
    hit = apart < MATCH_ARCSEC
    rows, stars = usable[nearest[hit]], wanted[hit]
    mags = 8.90 - 2.5 * np.log10(flux[stars])
    return mags, measured[rows] / flux[stars], 1000 * (found[rows] - places[stars])


def report(name, scene, out):
    folders = reduce(scene, out / name)
    truth = out / name / "truth_catalog.ecsv"
    aligned = read_catalog(folders.mosaics / "alignment.ecsv")
    states = Counter(map(str, aligned["status"]))
    print(f"{name}: alignment of {len(aligned)} exposures: {dict(states)}")
    print("\n".join(line for line in truth_lines(folders, truth) if line))
    for path in sorted(folders.mosaics.glob("*_cat.ecsv")):
        mags, ratio, off = star_rows(path, read_catalog(truth))
        missed = light_beyond(path, folders)
        print(f"  {path.name.split('_')[2]}: {missed:+.2f} % by the simulator's width")
        for bin_ in range(int(mags.min()), int(mags.max()) + 1):
            inside = (mags >= bin_) & (mags < bin_ + 1)
            if inside.sum() < 3:
                continue
            each = ratio[inside]
            spread = 1.4826 * np.median(np.abs(each - np.median(each)))
            rms = 1.4826 * np.median(np.abs(off[inside]))
            print(
                f"    AB {bin_}-{bin_ + 1}: flux {100 * (np.median(each) - 1):+6.2f} % "
                f"+- {125 * spread / np.sqrt(len(each)):.2f}, scatter {100 * spread:5.2f} %, "
                f"position {rms:5.2f} mas ({len(each)} stars)"
            )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out/mosaic"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--no-cluster", action="store_true")
    options = parser.parse_args()
    for seed in options.seeds:
        report(f"field{seed}", field_scene(seed, 9), options.out)
    if not options.no_cluster:
        report("cluster", cluster_scene(9), options.out)


if __name__ == "__main__":
    main()
