"""The detector stage against ``jwst``, and against the truth, on whole raw files."""

import numpy as np
import pytest
from astropy.io import fits

from rampline.files.read import read_ramp
from rampline.flags import DO_NOT_USE, JUMP, REFERENCE_PIXEL, SATURATED
from rampline.pipeline import ramp_to_slope as path
from rampline.pipeline.ramp_to_slope import RampToSlope, ramp_to_slope
from rampline.pipeline.runner import Bench, Runner
from rampline.reference.folder import FolderSource
from rampline.reference.ramp_planes import load_ramp_planes
from rampline.reference.selection import RAMP_KINDS

ROOTS = ("jw02736001001_02103_00001_nrcb1", "jw02736001001_02103_00004_nrcblong")

PEER_PARAMS = {
    "saturation": {"last_read": "jwst", "bloom": False},
    "reference_pixels": {"algorithm": "jwst"},
    "linearity": {"averaged": "jwst"},
    "row_drift": {"enabled": False},
    "jumps": {"algorithm": "jwst"},
    "neighbors": {"algorithm": "jwst", "min_ratio": 15, "max_ratio": 200},
    "snowballs": {"algorithm": "jwst"},
    "slopes": {"algorithm": "jwst", "one_group_ramps": False},
    "flicker_noise": {"enabled": False},
}
"""What ``benchmarks.peer`` sets with snowballs on."""


def load(raw_path, references):
    raw = read_ramp(raw_path)
    files = FolderSource(references).select(raw.header, RAMP_KINDS)
    return raw, load_ramp_planes(files, raw.header)


@pytest.fixture
def kept(monkeypatch):
    """The working record of the last exposure, with its flags and counts."""
    records = {}

    def keep(raw, workspace):
        records["ramp"] = original(raw, workspace)
        return records["ramp"]

    original = path.open_ramp
    monkeypatch.setattr(path, "open_ramp", keep)
    return records


def agreeing(ours, theirs, err):
    """Fraction within 1e-5 relative or 1e-3 sigma."""
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    known = ~np.isnan(ours)
    difference = np.abs(ours - theirs)[known]
    close = difference <= 1e-5 * np.abs(theirs[known])
    return np.mean(close | (difference <= 1e-3 * err[known]))


def compare_with_jwst(raw_path, references, folder, kept):
    """Reduce a raw file both ways; return counts of group flags by kind of difference."""
    from benchmarks.peer import PeerOptions, run_stage

    keep = {"save_results": True}
    overrides = {"jump": keep, "dark_current": keep}
    options = PeerOptions(snowballs=True, overrides=overrides)
    run_stage(1, [raw_path], references, folder, options)
    raw, planes = load(raw_path, references)
    params = RampToSlope.model_validate(PEER_PARAMS)
    image = ramp_to_slope(raw, Runner(planes, Bench()), params)
    ramp, root = kept["ramp"], raw.header.root
    with fits.open(folder / f"{root}_dark_current.fits") as dark:
        np.testing.assert_allclose(ramp.counts, dark["SCI"].data, atol=0.005)
    with fits.open(folder / f"{root}_jump.fits") as jump:
        np.testing.assert_array_equal(ramp.pixel_flags, jump["PIXELDQ"].data)
        ours, theirs = ramp.group_flags, jump["GROUPDQ"].data
    for suffix, slopes in (("rate", image.planes), ("rateints", image.integrations)):
        if slopes is not None:
            with fits.open(folder / f"{root}_{suffix}.fits") as file:
                compare_slopes(slopes, file)
    # the core of a snowball loses its other bits there; here flags are only added
    more = (ours != theirs) & (ours | theirs == ours) & (theirs & SATURATED != 0)
    return {
        "samples": ours.size,
        "jumps": np.count_nonzero(theirs & JUMP),
        "saturated": np.count_nonzero(theirs & SATURATED),
        "bits kept in cores": np.count_nonzero(more),
        "others": np.count_nonzero((ours != theirs) & ~more),
    }


def compare_slopes(slopes, file):
    """Compare a ``_rate`` or ``_rateints`` file with our planes."""
    assert np.mean(slopes.flags != file["DQ"].data) < 1e-5
    for name, ours in (
        ("SCI", slopes.slope),
        ("ERR", slopes.err),
        ("VAR_POISSON", slopes.var_poisson),
        ("VAR_RNOISE", slopes.var_read),
    ):
        assert agreeing(ours, file[name].data, file["ERR"].data) > 0.9999, name


@pytest.mark.parity
@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.filterwarnings("ignore")
def test_an_independent_simulator_s_exposures_come_out_as_from_jwst(
    shared, tmp_path, kept, root
):
    sample = shared / "sample"
    raw = sample / "raw" / f"{root}_uncal.fits"
    counts = compare_with_jwst(raw, sample / "references", tmp_path, kept)
    assert counts["jumps"] > 1000
    assert counts["others"] < 1e-5 * counts["samples"]
    assert counts["bits kept in cores"] < 1e-5 * counts["samples"]


@pytest.mark.parity
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_bright_stars_in_three_integrations_come_out_as_from_jwst(tmp_path, kept):
    from rampline.simulation.scene import (
        ActivityParams,
        FieldParams,
        SceneParams,
        StarParams,
        VisitParams,
    )
    from rampline.simulation.simulate import simulate

    stars = StarParams(number=60, brightest=11.0, faintest=22.0, slope=0.02)
    activity = ActivityParams(
        detectors=("NRCB1",),
        subarray="SUB320",
        pattern="BRIGHT2",
        groups=6,
        integrations=3,
    )
    scene = SceneParams(
        field=FieldParams(half_width_arcsec=8.0, stars=stars),
        visit=VisitParams(aperture="NRCB5_SUB320", dither="NONE", points=1),
        activities=(activity,),
    )
    simulated = simulate(scene, tmp_path)
    counts = compare_with_jwst(
        simulated.raw[0], simulated.references, tmp_path / "jwst", kept
    )
    assert counts["saturated"] > 1000
    assert counts["others"] < 1e-5 * counts["samples"]
    assert counts["bits kept in cores"] < 1e-4 * counts["samples"]


@pytest.mark.shared
def test_slopes_are_as_far_from_the_truth_as_their_errors_say(shared):
    scatter = []
    raws = sorted((shared / "sample" / "raw").glob("*_uncal.fits"))
    for raw_path in raws:
        root = raw_path.name.removesuffix("_uncal.fits")
        raw, planes = load(raw_path, shared / "sample" / "references")
        image = ramp_to_slope(raw, Runner(planes, Bench()), RampToSlope()).planes
        with np.load(shared / "sample" / "truth" / f"{root}_truth.npz") as truth:
            rate = truth["rate"]
        usable = (image.flags & (DO_NOT_USE | REFERENCE_PIXEL)) == 0
        sky = usable & (rate < np.percentile(rate[usable], 60))
        pull = ((image.slope - rate) / image.err)[sky]
        scatter.append(np.median(np.abs(pull - np.median(pull))) / 0.6745)
    assert len(scatter) == 8
    assert abs(np.median(scatter) - 1) < 0.05
