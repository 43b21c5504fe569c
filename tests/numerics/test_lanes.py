"""Neighbouring numbers taken together: the twins take them one by one."""

import numpy as np
import pytest

from rampline.numerics.jit import kernel
from rampline.numerics.lanes import add_terms, weigh_patch

from ..twins import numerics as twins


@kernel
def raise_sums(sums, first, part, terms):
    add_terms(sums, np.uintp(first), part, terms)


def test_five_sums_are_raised_and_their_neighbours_left_alone(rng):
    for first in (0, 1, 7):
        ours, part = rng.normal(size=12), rng.uniform(0.1, 1)
        terms, theirs = tuple(rng.normal(size=5)), ours.copy()
        raise_sums(ours, first, part, terms)
        twins.add_terms(theirs, first, part, terms)
        assert ours == pytest.approx(theirs, rel=1e-15)


@kernel
def weigh(plane, first, down, along):
    return weigh_patch(plane, np.uintp(first), np.uintp(plane.shape[1]), down, along)


def test_sixteen_pixels_are_weighed_by_row_and_by_column(rng):
    plane = rng.normal(1, 1, (6, 9)).astype(np.float32)
    down, along = (tuple(rng.normal(size=4)) for _ in range(2))
    for first in (0, 4, 9 + 3, 2 * 9 + 5):
        theirs = twins.weigh_patch(plane, first, 9, down, along)
        assert weigh(plane, first, down, along) == pytest.approx(theirs, rel=1e-13)
    plane[3, 6] = np.nan
    assert np.isnan(weigh(plane, 9 + 3, down, along))
    assert np.isfinite(weigh(plane, 9 + 2, down, along))
