import numpy as np
import pytest
from scipy import ndimage

from rampline.detector import saturation
from rampline.detector.saturation import (
    SaturationParams,
    Wells,
    flag_saturation,
    mask_zero_frame,
)
from rampline.flags import AD_FLOOR, DO_NOT_USE, NO_SATURATION_CHECK, SATURATED
from tests.twins.detector import pixels as twins

from .exposures import every_row, make_readout


def make_wells(limit, bias=0.0, flags=0):
    shape = limit.shape
    return Wells(
        limit.astype(np.float32),
        np.broadcast_to(np.float32(bias), shape),
        np.broadcast_to(np.uint32(flags), shape),
    )


PATTERN = {1: "RAPID", 2: "BRIGHT2", 4: "SHALLOW4", 8: "MEDIUM8"}


def flag(samples, wells, n_frames=1, **params):
    rows, readout = every_row(samples), make_readout(PATTERN[n_frames], samples.shape)
    return flag_saturation(samples, wells, rows, readout, SaturationParams(**params))


def nasty_ramps(rng, shape=(2, 6, 20, 17)):
    """Ramps of which a tenth saturate at all groups, with floors and unknown limits."""
    rate = 10 ** rng.uniform(1, 4.2, shape[2:])
    steps = rng.poisson(np.broadcast_to(rate, shape))
    hits = rng.random(shape) < 0.02
    steps = steps + hits * rng.integers(0, 40000, shape)
    raw = np.clip(9000 + np.cumsum(steps, axis=1), 0, 65535).astype(np.uint16)
    raw[rng.random(shape) < 0.01] = 0
    limit = rng.uniform(30000, 66000, shape[2:]).astype(np.float32)
    limit[rng.random(shape[2:]) < 0.05] = np.nan
    bias = rng.normal(9000, 30, shape[2:]).astype(np.float32)
    bias[rng.random(shape[2:]) < 0.02] = np.nan
    mask = (rng.random(shape[2:]) < 0.03).astype(np.uint32) * DO_NOT_USE
    return raw, Wells(limit, bias, mask)


def test_a_full_well_stays_full_and_spills_one_pixel():
    samples = np.full((1, 3, 5, 5), 10, np.uint16)
    samples[0, 1, 2, 2] = 100
    flags = flag(samples, make_wells(np.full((5, 5), 90)))
    expected = np.zeros((3, 5, 5), np.uint8)
    expected[1:, 1:4, 1:4] = SATURATED
    np.testing.assert_array_equal(flags[0], expected)


def test_growth_of_two_layers_reaches_two_pixels_and_none_reaches_none():
    samples = np.full((1, 1, 7, 7), 10, np.uint16)
    samples[0, 0, 3, 3] = 100
    wells = make_wells(np.full((7, 7), 90))
    assert (flag(samples, wells, grow=2) == SATURATED).sum() == 25
    assert (flag(samples, wells, grow=0) == SATURATED).sum() == 1


def cored(square, group=1, at=(8, 8)):
    """A frame of three groups of which a disc is full from a group on."""
    samples = np.full((1, 3, 17, 17), 10, np.uint16)
    row, col = np.mgrid[:17, :17]
    samples[:, group:, (row - at[0]) ** 2 + (col - at[1]) ** 2 <= square] = 100
    return samples, make_wells(np.full((17, 17), 90))


@pytest.mark.parametrize("at", [(8, 8), (0, 8), (16, 16)])
def test_charge_blooms_two_pixels_from_a_large_core(at):
    samples, wells = cored(5, at=at)
    row, col = np.mgrid[:17, :17]
    core = (row - at[0]) ** 2 + (col - at[1]) ** 2 <= 5
    distance = ndimage.distance_transform_edt(~core)
    flags = flag(samples, wells)[0]
    np.testing.assert_array_equal(flags[1] == SATURATED, distance <= 2)
    assert not flags[0].any()
    beside = ndimage.binary_dilation(core, np.ones((3, 3)))
    only_spilt = flag(samples, wells, bloom=False)[0, 2] == SATURATED
    np.testing.assert_array_equal(only_spilt, beside)


def test_charge_does_not_bloom_from_a_small_core():
    samples, wells = cored(4)
    spilt = flag(samples, wells, bloom=False)
    np.testing.assert_array_equal(flag(samples, wells), spilt)


def test_charge_blooms_once_the_whole_core_is_full():
    samples, wells = cored(5, group=2)
    samples[0, 1, 8, 8] = 100
    flags = flag(samples, wells)[0]
    assert (flags[1] != 0).sum() == 9
    assert flags[:, 8, 12].tolist() == [0, 0, SATURATED]


