import numpy as np
import pytest

from rampline.detector import leave_out
from rampline.detector.ramp_fit import gls_kernels, shared_hits
from rampline.detector.ramp_fit.slopes import SlopeParams, fit_slopes
from rampline.detector.ramp_fit.whole_ramps import Noise, Planes, Samples
from rampline.flags import BAD_FOR_SLOPE, JUMP, SATURATED
from tests.twins.detector import hits as twins

from .exposures import make_readout
from .test_gls import clean_band, loaded_tile, read_out


def struck(rng, charge_dn, pattern="MEDIUM8"):
    """Ramps most of whose hit is in the difference before the fifth group.

    That is flagged, and one beside it that has enough to be found.
    """
    readout = make_readout(pattern, (1, 9, 200, 100))
    counts = read_out(rng, readout, 0.2)
    period, half = readout.n_frames + readout.n_dropped, readout.n_frames // 2
    # a hit in the middle of a group is as much in the difference before as in that after
    read = rng.integers(half - period, half, counts.shape[2:])
    read += (read == half - period) * rng.integers(0, 2, read.shape) * period
    for k in range(9):
        seen = ((k - 4) * period + readout.n_frames - read) / readout.n_frames
        counts[0, k] += charge_dn * np.clip(seen, 0, 1)
    band, noise = clean_band(counts.astype(np.float32))
    band.group_flags[0, 4] = JUMP
    share = charge_dn * np.maximum(read, -period - read + readout.n_frames)
    is_found = share > 15 * readout.n_frames
    band.group_flags[0, 5] = np.where(is_found & (read > 0), JUMP, 0)
    band.group_flags[0, 3] = np.where(is_found & (read < 0), JUMP, 0)
    return band, noise, readout


def as_samples(marks):
    """The flags of (groups, pixels) as they lie in memory, and the pixels."""
    n = marks.shape[1]
    samples = Samples(np.zeros(1, np.float32), marks.ravel(), (n, n), 1, n)
    return samples, np.arange(n, dtype=np.int32)


def test_one_hit_of_at_most_two_differences_is_found():
    marks = np.zeros((6, 5), np.uint8)
    marks[2, 0] = JUMP
    marks[[2, 3], 1] = JUMP
    marks[[2, 4], 2] = JUMP
    marks[[2, 3, 4], 3] = JUMP
    marks[2, 4], marks[1, 4] = JUMP, SATURATED
    samples, pixels = as_samples(marks)
    bits = BAD_FOR_SLOPE, JUMP
    first, last = shared_hits.find_single_hits(samples, pixels, 6, bits)
    np.testing.assert_array_equal(first, [1, 1, -1, -1, -1])
    np.testing.assert_array_equal(last, [1, 2, -1, -1, -1])


@pytest.mark.parametrize("charge_dn", [50, 100, 200])
def test_the_mean_over_all_reads_of_a_hit_is_not_biased(rng, charge_dn):
    band, noise, readout = struck(rng, charge_dn)
    fit = fit_slopes(band, noise, readout, SlopeParams())
    slope, err = fit.exposure.slope.astype(float), fit.exposure.err
    assert abs(slope.mean() - 0.1) < 4 * slope.std() / slope.size**0.5
    assert slope.std() == pytest.approx(np.sqrt((err**2).mean()), rel=0.03)


@pytest.mark.parametrize(("pattern", "charge_dn"), [("MEDIUM8", 5000), ("RAPID", 50)])
def test_strong_hits_and_single_reads_are_fitted_without_them(rng, pattern, charge_dn):
    band, noise, readout = struck(rng, charge_dn, pattern)
    band.group_flags[0, 3] = JUMP
    fit = fit_slopes(band, noise, readout, SlopeParams())
    band.counts[0, 3] += 3
    again = fit_slopes(band, noise, readout, SlopeParams())
    slopes = fit.exposure.slope, again.exposure.slope
    np.testing.assert_allclose(*slopes, rtol=1e-3, atol=1e-4)


def test_two_differences_cannot_tell_light_from_a_shared_charge(rng):
    readout = make_readout("MEDIUM8", (1, 9, 20, 20))
    band, noise = clean_band(read_out(rng, readout, 200.0))
    band.group_flags[0, 3:] = SATURATED
    band.counts[0, 2:] += 100
    band.group_flags[0, 2] |= np.uint8(JUMP)
    fit = fit_slopes(band, noise, readout, SlopeParams(one_group_ramps=False))
    step = (band.counts[0, 1] - band.counts[0, 0]) / readout.group_s
    np.testing.assert_allclose(fit.exposure.slope, step, rtol=1e-5)
    assert (fit.exposure.err < 0.05 * fit.exposure.slope).all()


