"""How well fields are aligned, and whether an alignment that is called OK is right.

    python benchmarks/alignment.py [--seeds 1 2 7] [--real FOLDER]

Source lists of simulated programmes, no pixels: headers with the measured errors of
pointing (0.11 arcsec, 0.07 deg), reference distortions wrong by 2 mas rms and 3 mas for
each detector, a catalogue of 2 mas. ``--real`` names a folder of GWCS files of aligned
exposures: their alignment is taken off, noise is added, and the alignment found again.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import programme as pr  # noqa: E402
from rampline.pipeline.sky_to_mosaic import SkyToMosaic, align_field  # noqa: E402

ENOUGH_STARS = 50
WRONG_MAS = 10.0
"""An image that is OK and lies farther off than this is wrong."""
PARAMS = SkyToMosaic().alignment
FEW = pr.Programme(
    detectors=("NRCB1", "NRCB2", "NRCBLONG"), filters=pr.FILTERS[2:], points=4
)

WAVES = pr.Errors(ripple_mas=0.5)
FAST = pr.Programme(
    detectors=("NRCA1", "NRCB1", "NRCALONG", "NRCBLONG"),
    filters=pr.FILTERS[2:],
    points=4,
    va_scales=(1.0001,),
)
"""Both modules while the telescope approaches the field."""
UNTURNED = replace(pr.PERFECT, roll_deg=0.0)
RIGHT = pr.Errors(distortion_mas=0.0, detector_mas=0.0)


def align(observed, *, with_catalog=True, **changes):
    """Return the aligned field and how far each image is off, (images, pixels, 2) mas."""
    params = PARAMS.model_copy(update=changes)
    field = align_field(
        observed.surveys, observed.catalog if with_catalog else None, params
    )
    return field, pr.misplaced_mas(field.geometries, observed.cameras)


def run(programme, errors, seed, sky=pr.random_sky, **changes):
    rng = np.random.default_rng(seed)
    observed = pr.observe(programme, sky(programme, rng), errors, rng)
    started = time.process_time()
    field, off = align(observed, **changes)
    return observed, field, off, time.process_time() - started


def count(field):
    states = [image.status for image in field.alignment.images]
    return " ".join(f"{states.count(s)} {s}" for s in ("OK", "WEAK", "FAILED"))


def print_programme(name, programme, errors, seed, **changes):
    observed, field, off, seconds = run(programme, errors, seed, **changes)
    mean = off.mean(axis=1)
    rich = observed.n_good >= ENOUGH_STARS
    relative = np.abs(mean - mean.mean(axis=0))[rich].max()
    pixels = np.abs(off[rich])
    updated = sum(i.applied_update is not None for i in field.alignment.images)
    print(
        f"{name:<34}{len(mean):5d}{count(field):>25}{relative:8.3f}"
        f"{np.abs(mean[rich]).max():8.3f}{pixels.max():10.3f}"
        f"{np.sqrt(np.mean(pixels**2)):8.3f}{updated:9d}{seconds:8.1f}",
        flush=True,
    )


def print_programmes(seeds):
    print(
        f"{'programme, seed':<34}{'n':>5}{'':>25}{'rel.':>8}{'abs.':>8}"
        f"{'anywhere':>10}{'rms':>8}{'updated':>9}{'CPU s':>8}\n"
        f"(largest error of an image on either axis, mas, {ENOUGH_STARS} stars > 30 sigma;"
        f"\nthe same of any pixel, corners included; the rms of all pixels; images with updated"
        "\ndistortions)"
    )
    everything = pr.Programme()
    twice = pr.Programme(filters=pr.FILTERS * 2)
    for seed in seeds:
        wrong = "distortions wrong"
        print_programme(
            f"{wrong}, 3 + 3 filters, {seed}", everything, pr.Errors(), seed
        )
        print_programme(f"perfect, 3 + 3 filters, {seed}", everything, pr.PERFECT, seed)
        print_programme(f"{wrong}, one filter, {seed}", FEW, pr.Errors(), seed)
        print_programme(f"perfect, one filter, {seed}", FEW, pr.PERFECT, seed)
        print_programme(f"wrong and waves, one filter, {seed}", FEW, WAVES, seed)
        print_programme(f"right, rough catalogue, {seed}", FEW, RIGHT, seed)
        alone = replace(FEW, points=1)
        print_programme(f"{wrong}, one exposure, {seed}", alone, pr.Errors(), seed)
        print_programme(f"right, one exposure, {seed}", alone, RIGHT, seed)
        for spread in (False, True):
            print_programme(
                f"VA_SCALE 1.0001, {'spread' if spread else 'as it is'}, {seed}",
                FAST,
                UNTURNED,
                seed,
                with_catalog=False,
                spread_detectors=spread,
            )
    print_programme("540 images (10 x 9 x 6)", twice, pr.Errors(), seeds[0])


def hard_cases():
    """Return name, programme, errors and sky of fields that may fail, but not lie."""
    wrong = pr.Errors()
    poor = replace(FEW, stars_per_arcmin2=3.0, galaxies_per_arcmin2=4.0)
    junk = replace(FEW, catalog_share=0.0, n_junk=400)
    one_off = replace(wrong, exposure_shift_arcsec={1: (1.6, -1.2)})
    all_off = replace(wrong, exposure_shift_arcsec=dict.fromkeys(range(9), (1.2, 1.6)))
    far = replace(wrong, exposure_shift_arcsec={2: (40.0, 25.0)})
    lattice = replace(FEW, galaxies_per_arcmin2=0.0)
    step = replace(wrong, exposure_shift_arcsec={1: (1.9, 0.0)})
    steps = replace(wrong, exposure_shift_arcsec=dict.fromkeys(range(9), (1.9, 0.1)))
    return (
        ("few stars", poor, wrong, pr.random_sky),
        ("few stars, dense junk", replace(poor, n_junk=2000), wrong, pr.random_sky),
        ("a cluster of galaxies", poor, wrong, pr.cluster_sky),
        ("a wrong catalogue", junk, wrong, pr.random_sky),
        ("one exposure 2 arcsec off", FEW, one_off, pr.random_sky),
        ("all exposures 2 arcsec off", FEW, all_off, pr.random_sky),
        ("few stars, all 2 arcsec off", poor, all_off, pr.random_sky),
        ("one exposure of another field", FEW, far, pr.random_sky),
        ("saturated stars, false on spikes", FEW, wrong, pr.saturated_sky),
        ("the same, few stars", poor, all_off, pr.saturated_sky),
        ("a lattice of stars", lattice, wrong, pr.lattice_sky),
        ("a lattice, one exposure a step off", lattice, step, pr.lattice_sky),
        ("a lattice, all a step off", lattice, steps, pr.lattice_sky),
    )


def judge(field, off):
    """Return how many images are OK and wrong, and the largest error of one that is OK."""
    mean = np.abs(off.mean(axis=1)).max(axis=1)
    is_ok = np.array([image.status == "OK" for image in field.alignment.images])
    largest = float(mean[is_ok].max()) if is_ok.any() else np.nan
    return int((is_ok & (mean > WRONG_MAS)).sum()), largest


def print_hard_cases(seeds):
    print(f"\n{'hard case, seed':<44}{'':>24}{'worst OK, mas':>15}{'wrong and OK':>14}")
    for name, programme, errors, sky in hard_cases():
        for seed in seeds:
            _, field, off, _ = run(programme, errors, seed, sky)
            lies, largest = judge(field, off)
            print(
                f"{name + f', {seed}':<44}{count(field):>24}{largest:15.2f}{lies:14d}"
            )


def real_exposures(folder):
    """Yield root, WCS and pointing of the aligned exposures in a folder."""
    from tests.astrometry.fields import open_real, real_pointing

    for path in sorted(folder.glob("jw01345*.asdf")):
        wcs, wcsinfo = open_real(path)
        yield path.stem.removesuffix("_tweakreg"), wcs, real_pointing(wcs, wcsinfo)


def observe_real(folder, rng, noise_px=0.02):
    """Return surveys of stars as aligned exposures see them, alignment and catalogue."""
    from rampline.astrometry.geometry import sky_to_pixel
    from rampline.astrometry.gwcs_model import geometry_from_gwcs

    centre = 214.985, 52.98
    programme = pr.Programme(detectors=("NRCB1",), filters=pr.FILTERS[:1], points=1)
    sky = pr.random_sky(programme, rng)
    ra, dec = pr.offset_sky(*centre, *rng.uniform(-230, 230, (2, len(sky.ra))))
    template = pr.observe(programme, sky, pr.PERFECT, rng).surveys[0]
    surveys, truth = [], []
    for root, wcs, pointing in real_exposures(folder):
        geometry = geometry_from_gwcs(wcs, pointing, (2048, 2048))
        rows, cols = sky_to_pixel(geometry, ra, dec)
        with np.errstate(invalid="ignore"):
            seen = (np.abs(rows - 1023.5) < 1016) & (np.abs(cols - 1023.5) < 1016)
        n = int(seen.sum())
        noise = noise_px * rng.standard_normal((2, n))
        lists = template.sources.select(np.zeros(n, int))
        lists = replace(
            lists,
            rows=rows[seen] + noise[0],
            cols=cols[seen] + noise[1],
            error_px=np.full(n, noise_px),
            snr=sky.snr[seen],
            is_star=np.ones(n, bool),
        )
        detector = root.rsplit("_", 1)[1].upper()
        header = replace(template.header, root=root, detector=detector)
        unaligned = replace(geometry, correction=np.eye(2, 3))
        surveys.append(
            replace(template, header=header, geometry=unaligned, sources=lists)
        )
        truth.append(geometry)
    error = 0.002
    ra, dec = pr.offset_sky(ra, dec, *(error * rng.standard_normal((2, len(ra)))))
    stars = pr.ReferenceStars(
        ra_deg=ra, dec_deg=dec, error_arcsec=np.full(len(ra), error)
    )
    return surveys, stars, truth


def corners_off_mas(geometries, truth):
    """Return how far the corners of each image are off, (images, 4) mas."""
    from rampline.astrometry.geometry import pixel_to_sky

    rows, cols = np.array([[0, 0, 2047, 2047], [0, 2047, 0, 2047]])
    off = []
    for found, right in zip(geometries, truth, strict=True):
        (ra, dec), (ra_right, dec_right) = (
            pixel_to_sky(geometry, rows, cols) for geometry in (found, right)
        )
        east = (ra - ra_right) * np.cos(np.radians(dec))
        off.append(3.6e6 * np.hypot(east, dec - dec_right))
    return np.array(off)


def print_real(folder, seeds):
    print(f"\nreal exposures of {folder.name}, alignment taken off and found again")
    for seed in seeds:
        surveys, stars, truth = observe_real(folder, np.random.default_rng(seed))
        before = corners_off_mas([survey.geometry for survey in surveys], truth)
        field = align_field(surveys, stars, PARAMS)
        after = corners_off_mas(field.geometries, truth)
        print(
            f"seed {seed}: {len(surveys)} images, {count(field)}; corners off by "
            f"{before.max():.0f} mas at most before, {after.max():.2f} mas after"
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 7])
    parser.add_argument("--real", type=Path)
    asked = parser.parse_args()
    print_programmes(asked.seeds)
    print_hard_cases(asked.seeds)
    if asked.real:
        print_real(asked.real, asked.seeds)


if __name__ == "__main__":
    main()
