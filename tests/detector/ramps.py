"""Small ramps with everything that can happen to them, and the peers' answers."""

import numpy as np

from rampline.detector.band import PixelNoise, RampBand
from rampline.flags import (
    CHARGELOSS,
    DO_NOT_USE,
    JUMP,
    NO_GAIN_VALUE,
    PERSISTENCE,
    REFERENCE_PIXEL,
    SATURATED,
    UNRELIABLE_SLOPE,
)

from .exposures import make_readout

PEER_BITS = {
    "GOOD": 0,
    "DO_NOT_USE": DO_NOT_USE,
    "SATURATED": SATURATED,
    "JUMP_DET": JUMP,
    "PERSISTENCE": PERSISTENCE,
    "CHARGELOSS": CHARGELOSS,
    "NO_GAIN_VALUE": NO_GAIN_VALUE,
    "UNRELIABLE_SLOPE": UNRELIABLE_SLOPE,
    "REFERENCE_PIXEL": REFERENCE_PIXEL,
}


def make_noise(rng, shape):
    gain = rng.uniform(1.8, 2.2, shape).astype(np.float32)
    return PixelNoise(gain, rng.uniform(4, 6, shape).astype(np.float32))


def make_ramps(rng, readout, noise, rates=(1, 5, 30, 300), hits=0.03):
    """Photons (e-/group), read noise and cosmic rays; no flags."""
    shape = (readout.n_ints, readout.n_groups, readout.n_rows, readout.n_cols)
    photons = np.cumsum(rng.poisson(rng.choice(rates, shape[2:]), shape), axis=1)
    counts = photons / noise.gain
    counts += rng.normal(size=shape) * noise.read_noise_dn / np.sqrt(readout.n_frames)
    deposits = (rng.random(shape) < hits) * rng.exponential(300, shape)
    counts += np.cumsum(deposits, axis=1)
    return counts.astype(np.float32)


def nasty_flags(rng, shape, lost=0.01, saturated=0.02):
    """Groups not to be used anywhere, and saturation from any group on."""
    flags = np.where(rng.random(shape) < lost, DO_NOT_USE, 0).astype(np.uint8)
    full = np.maximum.accumulate(rng.random(shape) < saturated, axis=1)
    flags[full] |= SATURATED
    return flags


def nasty_band(rng, pattern="MEDIUM8", shape=(1, 9, 32, 32), **kinds):
    """Return a band with flags but no jump flags, its noise and its readout."""
    readout = make_readout(pattern, shape)
    noise = make_noise(rng, shape[2:])
    counts = make_ramps(rng, readout, noise)
    flags = nasty_flags(rng, shape, **kinds)
    return (
        RampBand(counts, flags, np.zeros(shape[2:], np.uint32)),
        noise,
        readout,
    )


def stcal_jumps(band, noise, readout, **settings):
    """Return the group flags that stcal's jump detection sets."""
    from stcal.jump.jump import detect_jumps_data
    from stcal.jump.jump_class import JumpData

    data = JumpData(dqflags=PEER_BITS)
    data.init_arrays_from_arrays(
        band.counts.copy(), band.group_flags.copy(), band.pixel_flags.copy()
    )
    data.gain_2d = noise.gain
    data.rnoise_2d = noise.read_noise_dn * np.float32(2**0.5)
    data.nframes = readout.n_frames
    data.dt_group = np.ones(1)
    data.n_reads_groupdiff = np.ones(1) * 2 * readout.n_frames
    data.max_cores = "none"
    data.flag_4_neighbors = False
    for name, value in settings.items():
        setattr(data, name, value)
    return detect_jumps_data(data)[0]


def stcal_slopes(band, noise, readout, algorithm="OLS_C", keep_one_group=False):
    """Return stcal's planes of the exposure and of its integrations."""
    from stcal.ramp_fitting.ramp_fit import ramp_fit_data
    from stcal.ramp_fitting.ramp_fit_class import RampData

    flags = band.group_flags
    zero = band.zero_frame
    data = RampData()
    data.set_arrays(
        band.counts.copy(),
        flags.copy(),
        band.pixel_flags.copy(),
        np.zeros(flags.shape[2:], np.float32),
        orig_gdq=flags.copy() if (flags & CHARGELOSS).any() else None,
        zeroframe=None if zero is None else np.nan_to_num(zero),
    )
    times = readout.frame_s, readout.group_s, readout.n_dropped, readout.n_frames
    data.set_meta("NIRCAM", *times)
    data.algorithm = algorithm
    data.set_dqflags(PEER_BITS)
    data.start_row, data.num_rows = 0, flags.shape[2]
    data.suppress_one_group_ramps = not keep_one_group and flags.shape[1] > 1
    cds = noise.read_noise_dn * np.float32(2**0.5)
    gain = noise.gain.copy()
    planes, cubes, _ = ramp_fit_data(
        data, False, cds, gain, algorithm, "optimal", "none"
    )
    return planes, cubes
