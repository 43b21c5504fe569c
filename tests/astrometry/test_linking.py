import numpy as np

from rampline.astrometry.linking import (
    SourceList,
    link_exposures,
    merge_lists,
    tie_group,
)
from rampline.astrometry.matching import MatchParams

PARAMS = MatchParams()


def listed(points):
    return SourceList(np.asarray(points, float), np.arange(len(points), 0.0, -1.0))


def test_merging_adds_only_what_is_new_brightest_first():
    first = SourceList(np.array([[0.0, 0.0], [5.0, 5.0]]), np.array([10.0, 30.0]))
    second = SourceList(np.array([[0.01, 0.0], [9.0, 9.0]]), np.array([99.0, 20.0]))
    merged = merge_lists(first, second, 0.1)
    assert merged.position.tolist() == [[5, 5], [9, 9], [0, 0]]
    assert merged.snr.tolist() == [30, 20, 10]


def test_a_chain_of_exposures_hangs_together(rng):
    sky = rng.uniform(0, 200, (600, 2)) * [1.0, 0.2]
    lists = []
    for k in range(4):
        seen = (sky[:, 0] > 40 * k) & (sky[:, 0] < 40 * k + 60)
        lists.append(listed(sky[seen] + [0.5 * k, -0.3 * k]))
    links = link_exposures(lists, PARAMS)
    assert set(links.groups) == {0}
    ends = [
        m.move(x.position[:1])[0] for m, x in zip(links.motions, lists, strict=True)
    ]
    fixed = [x.position[0] - [0.5 * k, -0.3 * k] for k, x in enumerate(lists)]
    apart = np.array(ends) - np.array(fixed)
    np.testing.assert_allclose(apart, np.tile(apart[0], (4, 1)), atol=2e-3)


def test_separate_fields_are_separate_groups(rng):
    one, two = rng.uniform(0, 60, (2, 80, 2))
    links = link_exposures(
        [listed(one), listed(two + 500), listed(one), listed(two + 500.2)], PARAMS
    )
    assert links.groups[0] == links.groups[2] != links.groups[1] == links.groups[3]


def test_an_exposure_without_sources_stands_alone():
    links = link_exposures([listed(np.empty((0, 2))), listed(np.empty((0, 2)))], PARAMS)
    assert len(set(links.groups)) == 2
    assert link_exposures([], PARAMS).motions == []


def test_a_group_is_tied_by_a_few_of_many_reference_stars(rng):
    stars = rng.uniform(0, 120, (400, 2))
    catalog = np.concatenate(
        [stars[:12] + np.array([1.5, -2.0]), rng.uniform(0, 120, (30, 2))]
    )
    tie = tie_group(listed(stars), catalog, PARAMS)
    assert tie.is_found
    np.testing.assert_allclose(tie.motion.move(stars[:12]), catalog[:12], atol=5e-3)


def test_an_unrelated_catalogue_is_no_tie(rng):
    stars, catalog = rng.uniform(0, 60, (2, 200, 2))
    tie = tie_group(listed(stars), catalog, PARAMS)
    assert not tie.is_found
    np.testing.assert_allclose(tie.motion.move(stars), stars, atol=1e-12)
