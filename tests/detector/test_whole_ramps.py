import numpy as np
import pytest

from rampline.detector.band import _pick_pixels, in_memory, pick_pixels
from rampline.detector.ramp_fit import whole_ramps
from rampline.detector.ramp_fit.covariance import readout_pattern, unit_read_weight
from rampline.flags import BAD_FOR_SLOPE, DO_NOT_USE, JUMP, NO_GAIN_VALUE, SATURATED
from tests.twins.detector import gls as twins

from .ramps import nasty_band

FIT_BITS = (
    BAD_FOR_SLOPE,
    JUMP,
    JUMP | SATURATED,
    DO_NOT_USE,
    NO_GAIN_VALUE | DO_NOT_USE,
)
LOST = np.float32(5e-4), np.float32(1e-5)


def nasty(rng, pattern, n_groups=8, n_rows=3, n_cols=700):
    """Ramps wider than the scratch, with all that can be wrong with them."""
    shape = (1, n_groups, n_rows, n_cols)
    band, noise, readout = nasty_band(rng, pattern, shape)
    band.group_flags[rng.random(shape) < 0.02] |= JUMP
    band.counts[rng.random(shape) < 0.003] = np.nan
    noise.gain[rng.random(shape[2:]) < 0.02] = np.nan
    noise.read_noise_dn[rng.random(shape[2:]) < 0.02] = 0
    rows = slice(0, n_rows)
    samples = whole_ramps.samples_of(band, 0, rows)
    own = whole_ramps.noise_of(noise, rows)
    dark = rng.uniform(0, 0.1, n_rows * n_cols).astype(np.float32)
    return samples, own._replace(dark=dark), readout_pattern(readout)


def test_a_band_is_taken_from_the_frame_without_a_copy(rng):
    frame = rng.random((4, 20, 6), np.float32)
    band = frame[:, 5:9]
    flat, plane = in_memory(band)
    assert np.shares_memory(flat, frame)
    groups = [flat[k * plane :][: 4 * 6].reshape(4, 6) for k in range(4)]
    np.testing.assert_array_equal(groups, band)


def test_columns_of_a_frame_are_copied(rng):
    frame = rng.random((4, 20, 6), np.float32)
    flat, plane = in_memory(frame[:, :, 1:3])
    assert plane == 40
    np.testing.assert_array_equal(flat.reshape(4, 20, 2), frame[:, :, 1:3])


def test_pixels_are_picked_by_their_number_in_the_band(rng):
    band = rng.random((4, 20, 6), np.float32)[:, 3:11]
    pixels = np.array([0, 7, 47], np.int32)
    np.testing.assert_array_equal(
        pick_pixels(band, pixels), band.reshape(4, -1)[:, pixels]
    )
    many = np.flatnonzero(rng.random(900) < 0.8).astype(np.int32)
    ours, theirs = np.empty((2, 4, many.size), np.uint8)
    flat = rng.integers(0, 255, 5000, np.uint8)
    _pick_pixels(flat, 1000, many, ours)
    twins.pick_pixels(flat, 1000, many, theirs)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("pattern", ["RAPID", "MEDIUM8"])
def test_each_part_equals_its_twin(rng, pattern):
    samples, noise, made = nasty(rng, pattern)
    bits, n = FIT_BITS, 300
    kinds = (made, n), (made, n)
    ours, theirs = (twins._scratch(*kind) for kind in kinds)
    for scratch in (ours, theirs):
        scratch.line[:] = 0
    for room, scratch in ((whole_ramps, ours), (twins, theirs)):
        room.take_rates(samples, (40, n), made, scratch)
        room.take_noise(noise, (40, n), scratch.line)
    np.testing.assert_array_equal(ours.seen, theirs.seen)
    np.testing.assert_allclose(ours.rate, theirs.rate, rtol=1e-5)
    np.testing.assert_allclose(ours.line, theirs.line, rtol=1e-4, atol=1e-4)
    for room, scratch in ((whole_ramps, ours), (twins, theirs)):
        room.guess_signal(n, made, scratch)
    np.testing.assert_allclose(ours.line[2], theirs.line[2], rtol=2e-3, atol=1e-3)
    for room, scratch in ((whole_ramps, ours), (twins, theirs)):
        room.leave_largest(n, LOST, scratch)
    np.testing.assert_allclose(ours.line[2], theirs.line[2], rtol=1e-3, atol=1e-3)
    ours.line[:] = theirs.line
    planes = [
        whole_ramps.Planes(
            *np.zeros((5, 400), np.float32), np.full(400, NO_GAIN_VALUE, np.uint32)
        )
        for _ in range(2)
    ]
    for room, scratch, out in (
        (whole_ramps, ours, planes[0]),
        (twins, theirs, planes[1]),
    ):
        room.eliminate_whole(n, made, scratch)
        room.write_whole((40, n), np.float32(2.0), bits, scratch, out)
    assert_planes_agree(*planes)


def assert_planes_agree(one, other):
    np.testing.assert_array_equal(one.flags, other.flags)
    err = np.where(other.err > 0, other.err, 1)
    np.testing.assert_allclose(one.slope / err, other.slope / err, atol=2e-3)
    for name in ("err", "var_poisson", "var_read", "chi2"):
        found, told = getattr(one, name), getattr(other, name)
        np.testing.assert_allclose(found, told, rtol=5e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("pattern", ["RAPID", "SHALLOW4", "MEDIUM8"])
def test_fitting_whole_ramps_equals_its_twin(rng, pattern):
    samples, noise, made = nasty(rng, pattern)
    n = samples.n_rows * samples.n_cols
    results = []
    for room in (whole_ramps, twins):
        planes = whole_ramps.Planes(
            *np.zeros((5, n), np.float32), np.zeros(n, np.uint32)
        )
        rest = np.empty(n, np.int32)
        never = (np.float32(np.nan),) * 2
        levels = never, np.float32(np.inf), unit_read_weight(made)
        model = made, *levels
        n_rest = room.sweep_whole_ramps(samples, noise, model, FIT_BITS, planes, rest)
        results.append((planes, rest[:n_rest]))
    (ours, rest), (theirs, told) = results
    np.testing.assert_array_equal(rest, told)
    assert rest.size > 100
    whole = np.setdiff1d(np.arange(n), rest)
    assert_planes_agree(
        ours._make(plane[whole] for plane in ours),
        theirs._make(plane[whole] for plane in theirs),
    )


@pytest.mark.parametrize("pattern", ["RAPID", "MEDIUM8"])
def test_screening_whole_ramps_equals_its_twin(rng, pattern):
    samples, noise, made = nasty(rng, pattern)
    found = []
    levels = LOST, np.float32(12.0)
    bits = (BAD_FOR_SLOPE, JUMP)
    found.append(whole_ramps.screen_whole_ramps(samples, noise, made, levels, bits))
    told = np.empty(samples.n_rows * samples.n_cols, np.int32)
    model, nowhere = (made, *levels, np.float32(0.0)), None
    n = twins.sweep_whole_ramps(samples, noise, model, bits, nowhere, told)
    found.append(told[:n])
    either = np.union1d(*found).size
    assert 100 < either < 2000
    assert np.setxor1d(*found).size <= 0.01 * either
