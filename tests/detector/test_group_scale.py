import numpy as np
import pytest

from rampline.detector.group_scale import group_scale_factor, scale_groups

from .exposures import jwst_ramp, make_readout


def test_five_frames_divided_by_eight_are_brought_to_their_mean():
    samples = np.full((1, 1, 1, 1), 50, np.uint16)
    counts = np.empty(samples.shape, np.float32)
    scale_groups(samples, group_scale_factor(5, 8), out=counts)
    assert counts.item() == 80


@pytest.mark.parametrize(("n_frames", "divisor"), [(8, 8), (1, 1), (8, None)])
def test_a_right_or_unknown_divisor_changes_nothing(rng, n_frames, divisor):
    samples = rng.integers(0, 65536, (1, 2, 3, 4)).astype(np.uint16)
    counts = np.empty(samples.shape, np.float32)
    scale_groups(samples, group_scale_factor(n_frames, divisor), out=counts)
    np.testing.assert_array_equal(counts, samples)


@pytest.mark.parity
def test_counts_equal_those_of_jwst(rng):
    from jwst.group_scale.group_scale import do_correction

    samples = rng.integers(0, 65536, (2, 4, 8, 6)).astype(np.uint16)
    model = jwst_ramp(samples, make_readout(shape=samples.shape), divisor=16)
    do_correction(model)
    counts = np.empty(samples.shape, np.float32)
    scale_groups(samples, group_scale_factor(8, 16), out=counts)
    np.testing.assert_array_equal(counts, model.data)
