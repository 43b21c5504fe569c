import numpy as np
import pytest
from astropy.io import fits

from rampline.simulation.persistence import (
    TIMES_S,
    PersistenceParams,
    fill_traps,
    no_traps,
    released,
)
from rampline.simulation.scene import SceneParams
from rampline.simulation.simulate import simulate
from rampline.simulation.streams import stream
from tests.simulation.scenes import small
from tests.simulation.test_photons import readout

PARAMS = PersistenceParams(enabled=True)
WELL_E = 1.0e5


def _filled(share=1.0, seconds=1e6):
    wells = np.zeros((64, 64), np.float32)
    wells[10, 20] = share
    span = 59737.0, seconds
    return fill_traps(no_traps(), wells, (4, 4), span, WELL_E, PARAMS)


def _released(traps, start_mjd, seed=1):
    how = readout("MEDIUM8", groups=9, frame_s=10.0)
    return released(traps, how, start_mjd, stream(seed, "persistence"))


def test_empty_traps_release_nothing():
    assert _released(no_traps(), 59737.0).row.size == 0


def test_full_wells_fill_every_kind_of_trap():
    traps = _filled()
    assert (traps.row[0], traps.col[0]) == (14, 24)
    assert np.allclose(traps.charge_e[:, 0], 0.002 * WELL_E, rtol=1e-3)


def test_wells_below_half_fill_hardly_any():
    assert _filled(share=0.4).charge_e.sum() < 0.15 * _filled().charge_e.sum()


def test_slow_traps_need_long_exposures():
    charge = _filled(seconds=100.0).charge_e[:, 0]
    expected = 0.002 * WELL_E * (1 - np.exp(-100 / np.array(TIMES_S)))
    assert np.allclose(charge, expected, rtol=1e-3)


def test_what_is_released_is_the_decay():
    traps = _filled()
    seconds = 88 * 10.0
    expected = (traps.charge_e[:, 0] * (1 - np.exp(-seconds / np.array(TIMES_S)))).sum()
    drawn = [_released(traps, 59737.0, seed).electrons.sum() for seed in range(40)]
    assert abs(np.mean(drawn) - expected) < 5 * np.sqrt(expected / 40)
    events = _released(traps, 59737.0)
    assert set(events.row) == {10}
    assert set(events.col) == {20}
    assert (
        events.electrons[events.frame < 5].sum()
        > events.electrons[events.frame > 80].sum()
    )


def test_the_glow_fades():
    traps = _filled()
    early, late = _released(traps, 59737.0), _released(traps, 59737.1)
    assert late.electrons.sum() < 0.5 * early.electrons.sum()


def test_a_pixel_filled_twice_holds_no_more_than_its_share():
    once = _filled()
    wells = np.zeros((64, 64), np.float32)
    wells[10, 20] = 1.0
    twice = fill_traps(once, wells, (4, 4), (59737.001, 1e6), WELL_E, PARAMS)
    assert twice.row.size == 1
    assert (twice.charge_e <= 0.002 * WELL_E + 1e-9).all()


@pytest.mark.parametrize("workers", [1, 3])
def test_the_second_exposure_shows_the_first(tmp_path, workers):
    scene = SceneParams.model_validate(
        {
            **small().model_dump(),
            "field": {
                "sources": [{"ra": 110.83, "dec": -73.45, "magnitude": 10.0}],
            },
            "events": {"persistence": {"enabled": True}},
            "references": {"write": False},
        }
    )
    made = simulate(scene, tmp_path, workers=workers)
    counts = []
    for path in made.truth:
        events = fits.getdata(path, "EVENTS")
        counts.append((events["kind"] == 3).sum())
    assert counts[0] == 0
    assert counts[1] > 20
