import numpy as np
import pytest

from rampline.detector.linearity import correct_linearity
from rampline.detector.mean_of_reads import add_shortfall, measure_spread
from rampline.flags import SATURATED

from .exposures import every_row, make_readout

CURVE = 1.3e-6


def observe(charge):
    """Counts of a charge that ``m + CURVE * m**2`` makes linear."""
    return (np.sqrt(1 + 4 * CURVE * charge) - 1) / (2 * CURVE)


def averaged(rate, pattern, n_groups=5):
    """True and observed means of the reads of steady ramps, DN."""
    readout = make_readout(pattern, (1, n_groups, 1, rate.size))
    charge = readout.read_times_s()[:, :, None] * rate
    shape = (1, n_groups, 1, rate.size)
    true = charge.mean(axis=1).reshape(shape)
    seen = observe(charge).mean(axis=1).reshape(shape)
    polynomial = np.zeros((3, 1, rate.size), np.float32)
    polynomial[1], polynomial[2] = 1, CURVE
    return true, seen.astype(np.float32), polynomial, readout


def corrected(seen, polynomial, readout, *, spread, flags=None):
    counts = seen.copy()
    flags = np.zeros(counts.shape, np.uint8) if flags is None else flags
    found = measure_spread(counts, flags, polynomial, readout)
    unknown = correct_linearity(counts, flags, polynomial, None, every_row(counts))
    if spread:
        add_shortfall(counts, found, unknown)
    return counts


@pytest.mark.parametrize("pattern", ["BRIGHT2", "SHALLOW4", "MEDIUM8", "DEEP8"])
def test_steep_ramps_are_straight(pattern):
    readout = make_readout(pattern)
    # up to 50 000 DN in the first two groups
    rate = np.array([1e3, 5e3, 1.5e4, 2.5e4]) / readout.group_s
    true, seen, polynomial, readout = averaged(rate, pattern, 2)
    left = corrected(seen, polynomial, readout, spread=True) - true
    assert np.abs(left / true).max() < 3e-4
    before = corrected(seen, polynomial, readout, spread=False) - true
    assert np.abs(before).max() > 3 * np.abs(left).max()


def test_a_ray_between_two_groups_does_not_count():
    rate = np.array([20.0])
    true, seen, polynomial, readout = averaged(rate, "MEDIUM8")
    charge = true.copy()
    charge[0, 3:] += 20000
    readout_step = readout.read_times_s()[:, :, None] * rate
    readout_step[3:] += 20000
    seen = observe(readout_step).mean(axis=1).reshape(true.shape).astype(np.float32)
    left = corrected(seen, polynomial, readout, spread=True) - charge
    assert np.abs(left).max() < 0.5


def test_groups_after_saturation_do_not_count():
    true, seen, polynomial, readout = averaged(np.array([250.0]), "MEDIUM8", 3)
    flags = np.zeros(seen.shape, np.uint8)
    flags[0, 2:] = SATURATED
    seen[0, 2:] = seen[0, 1] + 100
    left = corrected(seen, polynomial, readout, spread=True, flags=flags) - true
    assert np.abs(left[0, :2] / true[0, :2]).max() < 3e-4
    assert corrected(seen, polynomial, readout, spread=True, flags=flags)[
        0, 2, 0, 0
    ] == pytest.approx(seen[0, 2, 0, 0])


def test_single_reads_and_unknown_polynomials_stay():
    true, seen, polynomial, readout = averaged(np.array([250.0]), "MEDIUM8", 3)
    single = make_readout("RAPID", (1, 3, 1, 1))
    flags = np.zeros(seen.shape, np.uint8)
    assert measure_spread(seen, flags, polynomial, single).shortfall.size == 0
    polynomial[2] = np.nan
    np.testing.assert_array_equal(
        corrected(seen, polynomial, readout, spread=True), seen
    )
    assert true.shape == seen.shape
