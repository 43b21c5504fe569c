import numpy as np
import pytest

from rampline.detector import reference_pixels
from rampline.detector.reference_pixels import (
    EDGE,
    ReferencePixelParams,
    clipped_means,
    mean_of_known,
    measure_reference_offsets,
    running_medians,
    subtract_reference_offsets,
)
from rampline.flags import DO_NOT_USE, REFERENCE_PIXEL
from tests.twins.detector import pixels as twins

from .exposures import every_row, jwst_ramp, make_readout

FULL = (1, 2, 2048, 2048)


def edge_flags(readout):
    """Flag the reference pixels of an exposure."""
    row = readout.row_start + np.arange(readout.n_rows)
    col = readout.col_start + np.arange(readout.n_cols)
    rim = [(place < EDGE) | (place >= 2048 - EDGE) for place in (row, col)]
    return np.logical_or.outer(*rim) * np.uint32(REFERENCE_PIXEL)


def drifting(rng, readout):
    """Raw counts with levels of outputs and parities, drift along rows, and outliers."""
    shape = (readout.n_ints, readout.n_groups, readout.n_rows, readout.n_cols)
    counts = rng.normal(10000, 6, shape)
    counts += np.repeat(
        rng.normal(0, 20, (*shape[:2], 1, -(-shape[3] // 512))), 512, 3
    )[..., : shape[3]]
    counts[..., 1::2] += rng.normal(0, 5, (*shape[:2], 1, 1))
    counts += np.cumsum(rng.normal(0, 0.3, (*shape[:3], 1)), axis=2)
    counts[rng.random(shape) < 0.003] += 3000
    return np.rint(counts).astype(np.uint16)


def corrected(samples, bias, flags, readout, **params):
    params = ReferencePixelParams(algorithm="jwst", **params)
    offsets = measure_reference_offsets(samples, bias, [flags], readout, params)
    counts = samples.astype(np.float32) - bias
    subtract_reference_offsets(counts, offsets, every_row(counts))
    return counts


def test_levels_of_outputs_and_parities_and_a_steady_drift_go_away():
    readout = make_readout(shape=(1, 1, 2048, 2048))
    levels = np.repeat([10, -7, 3, 5], 512) + np.tile([2, -2], 1024)
    counts = 5000 + levels + np.linspace(0, 40, 2048)[:, None].round()
    samples = counts[None, None].astype(np.float32)
    bias = np.full(counts.shape, 5000, np.float32)
    left = corrected(samples, bias, edge_flags(readout), readout)
    # the level is the mean of both ends, the median follows the drift between
    assert np.abs(left[..., 8:-8, :]).max() < 1.0


def test_a_subarray_without_reference_pixels_stays_as_it_is(rng):
    readout = make_readout(shape=(1, 2, 20, 30), n_outputs=1, start=(500, 600))
    samples = drifting(rng, readout)
    bias = np.zeros(samples.shape[2:], np.float32)
    left = corrected(samples, bias, edge_flags(readout), readout)
    np.testing.assert_array_equal(left, samples)


def test_one_output_has_one_level_for_each_parity(rng):
    readout = make_readout(shape=(2, 3, 20, 30), n_outputs=1, start=(0, 600))
    levels = rng.integers(900, 1000, (2, 3, 1, 2))
    samples = np.tile(levels, (1, 1, 20, 15)).astype(np.uint16)
    bias = np.zeros((20, 30), np.float32)
    assert not corrected(samples, bias, edge_flags(readout), readout).any()


def test_bad_reference_pixels_do_not_count():
    readout = make_readout(shape=(1, 1, 8, 8), n_outputs=1, start=(0, 600))
    samples = np.full((1, 1, 8, 8), 100, np.uint16)
    flags = edge_flags(readout)
    samples[0, 0, 0], flags[0] = 5000, flags[0] | DO_NOT_USE
    left = corrected(samples, np.zeros((8, 8), np.float32), flags, readout)
    assert not left[0, 0, 1:].any()


@pytest.mark.parametrize("axis", [(2,), (3,), (2, 3)])
def test_the_correction_does_not_know_which_way_the_frame_is_flipped(rng, axis):
    readout = make_readout(shape=(1, 1, 2048, 2048))
    samples = drifting(rng, readout)
    bias = rng.normal(10000, 5, FULL[2:]).astype(np.float32)
    flags = edge_flags(readout)
    flags[rng.random(flags.shape) < 0.02] |= DO_NOT_USE
    plane_axis = tuple(k - 2 for k in axis)
    flipped = corrected(
        np.flip(samples, axis),
        np.flip(bias, plane_axis),
        np.flip(flags, plane_axis),
        readout,
    )
    straight = corrected(samples, bias, flags, readout)
    np.testing.assert_allclose(np.flip(flipped, axis), straight, atol=1e-3)


def test_means_of_two_sides_take_the_known_one():
    a, b = np.array([1.0, np.nan, 3, np.nan]), np.array([3.0, 5, np.nan, np.nan])
    np.testing.assert_array_equal(mean_of_known(a, b), [2, 5, 3, np.nan])


def test_kernels_equal_their_twins(rng):
    values = rng.standard_t(2, (2, 3, 200)).astype(np.float32)
    np.testing.assert_allclose(
        clipped_means(values, 3.0), twins.clipped_means(values, 3.0), rtol=1e-12
    )
    assert np.isnan(clipped_means(values[:, :, :0], 3.0)).all()
    series = rng.integers(0, 9, (3, 40, 4)).astype(np.float32)
    usable = rng.random((40, 4)) < 0.4
    usable[20:33] = False
    for half in (0, 1, 5):
        np.testing.assert_array_equal(
            running_medians(series, usable, half),
            twins.running_medians(series, usable, half),
        )
    ordered = np.append(np.sort(rng.integers(0, 5, 8)), [0, 0]).astype(np.float32)
    for ours, theirs in (("_insert", "insert"), ("_remove", "remove")):
        a, b = ordered.copy(), ordered.copy()
        n = getattr(reference_pixels, ours)(a, 8, np.float32(ordered[3]))
        assert n == getattr(twins, theirs)(b, 8, ordered[3])
        np.testing.assert_array_equal(a[:n], b[:n])


def test_the_subtracting_kernel_equals_its_twin(rng):
    counts, columns, rows = (
        rng.normal(size=shape).astype(np.float32)
        for shape in ((2, 3, 6, 9), (2, 3, 9), (2, 3, 6))
    )
    twin = counts.copy()
    reference_pixels._subtract_offsets(counts, columns, rows, 1, 4)
    twins.subtract_offsets(twin, columns, rows, 1, 4)
    np.testing.assert_array_equal(counts, twin)


LAYOUTS = {
    "full frame": (FULL, 4, (0, 0)),
    "grism subarray at the bottom": ((1, 2, 256, 2048), 4, (0, 0)),
    "grism subarray in the middle": ((1, 1, 64, 2048), 4, (700, 0)),
    "one output at a corner": ((2, 2, 64, 64), 1, (1984, 0)),
    "one output at the side": ((1, 2, 40, 30), 1, (701, 2018)),
    "one output without reference pixels": ((1, 2, 40, 30), 1, (701, 1001)),
}


@pytest.mark.parity
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("parities", [True, False])
def test_counts_equal_those_of_jwst(rng, layout, parities):
    from jwst.refpix.reference_pixels import correct_model

    shape, n_outputs, start = LAYOUTS[layout]
    readout = make_readout(shape=shape, n_outputs=n_outputs, start=start)
    samples = drifting(rng, readout)
    bias = rng.normal(10000, 5, shape[2:]).astype(np.float32)
    flags = edge_flags(readout)
    flags[rng.random(flags.shape) < 0.02] |= DO_NOT_USE
    zero = samples[:, 0] - np.uint16(50)
    model = jwst_ramp(samples - bias, readout, zero_frame=zero - bias, flags=flags)
    kernel = {
        "refpix_algorithm": "median",
        "sirs_kernel_model": None,
        "sigreject": 4.0,
        "gaussmooth": 1.0,
        "halfwidth": 30,
    }
    correct_model(model, parities, True, 11, 1.0, True, kernel, 3.0)
    ours = corrected(samples, bias, flags, readout, odd_even_columns=parities)
    np.testing.assert_allclose(ours, model.data, atol=2e-3)
    our_zero = corrected(zero[:, None], bias, flags, readout, odd_even_columns=parities)
    # a zero frame of just 0 DN above the bias is lost there: 0 means unusable to jwst
    known = zero != bias
    assert known.mean() > 0.9999
    np.testing.assert_allclose(our_zero[:, 0][known], model.zeroframe[known], atol=2e-3)
