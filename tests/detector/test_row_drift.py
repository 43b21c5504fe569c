import numpy as np
import pytest

from rampline.detector import row_drift
from rampline.detector.ramp_fit.whole_ramps import Samples
from rampline.detector.row_drift import (
    RowDriftParams,
    count_outputs,
    remove_row_drift,
)
from rampline.flags import JUMP, SATURATED
from tests.twins.detector import pixels as twins

from .exposures import make_readout
from .test_gls import clean_band, read_out


def removed(band, noise, readout, **params):
    shape = (*band.counts.shape[:3], count_outputs(readout))
    out = np.full(shape, np.nan, np.float32)
    remove_row_drift(band, noise, readout, RowDriftParams(**params), out)
    return out


def test_what_a_row_of_an_output_has_in_common_is_removed(rng):
    readout = make_readout("MEDIUM8", (1, 6, 8, 1024))
    counts = read_out(rng, readout, 0.2)
    drift = rng.normal(0, 1, (1, 6, 8, 2)).astype(np.float32)
    drift[:, [0, -1]] = 0
    band, noise = clean_band(counts + drift.repeat(512, axis=-1))
    found = removed(band, noise, readout)
    np.testing.assert_allclose(found, drift, atol=5 * 2.5 / 512**0.5)
    left = (band.counts - counts).reshape(1, 6, 8, 2, 512).mean(axis=-1)
    np.testing.assert_allclose(left, drift - found, atol=1e-3)


def test_light_is_left_whatever_its_amount(rng):
    readout = make_readout("MEDIUM8", (1, 6, 4, 512))
    rate = rng.choice([1, 30, 1000], (4, 512)).astype(np.float32)
    counts = (np.arange(6, dtype=np.float32)[:, None, None] * rate)[None]
    band, noise = clean_band(counts.copy())
    assert np.abs(removed(band, noise, readout)).max() < 1e-3
    np.testing.assert_allclose(band.counts, counts, atol=1e-3)


def test_a_drift_that_grows_steadily_is_left_to_the_stripes():
    readout = make_readout("MEDIUM8", (1, 6, 4, 512))
    band, noise = clean_band(np.zeros((1, 6, 4, 512), np.float32))
    band.counts[:] += np.arange(6, dtype=np.float32)[:, None, None]
    assert not removed(band, noise, readout).any()


def test_hits_and_flagged_groups_do_not_count():
    readout = make_readout("MEDIUM8", (1, 6, 4, 512))
    band, noise = clean_band(np.zeros((1, 6, 4, 512), np.float32))
    band.counts[0, 3:, :, :200] += 1000
    band.counts[0, 4, :, 200:300] += 5
    band.group_flags[0, 4, :, 200:300] = SATURATED
    assert not removed(band, noise, readout).any()


@pytest.mark.parametrize("shape", [(1, 6, 4, 60), (1, 2, 4, 512)])
def test_too_few_pixels_or_groups_leave_rows_as_they_are(rng, shape):
    readout = make_readout("MEDIUM8", shape, n_outputs=1)
    counts = rng.normal(0, 1, shape).astype(np.float32)
    band, noise = clean_band(counts.copy())
    assert not removed(band, noise, readout).any()
    np.testing.assert_array_equal(band.counts, counts)


def test_outputs_are_counted_from_the_detectors_edge():
    assert count_outputs(make_readout(shape=(1, 5, 16, 2048))) == 4
    assert count_outputs(make_readout(shape=(1, 5, 16, 640), start=(0, 256))) == 2
    assert count_outputs(make_readout(shape=(1, 5, 16, 640), n_outputs=1)) == 1


@pytest.mark.parametrize("layout", [(40, 0), (64, 24), (100, 0)])
def test_the_kernel_equals_its_twin(rng, layout):
    counts = rng.normal(0, 3, (5, 6, 100)).astype(np.float32)
    flags = np.where(rng.random(counts.shape) < 0.02, JUMP, 0).astype(np.uint8)
    read = np.full(counts.shape[1:], 5.0, np.float32)
    read[rng.random(read.shape) < 0.1] = np.nan
    photons = np.full(read.shape, 0.5, np.float32)
    n_outputs = -(-(100 + layout[1]) // layout[0])
    ours, theirs = np.zeros((2, 5, 6, n_outputs), np.float32)
    twin = counts.copy()
    limits = np.float32(16), 20
    samples = Samples(counts.reshape(-1), flags.reshape(-1), (600, 600), 6, 100)
    row_drift._remove_drift(samples, 5, (read, photons), layout, limits, ours)
    twins.remove_drift((twin, flags), (read, photons), layout, limits, theirs)
    assert np.abs(theirs).max() > 0.1
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    np.testing.assert_allclose(counts, twin, atol=1e-4)
