import numpy as np

from rampline.detector.column_parity import follow_parities

CLIP = 3.0
SHAPE = (1, 6, 80, 90)


def _ramps(rng, apart):
    """Stars on a sky, kTC noise, cosmic rays, and columns that drift apart."""
    slope = np.full(SHAPE[2:], 30.0)
    slope[rng.random(slope.shape) < 0.05] = 4000.0
    time = np.arange(SHAPE[1])[:, None, None]
    counts = 10_000 + rng.normal(0, 20, SHAPE[2:]) + slope * time
    counts = counts + rng.normal(0, 5, SHAPE)
    counts[:, 3:, rng.integers(0, 80, 60), rng.integers(0, 90, 60)] += 900.0
    counts[..., 1::2] += np.reshape(apart, (1, -1, 1, 1)) / 2
    counts[..., ::2] -= np.reshape(apart, (1, -1, 1, 1)) / 2
    return np.rint(counts).astype(np.uint16)


def test_what_columns_drift_apart_is_measured_beside_stars_and_hits(rng):
    apart = np.array([0.0, 3.0, -6.0, 1.0, 4.0, 0.0])
    usable = rng.random(SHAPE[2:]) > 0.02
    levels = follow_parities(_ramps(rng, apart), usable, CLIP)
    error = 4.0 * 9.0 / np.sqrt(80 * 90)
    np.testing.assert_allclose(2 * levels[0, :, 1], apart, atol=error)
    np.testing.assert_array_equal(levels[..., ::2][..., 0], -levels[..., 1])


def test_the_line_from_first_to_last_is_left_alone(rng):
    ramps = _ramps(rng, 5.0 * np.arange(6))
    levels = follow_parities(ramps, np.ones(SHAPE[2:], bool), CLIP)
    assert np.abs(levels).max() < 0.5


def test_nothing_is_told_by_two_groups_or_without_pixels(rng):
    ramps = _ramps(rng, np.zeros(6))
    assert not follow_parities(ramps[:, :2], np.ones(SHAPE[2:], bool), CLIP).any()
    assert not follow_parities(ramps, np.zeros(SHAPE[2:], bool), CLIP).any()
