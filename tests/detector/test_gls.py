import numpy as np
import pytest

from rampline.detector.band import PixelNoise, RampBand
from rampline.detector.ramp_fit import cut_ramps, gls_kernels
from rampline.detector.ramp_fit.covariance import (
    difference_pattern,
    readout_pattern,
)
from rampline.detector.ramp_fit.planes import empty_slopes, rows_of
from rampline.detector.ramp_fit.slopes import SlopeParams, fit_slopes
from rampline.detector.ramp_fit.whole_ramps import Planes, noise_of, samples_of
from rampline.flags import (
    BAD_FOR_SLOPE,
    DO_NOT_USE,
    JUMP,
    NO_GAIN_VALUE,
    SATURATED,
    UNRELIABLE_SLOPE,
)
from tests.twins.detector import gls as twins

from .exposures import make_readout
from .ramps import nasty_band, stcal_slopes

GLS = SlopeParams(algorithm="gls")
NO_SINGLES = SlopeParams(algorithm="gls", one_group_ramps=False)


def read_out(rng, readout, rate_e, sigma_e=10.0, gain=2.0):
    """Simulate every read: exact Poisson counts, averaged as on board, DN."""
    shape = (readout.n_rows, readout.n_cols)
    counts = np.empty((readout.n_ints, readout.n_groups, *shape), np.float32)
    for i in range(readout.n_ints):
        charge = np.zeros(shape)
        for group in range(readout.n_groups):
            total = np.zeros(shape)
            for _ in range(readout.n_frames):
                charge += rng.poisson(rate_e * readout.frame_s, shape)
                total += charge
            noise = rng.normal(0, sigma_e / np.sqrt(readout.n_frames), shape)
            counts[i, group] = (total / readout.n_frames + noise) / gain
            charge += rng.poisson(rate_e * readout.frame_s * readout.n_dropped, shape)
    return counts


def clean_band(counts):
    plane = np.ones(counts.shape[2:], np.float32)
    flags = np.zeros(counts.shape, np.uint8)
    band = RampBand(counts, flags, np.zeros(plane.shape, np.uint32))
    return band, PixelNoise(2 * plane, 5 * plane)


def fit_one(counts, marks=None, params=GLS, pattern="RAPID", zero=None):
    cube = np.array(counts, np.float32).reshape(1, -1, 1, 1)
    band, noise = clean_band(cube)
    if marks is not None:
        band.group_flags[0, :, 0, 0] = marks
    first = None if zero is None else np.full((1, 1, 1), zero, np.float32)
    readout = make_readout(pattern, cube.shape)
    fit = fit_slopes(band._replace(zero_frame=first), noise, readout, params)
    return fit.exposure, readout


def dense_covariance(readout, signal, read):
    """Covariance of the differences from that of the reads, without any formula."""
    times = readout.read_times_s()
    all_reads = times.ravel()
    reads = signal * np.minimum.outer(all_reads, all_reads) + read * np.eye(
        len(all_reads)
    )
    average = np.kron(
        np.eye(len(times)), np.full((1, times.shape[1]), 1 / times.shape[1])
    )
    step = np.diff(times.mean(axis=1))
    difference = np.diff(np.eye(len(times)), axis=0) / step[:, None]
    return difference @ average @ reads @ average.T @ difference.T


@pytest.mark.parametrize(
    "pattern", ["RAPID", "BRIGHT2", "SHALLOW4", "MEDIUM8", "DEEP8"]
)
def test_the_tridiagonal_pattern_is_the_covariance_of_all_reads(pattern):
    readout = make_readout(pattern, (1, 6, 1, 1))
    made = difference_pattern(list(readout.read_times_s()))
    dense = dense_covariance(readout, 0.7, 25.0)
    diagonal = 0.7 * made.photon_diagonal + 25.0 * made.read_diagonal
    off = 0.7 * made.photon_off + 25.0 * made.read_off
    tridiagonal = np.diag(diagonal) + np.diag(off[:-1], 1) + np.diag(off[:-1], -1)
    np.testing.assert_allclose(tridiagonal, dense, atol=1e-5 * dense.max())


