import numpy as np
import pytest

from rampline.detector import two_point
from rampline.detector.band import Hits, PixelNoise, RampBand
from rampline.detector.jumps import JumpParams, find_jumps, merge_jumps
from rampline.detector.two_point import TwoPointParams
from rampline.flags import BAD_FOR_SLOPE, DO_NOT_USE, JUMP
from tests.twins.detector import two_point as twins

from .exposures import make_readout
from .ramps import nasty_band, stcal_jumps

JWST = JumpParams(algorithm="jwst")


def one_pixel(steps, flags=None, gain=2.0, noise=5.0):
    counts = np.concatenate([[0.0], np.cumsum(steps)]).astype(np.float32)
    counts = counts.reshape(1, -1, 1, 1)
    marked = np.zeros(counts.shape, np.uint8)
    if flags is not None:
        marked[0, :, 0, 0] = flags
    plane = np.ones((1, 1), np.float32)
    band = RampBand(counts, marked, np.zeros((1, 1), np.uint32))
    readout = make_readout("RAPID", counts.shape)
    return band, PixelNoise(gain * plane, noise * plane), readout


def flagged_groups(band, noise, readout, params=JWST):
    find_jumps(band, noise, readout, params)
    return np.flatnonzero(band.group_flags[0, :, 0, 0] & JUMP).tolist()


def test_a_step_is_flagged_on_its_later_group():
    assert flagged_groups(*one_pixel([10, 10, 200, 10, 10])) == [3]


def test_two_steps_are_found_one_after_the_other():
    assert flagged_groups(*one_pixel([10, 900, 10, 100, 10, 10, 10])) == [2, 4]


def test_a_straight_ramp_has_no_jump():
    assert flagged_groups(*one_pixel([50, 50, 50, 50])) == []


def test_differences_with_an_unusable_group_are_not_searched():
    lost = [0, 0, 0, DO_NOT_USE, 0, 0]
    assert flagged_groups(*one_pixel([10, 10, 900, 10, 10], lost)) == []


def test_a_pixel_without_gain_is_not_searched():
    assert flagged_groups(*one_pixel([10, 10, 900, 10, 10], gain=np.nan)) == []


def test_two_groups_cannot_show_a_jump():
    assert flagged_groups(*one_pixel([900])) == []


def test_ratio_and_amplitude_describe_the_step():
    band, noise, readout = one_pixel([10, 10, 210, 10, 10])
    found = find_jumps(band, noise, readout, JWST)
    assert found.amplitude_dn == pytest.approx([200])
    sigma = np.sqrt(20 + 2 * 10.0**2)
    assert found.ratio == pytest.approx([400 / sigma])


