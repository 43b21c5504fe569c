import numpy as np
import pytest
from scipy import ndimage

from rampline.artifacts.edge_search import Frame, search_edges

SIDE = 2048
NOISE = 0.006
FULL = Frame("NRCBLONG", (0, 0))


def sky(rng, shape=(SIDE, SIDE)):
    """Noise of a pixel, and of the rows of each amplifier."""
    image = rng.normal(0.0, NOISE, shape).reshape(shape[0], -1, 512)
    image += rng.normal(0.0, 0.002, (shape[0], image.shape[1], 1))
    return image.reshape(shape).astype(np.float32)


def plume(mean, along):
    """Light that enters at the first row, with this mean over 18 000 pixels."""
    y, x = np.mgrid[:SIDE, :SIDE]
    light = np.exp(-y / 70.0) * np.exp(-0.5 * ((x - along) / 17.0) ** 2)
    return (mean * 18000 / light.sum() * light).astype(np.float32)


def search(image, is_source=None, frame=FULL):
    nothing = np.zeros(image.shape, np.bool_)
    return search_edges(image, nothing if is_source is None else is_source, frame, 5.0)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_light_at_any_edge_is_found_where_it_enters(rng, turns):
    # a star of AB 18, which no catalogue of the near infrared names
    light = np.rot90(plume(0.002, 700.0), turns)
    (found,) = search(sky(rng) + light)
    low, high = found.corners.min(axis=0), found.corners.max(axis=0)
    inside = light[
        max(0, int(low[1])) : int(high[1]) + 1, max(0, int(low[0])) : int(high[0]) + 1
    ]
    assert inside.sum() > 0.9 * light.sum()
    assert (high - low).min() <= 81.0
    assert (high - low).max() <= 251.0


def test_edges_without_light_are_left_alone(rng):
    found = [search(sky(rng)) for _ in range(5)]
    assert sum(map(len, found)) == 0


def test_sources_do_not_count_and_faint_ones_everywhere_raise_the_limit(rng):
    star = np.zeros((SIDE, SIDE), np.float32)
    star[20, 300] = 500.0
    star = ndimage.gaussian_filter(star, 3.0)
    assert search(sky(rng) + star)
    assert not search(sky(rng) + star, star > 0.0)
    clumps = rng.random((SIDE, SIDE)) < 2e-4
    clumps = ndimage.gaussian_filter(clumps.astype(np.float32), 12.0)
    light = plume(0.002, 700.0)
    crowded = sky(rng) + clumps * (0.01 / clumps.std())
    assert not search(crowded + light)


def test_a_subarray_has_the_edges_that_it_shares_with_the_detector(rng):
    image = sky(rng, (1024, 1024)) + plume(0.004, 700.0)[:1024, :1024]
    (found,) = search(image, frame=Frame("NRCBLONG", (0, 512)))
    assert found.corners[:, 1].min() <= 0.0
    assert not search(image, frame=Frame("NRCBLONG", (512, 512)))
    assert not search(image[:64, :512], frame=Frame("NRCBLONG", (0, 0)))
