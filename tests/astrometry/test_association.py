import numpy as np

from rampline.astrometry.association import Entries, group_by_star, join_catalog
from rampline.astrometry.image_sources import ReferencePositions
from rampline.astrometry.layout import CATALOG


def entries(position, image):
    n = len(image)
    return Entries(
        image=np.array(image),
        position=np.array(position, float).reshape(-1, 2),
        error=np.full(n, 1e-3),
        snr=np.ones(n),
        is_star=np.ones(n, bool),
    )


def join(found, catalog, *, may_tie=True):
    catalog = np.array(catalog, float).reshape(-1, 2)
    return join_catalog(
        found,
        found.position,
        np.full(len(found.image), may_tie),
        ReferencePositions(catalog, np.full(len(catalog), 0.01)),
        (0.04, 0.1),
    )


def test_near_entries_of_different_images_are_one_star():
    star = group_by_star(
        np.array([[0, 0], [0.03, 0], [5, 5.0]]), np.array([0, 1, 1]), 0.04
    )
    assert star[0] == star[1] != star[2]


def test_two_entries_of_one_image_in_a_chain_are_no_star():
    moved = np.array([[0, 0], [0.03, 0], [0.06, 0]])
    assert group_by_star(moved, np.array([0, 1, 0]), 0.04).tolist() == [-1, -1, -1]


def test_neighbours_within_one_image_alone_do_not_merge():
    star = group_by_star(np.array([[0, 0], [0.01, 0]]), np.array([0, 0]), 0.04)
    assert star[0] != star[1]


def test_a_star_seen_once_counts_only_with_the_catalogue():
    found = entries([[0, 0], [9, 9], [9.01, 9]], [0, 0, 1])
    alone = join(found, np.empty((0, 2)))
    assert alone.entry.tolist() == [1, 2]
    assert alone.star.tolist() == [0, 0]
    tied = join(found, [[0.05, 0.0]])
    assert sorted(tied.image.tolist()) == [CATALOG, 0, 0, 1]
    assert tied.entry[tied.image == CATALOG].tolist() == [0]


def test_images_that_were_not_matched_take_no_ties():
    found = entries([[0, 0], [0.01, 0]], [0, 1])
    assert CATALOG not in join(found, [[0.0, 0.0]], may_tie=False).image


def test_nothing_gives_nothing():
    assert len(join(entries([], []), [[1.0, 1.0]]).image) == 0
