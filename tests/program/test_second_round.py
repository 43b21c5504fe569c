import json
import shutil

import numpy as np
import pytest
from astropy.io import fits

from rampline.files.content import recorded_hash
from rampline.files.read_provenance import read_provenance
from rampline.program.input.options import ReduceOptions
from rampline.program.output.overview import look_at
from rampline.program.reduce import reduce_files
from rampline.program.tasks.make_stray import read_template


@pytest.fixture(scope="module")
def options(field):
    return ReduceOptions(
        references=str(field.references),
        align_to=str(field.alignment_catalog),
        stars="none",
        engine="serial",
        rounds=2,
        # the field has four dithers
        settings=("second_round.bad_pixels.least_exposures=4",),
    )


@pytest.fixture(scope="module")
def twice(field, reduced, options, tmp_path_factory):
    """The first round is up to date; only the second has something to do."""
    out = tmp_path_factory.mktemp("twice") / "out"
    shutil.copytree(reduced, out)
    assert reduce_files(field.raw, out, options, progress=False) == 0
    return out


def test_every_exposure_and_mosaic_is_made_again(field, twice):
    for suffix, folder in (
        ("rate", "exposures"),
        ("cal", "exposures"),
        ("i2d", "mosaics"),
    ):
        first = sorted(p.name for p in (twice / folder).glob(f"*_{suffix}.fits"))
        second = sorted(
            p.name for p in (twice / "round2" / folder).glob(f"*_{suffix}.fits")
        )
        assert first == second
        assert first
    assert len(list((twice / "round2/exposures").glob("*_rate.fits"))) == len(field.raw)


def test_stray_light_is_sought_where_it_can_be_known(twice):
    inside = {path.name for path in (twice / "round2/field").glob("*.fits")}
    assert {name for name in inside if name.endswith("_sources.fits")} == {
        "jw02736-o001_nircam_f200w_sources.fits",
        "jw02736-o001_nircam_f444w_sources.fits",
    }
    # four dithers of one short-wavelength detector; a null field has no stray light
    (stray,) = (name for name in inside if name.endswith("_stray.fits"))
    assert "nrcb1_f200w" in stray
    bits = fits.getdata(twice / "round2/field" / stray, "ARTIFACT")
    assert (bits > 0).mean() < 0.001
    template = read_template(twice / "round2/field" / stray)
    np.testing.assert_array_equal(template.bits, bits)
    assert template.n_light == 1


def test_bad_pixels_of_each_detector_are_flagged_in_its_new_slopes(twice):
    maps = sorted((twice / "round2/field").glob("*_bad_pixels.fits"))
    assert [path.name.split("_")[0] for path in maps] == ["nrcb1", "nrcblong"]
    for path in maps:
        bad = fits.getdata(path, "DQ")
        assert 0 < (bad > 0).mean() < 0.01
        detector = path.name.split("_")[0]
        for rate in (twice / "round2/exposures").glob(f"*_{detector}_rate.fits"):
            assert not (bad & ~fits.getdata(rate, "DQ")).any()


def test_what_was_looked_for_is_listed(field, twice):
    lists = sorted((twice / "round2/exposures").glob("*_artifacts.json"))
    assert len(lists) == len(field.raw)
    short = next(path for path in lists if "nrcb1" in path.name)
    (row,) = json.loads(short.read_text())["artifacts"]
    assert row["kind"] == "stray_light"
    assert row["action"] == "none"


def test_nothing_of_a_second_round_just_finished_is_outdated(twice):
    seen = look_at(twice).second
    products = [p for one in seen.exposures for p in one.products.values()]
    products += [mosaic.product for mosaic in seen.mosaics]
    assert len(products) > 2 * len(seen.exposures)
    assert not [product.outdated for product in products if product.outdated]


def test_stripes_are_measured_again_and_nothing_else_changes(twice):
    name = min((twice / "exposures").glob("*nrcb1_rate.fits")).name
    with (
        fits.open(twice / "exposures" / name) as first,
        fits.open(twice / "round2/exposures" / name) as second,
    ):
        striped = [hdus["SCI"].data + hdus["STRIPES"].data for hdus in (first, second)]
        assert np.allclose(*striped, atol=1e-5, equal_nan=True)
        assert np.array_equal(first["ERR"].data, second["ERR"].data, equal_nan=True)


def test_the_time_of_a_step_is_measured_or_unknown_and_never_made_up(twice):
    products = sorted(twice.glob("**/*_*.fits"))
    times = {}
    for path in products:
        for step, seconds in read_provenance(path).steps.items():
            times.setdefault(step, []).append(seconds)
    assert all(seconds != 0.0 for step in times.values() for seconds in step)
    assert all(seconds > 0.0 for seconds in times["catalog"] + times["sky_matching"])
    assert np.isnan(times["bad_pixels"]).all()
    assert "nan s" not in (twice / "report.html").read_text()


def test_a_second_run_makes_nothing(field, twice, options):
    before = {p: recorded_hash(p) for p in twice.rglob("*.fits")}
    times = {p: p.stat().st_mtime_ns for p in before}
    assert reduce_files(field.raw, twice, options, progress=False) == 0
    assert {p: p.stat().st_mtime_ns for p in twice.rglob("*.fits")} == times