def test_a_straight_ramp_gives_its_slope():
    fit, readout = fit_one([3, 13, 23, 33])
    assert fit.slope[0, 0] == pytest.approx(10 / readout.group_s)
    assert fit.flags[0, 0] == 0


def test_a_difference_with_a_jump_is_left_out():
    fit, readout = fit_one([0, 10, 510, 520], [0, 0, JUMP, 0])
    assert fit.slope[0, 0] == pytest.approx(10 / readout.group_s)
    assert fit.flags[0, 0] == JUMP


def test_differences_next_to_a_lost_group_are_left_out():
    fit, readout = fit_one([0, 10, 999, 30, 40], [0, 0, DO_NOT_USE, 0, 0])
    assert fit.slope[0, 0] == pytest.approx(10 / readout.group_s)


def test_a_count_that_is_not_a_number_is_left_out():
    fit, readout = fit_one([0, 10, np.nan, 30, 40])
    assert fit.slope[0, 0] == pytest.approx(10 / readout.group_s)


def test_one_good_group_is_measured_from_the_reset():
    fit, readout = fit_one([80, 9e4, 9e4], [0, SATURATED, SATURATED])
    assert fit.slope[0, 0] == pytest.approx(80 / readout.frame_s)
    assert fit.var_read[0, 0] == pytest.approx((25 + 18**2) / readout.frame_s**2)
    assert fit.flags[0, 0] == SATURATED | UNRELIABLE_SLOPE
    lost, _ = fit_one([80, 9e4, 9e4], [0, SATURATED, SATURATED], NO_SINGLES)
    assert np.isnan(lost.slope[0, 0])
    assert lost.flags[0, 0] == SATURATED | DO_NOT_USE


def test_the_zero_frame_saves_a_ramp_that_saturates_at_once():
    fit, readout = fit_one([9e4] * 3, [SATURATED] * 3, pattern="DEEP8", zero=80)
    assert fit.slope[0, 0] == pytest.approx(80 / readout.frame_s)


def test_a_ramp_without_a_good_group_has_no_slope():
    fit, _ = fit_one([9e4] * 3, [SATURATED] * 3)
    assert np.isnan(fit.slope[0, 0])
    assert fit.flags[0, 0] == SATURATED | DO_NOT_USE
    assert fit.err[0, 0] == fit.var_read[0, 0] == 0


def test_an_unknown_gain_is_named():
    band, noise = clean_band(np.zeros((1, 3, 1, 1), np.float32))
    noise.gain[:] = np.nan
    readout = make_readout("RAPID", (1, 3, 1, 1))
    fit = fit_slopes(band, noise, readout, GLS).exposure
    assert fit.flags[0, 0] == NO_GAIN_VALUE | DO_NOT_USE


@pytest.mark.parametrize("pattern", ["RAPID", "SHALLOW4", "DEEP8"])
def test_slope_and_variances_are_those_of_the_dense_solution(rng, pattern):
    shape = (1, 7, 1, 1)
    readout = make_readout(pattern, shape)
    counts = np.cumsum(rng.poisson(50, shape), axis=1) + rng.normal(0, 3, shape)
    band, noise = clean_band(counts.astype(np.float32))
    # two hits: with a single one its charge is fitted too
    band.group_flags[0, [2, 5]] = JUMP
    fit = fit_slopes(band, noise, readout, GLS).exposure
    used = [0, 2, 3, 5]
    step = np.diff(readout.group_times_s())
    steps = np.diff(counts[0, :, 0, 0].astype(np.float32)) / step
    rate = steps[used].mean()
    for _ in range(2):
        covariance = dense_covariance(readout, rate / 2, 25.0)[np.ix_(used, used)]
        weights = np.linalg.solve(covariance, np.ones(4))
        variance = 1 / weights.sum()
        weights *= variance
        rate = weights @ steps[used]
    dark = dense_covariance(readout, 0, 25.0)[np.ix_(used, used)]
    read = 1 / np.linalg.solve(dark, np.ones(4)).sum()
    assert fit.slope[0, 0] == pytest.approx(rate, rel=1e-5)
    assert fit.var_read[0, 0] == pytest.approx(read, rel=1e-4)
    assert fit.err[0, 0] ** 2 == pytest.approx(variance, rel=1e-4)


