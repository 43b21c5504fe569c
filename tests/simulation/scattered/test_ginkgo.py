import numpy as np
import pytest

from rampline.simulation.scattered.ginkgo import GinkgoParams, ginkgo_leaf, leaf_weight
from tests.simulation.scattered.views import stars, view

ON = GinkgoParams(enabled=True)


@pytest.mark.parametrize(
    ("v2", "v3", "made"),
    [
        (165.0, -453.3, True),
        (165.0, -445.0, False),
        (140.0, -453.3, False),
        (215.0, -453.3, False),
    ],
)
def test_a_star_left_of_the_field_at_one_height_makes_a_leaf(v2, v3, made):
    star = stars(view("NRCALONG", "F356W"), v2, v3, 11.0)
    assert (leaf_weight(star)[0] > 0.1) == made


def test_the_leaf_is_a_fan_from_the_left_edge():
    seen = view("NRCALONG", "F356W")
    star = stars(seen, 155.0, -453.3, 11.0, rate=1e6)
    image, causes = ginkgo_leaf(seen, ON, star)
    # The top of the leaf is beyond the last row.
    whole = 0.01 * 1e6 * leaf_weight(star)[0]
    assert 0.85 * whole < image.sum() < whole
    assert causes[0].rate == pytest.approx(image.sum())
    lit = image > 0.1 * image.max()
    assert lit.sum() > 2000
    heights = [lit[:, col].sum() for col in (100, 300, 600)]
    assert heights == sorted(heights)
    assert np.flatnonzero(lit[:, 5]).mean() == pytest.approx(1660, abs=10)
    assert not lit[:, 1000:].any()


def test_module_b_has_none():
    seen = view("NRCBLONG", "F356W")
    assert ginkgo_leaf(seen, ON, stars(seen, 165.0, -453.3, 8.0)) == (None, [])
