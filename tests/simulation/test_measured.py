"""What was put in is measured from the counts that come out, with plain NumPy.

Nothing of the reduction is used. Agreement is asked for within 2 %, or within the
statistical error of the measurement where that is larger.
"""

import numpy as np
import pytest
from scipy import fft
from scipy.ndimage import label

from rampline.simulation.catalog import draw_sources
from rampline.simulation.expose import detector_planes, expose
from rampline.simulation.instrument import CLOCK_S, DETECTORS, PIXEL_CM
from rampline.simulation.pointing import plan_exposures
from rampline.simulation.scene import SceneParams

QUIET = {"cosmic_rays": {"enabled": False}, "snowballs": {"enabled": False}}
NO_DRIFT = {"flicker": {"enabled": False}, "telegraph": {"enabled": False}}
DARK = {"sky": 0.0, "warm_pixels": False, "dark": False}


def _exposed(detector="NRCBLONG", **changes):
    """One exposure of an empty field, its samples as float64, and its pixels."""
    siaf = DETECTORS[detector].siaf
    subarray = changes.pop("subarray", "SUB640")
    activity = {
        "short": "F187N",
        "long": "F405N",
        "detectors": [detector],
        "subarray": subarray,
        "pattern": changes.pop("pattern", "RAPID"),
        "groups": changes.pop("groups", 10),
        "integrations": changes.pop("integrations", 2),
    }
    content = {
        "visit": {"aperture": f"{siaf}_{subarray}", "points": 1},
        "activities": [activity],
        "events": QUIET,
        "electronics": NO_DRIFT,
        **changes,
    }
    scene = SceneParams.model_validate(content)
    exposure = plan_exposures(scene)[0]
    made = expose(scene, exposure, draw_sources(scene.field, scene.seed))
    return made.ramp, detector_planes(exposure, scene.seed)


def _kernel_power(detector):
    """Sum of squares of the coupling: by so much it lowers the variance of shot noise."""
    own = DETECTORS[detector]
    side, corner, trail = own.ipc_side, own.ipc_corner, own.ppc
    kernel = np.full((3, 3), corner)
    kernel[1] = kernel[:, 1] = side
    kernel[1, 1] = 1 - 4 * (side + corner)
    delayed = np.pad(kernel, ((0, 0), (1, 0)))
    kernel = (1 - trail) * np.pad(kernel, ((0, 0), (0, 1))) + trail * delayed
    return np.sum(kernel**2)


def _clean(pixels):
    """Pixels with no flag in them or beside them."""
    bad = pixels.flags != 0
    wide = np.pad(bad, 1, constant_values=True)
    n_rows, n_cols = bad.shape
    for i in range(3):
        for j in range(3):
            bad = bad | wide[i : i + n_rows, j : j + n_cols]
    return ~bad


@pytest.fixture(scope="module")
def lit():
    """Two integrations, read by read, of a bright sky."""
    return _exposed(light={"sky": 1200.0, "warm_pixels": False, "dark": False})


def test_variance_grows_with_the_mean_by_the_gain(lit):
    """The mean-variance relation: its slope is one over the gain, its foot read noise."""
    ramp, pixels = lit
    chosen = _clean(pixels)
    samples = ramp.samples.astype(float)
    signal = samples[:, 1:] - samples[:, :1]
    mean = signal.mean(axis=0)[:, chosen].mean(axis=1)
    # pixels differ in response: the difference of two integrations is free of it
    variance = np.diff(signal, axis=0)[0][:, chosen].var(axis=1) / 2
    slope, foot = np.polyfit(mean, variance, 1, w=1 / variance)
    gain = _kernel_power("NRCBLONG") / slope
    assert gain == pytest.approx(pixels.gain[chosen].mean(), rel=0.02)
    # rounding adds a twelfth to each of the two reads
    expected = 2 * np.mean(pixels.read_noise_dn[chosen] ** 2) + 2 / 12
    assert foot == pytest.approx(expected, rel=0.02)
    assert mean[-1] > 400


@pytest.mark.parametrize(("sky", "groups"), [(0.0, 6), (150.0, 6), (600.0, 4)])
def test_slopes_scatter_as_photons_and_reads_say(sky, groups):
    """Unweighted straight lines through averaged groups, against their covariance."""
    light = {"sky": sky, "warm_pixels": False, "dark": False}
    ramp, pixels = _exposed(pattern="MEDIUM8", groups=groups, light=light)
    readout = ramp.header.readout
    reads = readout.read_times_s()
    times = reads.mean(axis=1)
    weights = (times - times.mean()) / np.sum((times - times.mean()) ** 2)
    slopes = np.tensordot(weights, ramp.samples.astype(float), ((0,), (1,)))
    chosen = _clean(pixels)
    rate = slopes.mean(axis=0)[chosen].mean()
    measured = np.diff(slopes, axis=0)[0][chosen].var() / 2
    # The covariance of two reads of Poisson counts is the counts at the earlier one.
    flat = reads.ravel()
    earlier = np.minimum(flat[:, None], flat).reshape(groups, 8, groups, 8)
    shot = rate / pixels.gain[chosen].mean() * earlier.mean(axis=(1, 3))
    noise = np.mean(pixels.read_noise_dn[chosen] ** 2) / 8 + 1 / 12
    covariance = _kernel_power("NRCBLONG") * shot + noise * np.eye(groups)
    expected = weights @ covariance @ weights
    assert measured == pytest.approx(expected, rel=0.02)


