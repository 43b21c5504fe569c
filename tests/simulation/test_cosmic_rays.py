import numpy as np

from rampline.simulation.cosmic_rays import (
    CosmicRayParams,
    cosmic_rays,
    frames_per_integration,
)
from rampline.simulation.instrument import PIXEL_CM
from rampline.simulation.streams import stream
from tests.simulation.test_photons import readout


def _rays(how, **params):
    return cosmic_rays(how, CosmicRayParams(**params), stream(1, "cosmic_rays"))


def _large():
    return readout("MEDIUM8", groups=9, rows=1024, cols=1024, frame_s=10.0)


def test_none_come_where_there_are_none():
    assert _rays(_large(), rate_cm2_s=0.0).row.size == 0
    assert _rays(_large(), enabled=False).row.size == 0


def test_their_number_is_rate_times_area_times_time():
    how = _large()
    found = _rays(how)
    expected = 3.5 * (1024 * PIXEL_CM) ** 2 * 88 * 10.0
    n_hits = np.unique(found.group).size
    # A few hits leave less than the threshold on every pixel, or miss at the border.
    assert 0.95 * expected < n_hits < expected + 5 * np.sqrt(expected)


def test_charge_and_size_are_those_measured_in_flight():
    """About 5200 electrons in seven pixels (Rauscher & Fixsen)."""
    found = _rays(_large())
    n_hits = np.unique(found.group).size
    charge = found.electrons.sum() / n_hits
    assert 4000 < charge < 6500
    assert 5 < found.row.size / n_hits < 10


def test_hits_lie_inside_and_within_the_integration():
    how = _large()
    found = _rays(how)
    assert found.row.min() >= 0
    assert found.row.max() < how.n_rows
    assert found.col.max() < how.n_cols
    assert found.frame.max() < frames_per_integration(how)
    assert (found.electrons >= 20).all()


def test_pixels_of_a_hit_are_near_each_other_and_come_at_once():
    found = _rays(readout("MEDIUM8", groups=2, rows=512, cols=512, frame_s=10.0))
    order = np.argsort(found.group, kind="stable")
    same = np.diff(found.group[order]) == 0
    assert (np.diff(found.frame[order])[same] == 0).all()
    assert np.median(np.abs(np.diff(found.row[order])[same])) <= 1


def test_hits_are_even_over_time_and_place():
    how = _large()
    found = _rays(how)
    _, first = np.unique(found.group, return_index=True)
    for values, width in [(found.frame[first], 88), (found.row[first], 1024)]:
        counts = np.histogram(values, 8, (0, width))[0]
        chi2 = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
        assert chi2 < 35


def test_reads_are_counted_with_the_dropped_ones():
    assert frames_per_integration(readout("MEDIUM8", groups=9)) == 88
    assert frames_per_integration(readout("RAPID", groups=9)) == 9