@pytest.mark.parametrize(
    ("pattern", "n_groups", "rate", "sigma"),
    [
        ("MEDIUM8", 9, 0.02, 0.00654),
        ("MEDIUM8", 9, 0.2, 0.01595),
        ("MEDIUM8", 9, 10.0, 0.10607),
        ("SHALLOW4", 10, 0.2, 0.02328),
        ("RAPID", 10, 2.0, 0.1814),
    ],
)
def test_scatter_error_and_bias_are_those_of_theory(
    rng, pattern, n_groups, rate, sigma
):
    readout = make_readout(pattern, (1, n_groups, 200, 250))
    counts = read_out(rng, readout, rate)
    band, noise = clean_band(counts)
    fit = fit_slopes(band, noise, readout, GLS)
    slope = 2 * fit.exposure.slope.astype(float)
    n = slope.size
    assert slope.std() == pytest.approx(sigma, rel=4 / np.sqrt(2 * n))
    assert slope.mean() == pytest.approx(rate, abs=4 * sigma / np.sqrt(n))
    err = np.sqrt(np.mean(fit.exposure.err.astype(float) ** 2))
    assert 2 * err == pytest.approx(sigma, rel=0.01)
    freedom = n_groups - 2
    assert fit.chi2.mean() == pytest.approx(1, abs=4 * np.sqrt(2 / freedom / n) + 0.005)


def test_integrations_are_combined_without_a_bias_towards_the_low_ones(rng):
    readout = make_readout("RAPID", (6, 5, 120, 120))
    rate = 20.0
    band, noise = clean_band(read_out(rng, readout, rate))
    fit = fit_slopes(band, noise, readout, GLS)
    slope = 2 * fit.exposure.slope.astype(float)
    assert slope.mean() == pytest.approx(
        rate, abs=4 * slope.std() / np.sqrt(slope.size)
    )
    mean = 2 * fit.integrations.slope.astype(float).mean(axis=0)
    assert slope.std() < 1.001 * mean.std()
    err = 2 * np.sqrt(np.mean(fit.exposure.err.astype(float) ** 2))
    assert err == pytest.approx(slope.std(), rel=0.03)


def test_a_band_written_in_pieces_equals_the_whole(rng):
    band, noise, readout = nasty_band(rng, shape=(2, 6, 32, 300))
    whole = fit_slopes(band, noise, readout, GLS)
    pieces = empty_slopes(2, 32, 300)
    for rows in (slice(0, 7), slice(7, 8), slice(8, 32)):
        part = RampBand(
            band.counts[:, :, rows],
            band.group_flags[:, :, rows],
            band.pixel_flags[rows],
        )
        own = PixelNoise(noise.gain[rows], noise.read_noise_dn[rows])
        fit_slopes(part, own, readout, GLS, out=rows_of(pieces, rows))
    np.testing.assert_array_equal(whole.exposure.slope, pieces.exposure.slope)
    np.testing.assert_array_equal(whole.exposure.var_read, pieces.exposure.var_read)
    np.testing.assert_array_equal(whole.integrations.err, pieces.integrations.err)
    np.testing.assert_array_equal(whole.chi2, pieces.chi2)


def test_ramps_that_were_hit_do_not_depend_on_where_they_stand_in_a_band(rng):
    readout = make_readout("MEDIUM8", (1, 9, 64, 64))
    band, noise = clean_band(read_out(rng, readout, 0.5))
    hits = rng.random(band.counts.shape) < 0.1
    band.group_flags[hits] = JUMP
    steps = hits * rng.uniform(20, 200, hits.shape)
    band.counts[:] += np.cumsum(steps, axis=1, dtype=np.float32)
    whole = fit_slopes(band, noise, readout, GLS).exposure
    for start in range(0, 64, 7):
        rows = slice(start, start + 7)
        part = RampBand(
            band.counts[:, :, rows],
            band.group_flags[:, :, rows],
            band.pixel_flags[rows],
        )
        own = PixelNoise(noise.gain[rows], noise.read_noise_dn[rows])
        piece = fit_slopes(part, own, readout, GLS).exposure
        for name in ("slope", "err", "var_poisson", "var_read"):
            np.testing.assert_array_equal(
                getattr(piece, name), getattr(whole, name)[rows], err_msg=name
            )


