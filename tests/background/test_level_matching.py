import numpy as np
import pytest

from rampline.background.level_matching import (
    LevelMatchingParams,
    cell_centres,
    match_levels,
    measure_sky_cells,
)

PARAMS = LevelMatchingParams(mesh=32)
SHAPE = (256, 320)
NOISE = 0.01


def scene(rows, cols):
    """A smooth nebula on the common grid, MJy/sr."""
    return 0.15 + 0.02 * np.sin(rows / 90) + 0.015 * np.cos(cols / 70 + rows / 200)


def exposure(rng, origin, level, params=PARAMS, turn_deg=0.0, shape=SHAPE):
    """Cells of an exposure whose pixel (0, 0) lies at ``origin`` on the grid."""
    c, s = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))

    def to_grid(rows, cols):
        return origin[0] + c * rows - s * cols, origin[1] + s * rows + c * cols

    rows, cols = np.indices(shape).astype(float)
    sky = scene(*to_grid(rows, cols)) + level + rng.normal(0, NOISE, shape)
    is_sky = rng.random(shape) > 0.05
    sky[~is_sky] += 50.0
    centres = np.stack(to_grid(*cell_centres(shape, params)), axis=-1)
    return measure_sky_cells(sky.astype(np.float32), is_sky, centres, params)


def dithers(rng, levels, **options):
    return [exposure(rng, rng.uniform(0, 120, 2), level, **options) for level in levels]


def test_centres_of_cells_are_where_their_pixels_are():
    rows, cols = cell_centres((64, 80), PARAMS)
    assert rows[:, 0].tolist() == [15.5, 47.5]
    assert cols[0].tolist() == [15.5, 47.5, 71.5]


def test_two_exposures_of_the_same_sky_differ_by_their_levels(rng):
    cells = [exposure(rng, (0, 0), 0.3), exposure(rng, (0, 0), 0.1)]
    levels = match_levels(cells, PARAMS).level
    assert levels[1] == 0
    assert levels[0] == pytest.approx(0.2, abs=5e-4)


def test_levels_are_recovered_to_a_tenth_of_a_mjy(rng):
    true = rng.normal(0, 0.02, 9)
    params = LevelMatchingParams(mesh=32, gauge="mean")
    found = match_levels(dithers(rng, true), params)
    apart = found.level - (true - true.mean())
    assert np.sqrt(np.mean(apart**2)) < 2e-4
    assert np.abs(apart / found.error).max() < 4


def test_errors_are_honest(rng):
    pulls = []
    for _ in range(12):
        true = rng.normal(0, 0.02, 5)
        found = match_levels(
            dithers(rng, true), LevelMatchingParams(mesh=32, gauge="mean")
        )
        pulls.append((found.level - true + true.mean()) / found.error)
    assert 0.4 < np.std(pulls) < 1.6


def test_the_order_of_exposures_does_not_matter(rng):
    cells = dithers(rng, rng.normal(0, 0.02, 5))
    order = rng.permutation(5)
    first = match_levels(cells, PARAMS)
    second = match_levels([cells[k] for k in order], PARAMS)
    np.testing.assert_allclose(second.level, first.level[order], atol=3e-5)


def test_a_constant_added_to_all_changes_nothing(rng):
    origins = rng.uniform(0, 100, (4, 2))
    seeds = [np.random.default_rng(k) for k in range(8)]
    low = [exposure(seeds[k], origins[k], 0.1) for k in range(4)]
    seeds = [np.random.default_rng(k) for k in range(8)]
    high = [exposure(seeds[k], origins[k], 1.1) for k in range(4)]
    np.testing.assert_allclose(
        match_levels(low, PARAMS).level, match_levels(high, PARAMS).level, atol=1e-6
    )


def test_turned_exposures_match(rng):
    cells = [
        exposure(rng, (0, 0), 0.2),
        exposure(rng, (60, 60), 0.1, turn_deg=-40.0),
    ]
    found = match_levels(cells, PARAMS)
    assert found.level[0] == pytest.approx(0.1, abs=1e-3)
    assert found.differences[0].n_cells >= 10


ISLANDS = (
    ((0, 0), 0.3),
    ((50, 50), 0.1),
    ((5000, 0), 0.9),
    ((5040, 20), 0.5),
    ((0, 9000), 0.7),
)


def test_in_extended_light_groups_without_overlap_are_solved_by_themselves(rng):
    cells = [exposure(rng, origin, level) for origin, level in ISLANDS]
    found = match_levels(cells, LevelMatchingParams(mesh=32, field="extended"))
    assert found.group.tolist() == [0, 0, 1, 1, 2]
    np.testing.assert_allclose(found.level, [0.2, 0, 0.4, 0, 0], atol=1e-3)
    assert np.isnan(found.error[4])
    assert np.isfinite(found.error[:4]).all()


def test_groups_without_overlap_are_brought_to_the_same_sky(rng):
    cells = [exposure(rng, origin, level) for origin, level in ISLANDS]
    found = match_levels(cells, PARAMS)
    assert found.group.tolist() == [0, 0, 1, 1, 2]
    # within groups as before, between them to the structure of the scene
    apart = found.level - [0.2, 0, 0.4, 0, 0]
    np.testing.assert_allclose(apart[[1, 3]], apart[[0, 2]], atol=1e-3)
    skies = [np.nanmedian(c.level) for c in cells] - found.level
    assert np.ptp(skies) < 0.02
    assert found.level.min() == 0.0
    assert np.isfinite(found.error).all()