def test_the_kernels_equal_their_twins(rng):
    marks = np.where(rng.random((7, 300)) < 0.2, JUMP, 0).astype(np.uint8)
    marks[rng.random(marks.shape) < 0.05] |= SATURATED
    ours, theirs = np.full((2, 2, 300), -1, np.int16)
    bits = BAD_FOR_SLOPE, JUMP
    shared_hits._find_runs(*as_samples(marks), 7, bits, (ours[0], ours[1]))
    twins.find_hit_runs(marks, BAD_FOR_SLOPE, JUMP, *theirs)
    assert (ours[0] >= 0).sum() > 30
    np.testing.assert_array_equal(ours, theirs)

    tile, made, _ = loaded_tile(rng, "SHALLOW4", n_groups=9, n_pixels=200)
    n_steps, n = tile.rate.shape
    first = rng.integers(0, n_steps - 1, n).astype(np.int16)
    hits = np.stack([first, first + rng.integers(0, 2, n).astype(np.int16)])
    pixel = np.arange(n)
    tile.rate[first, pixel] += 0.3 * tile.used[first, pixel]
    found, brute = np.zeros((2, 2, n), np.float32)
    twins.average_reads(tile, made, hits, (4, 1), brute)
    gls_kernels.eliminate(tile, made)
    out = leave_out.make_outliers(n_steps, n)
    leave_out.invert(tile, made, out)
    leave_out.project(tile, out)
    shares = shared_hits.list_shares(n_steps, 4, 1)
    shared_hits._average_reads(tile, out, hits, shares, found)
    enough = (tile.n_used >= 5) & (brute[1] > 0)
    assert enough.sum() > 20
    scale = np.sqrt(brute[1, enough])
    np.testing.assert_allclose(
        found[0, enough] / scale, brute[0, enough] / scale, atol=0.02
    )
    np.testing.assert_allclose(found[1, enough], brute[1, enough], rtol=0.02)


@pytest.mark.parametrize("hit", [(0, 0), (2, 3), (5, 6)])
def test_ways_to_share_a_hit_are_those_of_the_twin(hit):
    begin, end = hit
    ours = shared_hits.list_shares(7, 8, 2)[begin, end - begin]
    theirs = np.full(ours.shape, -1.0, np.float32)
    twins.list_shares(hit, 7, (8, 2), theirs)
    np.testing.assert_allclose(ours, theirs)


def test_ways_are_tried_as_by_the_twin(rng):
    n_steps, n = 7, 40
    tile = gls_kernels.make_tile(n_steps, n)
    out = leave_out.make_outliers(n_steps, n)
    for plane in (tile.design, out.residual, out.cross):
        plane[:] = rng.normal(0, 1, plane.shape)
    out.own[:] = rng.uniform(-0.2, 3, out.own.shape)
    tile.used[:] = rng.random(tile.used.shape) < 0.8
    shares = shared_hits.list_shares(n_steps, 4, 1)[2, 1]
    ways, inside = shares[:, shares[0] >= 0], (5, 30)
    found, slow = np.empty((2, 4, ways.shape[1], 25), np.float32)
    best, top = np.empty((2, 25), np.float32)
    shared_hits._try_ways(tile, out, inside, ways, found, best)
    twins.try_ways(tile, out, inside, ways, slow, top)
    never = np.isinf(slow[0])
    assert 0.1 < never.mean() < 0.95
    np.testing.assert_array_equal(found[0] == shared_hits._NEVER, never)
    np.testing.assert_allclose(found[:, ~never], slow[:, ~never], rtol=1e-5)
    assert (found[1:, never].T == [0.0, 0.0, 1.0]).all()
    np.testing.assert_allclose(best, np.maximum(top, shared_hits._NEVER), rtol=1e-5)


def test_ways_are_averaged_as_by_the_twin(rng):
    value, weight, along = rng.uniform(1, 5, (3, 12)).astype(np.float32)
    trial = np.stack([0.5 * value**2 / weight, along, value, weight])
    trial[0, ::4] = -np.inf
    reads = rng.integers(1, 9, 12).astype(np.float32)
    theirs = twins.average_ways(trial, reads, 0.3)
    never = trial[0] == -np.inf
    trial[:, never] = np.array([[shared_hits._NEVER], [0.0], [0.0], [1.0]])
    unit, ours = np.float32([0.3]), np.empty((3, 1), np.float32)
    args = trial[:, :, None], trial[:1].max(axis=1), reads, unit, ours
    shared_hits._average_ways(*args)
    np.testing.assert_allclose(ours[:2, 0], theirs, rtol=1e-5)


@pytest.mark.parametrize("has_dark", [True, False])
def test_loading_and_replacing_equal_their_twins(rng, has_dark):
    n, pixels = 60, rng.choice(60, 40, replace=False).astype(np.int32)
    planes = rng.uniform(0.1, 2, (3, n)).astype(np.float32)
    noise = Noise(*planes[:2], planes[2] if has_dark else planes[2, :0])
    slope = rng.normal(0.2, 0.5, n).astype(np.float32)
    tiles = [gls_kernels.make_tile(5, 48) for _ in range(2)]
    origins = np.zeros((2, 48), np.float32)
    used = rng.random((5, 48)) < 0.6
    found = rng.normal(0.3, 1, (2, 40)).astype(np.float32)
    fits = [Planes(*rng.uniform(0.1, 2, (5, n)).astype(np.float32), np.zeros(n))]
    fits.append(Planes._make(plane.copy() for plane in fits[0]))
    for room, tile, origin, fit, prefix in (
        (shared_hits, tiles[0], origins[0], fits[0], "_"),
        (twins, tiles[1], origins[1], fits[1], ""),
    ):
        getattr(room, prefix + "load_light")(noise, pixels, slope, tile, origin)
        tile.used[:] = used
        getattr(room, prefix + "replace")(tile, pixels, found, fit)
    np.testing.assert_allclose(*origins)
    for name in ("signal", "read"):
        np.testing.assert_allclose(*(getattr(tile, name)[:40] for tile in tiles), 1e-5)
    for one, two in zip(*fits, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5)