def test_bands_of_any_height_find_the_same(rng):
    band, noise, readout = nasty_band(rng)
    whole = find_jumps(
        band._replace(group_flags=band.group_flags.copy()), noise, readout, JWST
    )
    parts, starts = [], [0, 5, 17]
    for start, stop in zip(starts, [5, 17, 32], strict=True):
        rows = slice(start, stop)
        part = RampBand(
            band.counts[:, :, rows],
            band.group_flags[:, :, rows],
            band.pixel_flags[rows],
        )
        own = PixelNoise(noise.gain[rows], noise.read_noise_dn[rows])
        parts.append(find_jumps(part, own, readout, JWST))
    joined = merge_jumps(parts, starts)
    for one, other in zip(whole, joined, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parity
@pytest.mark.parametrize(
    ("shape", "pattern"),
    [
        ((1, 3, 32, 32), "RAPID"),
        ((1, 4, 32, 32), "DEEP8"),
        ((1, 5, 32, 32), "SHALLOW4"),
        ((1, 9, 32, 32), "MEDIUM8"),
        ((2, 4, 32, 32), "RAPID"),
        ((3, 6, 32, 32), "BRIGHT2"),
        ((1, 12, 32, 32), "RAPID"),
        ((2, 20, 16, 16), "DEEP8"),
        ((100, 4, 8, 8), "RAPID"),
    ],
)
def test_flags_equal_those_of_stcal(rng, shape, pattern):
    band, noise, readout = nasty_band(rng, pattern, shape)
    theirs = stcal_jumps(band, noise, readout)
    find_jumps(band, noise, readout, JWST)
    np.testing.assert_array_equal(band.group_flags, theirs)
    assert (theirs & JUMP).any()


@pytest.mark.parity
def test_thresholds_mean_what_they_mean_in_stcal(rng):
    band, noise, readout = nasty_band(rng, shape=(1, 6, 32, 32), lost=0.3)
    theirs = stcal_jumps(
        band,
        noise,
        readout,
        rejection_thresh=3.0,
        four_grp_thresh=3.5,
        three_grp_thresh=4.5,
    )
    limits = TwoPointParams(rejection=3.0, rejection_three=3.5, rejection_two=4.5)
    find_jumps(band, noise, readout, JumpParams(algorithm="jwst", two_point=limits))
    np.testing.assert_array_equal(band.group_flags, theirs)


def block_of(band, noise, readout):
    n_ints, n_groups = band.counts.shape[:2]
    return two_point._Block(
        band.counts.reshape(n_ints, n_groups, -1),
        band.group_flags.reshape(n_ints, n_groups, -1),
        noise.gain.reshape(-1),
        noise.read_noise_dn.reshape(-1),
        readout.n_frames,
    )


def empty_hits(block):
    n = block.counts.size
    return Hits(np.zeros((3, n), np.int32), np.zeros((2, n), np.float32))


RULES = [(np.array([3.0, 3.5, 4.0]), single) for single in (True, False)]


@pytest.mark.parametrize("rule", RULES)
def test_ranges_of_differences_equal_their_twin(rng, rule):
    block = block_of(*nasty_band(rng, "SHALLOW4", (2, 7, 20, 30)))
    block.flags[:, ::2, :9] = DO_NOT_USE
    ours, theirs = np.zeros((2, 512), np.uint8)
    for start, n in ((0, 512), (512, 88)):
        two_point._judge_ranges(block, start, BAD_FOR_SLOPE, rule, ours)
        twins.judge_ranges(block, start, BAD_FOR_SLOPE, rule, theirs)
        np.testing.assert_array_equal(ours[:n], theirs[:n])
        assert 0 < ours[:n].mean() < 1


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("n_groups", [3, 4, 5, 9])
def test_worst_differences_equal_their_twin(rng, rule, n_groups):
    block = block_of(*nasty_band(rng, "SHALLOW4", (1, n_groups, 20, 30)))
    block.counts[0, 1, 20:30] = np.nan
    ours, theirs = np.zeros((2, 512), np.uint8)
    ordered, told = np.zeros((2, n_groups - 1, 512), np.float32)
    for start, n in ((0, 512), (512, 88)):
        two_point._judge_worst(block, start, BAD_FOR_SLOPE, rule, (ordered, ours))
        twins.judge_worst(block, start, BAD_FOR_SLOPE, rule, (told, theirs))
        np.testing.assert_array_equal(ours[:n], theirs[:n])
        known = np.flatnonzero(ours[:n] == 2)
        assert 0 < known.size < n
        np.testing.assert_array_equal(ordered[:, known], told[:, known])


@pytest.mark.parametrize("single", [True, False])
def test_the_search_equals_its_twin(rng, single):
    block = block_of(*nasty_band(rng, "SHALLOW4", (2, 6, 12, 12), lost=0.1))
    block.gain[:5] = np.nan
    limits = np.array([4.0, 5.0, 6.0])
    ours, theirs = empty_hits(block), empty_hits(block)
    n = two_point._search_pixels(block, BAD_FOR_SLOPE, limits, single, ours)
    assert n == twins.search_pixels(block, BAD_FOR_SLOPE, limits, single, theirs)
    np.testing.assert_array_equal(ours.where, theirs.where)
    np.testing.assert_allclose(ours.size, theirs.size, rtol=1e-5)


def test_clipping_over_integrations_equals_its_twin(rng):
    block = block_of(*nasty_band(rng, "RAPID", (30, 4, 6, 6), lost=0.1))
    ours, theirs = empty_hits(block), empty_hits(block)
    n = two_point._clip_integrations(block, BAD_FOR_SLOPE, 4.0, ours)
    assert n == twins.clip_integrations(block, BAD_FOR_SLOPE, 4.0, theirs)
    np.testing.assert_array_equal(ours.where, theirs.where)
    np.testing.assert_allclose(ours.size, theirs.size, rtol=1e-5)