def test_hot_pixels_show_the_coupling_and_the_direction_of_the_read():
    """Neighbours of hot pixels, as shares of all their charge, weighted by it."""
    dark = {"sky": 0.0, "warm_pixels": False}
    ramp, pixels = _exposed(pattern="MEDIUM8", light=dark)
    readout = ramp.header.readout
    samples = ramp.samples.astype(float)
    charge = (samples[:, -1] - samples[:, 0]).mean(axis=0)
    charge -= np.median(charge[pixels.flags == 0])
    row, col = np.nonzero((charge > 300) & (charge < 4000))
    inside = (row > 1) & (row < 638) & (col > 1) & (col < 638)
    row, col = row[inside], col[inside]
    near = np.arange(-1, 2)
    boxes = charge[row[:, None, None] + near[:, None], col[:, None, None] + near]
    around = pixels.flags[row[:, None, None] + near[:, None], col[:, None, None] + near]
    around[:, 1, 1] = 0
    boxes = boxes[(around == 0).all(axis=(1, 2))]
    assert len(boxes) > 50
    total = boxes.sum(axis=(1, 2))
    shares = np.tensordot(total, boxes, (0, 0)) / np.sum(total**2)
    rest = boxes - shares * total[:, None, None]
    error = np.sqrt(np.tensordot(total**2, rest**2, (0, 0))) / np.sum(total**2)
    own = DETECTORS["NRCBLONG"]
    sides = [shares[0, 1], shares[2, 1], shares[1, 1 - readout.fast_axis]]
    sigma = np.max(error) / np.sqrt(3)
    assert np.mean(sides) == pytest.approx(own.ipc_side, rel=0.02, abs=3 * sigma)
    corners = shares[::2, ::2].mean()
    assert corners == pytest.approx(own.ipc_corner, rel=0.02, abs=3 * sigma)
    # what is left behind by the slow output is in the pixel that is clocked next
    trail = shares[1, 1 + readout.fast_axis] - np.mean(sides)
    assert trail == pytest.approx(own.ppc, rel=0.02, abs=4 * sigma)
    assert trail > 5 * sigma


def test_cosmic_rays_come_at_the_rate_and_with_the_charge_asked_for():
    """Groups of outlying pixels in differences of reads are counted and summed."""
    rays = {"rate_cm2_s": 10.0, "median_e": 2500.0, "scatter": 1.2}
    ramp, pixels = _exposed(
        groups=30,
        light=DARK,
        events={"cosmic_rays": rays, "snowballs": {"enabled": False}},
    )
    step = np.diff(ramp.samples.astype(np.float32), axis=1) * pixels.gain.mean()
    step[:, :, pixels.flags != 0] = 0.0
    step = step.reshape(-1, 640, 640)
    sigma = 1.4826 * np.median(np.abs(step))
    charges = []
    for frame in step:
        found, n_found = label(frame > 6 * sigma, np.ones((3, 3)))
        row, col = np.nonzero(found)
        number = found[row, col]
        for k in range(1, n_found + 1):
            mine = number == k
            top, left = row[mine].min() - 2, col[mine].min() - 2
            bottom, right = row[mine].max() + 3, col[mine].max() + 3
            box = frame[max(top, 0) : bottom, max(left, 0) : right]
            charges.append(box.sum())
    charges = np.array(charges)
    exposed_s = step.shape[0] * ramp.header.readout.frame_s
    n_rays = rays["rate_cm2_s"] * (640 * PIXEL_CM) ** 2 * exposed_s
    # Of a log-normal law, the share above a charge that is surely found.
    share_above_median = np.count_nonzero(charges > 2500.0) / n_rays
    assert share_above_median == pytest.approx(0.5, abs=3 * 0.5 / np.sqrt(n_rays / 4))
    strong = np.log(charges[charges > 2500.0])
    spread = np.mean(strong - np.log(2500.0)) / np.sqrt(2 / np.pi)
    assert spread == pytest.approx(1.2, rel=3 / np.sqrt(len(strong)))


