import numpy as np
import pytest

from rampline.flags import REFERENCE_PIXEL
from rampline.simulation.brighter_fatter import (
    BrighterFatterParams,
    crossed_e,
    move_charge,
)
from rampline.simulation.catalog import draw_sources
from rampline.simulation.expose import expose
from rampline.simulation.photons import Signal
from rampline.simulation.pixels import pixel_planes
from rampline.simulation.pointing import plan_exposures
from rampline.simulation.scene import SceneParams
from tests.simulation.scenes import small

ALL = np.ones((5, 5), bool)


def test_a_full_pixel_gives_a_quarter_of_its_square_to_each_side():
    charge = np.zeros((5, 5), np.float32)
    charge[2, 2] = 1.0e5
    gained = crossed_e(charge, ALL, 0.3)
    assert gained[1, 2] == pytest.approx(0.25 * 0.3e-6 * 1e10)
    assert gained[2, 2] == pytest.approx(-4 * gained[1, 2])
    assert gained[1, 1] == 0


def test_charge_is_moved_not_made(rng):
    charge = rng.uniform(0, 8e4, (5, 5)).astype(np.float32)
    assert abs(crossed_e(charge, ALL, 0.3).sum()) < 1e-3


def test_an_even_field_is_left_alone():
    assert not crossed_e(np.full((5, 5), 3e4, np.float32), ALL, 0.3).any()


def test_reference_pixels_neither_give_nor_take():
    charge = np.zeros((5, 5), np.float32)
    charge[1] = 5e4
    sensitive = ALL.copy()
    sensitive[0] = False
    gained = crossed_e(charge, sensitive, 0.3)
    assert not gained[0].any()
    assert (gained[2] > 0).all()


def _exposed(**electronics):
    scene = SceneParams.model_validate(
        {
            **small().model_dump(),
            "events": {"cosmic_rays": {"enabled": False}},
            "electronics": {"coupling": False, **electronics},
        }
    )
    exposure = plan_exposures(scene)[0]
    return expose(scene, exposure, draw_sources(scene.field, scene.seed))


def test_it_is_in_the_raw_counts_and_grows_with_the_square_of_time():
    on = {"enabled": True, "per_million": 10.0}
    plain, fat = _exposed(), _exposed(brighter_fatter=on)
    change = fat.ramp.samples[0].astype(float) - plain.ramp.samples[0]
    light = plain.light.total_dn_s()
    assert np.array_equal(light, fat.light.total_dn_s())
    readout = plain.ramp.header.readout
    pixels = pixel_planes("NRCB1", 1).cut(
        readout.row_start, readout.col_start, 160, 160
    )
    sensitive = (pixels.flags & REFERENCE_PIXEL) == 0
    times = readout.read_times_s()
    for group, largest in ((2, 2.0), (3, 5.0)):
        charge = light * pixels.gain * np.sqrt((times[group] ** 2).mean())
        expected = crossed_e(charge.astype(np.float32), sensitive, 10.0) / pixels.gain
        # Faint enough to be neither full nor bent much.
        calm = charge < 3e4
        assert np.abs(expected[calm]).max() > largest
        assert change[group][calm] == pytest.approx(expected[calm], abs=1.5, rel=0.1)


def test_pixels_at_the_full_well_stay_there():
    exposure = plan_exposures(small())[0]
    pixels = pixel_planes("NRCB1", 1).cut(100, 100, 12, 12)
    readout = exposure.readout
    groups = np.repeat(pixels.well_dn[None], readout.n_groups, axis=0)
    signal = Signal(groups=groups.copy(), first=groups[0].copy())
    rate = np.full((12, 12), 1e9, np.float32)
    rate[6] = 1e8
    move_charge(signal, rate, pixels, readout, BrighterFatterParams())
    assert np.array_equal(signal.groups, groups)
