import numpy as np
import pytest
from scipy import stats

from rampline.exposure.timing import PATTERNS, Readout
from rampline.simulation import photons
from rampline.simulation.photons import Events, gather_charge
from rampline.simulation.pixels import PixelPlanes
from rampline.simulation.streams import row_seeds, stream
from tests.twins import simulation as twins


def readout(pattern="MEDIUM8", groups=3, rows=64, cols=64, frame_s=1.0):
    n_frames, n_dropped = PATTERNS[pattern]
    return Readout(
        pattern=pattern,
        n_ints=1,
        n_groups=groups,
        n_frames=n_frames,
        n_dropped=n_dropped,
        frame_s=frame_s,
        group_s=(n_frames + n_dropped) * frame_s,
        subarray="SUB64P",
        row_start=4,
        col_start=4,
        n_rows=rows,
        n_cols=cols,
        fast_axis=1,
        slow_axis=-2,
        n_outputs=1,
    )


def pixels(shape=(64, 64), gain=2.0, curvature=0.0, well=50000.0):
    def plane(value):
        return np.full(shape, value, np.float32)

    return PixelPlanes(
        bias_dn=plane(7000.0),
        gain=plane(gain),
        curvature=plane(curvature),
        well_dn=plane(well),
        dark_e_s=plane(0.0),
        warm_e_s=plane(0.0),
        read_noise_dn=plane(5.0),
        response=plane(1.0),
        flags=np.zeros(shape, np.uint32),
    )


def gathered(rate, how=None, planes=None, events=None, seed=1):
    how = how or readout()
    shape = how.n_rows, how.n_cols
    seeds = row_seeds(stream(seed, "photons"), how.n_rows)
    image = np.full(shape, rate, np.float32)
    return gather_charge(
        image, planes or pixels(shape), events or Events.none(), how, seeds
    )


def one_event(frame, electrons, row=5, col=7):
    def array(value):
        return np.array([value], np.int32)

    return Events(
        row=array(row),
        col=array(col),
        frame=array(frame),
        electrons=np.array([electrons], np.float32),
        group=array(1),
    )


def test_nothing_comes_of_darkness():
    signal = gathered(0.0)
    assert not signal.groups.any()
    assert not signal.first.any()


def test_a_hit_appears_from_its_read_on():
    """Of the eight reads of the second group (10 to 17) four see a hit at read 14."""
    signal = gathered(0.0, events=one_event(14, 800.0))
    assert signal.groups[:, 5, 7].tolist() == [0.0, 200.0, 400.0]
    assert signal.first[5, 7] == 0.0
    assert signal.groups.sum() == 600.0


def test_a_hit_between_two_groups_is_whole_in_the_next():
    signal = gathered(0.0, events=one_event(8, 800.0))
    assert signal.groups[:, 5, 7].tolist() == [0.0, 400.0, 400.0]


def test_a_full_well_stays_full():
    signal = gathered(0.0, planes=pixels(well=1000.0), events=one_event(0, 9000.0))
    assert signal.groups[:, 5, 7].tolist() == [1000.0] * 3


def test_non_linearity_bends_each_read():
    planes = pixels(curvature=1e-5, well=60000.0)
    signal = gathered(0.0, planes=planes, events=one_event(0, 80000.0))
    assert np.isclose(signal.groups[0, 5, 7], 40000 / 1.4)


@pytest.mark.parametrize("rate", [0.3, 5.0, 30.0, 4000.0, 3.0e5])
def test_mean_and_variance_are_poisson(rate):
    how = readout("RAPID", groups=2, rows=128, cols=512)
    planes = pixels((128, 512), gain=1.0, well=1e9)
    signal = gathered(rate, how, planes)
    groups = signal.groups.astype(float)
    for counts in (groups[0], groups[1] - groups[0]):
        n = counts.size
        assert abs(counts.mean() - rate) < 5 * np.sqrt(rate / n)
        assert abs(counts.var() / rate - 1) < 5 * np.sqrt((2 + 1 / rate) / n)