def test_gaps_that_no_dither_bridges_leave_no_step_on_an_even_sky(rng):
    """Four detectors 150 pixels apart, dithers of 40: pedestals of 10 % of the sky."""
    pedestal = rng.normal(0, 0.015, 4)
    cells, true = [], []
    for dither in rng.integers(0, 40, (5, 2)):
        sky = 0.15 + rng.normal(0, 0.01)
        for k, corner in enumerate([(0, 0), (0, 470), (406, 0), (406, 470)]):
            values = rng.normal(sky + pedestal[k], NOISE, SHAPE).astype(np.float32)
            at = [axis + c + d for axis, c, d in zip(
                cell_centres(SHAPE, PARAMS), corner, dither, strict=True
            )]  # fmt: skip
            usable = np.ones(SHAPE, bool)
            places = np.stack(at, axis=-1)
            cells.append(measure_sky_cells(values, usable, places, PARAMS))
            true.append(sky + pedestal[k])
    found = match_levels(cells, LevelMatchingParams(mesh=32, gauge="mean"))
    assert found.group.max() == 3
    apart = found.level - (np.array(true) - np.mean(true))
    assert np.abs(apart).max() < 0.1 * NOISE / np.sqrt(5)
    assert np.std(apart / found.error) < 2.0


def test_one_bad_overlap_does_not_spoil_the_others(rng):
    true = np.array([0.0, 0.05, 0.1, 0.15, 0.02])
    cells = [exposure(rng, (20.0 * k, 15.0 * k), level) for k, level in enumerate(true)]
    broken = cells[4].level.copy()
    broken[:4] += 0.5
    cells[4] = type(cells[4])(
        level=broken, error=cells[4].error, grid_position=cells[4].grid_position
    )
    found = match_levels(cells, PARAMS)
    np.testing.assert_allclose(found.level[:4] - found.level[0], true[:4], atol=3e-3)


def test_cells_full_of_sources_are_not_used():
    is_sky = np.ones(SHAPE, bool)
    is_sky[:128] = False
    centres = np.stack(cell_centres(SHAPE, PARAMS), axis=-1)
    cells = measure_sky_cells(np.zeros(SHAPE, np.float32), is_sky, centres, PARAMS)
    assert np.isnan(cells.level[:4]).all()
    assert np.isfinite(cells.level[4:]).all()


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_to_match_gives_zero_levels(rng, n):
    found = match_levels(dithers(rng, np.full(n, 0.3)), PARAMS)
    assert np.allclose(found.level, 0.0)
    assert found.differences == ()


def test_an_exposure_full_of_sources_is_left_where_it_is(rng):
    cells = dithers(rng, [0.1, 0.2])
    hidden = np.full_like(cells[0].level, np.nan)
    cells.append(
        type(cells[0])(level=hidden, error=hidden, grid_position=cells[0].grid_position)
    )
    found = match_levels(cells, LevelMatchingParams(mesh=32, gauge="mean"))
    assert np.isfinite(found.level).all()
    assert found.level[2] == pytest.approx(0.0, abs=0.01)


def test_extended_light_that_curves_makes_no_level(rng):
    """A galaxy of 3 scale lengths across: what cells see of it cancels in a pair."""
    light = []
    for origin in ((0, 0), (13, 21)):
        rows, cols = np.indices(SHAPE) + np.array(origin).reshape(2, 1, 1)
        core = 0.5 * np.exp(-np.hypot(rows - 140, cols - 170) / 90)
        sky = (core + rng.normal(0, NOISE, SHAPE)).astype(np.float32)
        places = np.stack(cell_centres(SHAPE, PARAMS), axis=-1) + origin
        light.append(measure_sky_cells(sky, np.ones(SHAPE, bool), places, PARAMS))
    found = match_levels(light, LevelMatchingParams(mesh=32, field="extended"))
    assert np.ptp(found.level) < 1e-3


def test_no_detector_s_edge_shows_in_the_mosaic(rng):
    """Two by two detectors, dithers that bridge their gap by cells: less than 0.1 sigma."""
    origins = [
        np.array([row, col]) + dither
        for dither in rng.integers(0, 120, (9, 2))
        for row in (0, SHAPE[0] + 12)
        for col in (0, SHAPE[1] + 12)
    ]
    true = rng.normal(0, 0.02, len(origins))
    cells = [exposure(rng, at, level) for at, level in zip(origins, true, strict=True)]
    left = true - match_levels(cells, PARAMS).level
    total, count = np.zeros((2, 660, 800))
    for (row, col), level in zip(origins, left, strict=True):
        box = np.s_[row : row + SHAPE[0], col : col + SHAPE[1]]
        total[box] += level
        count[box] += 1
    with np.errstate(invalid="ignore"):
        mosaic = total / count
    noise = NOISE / np.sqrt(count.max())
    for axis in (0, 1):
        assert np.nanmax(np.abs(np.diff(mosaic, axis=axis))) < 0.1 * noise
