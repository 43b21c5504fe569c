import numpy as np
import pytest

from rampline.detector.reference_drift import follow_rows, is_quiet, steady
from rampline.detector.reference_pixels import (
    ReferencePixelParams,
    measure_reference_offsets,
)
from rampline.flags import REFERENCE_PIXEL

from .exposures import make_readout

SHAPE = (1, 9, 2048, 8)


def slow_drift(rng, shape):
    """Drift from row to row with a spectrum that falls steeply, 1 DN."""
    spectrum = np.fft.rfft(rng.normal(size=shape))
    spectrum[..., 1:] /= np.arange(1, spectrum.shape[-1])
    spectrum[..., 0] = 0
    drift = np.fft.irfft(spectrum, shape[-1])
    return (drift / drift.std()).astype(np.float32)


def test_levels_of_pixels_are_no_drift(rng):
    counts = np.repeat(rng.normal(0, 20, (1, 1, 50, 8)), 5, axis=1)
    assert np.abs(steady(counts.astype(np.float32))).max() < 1e-4


def test_pixels_that_scatter_are_left_out(rng):
    counts = rng.normal(0, 2, SHAPE).astype(np.float32)
    counts[:, :, 7, 3] *= 20
    usable = np.ones(SHAPE[2:], bool)
    usable[3] = False
    quiet = is_quiet(steady(counts), usable)
    assert not quiet[7, 3]
    assert not quiet[3].any()
    assert quiet.sum() > 0.999 * (usable.sum() - 1)
    np.testing.assert_array_equal(is_quiet(steady(counts[:, :3]), usable), usable)


def test_a_slow_drift_is_followed_within_the_noise_of_many_pixels(rng):
    drift = slow_drift(rng, SHAPE[:3])
    counts = drift[..., None] + rng.normal(0, 2, SHAPE).astype(np.float32)
    usable = rng.random(SHAPE[2:]) > 0.1
    found = follow_rows(counts.astype(np.float32), usable)
    # a row alone knows it within 2 / sqrt(8) = 0.7 DN
    assert (found - drift).std() < 0.3


def test_white_noise_is_not_taken_for_drift(rng):
    counts = rng.normal(0, 2, SHAPE).astype(np.float32)
    found = follow_rows(counts, np.ones(SHAPE[2:], bool))
    assert found.std() < 0.1


def test_nothing_is_measured_without_a_usable_pixel(rng):
    counts = rng.normal(0, 2, SHAPE).astype(np.float32)
    assert not follow_rows(counts, np.zeros(SHAPE[2:], bool)).any()


@pytest.mark.parametrize("algorithm", ["steady", "jwst"])
def test_rows_are_not_banded_by_the_levels_of_side_pixels(rng, algorithm):
    readout = make_readout(shape=(1, 9, 2048, 2048))
    samples = np.full((1, 9, 2048, 2048), 10000, np.float32)
    inner = slice(4, -4), slice(4, -4)
    every, first, last = slice(None), slice(0, 4), slice(-4, None)
    for where in ((first,), (last,), (every, first), (every, last)):
        own = samples[(0, slice(None), *where)]
        own += rng.normal(0, 20, own.shape[1:])
        own += rng.normal(0, 2, own.shape)
    flags = np.full((2048, 2048), REFERENCE_PIXEL, np.uint32)
    flags[inner] = 0
    bias = np.full((2048, 2048), 10000, np.float32)
    params = ReferencePixelParams(algorithm=algorithm)
    offsets = measure_reference_offsets(samples, bias, [flags], readout, params)
    banding, drift = offsets.rows.mean(axis=1), np.diff(offsets.rows, axis=1)
    if algorithm == "steady":
        assert np.abs(banding).max() < 0.02
        assert drift.std() < 0.15
    else:
        assert banding.std() > 1
        assert drift.std() > 0.5


def test_one_output_has_the_level_of_its_pixels_group_by_group(rng):
    readout = make_readout(shape=(1, 6, 64, 64), n_outputs=1)
    level = rng.normal(0, 5, 6)
    samples = np.full((1, 6, 64, 64), 10000.0) + level[:, None, None]
    samples += rng.normal(0, 20, (64, 64)) + rng.normal(0, 2, (6, 64, 64))
    flags = np.zeros((64, 64), np.uint32)
    flags[:4] = REFERENCE_PIXEL
    bias = np.full((64, 64), 10000, np.float32)
    offsets = measure_reference_offsets(
        samples.astype(np.float32), bias, [flags], readout, ReferencePixelParams()
    )
    steps = np.diff(offsets.columns[0], axis=0)
    expected = np.diff(level)[:, None].repeat(64, axis=1)
    np.testing.assert_allclose(steps, expected, atol=5 * 2 * 2**0.5 / 128**0.5)
    assert abs(offsets.columns.mean() - level.mean()) < 5 * 20 / 256**0.5
    assert not offsets.rows.any()