def test_charge_blooms_in_the_zero_frame_too():
    samples, wells = cored(5)
    masked = mask_zero_frame(samples[:, 1], wells, slice(0, 17), SaturationParams())
    lost = flag(samples, wells)[0, 1] == SATURATED
    np.testing.assert_array_equal(np.isnan(masked[0]), lost)


def test_the_floor_of_the_converter_is_flagged_in_its_own_group_only():
    samples = np.full((1, 3, 1, 1), 10, np.uint16)
    samples[0, 1] = 0
    flags = flag(samples, make_wells(np.full((1, 1), 90)))[0, :, 0, 0]
    assert flags.tolist() == [0, AD_FLOOR | DO_NOT_USE, 0]


def test_an_unknown_limit_never_saturates():
    samples = np.full((1, 3, 1, 1), 65535, np.uint16)
    assert not flag(samples, make_wells(np.full((1, 1), np.nan)), n_frames=8).any()


def test_a_group_whose_last_read_was_full_must_not_be_used():
    # 4 reads a group from 0 DN: at the first group's last read a steady ramp is at
    # 4 / 2.5 of its mean, 56 DN: full at 50
    samples = np.array([35, 120], np.uint16).reshape(1, 2, 1, 1)
    wells = make_wells(np.full((1, 1), 50))
    for last_read in ("extrapolated", "jwst"):
        flags = flag(samples, wells, n_frames=4, last_read=last_read)
        assert flags[0, :, 0, 0].tolist() == [DO_NOT_USE, SATURATED]
    assert flag(samples, wells, n_frames=1)[0, :, 0, 0].tolist() == [0, SATURATED]


def test_the_bias_does_not_make_a_group_look_full():
    # 100 DN above a bias of 1000 at the mean, 160 DN at the last read: not full at 1200
    samples = np.array([1100, 1200], np.uint16).reshape(1, 2, 1, 1)
    wells = make_wells(np.full((1, 1), 1200), bias=1000)
    assert flag(samples, wells, n_frames=4)[0, 0, 0, 0] == 0
    assert flag(samples, wells, n_frames=4, last_read="jwst")[0, 0, 0, 0] == DO_NOT_USE


def test_the_last_group_is_doubted_too():
    # rises by 400 DN a group of 5 read times: 1.5 more to its last read, 120 DN
    samples = np.array([160, 560, 960], np.uint16).reshape(1, 3, 1, 1)
    for limit, flags in ((1070, DO_NOT_USE), (1090, 0)):
        wells = make_wells(np.full((1, 1), limit))
        assert flag(samples, wells, n_frames=4)[0, :, 0, 0].tolist() == [0, 0, flags]


@pytest.mark.parametrize("n_frames", [2, 4, 8])
def test_no_group_with_a_full_read_is_used_and_few_without_one_are_lost(rng, n_frames):
    alone = {"grow": 0, "bloom": False}
    shape, bias, limit = (1, 6, 200, 200), 12000.0, 55000.0
    readout = make_readout(PATTERN[n_frames], shape)
    times = readout.read_times_s()
    rate = 10 ** rng.uniform(1.5, 4.0, shape[2:])
    reads = bias + rate * times[..., None, None] + rng.normal(0, 6, (1, 1, *shape[2:]))
    is_full = reads >= limit
    samples = np.rint(np.minimum(reads, limit).mean(axis=1)).astype(np.uint16)[None]
    wells = make_wells(np.full(shape[2:], limit), bias)
    flags = flag(samples, wells, n_frames=n_frames, **alone)[0]
    partly, unused = is_full.any(axis=1) & ~is_full[:, 0], flags != 0
    assert partly.sum() > 1000
    assert unused[is_full.any(axis=1)].mean() > 0.999
    # a group that is not full, in pixels that saturate
    good = ~is_full.any(axis=1) & is_full.any(axis=(0, 1))
    as_jwst = flag(samples, wells, n_frames=n_frames, **alone, last_read="jwst")[0] != 0
    assert unused[good].mean() < 0.02
    assert as_jwst[good].mean() > 2 * unused[good].mean()


def test_a_hit_late_in_the_second_group_makes_it_unusable():
    # one of eight reads at 1000 DN lifts the second group's mean to 135
    samples = np.array([10, 135, 1000, 1000], np.uint16).reshape(1, 4, 1, 1)
    wells = make_wells(np.full((1, 1), 900))
    flags = flag(samples, wells, n_frames=8)[0, :, 0, 0]
    assert flags.tolist() == [0, DO_NOT_USE, SATURATED, SATURATED]


