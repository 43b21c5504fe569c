"""A dispersed exposure through a run: the flat, the user's regions, the list."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from rampline.artifacts.bits import USER
from rampline.flags import DO_NOT_USE
from rampline.program.input.options import ReduceOptions
from rampline.program.reduce import reduce_files
from rampline.simulation.scene import (
    ActivityParams,
    FieldParams,
    SceneParams,
    StarParams,
    VisitParams,
)
from rampline.simulation.simulate import simulate


def _scene(activity, optics):
    """A short whole frame: grisms are simulated in no others."""
    return SceneParams(
        field=FieldParams(
            half_width_arcsec=6.0,
            stars=StarParams(number=10, brightest=20.0, faintest=24.0),
        ),
        visit=VisitParams(aperture="NRCB5_FULL", dither="4-POINT", points=1),
        activities=(
            ActivityParams(
                activity=activity,
                long=optics,
                pattern="RAPID",
                groups=2,
                detectors=("NRCBLONG",),
            ),
        ),
    )


@pytest.fixture(scope="module")
def dispersed(tmp_path_factory):
    """An exposure through a grism, and a direct image, whose flat serves it."""
    folder = tmp_path_factory.mktemp("dispersed")
    simulate(_scene("05", "F444W"), folder)
    return simulate(_scene("03", "F444W+GRISMC"), folder)


@pytest.fixture(scope="module")
def options(dispersed):
    return ReduceOptions(
        references=str(dispersed.references),
        until="cal",
        stars="none",
        engine="serial",
        settings=("grism.shells.enabled=false", "flicker_noise.enabled=false"),
    )


@pytest.fixture(scope="module")
def reduced(dispersed, options, tmp_path_factory):
    out = tmp_path_factory.mktemp("grism") / "out"
    assert reduce_files(dispersed.raw, out, options, progress=False) == 0
    return out


def test_a_dispersed_exposure_ends_flat_fielded_and_nobody_calibrates_it(reduced):
    (path,) = (reduced / "exposures").glob("*_flatfield.fits")
    assert not list((reduced / "exposures").glob("*_cal.fits"))
    with fits.open(path) as hdus:
        assert hdus[0].header["S_FLAT"] == "COMPLETE"
        assert np.isfinite(hdus["SCI"].data).mean() > 0.9
        assert "VAR_FLAT" in hdus
    listed = json.loads(path.with_name(_list_name(path)).read_text())
    sky = listed["artifacts"][0]
    # one exposure makes no pattern, and the list says why nothing was subtracted
    assert (sky["kind"], sky["action"]) == ("grism_sky", "none")
    assert "wfssbkg" in sky["pattern"]


def test_without_an_imaging_flat_that_of_the_grism_serves(
    dispersed, reduced, options, tmp_path
):
    references = tmp_path / "references"
    shutil.copytree(dispersed.references, references)
    (direct,) = (p for p in references.glob("*flat*f444w*") if "grismc" not in p.name)
    direct.unlink()
    out = tmp_path / "out"
    shutil.copytree(reduced, out)
    here = replace(options, references=str(references))
    assert reduce_files(dispersed.raw, out, here, progress=False) == 0
    (path,) = (out / "exposures").glob("*_flatfield.fits")
    assert "grismc" in fits.getheader(path)["R_FLAT"]


def test_a_region_of_the_user_makes_it_anew_from_the_same_slopes(
    dispersed, reduced, options, tmp_path
):
    (path,) = (reduced / "exposures").glob("*_flatfield.fits")
    (rate,) = (reduced / "exposures").glob("*_rate.fits")
    before = path.stat().st_mtime_ns, rate.stat().st_mtime_ns
    assert reduce_files(dispersed.raw, reduced, options, progress=False) == 0
    assert (path.stat().st_mtime_ns, rate.stat().st_mtime_ns) == before
    root = path.name.removesuffix("_flatfield.fits")
    regions = tmp_path / f"{root}.reg"
    regions.write_text("image\nbox(81,81,11,11,0)\n")
    options = replace(options, regions=(regions,))
    assert reduce_files(dispersed.raw, reduced, options, progress=False) == 0
    assert path.stat().st_mtime_ns != before[0]
    assert rate.stat().st_mtime_ns == before[1]
    with fits.open(path) as hdus:
        inside = hdus["ARTIFACT"].data & USER != 0
        assert inside.sum() == 121
        assert (hdus["DQ"].data[inside] & DO_NOT_USE != 0).all()
    rows = json.loads(path.with_name(_list_name(path)).read_text())["artifacts"]
    (row,) = (row for row in rows if row["kind"] == "user")
    assert (row["action"], row["pixels"]) == ("user", 121)


def _list_name(path):
    return path.name.replace("_flatfield.fits", "_artifacts.json")