def loaded_tile(rng, pattern="SHALLOW4", n_groups=6, n_pixels=40):
    shape = (1, n_groups, 1, n_pixels)
    band, noise, readout = nasty_band(rng, pattern, shape, lost=0.1)
    band.group_flags[rng.random(shape) < 0.2] |= JUMP
    made = difference_pattern(list(readout.read_times_s()))
    tile = gls_kernels.make_tile(n_groups - 1, n_pixels)
    counts, flags = band.counts[0, :, 0], band.group_flags[0, :, 0]
    counts[rng.random(counts.shape) < 0.05] = np.nan
    bits = (BAD_FOR_SLOPE, JUMP)
    arguments = (counts, flags, (0, n_pixels), bits, made)
    gls_kernels.load_steps(*arguments, tile)
    gls_kernels.find_means(tile)
    tile.signal[:] = rng.uniform(0.0, 2.0, n_pixels)
    tile.read[:] = noise.read_noise_dn[0] ** 2
    return tile, made, arguments


def copy_of(tile):
    return tile._make(array.copy() for array in tile)


def assert_same(one, other, rtol=2e-4):
    for name, ours, theirs in zip(one._fields, one, other, strict=True):
        scale = np.nanmax(np.abs(np.where(np.isfinite(theirs), theirs, 0))) + 1e-30
        finite = np.isfinite(theirs)
        np.testing.assert_allclose(
            ours[finite] / scale, theirs[finite] / scale, atol=rtol, err_msg=name
        )


def test_picked_steps_are_those_of_the_pixels(rng):
    band, _, readout = nasty_band(rng, "SHALLOW4", (1, 6, 5, 40), lost=0.1)
    made, bits = readout_pattern(readout), (BAD_FOR_SLOPE, JUMP)
    pixels = rng.choice(200, 70, replace=False).astype(np.int32)
    samples = samples_of(band, 0, slice(0, 5))
    ours, theirs = gls_kernels.make_tile(5, 90), gls_kernels.make_tile(5, 90)
    gls_kernels.pick_steps(samples, pixels, bits, made, ours, 11)
    twins.pick_steps(samples, pixels, bits, made, theirs, 11)
    for name in ("used", "rate", "seen", "shift"):
        one, two = (getattr(tile, name)[..., 11:81] for tile in (ours, theirs))
        np.testing.assert_allclose(one, two, rtol=1e-5, err_msg=name)


def test_load_steps_equals_its_twin(rng):
    tile, _, arguments = loaded_tile(rng)
    twin = gls_kernels.make_tile(*tile.rate.shape)
    twins.load_steps(*arguments, twin)
    twins.find_means(twin)
    for name in ("rate", "used", "n_used", "mean", "largest", "shift", "seen"):
        np.testing.assert_allclose(
            getattr(tile, name), getattr(twin, name), rtol=1e-5, err_msg=name
        )


def test_the_other_kernels_of_the_fit_equal_their_twins(rng):
    tile, made, _ = loaded_tile(rng)
    twin = copy_of(tile)
    by = rng.uniform(0, 1, tile.mean.size).astype(np.float32)
    gls_kernels.move_origin(tile, by)
    twins.move_origin(twin, by)
    assert_same(tile, twin)
    gls_kernels.eliminate(tile, made)
    twins.eliminate(twin, made)
    assert_same(tile, twin)
    weight, twin_weight = np.empty((2, by.size), np.float32)
    gls_kernels.weigh_reads(tile, made, weight)
    twins.weigh_reads(twin, made, twin_weight)
    np.testing.assert_allclose(weight, twin_weight, rtol=1e-4)