def test_a_hit_within_the_first_group_that_fills_the_pixel_makes_it_unusable():
    # in the last of eight reads 8000 DN came: 1000 DN in the mean, full from then on
    samples = np.full((1, 3, 5, 5), 1010, np.uint16)
    samples[0, 0, 2, 2], samples[0, 1:, 2, 2] = 2010, 9010
    wells = make_wells(np.full((5, 5), 8000), bias=1000)
    flags = flag(samples, wells, n_frames=8)[0]
    assert (flags[0, 1:4, 1:4] == DO_NOT_USE).all()
    assert flags[0, 0, 0] == 0
    # if it came after the group, this is as good as ever
    samples[0, 0, 2, 2] = 1010
    assert not flag(samples, wells, n_frames=8)[0, 0].any()
    # nothing comes within a group of a single read
    samples[0, 0, 2, 2] = 4000
    assert not flag(samples, wells)[0, 0].any()
    # and at its own rate a star fills the pixel, too
    samples[0, 0, 2, 2] = 4000
    assert not flag(samples, wells, n_frames=8)[0, 0].any()


def test_bands_see_what_spills_from_their_neighbours(rng):
    raw, wells = nasty_ramps(rng)
    raw[:, 3:, 4:12, 5:14] = 65535
    params = SaturationParams(grow=2)
    readout = make_readout("MEDIUM8", raw.shape)
    whole = flag_saturation(raw, wells, slice(0, 20), readout, params)
    for height in (1, 3, 7):
        bands = [
            flag_saturation(raw, wells, slice(k, min(k + height, 20)), readout, params)
            for k in range(0, 20, height)
        ]
        np.testing.assert_array_equal(np.concatenate(bands, axis=2), whole)


def test_saturated_and_empty_pixels_of_the_zero_frame_become_nan():
    zero = np.full((1, 5, 5), 10, np.uint16)
    zero[0, 0, 0], zero[0, 3, 3] = 0, 200
    wells = make_wells(np.full((5, 5), 90))
    masked = mask_zero_frame(zero, wells, slice(0, 5), SaturationParams())
    lost = np.zeros((5, 5), bool)
    lost[0, 0], lost[2:, 2:] = True, True
    np.testing.assert_array_equal(np.isnan(masked[0]), lost)
    assert masked.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_kernels_equal_their_twins(rng, dtype):
    raw, wells = nasty_ramps(rng)
    raw = raw.astype(dtype)
    first = saturation._first_saturated(raw, wells.limit, 3, 11)
    np.testing.assert_array_equal(first, twins.first_saturated(raw, wells.limit, 3, 11))
    flags = saturation._group_flags(raw, first, 2, 65, 3)
    np.testing.assert_array_equal(flags, twins.group_flags(raw, first, 2, 65, 3))
    where = np.array([rng.integers(0, n, 30) for n in flags.shape])
    other = flags.copy()
    saturation._flag_box(where, 2, 1, flags)
    twins.flag_box(where, 2, 1, other)
    np.testing.assert_array_equal(flags, other)


@pytest.mark.parity
@pytest.mark.parametrize("n_frames", [1, 2, 4, 8])
@pytest.mark.parametrize("grow", [0, 1, 2])
def test_flags_equal_those_of_stcal(rng, n_frames, grow):
    from stcal.saturation.saturation import flag_saturated_pixels
    from stdatamodels.jwst.datamodels import dqflags

    raw, wells = nasty_ramps(rng)
    zero = (raw[:, 0] * 0.7).astype(np.uint16)
    limits = np.where(rng.random(raw.shape[2:]) < 0.03, NO_SATURATION_CHECK, 0)
    wells = wells._replace(limit=np.where(limits == 0, wells.limit, np.float32(np.nan)))
    before = np.broadcast_to(wells.flags.astype(np.uint8), raw.shape).copy()
    n_groups = raw.shape[1]
    theirs, _, their_zero = flag_saturated_pixels(
        raw.astype(np.float32),
        before.copy(),
        np.zeros(raw.shape[2:], np.uint32),
        wells.limit.copy(),
        limits.astype(np.uint32),
        65535,
        dqflags.pixel,
        n_pix_grow_sat=grow,
        zframe=zero.astype(np.float32),
        read_pattern=[
            [k + 1 + g * n_frames for k in range(n_frames)] for g in range(n_groups)
        ],
        bias=wells.bias,
    )
    params = {"grow": grow, "bloom": False}
    ours = flag(raw, wells, n_frames=n_frames, last_read="jwst", **params)
    assert 0.02 < np.mean(ours & SATURATED != 0) < 0.98
    partly = (ours & DO_NOT_USE != 0) & (raw > 0)
    assert partly.any() == (n_frames > 1)
    np.testing.assert_array_equal(before | ours, theirs)
    masked = mask_zero_frame(zero, wells, slice(0, 20), SaturationParams(**params))
    np.testing.assert_array_equal(np.nan_to_num(masked), their_zero)
