"""Weights: sky noise, read noise, and pixels that must not enter."""

import numpy as np
import pytest

from rampline import flags
from rampline.mosaic.weights import NoisePlanes, weigh_pixels, weigh_rows

from ..twins import mosaic as twins


def noise(read=0.5, poisson=0.25, shape=(3, 3)):
    planes = (np.full(shape, v, np.float32) for v in (poisson, read, 0.0))
    return NoisePlanes(*planes)


def weigh(kind="sky", sky=None, dq=None, planes=None):
    sky = np.zeros((3, 3), np.float32) if sky is None else sky
    dq = np.zeros((3, 3), np.uint32) if dq is None else dq
    return weigh_pixels(sky, dq, planes or noise(), flags.BAD_FOR_MOSAIC, kind)


def test_weights_are_inverse_variances():
    assert np.all(weigh("read") == 2.0)
    assert weigh("sky") == pytest.approx(1 / 0.75)


def test_a_bright_source_weighs_as_the_sky_beside_it():
    planes = noise()
    planes.var_poisson[1, 1] = 1000.0
    assert np.ptp(weigh("sky", planes=planes)) == 0.0


def test_a_pixel_that_saturates_weighs_as_its_neighbours():
    planes, dq = noise(), np.zeros((3, 3), np.uint32)
    planes.var_read[1, 1], dq[1, 1] = 50.0, flags.SATURATED
    planes.var_read[0, 0] = 5.0
    weight = weigh("sky", dq=dq, planes=planes)
    assert weight[1, 1] == weight[2, 2]
    assert weight[0, 0] < 0.2 * weight[2, 2]
    assert weigh("read", dq=dq, planes=planes)[1, 1] == pytest.approx(0.02)


@pytest.mark.parametrize("bit", [flags.HOT, flags.WARM])
def test_a_hot_pixel_weighs_less_by_its_photon_noise(bit):
    planes, dq = noise(), np.zeros((3, 3), np.uint32)
    dq[1] = bit
    planes.var_poisson[1] = 9.5, 0.01, np.nan
    weight = weigh("sky", dq=dq, planes=planes)
    assert weight[1] == pytest.approx([0.1, 1 / 0.75, 1 / 0.75])
    assert weigh("read", dq=dq, planes=planes)[1, 0] == 2.0


def test_flagged_and_unknown_pixels_weigh_nothing():
    dq = np.zeros((3, 3), np.uint32)
    dq[0] = flags.DO_NOT_USE, flags.NON_SCIENCE, flags.JUMP
    sky = np.zeros((3, 3), np.float32)
    sky[1, 0] = np.nan
    planes = noise()
    planes.var_read[2] = np.nan, np.inf, 0.5
    weight = weigh("sky", sky, dq, planes)
    assert weight.dtype == np.float32
    assert (weight > 0).tolist() == [
        [False, False, True],
        [False, True, True],
        [False, False, True],
    ]
    planes.var_read[:] = 0.0
    assert np.all(weigh("read", planes=planes) == 0.0)


@pytest.mark.parametrize("added", [0.2, np.nan])
def test_the_kernel_does_as_its_twin(rng, added):
    read = rng.uniform(0.1, 1, (30, 40)).astype(np.float32)
    read[3, 3], read[4, 4] = np.nan, 0.0
    sky = rng.normal(size=read.shape).astype(np.float32)
    sky[5, 5] = np.inf
    poisson = rng.uniform(0.0, 1, read.shape).astype(np.float32)
    poisson[6, 6], poisson[7, 7] = np.nan, np.inf
    dq = rng.choice(np.array([0, 1, 2, 4, flags.HOT], np.uint32), read.shape)
    bits = np.uint32(1), np.uint32(flags.SATURATED), np.uint32(flags.HOT)
    blank = np.float32(0.4 if added == added else added), np.float32(added)
    fast, slow = np.empty((2, *read.shape), np.float32)
    weigh_rows(sky, dq, (read, poisson), bits, blank, fast)
    twins.weigh_rows(sky, dq, (read, poisson), bits, blank, slow)
    assert np.array_equal(fast, slow)
    assert 0 < (fast == 0).sum() < fast.size / 2


@pytest.mark.parity
def test_read_noise_weights_are_those_of_stcal(rng):
    from stcal.resample.utils import build_driz_weight

    shape = (50, 50)
    read = rng.uniform(0.1, 1, shape).astype(np.float32)
    read[3, 3], read[4, 4] = np.nan, 0.0
    dq = rng.choice(np.array([0, 1, 4, 512], np.uint32), shape)
    planes = NoisePlanes(read, read, read)
    sky = np.zeros(shape, np.float32)
    bad = flags.BAD_FOR_MOSAIC
    theirs = build_driz_weight(
        {"data": sky, "dq": dq, "var_rnoise": read}, "ivm", f"~{bad}"
    )
    assert np.array_equal(weigh_pixels(sky, dq, planes, bad, "read"), theirs)


def test_sky_weights_beat_read_weights_for_unequal_exposures():
    # read noise and sky photons of 3 and 9 groups, as they fall with exposure time
    cases = [(0.27, 0.3), (0.01, 0.1)]
    sigma = {}
    for kind in ("sky", "read"):
        weights = [weigh(kind, planes=noise(*case))[0, 0] for case in cases]
        variances = [sum(case) for case in cases]
        total = sum(w * w * v for w, v in zip(weights, variances, strict=True))
        sigma[kind] = np.sqrt(total) / sum(weights)
    assert sigma["sky"] < 0.99 * sigma["read"]
    assert sigma["sky"] == pytest.approx((1 / 0.57 + 1 / 0.11) ** -0.5, rel=1e-6)
