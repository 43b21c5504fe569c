"""`jwst` goes on from our products, and we from its; where both may, they agree."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from benchmarks.peer import PeerOptions, run_in_process
from rampline.program.input.options import ReduceOptions
from rampline.program.reduce import reduce_files

pytestmark = [pytest.mark.parity, pytest.mark.slow]

PARITY = Path(__file__).resolve().parents[2] / "docs" / "parity.toml"


def _reduce(given, out, field, **options):
    chosen = {
        "references": str(field.references),
        "engine": "serial",
        "align_to": str(field.alignment_catalog),
        **options,
    }
    assert reduce_files(given, out, ReduceOptions(**chosen), progress=False) == 0


@pytest.fixture(scope="module")
def ours(field, tmp_path_factory):
    out = tmp_path_factory.mktemp("ours")
    _reduce(field.raw, out, field, config=PARITY)
    return out


@pytest.fixture(scope="module")
def theirs(field, tmp_path_factory):
    out = tmp_path_factory.mktemp("theirs")
    run_in_process(1, field.raw, field.references, out)
    return out


def _planes(path, names):
    with fits.open(path) as hdus:
        return [hdus[name].data.copy() for name in names]


def test_slopes_agree_with_the_parity_mode(ours, theirs, field):
    total, differ = 0, 0
    for raw in field.raw:
        name = raw.name.replace("_uncal", "_rate")
        names = ("SCI", "ERR", "VAR_POISSON", "VAR_RNOISE")
        one = _planes(ours / "exposures" / name, names)
        other = _planes(theirs / name, names)
        sigma = other[1]
        for mine, peer in zip(one, other, strict=True):
            near = np.isclose(mine, peer, rtol=1e-5, atol=0, equal_nan=True)
            near |= np.abs(mine - peer) < 1e-3 * sigma
            total, differ = total + near.size, differ + np.sum(~near)
    assert differ / total < 1e-4, f"{differ} of {total}"


def test_jwst_calibrates_our_slopes_to_our_images(ours, field, tmp_path):
    rates = sorted((ours / "exposures").glob("*_rate.fits"))[:2]
    run_in_process(
        2, rates, field.references, tmp_path, PeerOptions(resample_each=False)
    )
    for rate in rates:
        name = rate.name.replace("_rate", "_cal")
        names = ("SCI", "ERR", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT", "AREA")
        mine = _planes(ours / "exposures" / name, names)
        peer = _planes(tmp_path / name, names)
        for one, other in zip(mine, peer, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5)


def test_jwst_makes_a_mosaic_of_our_images(ours, field, tmp_path):
    cals = sorted((ours / "exposures").glob("*nrcblong_cal.fits"))
    run_in_process(3, cals, field.references, tmp_path, PeerOptions(pixmap_stepsize=10))
    (mosaic,) = tmp_path.glob("*_i2d.fits")
    (sky,) = _planes(mosaic, ("SCI",))
    own = ours / "mosaics" / "jw02736-o001_nircam_f444w_i2d.fits"
    (mine,) = _planes(own, ("SCI",))
    # both mosaics hold the same light: `jwst` keeps the sky, we match it to the lowest
    theirs = np.nansum(sky - np.nanmedian(sky)) * fits.getval(mosaic, "PIXAR_SR", 1)
    total = np.nansum(mine - np.nanmedian(mine)) * fits.getval(own, "PIXAR_SR", 1)
    assert total == pytest.approx(theirs, rel=0.05)


def test_we_go_on_from_the_slopes_and_images_of_jwst(ours, theirs, field, tmp_path):
    rates = sorted(theirs.glob("*_rate.fits"))
    from_rate = tmp_path / "rate"
    _reduce(rates, from_rate, field, keep=("rate", "cal"))
    run_in_process(
        2, rates, field.references, tmp_path / "cal", PeerOptions(resample_each=False)
    )
    from_cal = tmp_path / "both"
    _reduce(sorted((tmp_path / "cal").glob("*_cal.fits")), from_cal, field)
    name = "mosaics/jw02736-o001_nircam_f200w_cat.ecsv"
    reference = Table.read(ours / name, format="ascii.ecsv")
    for out in (from_rate, from_cal):
        table = Table.read(out / name, format="ascii.ecsv")
        assert abs(len(table) - len(reference)) <= 0.1 * len(reference)
        brightest = np.nanmax(table["aper_total_flux"])
        expected = np.nanmax(reference["aper_total_flux"])
        assert brightest == pytest.approx(expected, rel=0.01)
