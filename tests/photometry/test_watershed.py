import numpy as np
import pytest

from rampline.photometry.watershed import _flood, _merge, _root, flood_peaks

from ..twins import photometry as twin

LINE = np.array([[1, 8, 4, 6, 1, 3, 0]], np.float32)


def _labels(image, least=2.0, rise=1.0, contrast=0.0):
    return flood_peaks(image, image > 0, least, rise, contrast)


def test_a_line_falls_apart_at_its_saddles():
    found = _labels(LINE)
    np.testing.assert_array_equal(found.labels, [[1, 1, 1, 2, 2, 3, 0]])
    np.testing.assert_array_equal(found.col, [1, 3, 5])
    np.testing.assert_array_equal(found.height, [8, 6, 3])


def test_a_part_that_does_not_rise_enough_joins_the_higher():
    np.testing.assert_array_equal(
        _labels(LINE, rise=2.1).labels, [[1, 1, 1, 1, 1, 1, 0]]
    )
    np.testing.assert_array_equal(
        _labels(LINE, contrast=0.6).labels, [[1, 1, 1, 1, 1, 2, 0]]
    )


def test_low_peaks_are_no_sources():
    np.testing.assert_array_equal(
        _labels(LINE, least=4.0).labels, [[1, 1, 1, 2, 2, 2, 0]]
    )
    assert not _labels(LINE, least=9.0).labels.any()


def test_an_infinite_rise_keeps_regions_whole():
    image = np.array([[5, 3, 4, 0, 7]], np.float32)
    found = _labels(image, rise=np.inf)
    np.testing.assert_array_equal(found.labels, [[1, 1, 1, 0, 2]])


def test_a_plateau_is_one_peak():
    found = _labels(np.full((4, 5), 3.0, np.float32))
    assert found.labels.min() == found.labels.max() == 1


def test_turning_the_image_turns_the_parts(rng):
    image = rng.random((30, 30)).astype(np.float32)
    found = _labels(image, least=0.5, rise=0.4).labels
    turned = np.rot90(_labels(np.rot90(image).copy(), least=0.5, rise=0.4).labels, -1)
    pairs = set(zip(found.ravel(), turned.ravel(), strict=True))
    assert len(pairs) == found.max() == turned.max()


@pytest.mark.parametrize("limits", [(0.3, 0.2, 0.0), (0.8, 0.1, 0.3), (0.0, np.inf, 0)])
def test_the_kernel_floods_like_its_twin(rng, limits):
    image = rng.permutation(26 * 24).reshape(26, 24).astype(np.float32) / 600
    order = np.argsort(-image.ravel())
    results = []
    for flood in (_flood, twin.flood):
        owner = np.zeros(image.shape, np.int32)
        parent = np.zeros(image.size + 1, np.int32)
        place = np.zeros(image.size + 1, np.int64)
        flood(image, order, limits, owner, parent, place)
        peaks = place[[[twin.root(parent, k) for k in row] for row in owner]]
        results.append(peaks)
    np.testing.assert_array_equal(*results)


def test_chains_are_followed_to_their_root_and_shortened():
    parent = np.array([0, 1, 1, 2, 3], np.int32)
    assert _root(parent, 4) == twin.root(np.array([0, 1, 1, 2, 3]), 4) == 1
    assert parent[4] == 2


def test_the_kernel_merges_like_its_twin(rng):
    image = rng.random((6, 7)).astype(np.float32)
    place = rng.permutation(42)[:9].astype(np.int64)
    for here in (0.1, 0.4, 0.8):
        roots = rng.integers(1, 9, 6).astype(np.int32)
        found, slow = np.arange(9, dtype=np.int32), np.arange(9, dtype=np.int32)
        rest = (int(roots.min()), here), image, (0.3, 0.1, 0.2)
        _merge(roots, *rest, (found, place))
        twin.merge(roots, *rest, (slow, place))
        np.testing.assert_array_equal(found, slow)
