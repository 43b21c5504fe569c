import numpy as np
import pytest

from rampline.detector import halos
from rampline.detector.snowballs import EllipseParams, SnowballParams, flag_snowballs
from rampline.flags import DO_NOT_USE, JUMP, SATURATED
from tests.twins.detector import regions as twins

from .exposures import make_readout

JWST = SnowballParams(algorithm="jwst")
GROUP_S = make_readout("MEDIUM8").group_s


def flag_ellipses(flags, params=JWST):
    counts = np.zeros(flags.shape, np.float32)
    return flag_snowballs(flags, counts, make_readout("MEDIUM8", flags.shape), params)


def paint_disc(plane, row, col, radius, bit):
    rows, cols = np.ogrid[: plane.shape[0], : plane.shape[1]]
    plane[(rows - row) ** 2 + (cols - col) ** 2 < radius**2] |= bit


def one_snowball(shape=(1, 4, 100, 100), radius=12, core=5):
    flags = np.zeros(shape, np.uint8)
    paint_disc(flags[0, 1], 50, 50, radius, JUMP)
    for group in range(1, shape[1]):
        paint_disc(flags[0, group], 50, 50, core, SATURATED)
    flags[flags == JUMP | SATURATED] = SATURATED
    return flags


def test_a_disc_with_a_core_doubles_its_radius():
    flags = one_snowball()
    (event,) = flag_ellipses(flags)
    assert (event.integration, event.group) == (0, 1)
    assert (event.row, event.col) == pytest.approx((50, 50))
    flagged = np.count_nonzero(flags[0, 1])
    assert np.sqrt(flagged / np.pi) == pytest.approx(24, abs=1)


def test_the_core_grows_and_stays_to_the_end():
    flags = one_snowball(core=5)
    flag_ellipses(flags)
    for group in (1, 2, 3):
        full = np.count_nonzero(flags[0, group] & SATURATED)
        assert np.sqrt(full / np.pi) == pytest.approx(6.5, abs=0.7)


def test_the_grown_core_is_saturated_and_no_jump():
    flags = one_snowball(core=5)
    flag_ellipses(flags)
    assert not np.any(flags[0] & (SATURATED | JUMP) == SATURATED | JUMP)


def test_a_disc_without_a_core_is_no_snowball():
    flags = one_snowball(core=0)
    before = flags.copy()
    assert flag_ellipses(flags) == []
    np.testing.assert_array_equal(flags, before)


def test_without_the_core_rule_it_is_one():
    ellipses = EllipseParams(core_required=False)
    params = SnowballParams(algorithm="jwst", ellipses=ellipses)
    assert len(flag_ellipses(one_snowball(core=0), params)) == 1


def test_the_core_glows_in_the_next_integration_for_a_while():
    flags = one_snowball((2, 4, 100, 100))
    params = JWST.model_copy(update={"core_masked": 3 * GROUP_S + 1})
    flag_ellipses(flags, params)
    assert flags[1, 1, 50, 50] == flags[1, 2, 50, 50] == JUMP
    assert flags[1, 0, 50, 50] == flags[1, 3, 50, 50] == 0


def halo_exposure(rng, radius=12.0, n_groups=6, pattern="RAPID", core=True):
    """Return noisy ramps with one snowball in group 2, flags as a search leaves them."""
    shape = (1, n_groups, 160, 160)
    readout = make_readout(pattern, shape)
    counts = np.cumsum(rng.normal(20, 5, shape), axis=1).astype(np.float32)
    rows, cols = np.ogrid[:160, :160]
    distance = np.hypot(rows - 80, cols - 75)
    profile = 5e4 * np.exp(-distance / (radius / 7))
    counts[0, 2:] += profile
    flags = np.zeros(shape, np.uint8)
    flags[0, 2][profile > 4 * 7] |= JUMP
    if core:
        flags[0, 2:, profile > 3e4] = SATURATED
    return flags, counts, readout, profile


def test_a_halo_is_flagged_to_where_it_drowns(rng):
    flags, counts, readout, profile = halo_exposure(rng)
    (event,) = flag_snowballs(flags, counts, readout, SnowballParams())
    assert event.group == 2
    assert (event.row, event.col) == pytest.approx((80, 75), abs=0.5)
    left = profile[(flags[0, 2] == 0)]
    # what is not flagged is less than a tenth of the noise of a slope of six groups
    assert left.max() < 5.0
    assert np.median(left[left > 0.1]) < 1.0
    wanted = np.count_nonzero(profile > 0.3 * 5)
    assert np.count_nonzero(flags[0, 2]) < 1.6 * wanted


@pytest.mark.parametrize("group", [1, 4, 7])
def test_the_excess_of_a_step_equals_its_twin(rng, group):
    counts = rng.normal(0, 30, (8, 12, 15)).cumsum(axis=0).astype(np.float32)
    counts[rng.random(counts.shape) < 0.02] = np.nan
    bits = np.array([0, JUMP, SATURATED, DO_NOT_USE], np.uint8)
    flags = rng.choice(bits, counts.shape, p=[0.5, 0.2, 0.2, 0.1])
    ours = halos._excess(flags, counts, group)
    theirs = twins.fill_excess(flags, counts, group, 2)
    np.testing.assert_array_equal(ours, theirs)
    assert 0.2 < np.isfinite(ours).mean() < 0.8