@pytest.mark.parametrize("rate", [0.7, 11.0, 13.0, 45.0])
def test_the_whole_distribution_is_poisson(rate):
    how = readout("RAPID", groups=1, rows=128, cols=512)
    counts = gathered(rate, how, pixels((128, 512), gain=1.0)).first.ravel()
    values = np.arange(int(rate + 6 * np.sqrt(rate)) + 2)
    seen = np.array([(counts == v).sum() for v in values])
    expected = stats.poisson.pmf(values, rate) * counts.size
    kept = expected > 10
    chi2 = ((seen - expected)[kept] ** 2 / expected[kept]).sum()
    assert stats.chi2.sf(chi2, kept.sum() - 1) > 1e-4


@pytest.mark.parametrize("pattern", ["MEDIUM8", "SHALLOW4", "DEEP2"])
def test_averaged_reads_share_their_photons(pattern):
    """Variance of a group and covariance of two, from the arrival of single photons."""
    how = readout(pattern, groups=3, rows=128, cols=512)
    rate, n = 3.0, how.n_rows * how.n_cols
    groups = gathered(rate, how, pixels((128, 512), gain=1.0)).groups.astype(float)
    times = how.read_times_s()
    for a, b in [(0, 0), (1, 1), (0, 2), (1, 2)]:
        shared = rate * np.minimum(times[a][:, None], times[b][None, :]).mean()
        measured = np.mean(
            (groups[a] - groups[a].mean()) * (groups[b] - groups[b].mean())
        )
        spread = np.sqrt(groups[a].var() * groups[b].var() + shared**2) / np.sqrt(n)
        assert abs(measured - shared) < 5 * spread


def test_the_gain_is_variance_over_mean():
    how = readout("RAPID", groups=2, rows=128, cols=512)
    for gain in (1.8, 2.2):
        counts = gathered(400.0, how, pixels((128, 512), gain=gain)).groups[1]
        ratio = counts.mean(dtype=float) / counts.var(dtype=float)
        assert abs(ratio / gain - 1) < 5 * np.sqrt(2 / counts.size)


def test_rows_do_not_depend_on_threads():
    how = readout(rows=160, cols=16)
    seeds = row_seeds(stream(1, "photons"), 160)
    image = np.full((160, 16), 7.0, np.float32)
    planes = pixels((160, 16))
    one = gather_charge(image, planes, Events.none(), how, seeds, 1)
    three = gather_charge(image, planes, Events.none(), how, seeds, 3)
    assert np.array_equal(one.groups, three.groups)


@pytest.mark.parametrize("factor", [2.0, 50.0, 1e7])
def test_light_elsewhere_does_not_move_a_pixels_photons(factor):
    """Not even in the same row, whatever law is drawn there, or where a well is full."""
    how = readout(rows=8, cols=16)
    seeds = row_seeds(stream(1, "photons"), 8)
    image = np.full((8, 16), 7.0, np.float32)
    brighter = image.copy()
    brighter[3, 5] *= factor
    planes = pixels((8, 16))
    a = gather_charge(image, planes, Events.none(), how, seeds).groups
    b = gather_charge(brighter, planes, Events.none(), how, seeds).groups
    differs = (a != b).any(axis=0)
    assert differs[3, 5]
    assert differs.sum() == 1


def test_a_hit_does_not_move_the_photons_of_others():
    how = readout(rows=8, cols=16)
    hit = one_event(3, 1e6)
    a, b = (gathered(7.0, how, events=e).groups for e in (None, hit))
    differs = (a != b).any(axis=0)
    assert differs[5, 7]
    assert differs.sum() == 1


