import numpy as np

from rampline.simulation.streams import COMPONENTS, row_seeds, stream


def test_the_same_name_gives_the_same_numbers():
    first = stream(3, "photons", 1, 486).random(5)
    assert np.array_equal(first, stream(3, "photons", 1, 486).random(5))


def test_every_part_of_the_name_makes_another_stream():
    names = [
        (3, "photons", 1, 486),
        (4, "photons", 1, 486),
        (3, "read_noise", 1, 486),
        (3, "photons", 2, 486),
        (3, "photons", 1, 487),
        (3, "photons", 1, 486, 0),
    ]
    drawn = [stream(*name).integers(0, 2**63) for name in names]
    assert len(set(drawn)) == len(names)


def test_streams_are_uncorrelated():
    drawn = np.array([stream(1, name).standard_normal(10000) for name in COMPONENTS])
    correlation = np.corrcoef(drawn) - np.eye(len(COMPONENTS))
    assert np.abs(correlation).max() < 5 / np.sqrt(10000)


def test_row_seeds_do_not_depend_on_how_many_rows_follow():
    few, many = row_seeds(stream(1, "photons"), 4), row_seeds(stream(1, "photons"), 9)
    assert np.array_equal(few, many[:4])


def test_the_order_of_components_is_part_of_the_seed():
    """Names may be appended to the list, never moved: old scenes would change."""
    assert COMPONENTS[:9] == (
        "scene",
        "pointing",
        "jitter",
        "photons",
        "read_noise",
        "reset_noise",
        "flicker",
        "odd_even",
        "cosmic_rays",
    )
