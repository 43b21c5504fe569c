"""Neighbouring sums raised together: the twin of five additions."""

import numpy as np
import pytest

from rampline.numerics.jit import kernel
from rampline.numerics.lanes import add_terms

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
