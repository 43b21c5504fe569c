import numpy as np
import pytest

from rampline.detector import follow_up as module
from rampline.detector.band import PixelNoise
from rampline.detector.follow_up import (
    FollowUpParams,
    follow_up,
    join_hits,
    shares_of,
)
from rampline.detector.gls_jumps import lost_by_chance
from rampline.detector.jumps import FoundJumps, JumpParams, find_jumps, merge_jumps
from rampline.detector.leave_out import make_outliers
from rampline.detector.ramp_fit.covariance import readout_pattern
from rampline.detector.ramp_fit.whole_ramps import noise_of, samples_of
from rampline.flags import BAD_FOR_SLOPE, JUMP, SATURATED
from tests.twins.detector import hits as twins

from .exposures import make_readout
from .ramps import nasty_band
from .test_gls import clean_band, read_out

SHARES = 0.005, 0.0003


def found_jumps(rows):
    """Jumps of (integration, group, row, col, ratio, amplitude)."""
    columns = np.array(rows, float).T
    return FoundJumps(*columns[:4].astype(np.int32), *columns[4:].astype(np.float32))


def test_two_differences_in_a_row_are_one_hit():
    strikes = join_hits(
        found_jumps(
            [
                (0, 5, 2, 3, 8.0, 50.0),
                (0, 2, 2, 3, 9.0, 60.0),
                (0, 3, 2, 3, 20.0, 130.0),
                (0, 3, 0, 4, 30.0, 200.0),
            ]
        )
    )
    np.testing.assert_array_equal(
        strikes.where.T, [(0, 3, 0, 4), (0, 2, 2, 3), (0, 5, 2, 3)]
    )
    np.testing.assert_array_equal(strikes.steps.T, [(200, 0), (60, 130), (50, 0)])
    np.testing.assert_array_equal(strikes.ratio, [30, 20, 8])


def test_nothing_found_is_nothing_joined():
    assert join_hits(merge_jumps([], [])).ratio.size == 0


def test_shared_charge_is_taken_off_the_neighbours():
    counts = np.zeros((1, 5, 5, 5), np.float32)
    side, corner = shares_of("NRCB1")
    assert side == pytest.approx(0.00511)
    charge = np.array([0, 0, 400, 1000, 1000], np.float32)
    counts[0, :, 2, 2] += charge
    for row, col in ((1, 2), (3, 2), (2, 1), (2, 3)):
        counts[0, :, row, col] += side * charge
    for row, col in ((1, 1), (1, 3), (3, 1), (3, 3)):
        counts[0, :, row, col] += corner * charge
    band, noise = clean_band(counts)
    hit = found_jumps([(0, 2, 2, 2, 60.0, 400.0), (0, 3, 2, 2, 90.0, 600.0)])
    readout = make_readout("MEDIUM8", counts.shape)
    strikes = join_hits(hit)
    assert (
        follow_up(band, noise, readout, strikes, (side, corner), FollowUpParams()) == 0
    )
    counts[0, :, 2, 2] = 0
    np.testing.assert_allclose(counts, 0, atol=1e-5)


def test_shares_too_uncertain_are_flagged():
    band, noise = clean_band(np.zeros((1, 5, 5, 5), np.float32))
    band.group_flags[0, 2, 1, 2] = SATURATED
    hit = join_hits(found_jumps([(0, 2, 2, 2, 2500.0, 2e4)]))
    readout = make_readout("MEDIUM8", band.counts.shape)
    follow_up(band, noise, readout, hit, SHARES, FollowUpParams())
    assert band.group_flags[0, 2, 1, 2] == SATURATED
    assert np.count_nonzero(band.group_flags & JUMP) == 3


def struck_field(rng, charge_dn, pattern="MEDIUM8"):
    """Hits of 500 DN on a lattice, each with a weaker one beside it at the same read."""
    readout = make_readout(pattern, (1, 9, 60, 60))
    counts = read_out(rng, readout, 0.2)
    strong = np.zeros((60, 60), bool)
    strong[2::5, 2::5] = True
    weak = np.roll(strong, 1, axis=1)
    after = np.array([0, 0, 0, 0, 3 / 8, 1, 1, 1, 1], np.float32)[:, None, None]
    if pattern == "RAPID":
        after = np.ceil(after)
    counts[0] += after * (500 * strong + charge_dn * weak).astype(np.float32)
    band, noise = clean_band(counts)
    found = find_jumps(band, noise, readout, JumpParams())
    return band, noise, readout, found, weak


@pytest.mark.parametrize("pattern", ["MEDIUM8", "RAPID"])
def test_a_weak_hit_beside_a_strong_one_is_found(rng, pattern):
    charge = 20 if pattern == "MEDIUM8" else 30
    band, noise, readout, found, weak = struck_field(rng, charge, pattern)
    before = (band.group_flags[0, :, weak] & JUMP).any(axis=1).mean()
    follow_up(band, noise, readout, join_hits(found), (0, 0), FollowUpParams())
    after = (band.group_flags[0, 4, weak] & JUMP > 0).mean()
    assert after > before + 0.1
    assert after > 0.7


def test_neighbours_without_a_hit_are_flagged_as_seldom_as_the_threshold_says(rng):
    band, noise, readout, found, weak = struck_field(rng, 0)
    known = (band.group_flags & JUMP).any(axis=(0, 1))
    strikes, params = join_hits(found), FollowUpParams()
    n_found = follow_up(band, noise, readout, strikes, (0, 0), params)
    # of the 8 neighbours of 144 hits; one-sided, 2 sigma
    expected = 8 * weak.sum() * 0.0228
    assert abs(n_found - expected) < 5 * expected**0.5
    assert known.sum() < 160


