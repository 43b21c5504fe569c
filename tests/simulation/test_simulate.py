"""A small scene from end to end: what is written, read back by the reduction's doors."""

import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from rampline.errors import ParameterError
from rampline.files.read import read_ramp
from rampline.flags import DEAD, REFERENCE_PIXEL
from rampline.reference.folder import FolderSource
from rampline.reference.ramp_planes import load_ramp_planes
from rampline.reference.selection import KINDS
from rampline.simulation.electronics import ElectronicsParams
from rampline.simulation.scene import SceneParams
from rampline.simulation.simulate import simulate
from tests.simulation.scenes import small

NO_EVENTS = {"cosmic_rays": {"enabled": False}, "snowballs": {"enabled": False}}


def _with(scene, **changes):
    return SceneParams.model_validate({**scene.model_dump(), **changes})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return simulate(small(), tmp_path_factory.mktemp("scene"), workers=1)


def test_files_lie_where_they_are_said_to(made):
    assert [path.name for path in made.raw] == [
        "jw02736001001_02103_00001_nrcb1_uncal.fits",
        "jw02736001001_02103_00002_nrcb1_uncal.fits",
    ]
    for path in (*made.raw, *made.truth, made.catalog, made.alignment_catalog):
        assert path.is_file()
    assert len(list(made.references.iterdir())) == len(KINDS)


def test_raw_files_are_read_as_the_archives_are(made):
    ramp = read_ramp(made.raw[0])
    header = ramp.header
    assert ramp.samples.shape == (1, 4, 160, 160)
    assert ramp.zero_frame.shape == (1, 160, 160)
    assert (header.detector, header.filter, header.pupil) == ("NRCB1", "F187N", "CLEAR")
    assert header.readout.frame_s == 0.27864
    assert header.exposure_s == pytest.approx(header.readout.integration_s())
    assert len(ramp.group_times) == 4
    assert ramp.group_times["group_end_time"][0].startswith(b"2022-06-07T09:36:02.229")
    assert ramp.int_times["int_start_MJD_UTC"][0] == header.start_mjd


def test_headers_keep_the_rules_of_the_archive(made):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from stdatamodels.jwst import datamodels

    # a value that the schema does not know is a warning, which is an error here
    with datamodels.open(str(made.raw[0]), strict_validation=True) as model:
        model.validate()
        assert model.meta.dither.primary_type == "INTRASCA"


def test_the_header_gives_the_believed_pointing_not_the_true_one(made):
    believed = read_ramp(made.raw[0]).header.pointing
    true = fits.getheader(made.truth[0])
    off = (true["DEC_REF"] - believed.dec_ref_deg) * 3600
    assert off == pytest.approx(true["ERR_NRTH"], abs=2e-3)
    assert abs(off) > 1e-3


@pytest.fixture(scope="module")
def planes(made):
    header = read_ramp(made.raw[0]).header
    files = FolderSource(made.references).select(header, KINDS)
    return load_ramp_planes(files, header)


def test_every_reference_type_is_found_for_the_exposure(made):
    header = read_ramp(made.raw[0]).header
    files = FolderSource(made.references).select(header, KINDS)
    assert set(files.paths) == set(KINDS)


def test_the_ramp_is_the_truth_after_undoing_what_was_done(made, planes):
    """Bias, polynomial and dark of the references lead back to the true rate."""
    ramp = read_ramp(made.raw[0])
    signal = ramp.samples[0] - planes.superbias_dn.astype(float)
    linear = np.polynomial.polynomial.polyval(
        signal, planes.linearity.astype(float), tensor=False
    )
    span = (ramp.header.readout.n_groups - 1) * ramp.header.readout.group_s
    slope = (linear[-1] - linear[0] - planes.dark_dn[-1] + planes.dark_dn[0]) / span
    with fits.open(made.truth[0]) as truth:
        rate = sum(truth[name].data for name in ("SOURCES", "SKY", "WARM"))
        events = truth["EVENTS"].data
    usable = planes.flags["mask"] & (REFERENCE_PIXEL | DEAD) == 0
    usable[events["row"], events["col"]] = False
    full = (ramp.samples[0] >= planes.full_well_dn).any(axis=0)
    usable &= ~full
    sigma = np.sqrt(2 * (5.62**2 / 8) + rate * span / 2.0) / span
    for low, high in [(0.0, 0.1), (1.0, 100.0)]:
        chosen = usable & (rate > low) & (rate < high)
        pull = ((slope - rate) / sigma)[chosen]
        n = chosen.sum()
        assert n > 100
        # A frame of one output drifts as a whole: 1/f below the read's frequency.
        assert abs(np.median(pull)) < 1.5
        assert np.median(np.abs(pull - np.median(pull))) * 1.4826 == pytest.approx(
            1.0, abs=0.1 + 3 / np.sqrt(n)
        )


