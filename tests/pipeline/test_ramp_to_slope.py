from dataclasses import replace

import numpy as np
import pytest

from rampline.exposure.header import Card
from rampline.exposure.planes import RampPlanes
from rampline.flags import (
    DO_NOT_USE,
    JUMP,
    NO_LINEARITY,
    NO_SATURATION_CHECK,
    REFERENCE_PIXEL,
    SATURATED,
    UNRELIABLE_DARK,
)
from rampline.pipeline.ramp_to_slope import RampToSlope, ramp_to_slope
from rampline.pipeline.runner import Bench, Runner
from tests.detector.exposures import make_ramp, make_readout

RATE_DN_S = 2.0
READ_NOISE_DN = 5.0
GAIN = 2.0
BIAS_DN = 9000


def make_planes(shape, n_groups, **changes):
    """References of a linear detector with a flat bias and no dark."""
    linear = np.zeros((3, *shape), np.float32)
    linear[1] = 1.0
    planes = RampPlanes(
        full_well_dn=np.full(shape, 60000, np.float32),
        superbias_dn=np.full(shape, BIAS_DN, np.float32),
        linearity=linear,
        dark_dn=np.zeros((n_groups, *shape), np.float32),
        gain=np.full(shape, GAIN, np.float32),
        read_noise_dn=np.full(shape, READ_NOISE_DN, np.float32),
        ipc_kernel=np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], np.float32),
    )
    return replace(planes, **changes)


def simulate(rng, readout, rate=RATE_DN_S):
    """Raw samples of an even sky: photons, read noise, the averages of reads."""
    times = np.unique(readout.read_times_s())
    steps = np.diff(times, prepend=0.0)[:, None, None]
    shape = (readout.n_rows, readout.n_cols)
    samples = np.empty((readout.n_ints, readout.n_groups, *shape))
    for i in range(readout.n_ints):
        photons = rng.poisson(rate * GAIN * steps, (len(times), *shape)) / GAIN
        reads = np.cumsum(photons, axis=0) + rng.normal(
            BIAS_DN, READ_NOISE_DN, (len(times), *shape)
        )
        samples[i] = reads.reshape(readout.n_groups, readout.n_frames, *shape).mean(1)
    return np.minimum(np.rint(samples), 65535).astype(np.uint16)


def reduce(raw, planes, bench=None, **sections):
    params = RampToSlope.model_validate(sections)
    run = Runner(planes, Bench() if bench is None else bench)
    return ramp_to_slope(raw, run, params), run


def test_the_trail_is_the_list_of_parameters_in_order(rng):
    readout = make_readout("SHALLOW4", (1, 5, 12, 16), 1, (500, 500))
    raw = make_ramp(simulate(rng, readout), readout)
    planes = make_planes((12, 16), 5)
    on = {"enabled": True}
    kinds = ("ipc", "after_jumps", "persistence", "charge_migration")
    _, run = reduce(raw, planes, **dict.fromkeys(kinds, on))
    assert [step.step for step in run.trail] == list(RampToSlope.model_fields)


def test_the_noise_of_the_dark_is_part_of_the_error(rng):
    readout = make_readout("SHALLOW4", (1, 6, 60, 80), 1, (500, 500))
    sigma = READ_NOISE_DN / np.sqrt(4 * 2.0)
    dark = rng.normal(0.0, sigma, (6, 60, 80)).astype(np.float32)
    planes = make_planes((60, 80), 6, dark_dn=dark, dark_noise=0.5)
    raw, off = make_ramp(simulate(rng, readout, 0.02), readout), {"enabled": False}
    image, _ = reduce(raw, planes, jumps=off, row_drift=off)
    pull = (image.planes.slope - 0.02) / image.planes.err
    assert np.std(pull) == pytest.approx(1.0, abs=0.04)
    without, _ = reduce(raw, planes, jumps=off, row_drift=off, dark={"noise": False})
    share = without.planes.var_read / image.planes.var_read
    rounding = 4 / 12.0
    expected = (READ_NOISE_DN**2 + rounding) / (1.5 * READ_NOISE_DN**2 + rounding)
    np.testing.assert_allclose(share, expected, rtol=1e-4)


def hot(readout):
    """A dark of 12 DN/s, and its rate."""
    shape = readout.n_rows, readout.n_cols
    rate = np.full(shape, 12.0, np.float32)
    ramp = rate * readout.group_times_s().astype(np.float32)[:, None, None]
    return {"dark_dn": ramp, "dark_rate_dn_s": rate}


