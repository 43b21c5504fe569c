"""The detector stage against ``jwst`` on raw files of an independent simulator."""

import numpy as np
import pytest
from astropy.io import fits

from rampline.files.read import read_ramp
from rampline.flags import DO_NOT_USE, JUMP, REFERENCE_PIXEL
from rampline.pipeline import ramp_to_slope as path
from rampline.pipeline.ramp_to_slope import RampToSlope, ramp_to_slope
from rampline.pipeline.runner import Bench, Runner
from rampline.reference.ramp_planes import load_ramp_planes
from rampline.reference.select import RAMP_KINDS, FolderSource

ROOTS = ("jw02736001001_02103_00001_nrcb1", "jw02736001001_02103_00004_nrcblong")

PEER_PARAMS = {
    "jumps": {"algorithm": "jwst"},
    "neighbors": {"algorithm": "jwst", "min_ratio": 15, "max_ratio": 200},
    "snowballs": {"algorithm": "jwst"},
    "slopes": {"algorithm": "jwst", "one_group_ramps": False},
    "flicker_noise": {"enabled": False},
}
"""What ``benchmarks.peer`` sets with snowballs on."""


def load(shared, root):
    sample = shared / "sample"
    raw = read_ramp(sample / "raw" / f"{root}_uncal.fits")
    files = FolderSource(sample / "references").select(raw.header, RAMP_KINDS)
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


@pytest.mark.parity
@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.filterwarnings("ignore")
def test_flags_counts_slopes_and_variances_equal_those_of_jwst(
    shared, tmp_path, kept, root
):
    from benchmarks.peer import PeerOptions, run_stage

    sample = shared / "sample"
    keep = {"save_results": True}
    run_stage(
        1,
        [sample / "raw" / f"{root}_uncal.fits"],
        sample / "references",
        tmp_path,
        PeerOptions(snowballs=True, overrides={"jump": keep, "dark_current": keep}),
    )
    raw, planes = load(shared, root)
    params = RampToSlope.model_validate(PEER_PARAMS)
    image = ramp_to_slope(raw, Runner(planes, Bench()), params)
    ramp = kept["ramp"]
    with fits.open(tmp_path / f"{root}_dark_current.fits") as dark:
        np.testing.assert_allclose(ramp.counts, dark["SCI"].data, atol=0.005)
    with fits.open(tmp_path / f"{root}_jump.fits") as jump:
        theirs = jump["GROUPDQ"].data
        assert (theirs & JUMP).any()
        assert np.mean(ramp.group_flags != theirs) < 1e-5
        np.testing.assert_array_equal(ramp.pixel_flags, jump["PIXELDQ"].data)
    with fits.open(tmp_path / f"{root}_rate.fits") as rate:
        assert np.mean(image.planes.flags != rate["DQ"].data) < 1e-5
        err = rate["ERR"].data
        for name, ours in (
            ("SCI", image.planes.slope),
            ("ERR", image.planes.err),
            ("VAR_POISSON", image.planes.var_poisson),
            ("VAR_RNOISE", image.planes.var_read),
        ):
            assert agreeing(ours, rate[name].data, err) > 0.9999, name


@pytest.mark.shared
def test_slopes_are_as_far_from_the_truth_as_their_errors_say(shared):
    scatter = []
    raws = sorted((shared / "sample" / "raw").glob("*_uncal.fits"))
    for raw_path in raws:
        root = raw_path.name.removesuffix("_uncal.fits")
        raw, planes = load(shared, root)
        image = ramp_to_slope(raw, Runner(planes, Bench()), RampToSlope()).planes
        with np.load(shared / "sample" / "truth" / f"{root}_truth.npz") as truth:
            rate = truth["rate"]
        usable = (image.flags & (DO_NOT_USE | REFERENCE_PIXEL)) == 0
        sky = usable & (rate < np.percentile(rate[usable], 60))
        pull = ((image.slope - rate) / image.err)[sky]
        scatter.append(np.median(np.abs(pull - np.median(pull))) / 0.6745)
    assert len(scatter) == 8
    assert abs(np.median(scatter) - 1) < 0.05
