import numpy as np
import pytest

from rampline.reference.dark import (
    average_dark,
    measure_dark_noise,
    measure_dark_rate,
)
from rampline.reference.stored_planes import ROWS_AT_ONCE, StoredPlanes

from .exposures import make_readout


@pytest.fixture
def average(tmp_path):
    """The average of a cube that is written to disk."""

    def of(cube, reads, readout):
        path = tmp_path / "cube"
        cube.astype(">f4").tofile(path)
        stored = StoredPlanes(
            path=path,
            offset=0,
            dtype=np.dtype(">f4"),
            file_shape=cube.shape[1:],
            origin=(0, 0),
            shape=cube.shape,
        )
        return average_dark(stored, reads, readout)

    return of


def test_groups_are_means_of_frames_with_a_gap(average):
    frames = np.arange(12, dtype=np.float32)[:, None, None] * np.ones((12, 2, 3))
    readout = make_readout(pattern="SHALLOW4", n_groups=2)
    dark = average(frames, (1, 0), readout)
    np.testing.assert_array_equal(dark[:, 0, 0], [1.5, 6.5])
    assert dark.dtype == np.float32
    assert dark.dtype.isnative


def test_a_file_of_the_same_pattern_is_taken_as_it_is(average, rng):
    cube = rng.normal(size=(5, 2, 3)).astype(np.float32)
    dark = average(cube, (8, 2), make_readout(n_groups=3))
    np.testing.assert_array_equal(dark, cube[:3])


def test_unknown_samples_count_as_zero(average):
    cube = np.ones((8, 1, 2), np.float32)
    cube[3, 0, 0] = np.nan
    dark = average(cube, (1, 0), make_readout(n_groups=1))
    np.testing.assert_array_equal(dark[0, 0], [7 / 8, 1.0])


def test_a_short_file_goes_on_along_its_last_difference(average):
    cube = np.array([0.0, 1.0, 3.0], np.float32)[:, None, None]
    dark = average(cube, (1, 0), make_readout(pattern="RAPID", n_groups=6))
    np.testing.assert_array_equal(dark[:, 0, 0], [0, 1, 3, 5, 7, 9])


def test_what_cannot_be_averaged_or_continued_is_refused(average):
    cube = np.zeros((1, 1, 1), np.float32)
    with pytest.raises(ValueError, match="averages 4 and drops 1 frames"):
        average(cube, (4, 1), make_readout())
    with pytest.raises(ValueError, match="too few"):
        average(cube, (1, 0), make_readout())


@pytest.mark.parametrize(("pattern", "n_darks"), [("RAPID", 4), ("MEDIUM8", 20)])
def test_the_noise_of_a_dark_tells_of_how_many_exposures_it_is_the_mean(
    rng, pattern, n_darks
):
    readout = make_readout(pattern=pattern, n_groups=6)
    read_noise = rng.uniform(3.0, 8.0, (100, 200)).astype(np.float32)
    read_noise[::7] = np.nan
    times = np.arange(6.0)[:, None, None]
    glow = 30.0 * np.exp(-times)
    rate = rng.exponential(1.0, (100, 200))
    rate[5:9] = 1e4
    sigma = read_noise / np.sqrt(readout.n_frames * n_darks)
    dark = glow + rate * times + rng.normal(size=(6, 100, 200)) * np.nan_to_num(sigma)
    found = measure_dark_noise(dark.astype(np.float32), read_noise, readout.n_frames)
    assert found == pytest.approx(1.0 / n_darks, rel=0.04)


def test_a_smooth_dark_and_one_of_two_groups_have_no_noise(rng):
    read_noise = np.full((4, 5), 5.0, np.float32)
    smooth = np.arange(4.0, dtype=np.float32)[:, None, None] * np.ones((4, 4, 5))
    assert measure_dark_noise(smooth, read_noise, 1) == 0.0
    noisy = rng.normal(size=(2, 4, 5)).astype(np.float32)
    assert measure_dark_noise(noisy, read_noise, 1) == 0.0
    unknown = np.full((4, 5), np.nan, np.float32)
    assert measure_dark_noise(smooth.astype(np.float32), unknown, 1) == 0.0


def test_the_rate_of_a_dark_is_its_slope_where_that_is_more_than_noise(rng):
    readout = make_readout(pattern="MEDIUM8", n_groups=6)
    read_noise = np.full((50, 60), 6.0, np.float32)
    true = np.zeros((50, 60))
    true[::5] = 2.0
    dark = true * readout.group_times_s()[:, None, None]
    dark += rng.normal(size=(6, 50, 60)) * 6.0 / np.sqrt(8 * 20.0)
    found = measure_dark_rate(dark.astype(np.float32), 1 / 20, read_noise, readout)
    np.testing.assert_allclose(found[::5], 2.0, atol=0.08)
    assert (found[true == 0] == 0).all()
    # without an error nothing is known to be significant
    few = measure_dark_rate(dark[:2].astype(np.float32), 0.0, read_noise, readout)
    assert not few.any()


@pytest.mark.parity
@pytest.mark.parametrize(
    ("pattern", "n_groups", "n_dark"),
    [
        ("RAPID", 10, 12),
        ("BRIGHT1", 5, 12),
        ("BRIGHT2", 5, 12),
        ("SHALLOW4", 4, 12),
        ("MEDIUM8", 3, 28),
        ("MEDIUM8", 4, 28),
        ("DEEP8", 2, 20),
    ],
)
def test_it_equals_jwst(average, rng, pattern, n_groups, n_dark):
    from stcal.dark_current import dark_sub
    from stcal.dark_current.dark_class import DarkData, ScienceData

    readout = make_readout(pattern=pattern, n_groups=n_groups)
    shape = (ROWS_AT_ONCE + 3, 4)
    cube = rng.normal(1.0, 10.0, (n_dark, *shape)).astype(np.float32)
    cube[rng.random(cube.shape) < 1e-2] = np.nan

    theirs, science = DarkData(), ScienceData()
    theirs.data, theirs.groupdq = cube.copy(), np.zeros(shape, np.uint32)
    theirs.exp_nframes, theirs.exp_ngroups, theirs.exp_groupgap = 1, n_dark, 0
    science.data = np.zeros((1, n_groups, *shape), np.float32)
    science.groupdq = np.zeros(science.data.shape, np.uint8)
    science.pixeldq = np.zeros(shape, np.uint32)
    science.exp_nframes, science.exp_groupgap = readout.n_frames, readout.n_dropped
    out, _ = dark_sub.do_correction_data(science, theirs)

    ours = average(cube, (1, 0), readout)
    np.testing.assert_allclose(ours, -out.data[0], rtol=1e-6, atol=1e-5)
