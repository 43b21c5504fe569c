"""Whole programmes as source lists: real optics, headers and reference files that are wrong."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import alignment
from benchmarks import programme as pr
from benchmarks.alignment import (
    FAST,
    FEW,
    UNTURNED,
    WAVES,
    align,
    corners_off_mas,
    hard_cases,
    judge,
    observe_real,
    run,
)
from rampline.astrometry.distortion_update import DistortionUpdateParams
from rampline.pipeline.sky_to_mosaic import SkyToMosaic, align_field

WIDE = replace(FEW, detectors=(*FEW.detectors, "NRCB3", "NRCB4"))


def test_wrong_reference_distortions_stay_below_the_promise():
    observed, field, off, _ = run(WIDE, pr.Errors(), 3)
    mean = off.mean(axis=1)[observed.n_good >= 50]
    assert len(mean) == 20
    assert np.abs(mean - mean.mean(axis=0)).max() < 2.0
    assert np.abs(mean).max() < 3.0
    assert {image.status for image in field.alignment.images} == {"OK"}
    # not the middle only, but all pixels
    assert np.abs(off).max() < 2.0
    assert all(image.applied_update for image in field.alignment.images)


def test_updates_help_also_where_they_cannot_hold_all_and_can_be_switched_off(
    monkeypatch,
):
    """Waves across the detector are no polynomials of third degree."""
    _, _, updated, _ = run(FEW, WAVES, 3)
    params = DistortionUpdateParams(enabled=False)
    monkeypatch.setattr(
        alignment, "PARAMS", alignment.PARAMS.model_copy(update={"distortion": params})
    )
    observed, field, off, _ = run(FEW, WAVES, 3)
    assert np.std(updated) < 0.5 * np.std(off)
    assert np.abs(updated).max() < 0.5 * np.abs(off).max()
    for image, survey, geometry in zip(
        field.alignment.images, observed.surveys, field.geometries, strict=True
    ):
        assert image.update.evidence > params.min_evidence
        assert geometry.v2v3_arcsec is survey.geometry.v2v3_arcsec


def test_with_perfect_distortions_only_the_centroids_count():
    _, field, off, _ = run(WIDE, pr.PERFECT, 3)
    assert np.abs(off).max() < 0.2
    assert not any(image.applied_update for image in field.alignment.images)
    assert field.alignment.rms_arcsec < 1e-3


def test_modules_without_a_catalogue_are_as_far_apart_as_aberration_has_them():
    """NRCA1 and NRCB1, 250 arcsec apart, see no common star."""
    before, after = (
        run(FAST, UNTURNED, 3, with_catalog=False, spread_detectors=on)[2].mean(axis=1)
        for on in (False, True)
    )
    assert np.abs(before - before.mean(axis=0)).max() > 8.0
    assert np.abs(after - after.mean(axis=0)).max() < 0.3


def test_without_a_catalogue_dithers_agree_with_each_other():
    observed = pr.observe(
        FEW,
        pr.random_sky(FEW, np.random.default_rng(5)),
        replace(pr.PERFECT, roll_deg=0.0),
        np.random.default_rng(5),
    )
    _, off = align(observed, with_catalog=False)
    mean = off.mean(axis=1)
    assert np.abs(mean - mean.mean(axis=0)).max() < 0.5


@pytest.mark.parametrize("case", hard_cases(), ids=lambda case: case[0])
def test_a_hard_case_may_fail_but_does_not_lie(case):
    _, programme, errors, sky = case
    _, field, off, _ = run(programme, errors, 3, sky)
    assert judge(field, off)[0] == 0


LATTICE = replace(FEW, galaxies_per_arcmin2=0.0, detectors=("NRCB1",), points=3)
A_STEP_OFF = replace(pr.Errors(), exposure_shift_arcsec={1: (1.9, 0.0)})


def test_a_repeated_pattern_is_said_to_be_one():
    _, field, _, _ = run(LATTICE, A_STEP_OFF, 6, pr.lattice_sky)
    for image in field.alignment.images:
        assert image.status == "WEAK"
        assert "fits at several shifts" in image.reason


def test_without_a_catalogue_the_brightest_stars_of_a_pattern_show_the_way():
    rng = np.random.default_rng(6)
    observed = pr.observe(LATTICE, pr.lattice_sky(LATTICE, rng), A_STEP_OFF, rng)
    field, off = align(observed, with_catalog=False)
    assert {image.status for image in field.alignment.images} <= {"OK", "WEAK"}
    if all(image.status == "OK" for image in field.alignment.images):
        mean = off.mean(axis=1)
        assert np.abs(mean - mean.mean(axis=0)).max() < 10.0


def test_an_exposure_of_another_field_is_not_saved_by_its_own_detectors():
    errors = replace(pr.Errors(), exposure_shift_arcsec={2: (40.0, 25.0)})
    _, field, _, _ = run(FEW, errors, 2)
    status = np.array([image.status for image in field.alignment.images]).reshape(4, 3)
    assert (status[2] == "FAILED").all()
    assert (np.delete(status, 2, axis=0) == "OK").all()


@pytest.mark.shared
def test_the_real_alignment_of_ceers_comes_back_to_the_corners(shared):
    surveys, stars, truth = observe_real(shared / "real_gwcs", np.random.default_rng(8))
    assert len(surveys) == 30
    field = align_field(surveys, stars, SkyToMosaic().alignment)
    assert corners_off_mas(field.geometries, truth).max() < 2.0
    assert {image.status for image in field.alignment.images} == {"OK"}
