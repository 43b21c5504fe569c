import numpy as np

from rampline.flags import TELEGRAPH
from rampline.simulation.streams import stream
from rampline.simulation.telegraph import TelegraphNoise, TelegraphParams
from tests.simulation.test_photons import readout


def _levels(groups=400):
    how = readout("RAPID", groups=groups, frame_s=10.0)
    flags = np.zeros((64, 64), np.uint32)
    flags[::8, ::8] = TELEGRAPH
    noise = TelegraphNoise(flags, how, TelegraphParams(), stream(1, "telegraph"))
    counts = np.zeros((groups, 64, 64), np.float32)
    for group in range(groups):
        noise.add_mean_of_reads(counts[group], group, 1)
    return counts, flags != 0, noise


def test_only_flagged_pixels_jump():
    counts, has_it, _ = _levels()
    assert (counts[:, ~has_it] == 0).all()
    assert (counts[:, has_it].std(axis=0) > 0).any()


def test_a_pixel_has_two_levels():
    counts, has_it, _ = _levels()
    for ramp in counts[:, has_it].T:
        assert np.unique(ramp).size <= 2


def test_both_levels_last_equally_long():
    counts, has_it, _ = _levels()
    share = (counts[:, has_it] > 0).mean()
    assert 0.4 < share < 0.6


def test_the_mean_of_reads_lies_between_the_levels():
    _, has_it, noise = _levels()
    mean = np.zeros((64, 64), np.float32)
    noise.add_mean_of_reads(mean, 0, 400)
    single = np.zeros((64, 64), np.float32)
    noise.add_mean_of_reads(single, 7, 1)
    assert (mean[has_it] >= 0).all()
    assert mean[has_it].std() < single[has_it].std()
