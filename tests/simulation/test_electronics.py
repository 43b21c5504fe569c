import numpy as np
import pytest

from rampline.simulation import electronics
from rampline.simulation.electronics import (
    ElectronicsParams,
    couple,
    coupling_kernel,
    is_reference,
    read_out,
)
from rampline.simulation.flicker import FlickerParams
from rampline.simulation.instrument import DETECTORS
from rampline.simulation.pedestal import PedestalParams
from rampline.simulation.photons import Signal
from tests.simulation.test_photons import pixels, readout
from tests.twins import simulation as twins

QUIET = ElectronicsParams(
    read_noise=False,
    reset_noise=False,
    coupling=False,
    flicker=FlickerParams(enabled=False),
    pedestal=PedestalParams(enabled=False),
)
KEY = 1, "NRCB1", (0, DETECTORS["NRCB1"].number, 0)


def _signal(how, value=100.0):
    shape = how.n_rows, how.n_cols
    groups = np.full((how.n_groups, *shape), value, np.float32)
    return Signal(groups=groups, first=np.full(shape, value, np.float32))


def _raw(params, how=None, value=100.0):
    how = how or readout()
    planes = pixels((how.n_rows, how.n_cols))
    return read_out(_signal(how, value), planes, how, params, KEY)


def test_without_noise_the_counts_are_bias_plus_signal():
    raw = _raw(QUIET, value=100.4)
    assert (raw.samples == 7100).all()
    assert (raw.zero_frame == 7100).all()
    assert raw.samples.dtype == np.uint16


def test_counts_stop_at_sixteen_bits():
    assert (_raw(QUIET, value=1e6).samples == 65535).all()
    assert (_raw(QUIET, value=-1e6).samples == 0).all()


def test_read_noise_falls_with_the_root_of_the_reads():
    params = QUIET.model_copy(update={"read_noise": True})
    raw = _raw(params, readout("MEDIUM8", groups=6, rows=128, cols=128))
    # Rounding to whole counts adds a twelfth.
    for plane, expected in [(raw.samples[2], 25 / 8), (raw.zero_frame, 25.0)]:
        measured = plane.astype(float).var() - 1 / 12
        assert abs(measured / expected - 1) < 5 * np.sqrt(2 / plane.size)


def test_the_zero_frame_is_part_of_the_first_group():
    """Its noise enters the mean of eight reads with an eighth of its weight."""
    params = QUIET.model_copy(update={"read_noise": True})
    raw = _raw(params, readout("MEDIUM8", groups=2, rows=256, cols=256))
    zero, first, second = (
        plane.astype(float) for plane in (raw.zero_frame, *raw.samples)
    )
    n = zero.size
    covariance = np.cov(zero.ravel(), first.ravel())
    assert abs(covariance[0, 1] - 25 / 8) < 5 * np.sqrt(25 * 25 / 8 / n)
    assert abs(covariance[1, 1] - 1 / 12 - 25 / 8) < 5 * 25 / 8 * np.sqrt(2 / n)
    other = np.cov(zero.ravel(), second.ravel())[0, 1]
    assert abs(other) < 5 * np.sqrt(25 * 25 / 8 / n)


def test_reset_noise_is_the_same_in_all_groups():
    params = QUIET.model_copy(update={"reset_noise": True})
    raw = _raw(params, readout(rows=128, cols=128))
    assert (raw.samples == raw.samples[0]).all()
    expected = DETECTORS["NRCB1"].reset_noise_dn
    assert abs(raw.samples[0].std() / expected - 1) < 5 / np.sqrt(2 * 128 * 128)


@pytest.mark.parametrize("off", ["read_noise", "reset_noise", "coupling"])
def test_a_component_switched_off_leaves_the_others_numbers(off):
    """On a flat signal without rounding the difference is just the component itself."""
    how = readout(rows=64, cols=64)
    both = ElectronicsParams(flicker=FlickerParams(enabled=False))
    on = _raw(both, how, 30000.0).samples.astype(float)
    less = _raw(both.model_copy(update={off: False}), how, 30000.0)
    only = _raw(QUIET.model_copy(update={off: True}), how, 30000.0)
    none = _raw(QUIET, how, 30000.0).samples.astype(float)
    difference = on - less.samples - (only.samples - none)
    assert np.abs(difference).max() <= 2.0


def test_switching_1_over_f_off_leaves_the_white_noise():
    how = readout(rows=64, cols=64)
    quiet = ElectronicsParams(flicker=FlickerParams(enabled=False))
    faint = ElectronicsParams(flicker=FlickerParams(knee_hz=1e-6, odd_even_dn=0.0))
    difference = _raw(quiet, how).samples.astype(int) - _raw(faint, how).samples
    assert np.abs(difference).max() <= 1


def test_odd_and_even_columns_differ():
    params = QUIET.model_copy(
        update={"flicker": FlickerParams(knee_hz=1e-9, odd_even_dn=3.0)}
    )
    raw = _raw(params, readout("RAPID", groups=400, rows=4, cols=64)).samples
    offset = raw[..., 0::2].mean(axis=(1, 2)) - raw[..., 1::2].mean(axis=(1, 2))
    assert np.isclose(offset.std(), 3 * np.sqrt(2), rtol=0.15)


@pytest.mark.parametrize("name", ["NRCB1", "NRCALONG"])
def test_a_single_bright_pixel_shows_the_kernel(name):
    how = readout(rows=9, cols=9)
    counts = np.zeros((9, 9), np.float32)
    counts[4, 4] = 1e4
    couple(counts, name, how)
    detector = DETECTORS[name]
    assert np.isclose(counts.sum(), 1e4, rtol=1e-6)
    assert np.isclose(counts[3, 4] / 1e4, detector.ipc_side, rtol=0.02)
    assert np.isclose(counts[3, 3] / 1e4, detector.ipc_corner, rtol=0.1)
    trail = counts[4, 5] - counts[4, 3]
    assert np.isclose(trail / 1e4, detector.ppc, rtol=0.05)


def test_the_trail_follows_the_direction_of_the_read():
    counts = np.zeros((9, 8), np.float32)
    counts[4, 3] = 1e4
    how = readout(rows=9, cols=8)
    fields = {field: getattr(how, field) for field in how.__dataclass_fields__}
    couple(counts, "NRCB1", type(how)(**{**fields, "fast_axis": -1}))
    assert counts[4, 2] > counts[4, 4]


@pytest.mark.parametrize("name", list(DETECTORS))
def test_kernels_of_coupling_sum_to_one(name):
    kernel3 = coupling_kernel(name)
    assert np.isclose(kernel3.sum(), 1.0)
    assert (kernel3 > 0).all()
    assert np.array_equal(kernel3, kernel3.T)


def test_the_convolution_is_its_twin(rng):
    source = rng.random((12, 15)).astype(np.float32)
    kernel3 = coupling_kernel("NRCB4").astype(np.float32)
    fast, slow = np.zeros((10, 13), np.float32), np.zeros((10, 13), np.float32)
    electronics._spread(source, kernel3, fast)
    twins.spread(source, kernel3, slow)
    assert np.allclose(fast, slow, rtol=1e-5)


def test_reference_pixels_frame_the_detector():
    how = readout(rows=20, cols=20)
    fields = {field: getattr(how, field) for field in how.__dataclass_fields__}
    corner = is_reference(type(how)(**{**fields, "row_start": 0, "col_start": 2034,
                                       "n_cols": 14}))  # fmt: skip
    assert corner[:4].all()
    assert corner[:, -4:].all()
    assert not corner[4:, :-4].any()
