from dataclasses import replace

import pytest

from rampline.astrometry.verdict import Evidence, VerdictParams, judge_image

PARAMS = VerdictParams()
HEALTHY = Evidence(
    n_sources=120,
    n_matched=100,
    n_flagged=0,
    n_catalog=20,
    n_expected=100,
    n_found=95,
    n_exposure=300,
    n_visit=900,
    n_ties=60,
    has_overlap=True,
    is_ambiguous=False,
    rms_arcsec=3e-4,
    error_arcsec=3e-5,
)
BLIND = replace(
    HEALTHY,
    n_matched=0,
    n_catalog=0,
    n_expected=0,
    n_found=0,
    n_exposure=0,
    n_visit=0,
    n_ties=0,
    rms_arcsec=float("nan"),
)


def judge(evidence, *, with_catalog=True):
    return judge_image(evidence, PARAMS, with_catalog=with_catalog)


def test_a_healthy_image_is_ok():
    assert judge(HEALTHY) == ("OK", "")


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"n_matched": 4, "n_expected": 4, "n_found": 4}, "WEAK", "only 4 matched"),
        ({"n_ties": 2}, "WEAK", "hangs on 2 reference stars"),
        ({"n_ties": 0}, "WEAK", "aligned with other exposures only"),
        ({"rms_arcsec": 0.02}, "WEAK", "scatter by 20.0 mas"),
        ({"rms_arcsec": 0.06}, "FAILED", "scatter by 60.0 mas"),
        ({"n_flagged": 6}, "WEAK", "6 of 106 sources far off"),
        ({"n_flagged": 60}, "FAILED", "60 of 160 sources far off"),
        ({"is_ambiguous": True}, "WEAK", "fits at several shifts"),
        ({"n_found": 30}, "WEAK", "30 of 100 stars found again"),
        ({"n_found": 3}, "FAILED", "only 3 of 100 stars found again"),
    ],
)
def test_every_symptom_has_its_word(change, status, words):
    verdict = judge(replace(HEALTHY, **change))
    assert verdict.status == status
    assert words in verdict.reason


def test_the_catalogue_is_not_asked_for_where_there_is_none():
    assert judge(replace(HEALTHY, n_ties=0), with_catalog=False).status == "OK"


@pytest.mark.parametrize(
    ("change", "with_catalog", "status", "words"),
    [
        ({"n_exposure": 50}, True, "WEAK", "other detectors"),
        ({"n_visit": 50}, True, "WEAK", "other exposures"),
        ({}, True, "FAILED", "no match among its 120"),
        ({}, False, "FAILED", "no match among its 120"),
        ({"n_sources": 5}, True, "WEAK", "only 5 sources, none matched"),
        ({"has_overlap": False}, False, "WEAK", "alone"),
        ({"has_overlap": False}, True, "WEAK", "no match with the reference catalogue"),
    ],
)
def test_an_image_without_stars_leans_on_its_neighbours_or_fails(
    change, with_catalog, status, words
):
    verdict = judge(replace(BLIND, **change), with_catalog=with_catalog)
    assert verdict.status == status
    assert words in verdict.reason


def test_several_doubts_are_all_told():
    verdict = judge(replace(HEALTHY, n_ties=0, rms_arcsec=0.02))
    assert "reference stars" in verdict.reason
    assert "scatter" in verdict.reason