def test_pixels_are_uncorrelated():
    """Neighbours along rows and columns, and pixels of the same column far apart."""
    how = readout("RAPID", groups=2, rows=256, cols=512)
    groups = gathered(9.0, how, pixels((256, 512), gain=1.0)).groups.astype(float) - 9.0
    first, n = groups[0], groups[0].size
    shifted = [np.roll(first, shift, (0, 1)) for shift in ((0, 1), (1, 0), (1, 1))]
    for other in (*shifted, groups[1] - groups[0]):
        assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(n)


@pytest.fixture
def state():
    filled = np.zeros(200, np.uint64)
    twins.seed(12345, filled)
    return filled


def test_the_generator_is_its_twin(state):
    fast = np.zeros(200, np.uint64)
    photons._seed(np.uint64(12345), fast)
    assert np.array_equal(fast, state)
    for _ in range(20):
        assert photons._uniform(fast, 3) == twins.uniform(state, 3)
    assert np.isclose(photons._normal(fast, 7), twins.normal(state, 7))
    assert np.array_equal(fast, state)


@pytest.mark.parametrize("mean", [0.01, 1.7, 11.9])
def test_inversion_is_its_twin(state, mean):
    fast = state.copy()
    for _ in range(200):
        nothing = np.exp(-mean)
        expected = twins.poisson_inversion(mean, nothing, state, 2)
        assert photons._poisson_inversion(mean, nothing, fast, 2) == expected


@pytest.mark.parametrize("mean", [12.0, 77.7, 9.9e4])
def test_rejection_is_its_twin(state, mean):
    fast = state.copy()
    for _ in range(200):
        expected = twins.poisson_rejection(mean, state, 2)
        assert photons._poisson_rejection(mean, fast, 2) == expected


def test_reading_is_its_twin(rng, state):
    n = 200
    gain = rng.uniform(1.8, 2.2, n).astype(np.float32)
    well = rng.uniform(4e4, 6e4, n).astype(np.float32)
    curvature = rng.uniform(0, 2e-6, n).astype(np.float32)
    mean = 10 ** rng.uniform(-3, 5.5, n)
    mean[::17] = 0.0
    mean[5], well[5] = 1e7, 2e8
    fast, slow = rng.uniform(0, 1.5e5, (1, n)).repeat(2, axis=0)
    totals = np.zeros((2, n))
    other = state.copy()
    for _ in range(3):
        photons._add_photons(mean, np.exp(-mean), gain, well, fast, other)
        twins.add_photons(mean, np.exp(-mean), gain, well, slow, state)
        photons._read(fast, gain, curvature, well, totals[0])
        twins.read(slow, gain, curvature, well, totals[1])
    assert np.allclose(fast, slow, rtol=1e-7)
    assert np.allclose(*totals, rtol=1e-7)


def test_a_band_is_its_twin(rng):
    shape = 5, 30
    planes = (
        (10 ** rng.uniform(-2, 3, shape)).astype(np.float32),
        rng.uniform(1.8, 2.2, shape).astype(np.float32),
        np.full(shape, 1e-6, np.float32),
        np.full(shape, 3000.0, np.float32),
    )
    rows = np.sort(rng.integers(0, 5, 12))
    order = np.lexsort((frames := rng.integers(0, 13, 12).astype(np.int32), rows))
    frames, rows = frames[order], rows[order]
    cols = rng.integers(0, 30, 12).astype(np.int32)
    events = frames, cols, rng.uniform(50, 5000, 12).astype(np.float32)
    starts = np.searchsorted(rows, np.arange(6))
    seeds = rng.integers(0, 2**63, 5).astype(np.uint64)
    results = []
    for run in (photons._gather_band, twins.gather_band):
        out = np.zeros((3, *shape), np.float32), np.zeros(shape, np.float32)
        run(planes, events, starts, (3, 4, 1, 2.0), seeds, out)
        results.append(out)
    for fast, slow in zip(*results, strict=True):
        assert np.allclose(fast, slow, rtol=1e-6)
