import numpy as np
import pytest

from rampline.simulation.flicker import FlickerNoise, FlickerParams, clocking
from rampline.simulation.instrument import CLOCK_S
from rampline.simulation.streams import stream
from tests.simulation.test_photons import readout


def _noise(how, seed=1, **params):
    draw = stream(seed, "flicker")
    return FlickerNoise(how, 5.0, FlickerParams(**params), draw)


def _in_clock_order(plane, how):
    clocks = clocking(how)
    rows = plane[::-1] if clocks.rows_down else plane
    strips = np.split(rows, how.n_outputs, axis=1)
    return [strip[:, ::d] for strip, d in zip(strips, clocks.directions, strict=True)]


def _full(rows=512, cols=512, **kwargs):
    how = readout("RAPID", groups=2, rows=rows, cols=cols)
    outputs = kwargs.pop("n_outputs", 4)
    frame_s = rows * (cols // outputs + 12) * CLOCK_S
    fields = {name: getattr(how, name) for name in how.__dataclass_fields__}
    fields.update(n_outputs=outputs, frame_s=frame_s, group_s=frame_s, **kwargs)
    return type(how)(**fields)


def test_outputs_alternate_in_direction_and_rows_follow_the_slow_axis():
    clocks = clocking(_full(fast_axis=-1, slow_axis=2))
    assert clocks.directions == (-1, 1, -1, 1)
    assert not clocks.rows_down
    assert clocking(_full(fast_axis=1, slow_axis=-2)).rows_down


def test_the_spectrum_along_the_clock_is_the_one_put_in():
    """Density at the knee is that of the white noise; it falls as one over f."""
    how = _full(rows=1024, cols=500, n_outputs=1)
    noise = _noise(how, knee_hz=500.0, common=0.0)
    white_density = 5.0**2 * 2 * CLOCK_S
    line = 512
    power = []
    for k in range(12):
        samples = np.zeros((1024, line))
        samples[:, :500] = _in_clock_order(noise.mean_of_reads(k % 2, 1), how)[0]
        # The idle clocks are gaps of 2 %: they lower the power by as much.
        spectrum = np.fft.rfft(samples.ravel()) / np.sqrt(samples.size)
        power.append(2 * CLOCK_S * np.abs(spectrum) ** 2 * line / 500)
    frequency = np.fft.rfftfreq(1024 * line, CLOCK_S)
    mean = np.mean(power, axis=0)
    for low, high in [(2, 8), (8, 32), (32, 128), (400, 600), (2000, 4000)]:
        # Away from the comb that the gaps make at multiples of the row rate.
        row_hz = 1 / (line * CLOCK_S)
        away = np.abs(frequency / row_hz - np.rint(frequency / row_hz)) > 0.1
        chosen = (frequency > low) & (frequency < high) & (away | (frequency < 100))
        expected = white_density * 500.0 / frequency[chosen]
        ratio = np.mean(mean[chosen] / expected)
        n = 12 * chosen.sum()
        assert abs(ratio - 1) < 0.03 + 5 / np.sqrt(n), (low, high, ratio)


@pytest.mark.parametrize("common", [0.0, 0.5, 1.0])
def test_outputs_share_the_common_part(common):
    how = _full(rows=512, cols=512)
    noise = _noise(how, common=common)
    strips = _in_clock_order(noise.mean_of_reads(0, 1), how)
    strips = [strip - strip.mean(axis=1, keepdims=True) for strip in strips]
    correlation = np.corrcoef([strip.ravel() for strip in strips])
    off_diagonal = correlation[~np.eye(4, dtype=bool)]
    assert np.allclose(off_diagonal, common, atol=0.06)


def test_the_direction_of_the_read_shows():
    """In the science frame a common drift runs leftwards in every second output."""
    how = _full(rows=512, cols=512)
    plane = _noise(how, common=1.0).mean_of_reads(0, 1)
    strips = np.split(plane - plane.mean(axis=1, keepdims=True), 4, axis=1)
    aligned = np.corrcoef(strips[0].ravel(), strips[1][:, ::-1].ravel())[0, 1]
    flipped = np.corrcoef(strips[0].ravel(), strips[1].ravel())[0, 1]
    assert aligned > 0.99
    assert flipped < 0.9


def test_the_mean_of_reads_has_less_of_the_fast_noise():
    how = _full(rows=256, cols=256, n_outputs=1)
    long = type(how)(
        **{
            **{name: getattr(how, name) for name in how.__dataclass_fields__},
            "n_groups": 9,
        }
    )
    noise = _noise(long)

    def scatter(n_reads):
        planes = [noise.mean_of_reads(0, n_reads) for _ in range(8)]
        return np.var([np.diff(plane, axis=1) for plane in planes])

    assert np.isclose(scatter(1) / scatter(8), 8.0, rtol=0.05)


def test_the_slow_drift_runs_on_from_read_to_read():
    how = _full(rows=128, cols=128, n_outputs=1)
    fields = {name: getattr(how, name) for name in how.__dataclass_fields__}
    long = type(how)(**{**fields, "n_groups": 400})
    noise = _noise(long)
    levels = noise._slow.sum(axis=0).mean(axis=1)
    neighbours = np.corrcoef(levels[:-1], levels[1:])[0, 1]
    assert neighbours > 0.3
    assert np.var(levels) > 2 * np.var(np.diff(levels)) / 2