def test_true_events_stand_in_the_raw_data(made):
    raw = read_ramp(made.raw[0]).samples[0].astype(float)
    with fits.open(made.truth[0]) as truth:
        events = truth["EVENTS"].data
    strong = events[(events["electrons"] > 2000) & (events["frame"] % 10 == 8)]
    for event in strong[strong["frame"] < 30]:
        group = event["frame"] // 10
        step = raw[group + 1] - raw[group]
        seen = step[event["row"], event["col"]] * 2.0
        assert seen > 0.7 * event["electrons"]


def test_the_flat_of_the_references_is_the_true_one(made):
    header = read_ramp(made.raw[0]).header
    path = FolderSource(made.references).select(header, ["flat"]).paths["flat"]
    with fits.open(path) as flat, fits.open(made.truth[0]) as truth:
        known = np.isfinite(flat["SCI"].data)
        assert np.allclose(flat["SCI"].data[known], truth["FLAT"].data[known])
        # A corner of the detector: the pixels are 3 % larger there.
        assert 0.93 < flat["SCI"].data[known].mean() < 1.07


def test_true_positions_lie_on_the_sources(made):
    with fits.open(made.truth[0]) as truth:
        sources = truth["SOURCES"].data
        place = truth["POSITIONS"].data
    stars = Table.read(made.catalog, format="ascii.ecsv")["kind"] == "star"
    place = place[np.asarray(stars)[place["id"] - 1]]
    brightest = place[np.argmax(place["rate"])]
    row, col = round(brightest["row"]), round(brightest["col"])
    box = sources[row - 2 : row + 3, col - 2 : col + 3]
    assert box.max() > 0.04 * brightest["rate"]


def test_the_alignment_catalogue_is_the_truth_with_its_noise(made):
    stars = Table.read(made.alignment_catalog, format="ascii.ecsv")
    truth = Table.read(made.catalog, format="ascii.ecsv")
    for star in stars:
        off = np.hypot(
            (star["RA"] - truth["ra"]) * np.cos(np.radians(star["DEC"])),
            star["DEC"] - truth["dec"],
        )
        assert off.min() * 3.6e6 < 30
    assert {"RA", "DEC", "mag"} <= set(stars.colnames)


def _hashes(folder):
    return {path.name: fits.getval(path, "CONTHASH") for path in folder.glob("*.fits")}


def test_content_does_not_depend_on_workers(made, tmp_path):
    again = simulate(small(), tmp_path, workers=3)
    assert _hashes(again.raw[0].parent) == _hashes(made.raw[0].parent)
    assert _hashes(again.truth[0].parent) == _hashes(made.truth[0].parent)
    assert _hashes(again.references) == _hashes(made.references)


def test_another_seed_is_another_sky(made, tmp_path):
    other = simulate(_with(small(), seed=2, references={"write": False}), tmp_path)
    assert _hashes(other.raw[0].parent) != _hashes(made.raw[0].parent)
    assert not list(other.references.iterdir())


def test_switching_cosmic_rays_off_leaves_all_other_pixels(tmp_path):
    quiet = _with(small(), events=NO_EVENTS, references={"write": False})
    # Without coupling a hit stays on its own pixels.
    quiet = _with(quiet, electronics=ElectronicsParams(coupling=False).model_dump())
    hit = _with(
        quiet,
        events={"cosmic_rays": {"rate_cm2_s": 50.0}, "snowballs": {"enabled": False}},
    )
    a = simulate(quiet, tmp_path / "quiet")
    b = simulate(hit, tmp_path / "hit")
    before, after = read_ramp(a.raw[0]).samples, read_ramp(b.raw[0]).samples
    differs = (before != after).any(axis=(0, 1))
    with fits.open(b.truth[0]) as truth:
        events = truth["EVENTS"].data
    assert differs.any()
    differs[events["row"], events["col"]] = False
    assert not differs.any()


def test_progress_is_told_to_the_end(tmp_path):
    told = []
    simulate(small(), tmp_path, progress=lambda *what: told.append(what))
    assert told[-1][1:] == (3, 3)


def test_a_scene_that_cannot_be_leaves_no_folder(tmp_path):
    bad = _with(small(), visit={"points": 9, "dither": "4-POINT"})
    with pytest.raises(ParameterError, match="points"):
        simulate(bad, tmp_path / "none")
    assert not (tmp_path / "none").exists()
