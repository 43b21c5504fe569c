import numpy as np

from rampline.detector import ellipses
from rampline.detector.ellipses import Ellipse, ellipse_mask, flag_ellipses
from rampline.flags import JUMP, SATURATED
from tests.twins.detector import regions as twins


def scatter(rng, shape, n):
    """Ellipses within a plane and across its edges, some without an extent."""
    col, row = rng.uniform(0, shape[1] - 1, n), rng.uniform(0, shape[0] - 1, n)
    minor, major = rng.uniform(0, 25, (2, n))
    angle = rng.uniform(-90, 90, n)
    columns = zip(col, row, minor, major, angle, strict=True)
    return [Ellipse(*map(float, column)) for column in columns]


def test_filled_ellipses_equal_their_twin(rng):
    flags = np.where(rng.random((90, 70)) < 0.2, SATURATED, 0).astype(np.uint8)
    forms = ellipses._drawn(scatter(rng, flags.shape, 40))
    ours, theirs = flags.copy(), flags.copy()
    ellipses._fill_ellipses(ours, forms, JUMP, SATURATED)
    twins.fill_ellipses(theirs, forms, JUMP, SATURATED)
    np.testing.assert_array_equal(ours, theirs)
    for form in forms:
        assert ellipses._window(form, (90, 70)) == twins.window(form, (90, 70))


def test_masks_and_flags_are_drawn_alike(rng):
    flags, drawn = np.zeros((90, 70), np.uint8), np.zeros((90, 70), np.bool_)
    for ellipse in scatter(rng, flags.shape, 20):
        flag_ellipses(flags, [ellipse], JUMP, SATURATED)
        window, mask = ellipse_mask(ellipse, flags.shape)
        drawn[window] |= mask
    np.testing.assert_array_equal(flags == JUMP, drawn)


def test_a_circle_has_the_area_of_a_circle():
    _, mask = ellipse_mask(Ellipse(50.2, 49.8, 40.0, 40.0, 30.0), (100, 100))
    assert abs(mask.sum() / (np.pi * 20**2) - 1) < 0.01