def test_hot_pixels_have_the_photon_noise_of_their_dark(rng):
    readout = make_readout("SHALLOW4", (1, 6, 60, 80), 1, (500, 500))
    samples, off = simulate(rng, readout, 12.1), {"enabled": False}
    raw, planes = make_ramp(samples, readout), make_planes((60, 80), 6)
    hotter = replace(planes, **hot(readout))
    image, _ = reduce(raw, hotter, row_drift=off)
    pull = (image.planes.slope - 0.1) / image.planes.err
    assert np.nanstd(pull) == pytest.approx(1.0, abs=0.04)
    assert (image.planes.flags & JUMP > 0).mean() < 0.004
    without, _ = reduce(raw, hotter, row_drift=off, dark={"noise": False})
    assert (without.planes.flags & JUMP > 0).mean() > 0.1
    clean = reduce(raw, planes, row_drift=off, jumps=off)[0].planes
    own = reduce(raw, hotter, row_drift=off, jumps=off)[0].planes
    np.testing.assert_allclose(own.err, clean.err, rtol=0.02)
    np.testing.assert_allclose(own.var_poisson, clean.var_poisson, rtol=0.05)


def test_an_even_sky_gets_its_slope_and_its_noise(rng):
    readout = make_readout("SHALLOW4", (1, 6, 40, 48), 1, (500, 500))
    image, _ = reduce(
        make_ramp(simulate(rng, readout), readout), make_planes((40, 48), 6)
    )
    pull = (image.planes.slope - RATE_DN_S) / image.planes.err
    n = pull.size
    assert abs(pull.mean()) < 4 / np.sqrt(n)
    assert abs(pull.std() - 1) < 0.06
    assert image.integrations is None


def test_threads_and_bands_do_not_change_a_bit(rng):
    readout = make_readout("MEDIUM8", (2, 5, 37, 64), 1, (0, 500))
    samples = simulate(rng, readout)
    samples[0, 3:, 20, 30], samples[1, 2:, 5:8, 5:8] = 30000, 65535
    raw = make_ramp(samples, readout, zero_frame=samples[:, 0])
    flags = np.zeros((37, 64), np.uint32)
    flags[:4] = REFERENCE_PIXEL
    planes = make_planes((37, 64), 5, flags={"mask": flags})
    images = []
    for threads, rows in ((1, 64), (1, 5), (2, 1), (2, 16)):
        with Bench(threads, rows) as bench:
            images.append(reduce(raw, planes, bench)[0])
    for image in images[1:]:
        for ours, other in (
            (image.planes, images[0].planes),
            (image.integrations, images[0].integrations),
        ):
            for name in ("slope", "err", "var_poisson", "var_read", "flags"):
                np.testing.assert_array_equal(getattr(ours, name), getattr(other, name))


def test_the_raw_samples_and_the_result_survive_the_next_exposure(rng):
    readout = make_readout("SHALLOW4", (1, 5, 16, 16), 1, (500, 500))
    samples = simulate(rng, readout)
    raw = make_ramp(samples, readout, zero_frame=samples[:, 0])
    before = samples.copy()
    bench = Bench()
    planes = make_planes((16, 16), 5)
    image, _ = reduce(raw, planes, bench)
    slope = image.planes.slope.copy()
    brighter = make_ramp(simulate(rng, readout, 50.0), readout)
    reduce(brighter, planes, bench)
    np.testing.assert_array_equal(samples, before)
    np.testing.assert_array_equal(image.planes.slope, slope)


def test_flags_of_all_reference_files_reach_the_slopes(rng):
    readout = make_readout("SHALLOW4", (1, 5, 6, 8), 1, (500, 500))
    bits = {
        "mask": DO_NOT_USE,
        "saturation": NO_SATURATION_CHECK,
        "linearity": NO_LINEARITY,
        "dark": UNRELIABLE_DARK,
    }
    flags = {}
    for row, (kind, bit) in enumerate(bits.items()):
        flags[kind] = np.zeros((6, 8), np.uint32)
        flags[kind][row, 2] = bit
    planes = make_planes((6, 8), 5, flags=flags)
    planes.full_well_dn[5, 5] = np.nan
    planes.linearity[2, 5, 6] = np.nan
    image, _ = reduce(make_ramp(simulate(rng, readout), readout), planes)
    for row, bit in enumerate(bits.values()):
        assert image.planes.flags[row, 2] & bit
    assert image.planes.flags[5, 5] == NO_SATURATION_CHECK
    assert image.planes.flags[5, 6] == NO_LINEARITY
    assert np.isnan(image.planes.slope[0, 2])


def test_hits_and_full_wells_are_flagged_and_leave_a_slope(rng):
    readout = make_readout("RAPID", (1, 8, 16, 16), 1, (500, 500))
    samples = simulate(rng, readout)
    samples[0, 4:, 3, 3] += 2000
    samples[0, 6:, 10, 10] = 65000
    image, _ = reduce(make_ramp(samples, readout), make_planes((16, 16), 8))
    planes = image.planes
    assert planes.flags[3, 3] & JUMP
    assert planes.flags[10, 10] & SATURATED
    for place in ((3, 3), (10, 10)):
        assert abs(planes.slope[place] - RATE_DN_S) < 5 * planes.err[place]