def test_bands_of_any_height_give_the_same(rng):
    band, noise, readout, found, _ = struck_field(rng, 15)
    strikes = join_hits(found)
    parts = [
        band._replace(counts=band.counts.copy(), group_flags=band.group_flags.copy())
        for _ in range(2)
    ]
    follow_up(parts[0], noise, readout, strikes, SHARES, FollowUpParams())
    for start, stop in ((0, 23), (23, 24), (24, 60)):
        rows = slice(start, stop)
        near = (strikes.where[2] >= start - 1) & (strikes.where[2] <= stop)
        own = module._pick(strikes, near)
        own.where[2] -= start
        piece = parts[1]._replace(
            counts=parts[1].counts[:, :, rows],
            group_flags=parts[1].group_flags[:, :, rows],
            pixel_flags=parts[1].pixel_flags[rows],
        )
        own_noise = PixelNoise(noise.gain[rows], noise.read_noise_dn[rows])
        follow_up(piece, own_noise, readout, own, SHARES, FollowUpParams())
    for one, two in zip(*parts, strict=True):
        np.testing.assert_array_equal(one, two)


def nasty_strikes(rng, n, shape):
    where = np.stack([rng.integers(size, size=n) for size in shape])
    where[1] = rng.integers(1, shape[1] - 1, n)
    where[2] = rng.integers(-1, shape[2] + 1, n)
    steps = rng.uniform(10, 1000, (2, n)).astype(np.float32)
    steps[1, ::2] = 0
    return where, steps


def test_the_kernels_equal_their_twins(rng):
    shape = (2, 5, 12, 10)
    counts = rng.normal(0, 5, shape).astype(np.float32)
    flags = np.where(rng.random(shape) < 0.1, SATURATED, 0).astype(np.uint8)
    where, steps = nasty_strikes(rng, 30, shape)
    twin, shares = counts.copy(), (np.float32(0.005), np.float32(0.0003))
    module._take_shares(counts, where, steps, shares)
    twins.take_shares(twin, where, steps, shares)
    np.testing.assert_allclose(counts, twin, atol=1e-3)
    both = flags.copy(), flags.copy()
    module._flag_sides(both[0], where, steps, (BAD_FOR_SLOPE, JUMP))
    twins.flag_sides(both[1], where, steps, (BAD_FOR_SLOPE, JUMP))
    np.testing.assert_array_equal(*both)
    planes = np.full((2, 12, 10), 0.5, np.float32)
    unit = module._unit_noise(readout_pattern(make_readout("MEDIUM8", shape)))
    best, chosen = np.full((2, 12, 10), -1, np.int32), np.empty((2, 120), np.int32)
    ramps, n = (counts[0], flags[0]), []
    for k, kernel in enumerate((module._choose_strongest, twins.choose_strongest)):
        args = ramps, tuple(planes), where[1:], steps, unit
        n.append(kernel(*args, (best[k], chosen[k])))
    assert n[0] == n[1] > 5
    np.testing.assert_array_equal(*best)
    np.testing.assert_array_equal(np.sort(chosen[0, : n[0]]), chosen[1, : n[0]])


@pytest.mark.parametrize("pattern", ["MEDIUM8", "RAPID"])
def test_the_test_of_pixels_equals_its_twin(rng, pattern):
    band, noise, readout = nasty_band(rng, pattern, (1, 7, 20, 50), lost=0.02)
    made, rows = readout_pattern(readout), slice(0, 20)
    n = 700
    pixels = rng.choice(1000, n, replace=False).astype(np.int32)
    shape = rng.uniform(10, 100, (2, n)).astype(np.float32)
    shape[1, ::2] = 0
    ways = rng.integers(0, 5, n), shape
    model = made, lost_by_chance(made), (BAD_FOR_SLOPE, JUMP)
    samples, own = samples_of(band, 0, rows), noise_of(noise, rows)
    own = own._replace(dark=rng.uniform(0, 3, 1000).astype(np.float32))
    ours = module._test_pixels(samples, own, pixels, ways, made)
    with np.errstate(all="ignore"):
        theirs = twins.test_pixels(samples, own, pixels, ways, model)
    lost = band.group_flags[0].reshape(7, -1)[:, pixels] & BAD_FOR_SLOPE != 0
    whole = ~lost.any(axis=0) & (own.gain[pixels] > 0) & (own.read_noise[pixels] > 0)
    assert whole.sum() > 300
    np.testing.assert_allclose(ours[whole], theirs[whole], rtol=0.02, atol=0.02)


def test_what_a_charge_saves_equals_its_twin(rng):
    out, n = make_outliers(6, 50), 40
    out.own[:] = rng.uniform(0.5, 2, out.own.shape)
    out.cross[:], out.residual[:] = rng.normal(0, 0.3, (2, 6, 50))
    shape = rng.uniform(10, 100, (2, n + 5)).astype(np.float32)
    shape[1, ::2] = 0
    ways = rng.integers(0, 5, n + 5), shape
    ours, theirs = np.zeros((2, n), np.float32)
    module._save(out, ways, 5, ours)
    twins.save(out, ways, 5, theirs)
    assert 5 < np.count_nonzero(ours) < n
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