def test_the_read_variance_does_not_depend_on_the_signal(rng):
    readout = make_readout("MEDIUM8", (1, 9, 4, 50))
    variances = []
    for rate in (0.05, 5.0, 500.0):
        band, noise = clean_band(read_out(rng, readout, rate))
        fit = fit_slopes(band, noise, readout, GLS).exposure
        variances.append(fit.var_read)
        np.testing.assert_allclose(
            fit.err**2, fit.var_read + fit.var_poisson, rtol=1e-5
        )
    np.testing.assert_allclose(variances[0], variances[1], rtol=1e-5)
    np.testing.assert_allclose(variances[0], variances[2], rtol=1e-5)


@pytest.mark.parity
@pytest.mark.parametrize("pattern", ["RAPID", "MEDIUM8"])
def test_slopes_agree_with_the_likelihood_fit_of_stcal(rng, pattern):
    readout = make_readout(pattern, (1, 8, 40, 40))
    band, noise = clean_band(read_out(rng, readout, 2.0))
    planes, _ = stcal_slopes(band, noise, readout, "LIKELY")
    fit = fit_slopes(band, noise, readout, GLS)
    # it finds jumps of its own in about one ramp of ten thousand
    same = np.abs(fit.exposure.slope - planes["slope"]) < 0.01 * fit.exposure.err
    assert same.mean() > 0.99
    ratio = fit.exposure.err[same] / planes["err"][same]
    np.testing.assert_allclose(ratio, 1, atol=0.01)


def test_writing_equals_its_twin(rng):
    sums, origin = rng.uniform(0, 2, (3, 50)), rng.normal(size=50)
    sums[2, ::7] = 0
    reads = sums[2] * rng.uniform(0.9, 2, 50)
    inputs = [plane.astype(np.float32) for plane in (sums, reads, origin)]
    marks = np.where(rng.random((2, 50)) < 0.2, 4, 0).astype(np.uint32)
    marks[1] = marks[0]
    planes = np.empty((2, 4, 50), np.float32)
    gls_kernels.write_slopes(*inputs, 4, marks[0], tuple(planes[0]))
    twins.write_slopes(*inputs, 4, marks[1], tuple(planes[1]))
    np.testing.assert_array_equal(*marks)
    np.testing.assert_allclose(*planes, rtol=1e-5, atol=1e-6)


def test_writing_ramps_with_gaps_equals_its_twin(rng):
    tile, made, _ = loaded_tile(rng)
    gls_kernels.eliminate(tile, made)
    pixels = rng.choice(60, 40, replace=False).astype(np.int32)
    fitted = rng.uniform(0.5, 2, (3, 40)).astype(np.float32)
    fitted[2, ::7] = np.nan
    bits = BAD_FOR_SLOPE, JUMP, JUMP | SATURATED, DO_NOT_USE, NO_GAIN_VALUE
    marks = np.where(rng.random(60) < 0.1, DO_NOT_USE, 0).astype(np.uint32)
    fits = [Planes(*np.zeros((5, 60), np.float32), marks.copy()) for _ in range(2)]
    cut_ramps._write(pixels, tuple(fitted), tile, bits, fits[0])
    twins.write(pixels, tuple(fitted), tile, bits, fits[1])
    for one, two in zip(*fits, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def test_whole_ramps_are_fitted_as_those_with_gaps(rng):
    readout = make_readout("SHALLOW4", (1, 8, 20, 30))
    band, noise = clean_band(read_out(rng, readout, 1.0))
    short = fit_slopes(band, noise, readout, GLS)
    rows, n = slice(0, 20), 600
    samples, own = samples_of(band, 0, rows), noise_of(noise, rows)
    bits = BAD_FOR_SLOPE, JUMP, JUMP | SATURATED, DO_NOT_USE, NO_GAIN_VALUE
    pixels, flags = np.arange(n, dtype=np.int32), np.zeros(n, np.uint32)
    cut = Planes(*np.empty((5, n), np.float32), flags)
    cut_ramps.fit_cut_ramps(samples, own, pixels, readout_pattern(readout), bits, cut)
    difference = short.exposure.slope.flatten() - cut.slope
    assert np.abs(difference / cut.err).max() < 2e-3
    err = short.exposure.err.flatten()
    np.testing.assert_allclose(err, cut.err, rtol=5e-3)
    var_read = short.exposure.var_read.flatten()
    np.testing.assert_allclose(var_read, cut.var_read, rtol=1e-5)