def test_what_is_too_faint_to_be_masked_is_subtracted(rng):
    flags, counts, readout, profile = halo_exposure(rng, radius=16)
    before = counts.copy()
    flag_snowballs(flags, counts, readout, SnowballParams())
    masked = flags[0, 2] & (JUMP | SATURATED) > 0
    faint = ~masked & (profile > 0.2 * 5)
    taken = (before - counts)[0, 2]
    assert not taken[masked].any()
    assert taken[faint].mean() == pytest.approx(profile[faint].mean(), rel=0.25)
    np.testing.assert_array_equal(counts[0, :2], before[0, :2])
    np.testing.assert_allclose((before - counts)[0, 5], taken, atol=1e-3)


def test_a_halo_shared_by_the_next_group_is_flagged_there_too(rng):
    flags, counts, readout, profile = halo_exposure(rng, pattern="SHALLOW4")
    counts[0, 2] -= (0.5 * profile).astype(np.float32)
    flag_snowballs(flags, counts, readout, SnowballParams())
    far = (profile > 10) & (profile < 28)
    assert (flags[0, 3][far] & JUMP > 0).mean() > 0.9


def test_the_core_of_a_halo_grows_and_stays(rng):
    flags, counts, readout, _ = halo_exposure(rng)
    before = np.count_nonzero(flags[0, 2] & SATURATED)
    flag_snowballs(flags, counts, readout, SnowballParams())
    after = [np.count_nonzero(plane & SATURATED) for plane in flags[0, 2:]]
    grown = np.sqrt(after[0] / np.pi) - np.sqrt(before / np.pi)
    assert grown == pytest.approx(2, abs=0.7)
    assert len(set(after)) == 1


def test_the_first_group_of_a_core_in_the_second_is_not_used(rng):
    flags, counts, readout, _ = halo_exposure(rng)
    flags, counts = flags[:, 1:].copy(), counts[:, 1:].copy()
    flag_snowballs(flags, counts, readout, SnowballParams())
    core = flags[0, 1] & SATURATED > 0
    np.testing.assert_array_equal(flags[0, 0] & DO_NOT_USE > 0, core)


def test_tracks_and_small_hits_are_no_snowballs_even_at_the_edge(rng):
    flags, counts, readout, _ = halo_exposure(rng, core=False)
    flags[:] = 0
    flags[0, 3, 0:4, 10:40] = JUMP
    flags[0, 3, 100, 5:120] = JUMP
    flags[0, 4, 60:64, 0:4] = JUMP
    before = flags.copy()
    assert flag_snowballs(flags, counts, readout, SnowballParams()) == []
    np.testing.assert_array_equal(flags, before)


def test_a_large_disc_without_a_core_is_one(rng):
    flags, counts, readout, _ = halo_exposure(rng, core=False)
    assert len(flag_snowballs(flags, counts, readout, SnowballParams())) == 1


def scatter_events(rng, shape, n_events):
    """Paint elliptical events, with and without cores, tracks and single hits."""
    flags = np.where(rng.random(shape) < 0.01, JUMP, 0).astype(np.uint8)
    n_ints, n_groups, n, _ = shape
    rows, cols = np.mgrid[:n, :n]
    for _ in range(n_events):
        i, g = rng.integers(n_ints), rng.integers(1, n_groups)
        (r, c), radius = rng.uniform(0, n, 2), rng.uniform(3, 25)
        ratio, angle = rng.uniform(0.6, 1), rng.uniform(0, np.pi)
        u = (rows - r) * np.cos(angle) + (cols - c) * np.sin(angle)
        v = ((cols - c) * np.cos(angle) - (rows - r) * np.sin(angle)) / ratio
        flags[i, g][np.hypot(u, v) < radius] |= JUMP
        if radius > 6:
            later = min(g + rng.integers(2), n_groups - 1)
            core = np.hypot(u, v) < 0.35 * radius * rng.uniform(0.7, 1.3)
            flags[i, later:, core] |= SATURATED
        track = np.arange(rng.integers(5, 20))
        r0, c0 = rng.integers(0, n - 20, 2)
        flags[i, g, r0 + track, c0 + (track * rng.uniform(0.3, 1)).astype(int)] |= JUMP
    flags[flags & SATURATED > 0] &= ~np.uint8(JUMP)
    return flags


@pytest.mark.parity
@pytest.mark.parametrize(("n_ints", "seed"), [(1, 1), (2, 2)])
def test_masks_overlap_with_those_of_stcal(n_ints, seed):
    from stcal.jump.jump import flag_large_events
    from stcal.jump.jump_class import JumpData

    rng = np.random.default_rng(seed)
    flags = scatter_events(rng, (n_ints, 5, 300, 300), 50)
    data = JumpData()
    settings = {
        "fl_sat": SATURATED,
        "fl_jump": JUMP,
        "min_sat_area": 15,
        "min_jump_area": 15,
        "expand_factor": 2.0,
        "sat_expand": 4,
        "max_extended_width": 400,
        "persist_grps_flagged": int(4000 // GROUP_S),
    }
    for name, value in settings.items():
        setattr(data, name, value)
    theirs, n_theirs = flag_large_events(flags.copy(), JUMP, SATURATED, data)
    events = flag_ellipses(flags)
    assert len(events) == n_theirs > 10
    full = theirs & SATURATED > 0, flags & SATURATED > 0
    jump = theirs & JUMP > 0, flags & JUMP > 0
    for one, other in (full, jump):
        overlap = np.count_nonzero(one & other) / np.count_nonzero(one | other)
        # what is left lies on the rim of ellipses, where rounding decides
        assert overlap > 0.995
