import numpy as np
import pytest

from rampline.detector.band import PixelNoise, RampBand
from rampline.detector.persistence import (
    PersistenceParams,
    add_afterglow_error,
    cut_held,
    predict_release,
    remove_afterglow,
)
from rampline.detector.trapped_charge import TIMES_S
from rampline.exposure.planes import HeldCharge
from rampline.exposure.records import SlopePlanes
from rampline.flags import DO_NOT_USE, PERSISTENCE

from .exposures import make_readout


def held(charge=100.0, time_s=100.0, error=0.1, n=1):
    """Charge in the traps of one release time."""
    places = np.arange(n, dtype=np.int32)
    own = np.array(TIMES_S) == time_s
    charges = np.repeat(charge * own[:, None], n, axis=1).astype(np.float32)
    return HeldCharge(places, places + 1, charges, np.full(n, error, np.float32))


def empty_band(readout):
    shape = (readout.n_ints, readout.n_groups, readout.n_rows, readout.n_cols)
    band = RampBand(
        np.zeros(shape, np.float32),
        np.zeros(shape, np.uint8),
        np.zeros(shape[2:], np.uint32),
        np.zeros((shape[0], *shape[2:]), np.float32),
    )
    gain = np.full(shape[2:], 2.0, np.float32)
    noise = PixelNoise(gain, np.full(shape[2:], 5.0, np.float32))
    return band, noise


READOUT = make_readout("MEDIUM8", (2, 6, 8, 9), 1, (500, 500))


def test_what_traps_release_is_taken_off_and_nothing_else():
    band, noise = empty_band(READOUT)
    some = held()
    release = predict_release(some, READOUT)
    band.counts[:, :, 0, 1] = release.charge_dn[..., 0] + 3.0
    remove_afterglow(band, noise, some, release, READOUT, PersistenceParams())
    np.testing.assert_allclose(band.counts[:, :, 0, 1], 3.0, atol=1e-4)
    band.counts[:, :, 0, 1] = 0.0
    assert not band.counts.any()
    assert band.pixel_flags[0, 1] == PERSISTENCE
    assert np.count_nonzero(band.pixel_flags) == 1


def test_a_release_rises_within_an_integration_and_is_less_in_the_next():
    release = predict_release(held(), READOUT)
    assert (np.diff(release.charge_dn[:, :, 0], axis=1) > 0).all()
    assert (release.charge_dn[1, :, 0] < release.charge_dn[0, :, 0]).all()
    assert release.charge_dn.max() < 100.0
    assert 0 < release.first_read_dn[0, 0] < release.charge_dn[0, 0, 0]


def test_groups_are_left_out_while_the_release_is_too_uncertain():
    band, noise = empty_band(READOUT)
    some = held(3000.0, 10.0, error=0.3)
    release = predict_release(some, READOUT)
    remove_afterglow(band, noise, some, release, READOUT, PersistenceParams())
    bad = band.group_flags[:, :, 0, 1] & DO_NOT_USE != 0
    assert bad[0, 0]
    assert not bad[:, -2:].any()
    # only leading groups
    assert (np.diff(bad[0].astype(int)) <= 0).all()
    assert not band.group_flags[:, :, 1:].any()


def test_a_pixel_is_given_up_where_all_of_it_is_too_uncertain():
    band, noise = empty_band(READOUT)
    some = held(1e6, 1000.0, error=0.3)
    release = predict_release(some, READOUT)
    remove_afterglow(band, noise, some, release, READOUT, PersistenceParams())
    assert band.pixel_flags[0, 1] == PERSISTENCE | DO_NOT_USE


def test_what_is_uncertain_enters_the_errors():
    shape = (4, 5)
    planes = SlopePlanes(
        slope=np.zeros(shape, np.float32),
        err=np.full(shape, 0.05, np.float32),
        var_poisson=np.full(shape, 0.0016, np.float32),
        var_read=np.full(shape, 0.0009, np.float32),
        flags=np.zeros(shape, np.uint32),
    )
    add_afterglow_error([planes], held(error=0.2), np.array([1.0], np.float32))
    assert planes.var_poisson[0, 1] == pytest.approx(0.0416)
    assert planes.err[0, 1] == pytest.approx(0.0425**0.5)
    assert planes.err[1, 1] == np.float32(0.05)


def test_bands_share_the_pixels_among_them():
    some = held(n=5)
    parts = [cut_held(some, slice(start, start + 2)) for start in (0, 2, 4)]
    assert [own.row.tolist() for own, _ in parts] == [[0, 1], [0, 1], [0]]
    assert sum(inside for _, inside in parts).tolist() == [1] * 5