@pytest.fixture(scope="module")
def drift():
    """A dark full frame with 1/f noise; pairs of reads in clock order, by output."""
    ramp, pixels = _exposed(
        "NRCB4",
        subarray="FULL",
        groups=4,
        integrations=1,
        light=DARK,
        electronics={"telegraph": {"enabled": False}},
    )
    samples = ramp.samples[0].astype(np.float32)
    pairs = samples[1::2] - samples[0::2]
    readout = ramp.header.readout
    rows = pairs[:, ::-1] if readout.slow_axis < 0 else pairs
    directions = [readout.fast_axis, -readout.fast_axis] * 2
    strips = np.split(rows, 4, axis=2)
    streams = np.stack(
        [strip[:, :, ::d] for strip, d in zip(strips, directions, strict=True)], axis=1
    )
    white = np.mean(pixels.read_noise_dn.astype(float) ** 2)
    return streams, white


def _spectrum(stream):
    """Transform of a (rows, cols) stream with zeros in the idle clocks."""
    return fft.rfft(np.pad(stream - stream.mean(), ((0, 0), (0, 12))).ravel())


def _cross(one, other):
    """Cross-periodogram of two spectra."""
    return (one * np.conj(other)).real


@pytest.fixture(scope="module")
def spectra(drift):
    """Spectra by pair of reads and output."""
    streams, _ = drift
    return [[_spectrum(stream) for stream in pair] for pair in streams]


def _expected_periodogram(density, n_rows, n_cols):
    """What a process of a two-sided density gives, seen through the idle clocks."""
    n = n_rows * (n_cols + 12)
    seen = np.pad(np.ones((n_rows, n_cols)), ((0, 0), (0, 12))).ravel()
    overlap = np.fft.irfft(np.abs(np.fft.rfft(seen)) ** 2, n)
    covariance = np.fft.irfft(density, n)
    return np.fft.rfft(covariance * overlap).real


BANDS_HZ = [(2, 10), (10, 50), (50, 150), (230, 350), (420, 560), (2000, 9000),
            (2e4, 4.5e4)]  # fmt: skip


def _in_bands(power):
    frequency = np.fft.rfftfreq(2048 * 524, CLOCK_S)
    return np.array(
        [power[(frequency > a) & (frequency < b)].mean() for a, b in BANDS_HZ]
    )


def _modes():
    frequency = np.fft.rfftfreq(2048 * 524, CLOCK_S)
    return np.array([np.sum((frequency > a) & (frequency < b)) for a, b in BANDS_HZ])


def _densities(white):
    """Densities of a difference of two reads: white, and 1/f with its knee at 500 Hz."""
    frequency = np.fft.rfftfreq(2048 * 524, CLOCK_S)
    frequency[0] = np.inf
    # the knee is where the drift has the density of the typical pixel's white noise
    typical = DETECTORS["NRCB4"].read_noise_dn ** 2
    return np.full(frequency.size, 2 * (white + 1 / 12)), 2 * typical * 500 / frequency


def test_the_noise_of_each_output_has_the_spectrum_put_in(drift, spectra):
    _, white = drift
    flat, pink = _densities(white)
    expected = _in_bands(_expected_periodogram(flat + pink, 2048, 512))
    for output in range(4):
        power = np.mean([_cross(pair[output], pair[output]) for pair in spectra], 0)
        ratio = _in_bands(power) / expected
        error = 1 / np.sqrt(len(spectra) * _modes())
        assert (np.abs(ratio - 1) < np.maximum(0.02, 4 * error)).all(), ratio


def test_outputs_share_half_of_their_drift_in_the_order_of_the_clock(drift, spectra):
    streams, white = drift
    flat, pink = _densities(white)
    expected = _in_bands(_expected_periodogram(0.5 * pink, 2048, 512))
    alone = _in_bands(_expected_periodogram(flat + pink, 2048, 512))
    pairs = [(0, 1), (1, 2), (2, 3), (0, 3)]
    aligned, turned = np.zeros(len(BANDS_HZ)), np.zeros(len(BANDS_HZ))
    for pair, seen in zip(streams, spectra, strict=True):
        for one, other in pairs:
            aligned += _in_bands(_cross(seen[one], seen[other]))
        for other in (1, 2, 3):
            backwards = _spectrum(pair[other][:, ::-1])
            for one in (first for first, second in pairs if second == other):
                turned += _in_bands(_cross(seen[one], backwards))
    n_sets = len(streams) * len(pairs)
    # neighbouring pairs of outputs have one in common, hence the factor
    error = 2 * alone / np.sqrt(n_sets * _modes())
    assert (np.abs(aligned / n_sets - expected) < 3 * error).all()
    # Above the row rate the drift is not common if one output is read backwards.
    fast = np.array([a > 200 for a, _ in BANDS_HZ])
    assert (turned / n_sets)[fast][0] < 0.2 * expected[fast][0]


def test_the_end_of_a_row_goes_on_in_the_next(drift):
    """Twelve clocks lie between them, a thousand between start and next end."""
    streams, _ = drift
    last, first = streams[..., -64:].mean(axis=-1), streams[..., :64].mean(axis=-1)
    onward = np.var(first[..., 1:] - last[..., :-1])
    backward = np.var(last[..., 1:] - first[..., :-1])
    assert onward < 0.9 * backward
