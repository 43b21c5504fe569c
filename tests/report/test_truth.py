import numpy as np
import pytest

from rampline.report.truth import Found, Truth, score_catalog

ARCSEC = 1 / 3600.0


def _truth(rng, count=400):
    side = np.arange(20) * 3.0
    ra, dec = (grid.ravel()[:count] for grid in np.meshgrid(side, side))
    return Truth(
        ra_deg=110.0 + ra * ARCSEC / np.cos(np.radians(-73.0)),
        dec_deg=-73.0 + dec * ARCSEC,
        flux_jy=1e-8 * 10 ** rng.uniform(0, 3, count),
        is_star=np.ones(count, bool),
        radius_arcsec=np.zeros(count),
        is_covered=np.ones(count, bool),
    )


def _found(rng, true, flux_err=1e-9, position_mas=2.0):
    count = len(true.ra_deg)
    west, north = rng.normal(0, position_mas / 1000 * ARCSEC, (2, count))
    return Found(
        ra_deg=true.ra_deg - west / np.cos(np.radians(true.dec_deg)),
        dec_deg=true.dec_deg + north,
        position_err_mas=np.full((count, 2), position_mas),
        flux_jy=true.flux_jy + rng.normal(0, flux_err, count),
        flux_err_jy=np.full(count, flux_err),
        is_clean=np.ones(count, bool),
    )


def test_a_perfect_catalogue_has_perfect_scores(rng):
    true = _truth(rng)
    score = score_catalog(_found(rng, true), true, 0.1, 0.1)
    assert score.flux_ratio == pytest.approx(1.0, abs=0.005)
    assert score.position_rms_mas == pytest.approx(2.0, rel=0.1)
    assert score.flux_pull == pytest.approx(1.0, abs=0.25)
    assert score.position_pull == pytest.approx(1.0, abs=0.2)
    assert (score.completeness, score.false_share) == (1.0, 0.0)


def test_what_is_wrong_shows(rng):
    true = _truth(rng)
    found = _found(rng, true)
    extra = Found(*(np.concatenate([column, column[:40]]) for column in found))
    extra.dec_deg[400:] += 1.0 * ARCSEC
    assert score_catalog(extra, true, 0.1, 0.1).false_share == pytest.approx(40 / 440)
    half = Found(*(column[::2] for column in found))
    assert score_catalog(half, true, 0.1, 0.1).completeness == pytest.approx(
        0.5, abs=0.02
    )
    dim = found._replace(flux_jy=0.9 * found.flux_jy)
    assert score_catalog(dim, true, 0.1, 0.1).flux_ratio == pytest.approx(
        0.9, abs=0.005
    )
    proud = found._replace(flux_err_jy=found.flux_err_jy / 2)
    assert score_catalog(proud, true, 0.1, 0.1).flux_pull > 1.5