def test_the_header_tells_the_rates_of_hits_and_snowballs(rng):
    readout = make_readout("RAPID", (1, 11, 20, 50), 1, (500, 500))
    samples = simulate(rng, readout)
    samples[0, 4:, 3, 3] += 2000
    raw = make_ramp(samples, readout, cards=[Card("PRIMECRS", 99.0)])
    off = {"neighbors": {"enabled": False}}
    image, _ = reduce(raw, make_planes((20, 50), 11), **off)
    cards = {card.keyword: card.value for card in image.header.primary}
    exposed = 10 * readout.group_s * 1000
    n_flagged = cards["PRIMECRS"] * exposed / 1e3
    assert 1 <= round(n_flagged) < 10
    assert n_flagged == pytest.approx(round(n_flagged))
    assert cards["EXTNCRS"] == 0
    assert len(image.header.primary) == 2
    image, _ = reduce(raw, make_planes((20, 50), 11), jumps={"enabled": False})
    assert image.header.primary == raw.header.primary


def test_the_header_counts_a_snowball(rng):
    readout = make_readout("RAPID", (1, 11, 40, 50), 1, (500, 500))
    samples = simulate(rng, readout)
    row, col = np.ogrid[:40, :50]
    apart = np.hypot(row - 20, col - 25)
    samples[0, 4:, apart < 7] += 9000
    samples[0, 4:, apart < 3] = 65000
    image, _ = reduce(make_ramp(samples, readout), make_planes((40, 50), 11))
    cards = {card.keyword: card.value for card in image.header.primary}
    exposed = 10 * readout.group_s * 2000
    assert cards["EXTNCRS"] * exposed / 1e6 == pytest.approx(1)


@pytest.mark.parametrize("zero", [True, False])
def test_one_group_gives_no_slope_unless_asked_for(rng, zero):
    readout = make_readout("RAPID", (1, 1, 16, 16), 1, (500, 500))
    samples = simulate(rng, readout)
    raw = make_ramp(samples, readout, zero_frame=samples[:, 0] if zero else None)
    planes = make_planes((16, 16), 1)
    image, _ = reduce(raw, planes, slopes={"one_group_ramps": True})
    scatter = image.planes.slope - RATE_DN_S
    assert abs(scatter.mean()) < 5 * image.planes.err.mean() / 16


def test_a_hot_pixel_that_saturates_has_no_light_of_its_own(rng):
    readout = make_readout("MEDIUM8", (1, 4, 16, 16), 1, (500, 500))
    samples = simulate(rng, readout, 600.0)
    first = rng.poisson(GAIN * 600.0 * readout.frame_s, samples[:, 0].shape) / GAIN
    zero = np.rint(BIAS_DN + first).astype(np.uint16)
    dark = 600.0 * readout.group_times_s()[:, None, None] * np.ones((4, 16, 16))
    planes = make_planes((16, 16), 4, dark_dn=dark.astype(np.float32))
    image, _ = reduce(make_ramp(samples, readout, zero_frame=zero), planes)
    assert (image.planes.flags & SATURATED != 0).all()
    assert abs(image.planes.slope.mean()) < 3.0


def test_a_wrong_divisor_of_the_average_is_undone(rng):
    readout = make_readout("SHALLOW4", (1, 5, 16, 16), 1, (500, 500))
    samples = simulate(rng, readout)
    planes = make_planes((16, 16), 5)
    straight, _ = reduce(make_ramp(samples, readout), planes)
    halved = make_ramp(
        (samples / 2).astype(np.float32), readout, cards=[Card("FRMDIVSR", 8)]
    )
    scaled, _ = reduce(halved, planes)
    np.testing.assert_array_equal(scaled.planes.slope, straight.planes.slope)


def test_each_integration_keeps_its_slope(rng):
    readout = make_readout("BRIGHT2", (3, 5, 16, 16), 1, (500, 500))
    image, _ = reduce(
        make_ramp(simulate(rng, readout), readout), make_planes((16, 16), 5)
    )
    assert image.integrations.slope.shape == (3, 16, 16)
    mean = image.integrations.slope.mean(axis=0)
    np.testing.assert_allclose(mean.mean(), image.planes.slope.mean(), rtol=0.02)


def test_the_gain_factor_scales_the_slopes(rng):
    readout = make_readout("BRIGHT2", (1, 5, 16, 16), 1, (500, 500))
    raw = make_ramp(simulate(rng, readout), readout)
    off = {"flicker_noise": {"enabled": False}}
    once, _ = reduce(raw, make_planes((16, 16), 5), **off)
    twice, _ = reduce(raw, make_planes((16, 16), 5, gain_factor=2.0), **off)
    np.testing.assert_array_equal(twice.planes.slope, 2 * once.planes.slope)


def test_ipc_without_a_kernel_is_refused(rng):
    readout = make_readout("BRIGHT2", (1, 5, 8, 8), 1, (500, 500))
    raw = make_ramp(simulate(rng, readout), readout)
    with pytest.raises(ValueError, match="ipc reference"):
        reduce(raw, make_planes((8, 8), 5, ipc_kernel=None), ipc={"enabled": True})
