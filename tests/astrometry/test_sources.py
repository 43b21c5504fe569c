import numpy as np
import pytest

from rampline.astrometry import source_kernels as kernels
from rampline.astrometry.point_spread import predict_point_spread
from rampline.astrometry.sources import SourceParams, find_point_sources

from ..twins import astrometry as twins
from .star_field import paint

SPREAD = predict_point_spread("F200W", "CLEAR", "SHORT")
WIDTH_PX = 1.99e-6 / 6.5 * 206264.8 / 0.031
PARAMS = SourceParams()
SHAPE = (200, 300)


def picture(rng, fluxes, sky=0.2, noise=0.01):
    """Stars on a jittered lattice 24 pixels apart, with sky and photon noise."""
    grid = np.indices((6, 10)).reshape(2, -1).T[: len(fluxes)] * 25.0 + 30
    place = grid + rng.uniform(-2, 2, grid.shape)
    clean = paint(SHAPE, *place.T, fluxes, WIDTH_PX, size=25)
    err = np.sqrt(noise**2 + 1e-5 * clean)
    image = clean + sky + rng.normal(size=SHAPE) * err
    return image.astype(np.float32), err.astype(np.float32), place


def everything(shape=SHAPE):
    return np.ones(shape, bool)


def find(image, err, usable=None, params=PARAMS):
    usable = everything(image.shape) if usable is None else usable
    return find_point_sources(image, err, usable, SPREAD, params)


def pair(found, place, radius=0.5):
    """Indices of found sources and of the stars they are."""
    apart = np.hypot(
        found.rows[:, None] - place[:, 0], found.cols[:, None] - place[:, 1]
    )
    near = apart.argmin(axis=1)
    ours = np.flatnonzero(apart.min(axis=1) < radius)
    return ours, near[ours]


def test_a_star_without_noise_is_found_where_it_is():
    place = np.array([[60.3, 61.8]])
    image = paint((120, 120), *place.T, [100.0], WIDTH_PX) + 0.3
    err = np.full((120, 120), 0.01, np.float32)
    found = find(image.astype(np.float32), err)
    star = found.select(found.is_star)
    assert len(star) == 1
    assert star.rows[0] == pytest.approx(60.3, abs=1e-4)
    assert star.cols[0] == pytest.approx(61.8, abs=1e-4)


def test_every_star_is_a_star_and_almost_nothing_else_is(rng):
    image, err, place = picture(rng, np.full(60, 5.0))
    found = find(image, err)
    stars = found.select(found.is_star)
    ours, theirs = pair(stars, place)
    assert len(set(theirs)) >= 58
    assert len(stars) - len(ours) <= 1


def test_centroids_scatter_as_their_errors_say(rng):
    pulls = []
    for _ in range(3):
        image, err, place = picture(rng, rng.uniform(2, 20, 60))
        found = find(image, err)
        found = found.select(found.is_star)
        ours, theirs = pair(found, place)
        rows, cols = found.rows[ours], found.cols[ours]
        apart = np.stack([rows, cols], axis=1) - place[theirs]
        pulls.append(apart / found.error_px[ours][:, None])
    pulls = np.concatenate(pulls)
    # The errors hold photon noise as the noisy image tells it, hence the margin.
    assert 0.9 < 1.4826 * np.median(np.abs(pulls)) < 1.2
    assert np.abs(np.median(pulls, axis=0)).max() < 0.25


def test_bright_stars_have_no_error_that_depends_on_the_pixel_phase():
    place = np.array([[40.0 + 40 * k, 50 + 40 * k + k / 8] for k in range(4)])
    image = paint((220, 220), *place.T, np.full(4, 1000.0), WIDTH_PX, size=61)
    err = np.full((220, 220), 0.01, np.float32)
    found = find(image.astype(np.float32), err)
    ours, theirs = pair(found, place)
    apart_px = found.cols[ours] - place[theirs, 1]
    assert np.abs(apart_px).max() * 31 < 0.05  # mas


def test_a_constant_sky_changes_nothing(rng):
    image, err, _ = picture(rng, np.full(60, 10.0))
    here, there = find(image, err), find(image + np.float32(4), err)
    assert len(here) == len(there)
    np.testing.assert_allclose(here.rows, there.rows, atol=2e-4)
    np.testing.assert_allclose(here.flux, there.flux, rtol=1e-3, atol=1e-4)


def test_a_shift_by_whole_pixels_shifts_the_sources(rng):
    image, err, _ = picture(rng, np.full(60, 10.0))
    moved = np.roll(image, (3, 5), axis=(0, 1))
    params = SourceParams(mesh=400)
    here = find(image, err, params=params)
    there = find(moved, np.roll(err, (3, 5), axis=(0, 1)), params=params)
    stars, others = here.select(here.is_star), there.select(there.is_star)
    assert np.isclose(others.rows[:, None] - 3, stars.rows).any(axis=0).sum() >= 55


def test_a_star_with_a_bad_or_saturated_pixel_in_its_core_is_left_out(rng):
    image, err, place = picture(rng, np.full(60, 10.0))
    usable = everything()
    row, col = np.round(place[25]).astype(int)
    usable[row + 2, col - 2] = False
    image[np.round(place[26]).astype(int)[0], np.round(place[26]).astype(int)[1]] = (
        np.nan
    )
    _, theirs = pair(find(image, err, usable), place)
    assert {25, 26}.isdisjoint(theirs)
    assert {24, 27} <= set(theirs)


def test_a_bad_pixel_outside_the_core_does_no_harm(rng):
    image, err, place = picture(rng, np.full(60, 50.0))
    row, col = np.round(place[25]).astype(int)
    usable = everything()
    usable[row + 4, col] = False
    image[row + 4, col] = 1e6
    found = find(image, err, usable)
    ours, theirs = pair(found, place)
    hit = ours[list(theirs).index(25)]
    assert abs(found.rows[hit] - place[25, 0]) < 0.01


def test_hot_pixels_and_galaxies_are_no_stars(rng):
    image, err, _ = picture(rng, [])
    image[50, 50] += 5.0
    rows, cols = np.indices(SHAPE)
    disc = np.hypot((rows - 120) / 2.0, (cols - 200) / 6.0)
    image += (3.0 * np.exp(-disc)).astype(np.float32)
    assert not find(image, err).is_star.any()


@pytest.mark.parametrize("shape", [(10, 400), (17, 17), (18, 18), (40, 30)])
def test_small_or_empty_frames_give_an_empty_list(shape):
    image, err = np.zeros(shape, np.float32), np.ones(shape, np.float32)
    assert len(find(image, err)) == 0
    assert len(find(image, err, np.zeros(shape, bool))) == 0
    assert len(find(np.full(shape, np.nan, np.float32), err)) == 0


def test_the_brightest_are_kept_where_there_are_too_many(rng):
    fluxes = np.linspace(5, 60, 60)
    image, err, place = picture(rng, fluxes)
    found = find(image, err, params=SourceParams(most=10))
    assert len(found) == 10
    _, theirs = pair(found, place)
    assert set(theirs) == set(range(50, 60))


def nasty(rng):
    image, err, place = picture(rng, rng.uniform(0.2, 30, 60))
    usable = rng.random(SHAPE) > 0.01
    image[rng.random(SHAPE) < 0.003] += 3.0
    return image, err, usable, place


def test_twin_smoothing(rng):
    image, _, usable, _ = nasty(rng)
    level = rng.uniform(0.1, 0.3, (4, 5)).astype(np.float32)
    ours, theirs = np.empty_like(image), np.empty(SHAPE)
    kernels.smooth_binomial(image, usable, level, 64, ours)
    twins.smooth_binomial(image, usable, level, 64, theirs)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("coarse", [False, True])
def test_twin_peaks(rng, coarse):
    smooth = rng.normal(size=SHAPE).astype(np.float32)
    if coarse:
        smooth = np.round(smooth * 2) / 2
    limit = rng.uniform(0.5, 3, (4, 5)).astype(np.float32)
    ours, theirs = (np.zeros((2, smooth.size), np.int32) for _ in range(2))
    n = kernels.find_peaks(smooth, limit, 64, ours)
    assert n == twins.find_peaks(smooth, limit, 64, theirs) > 0
    assert np.array_equal(ours[:, :n], theirs[:, :n])


def test_a_full_peak_list_is_not_overrun(rng):
    smooth = rng.normal(size=SHAPE).astype(np.float32)
    peaks = np.zeros((2, 7), np.int32)
    assert kernels.find_peaks(smooth, np.zeros((4, 5), np.float32), 64, peaks) == 7


def test_twin_measurements_of_single_sources(rng):
    image, err, usable, place = nasty(rng)
    ring = np.empty(400, np.float32)
    weights = np.empty((2, 11))
    for row, col in np.round(place).astype(int):
        assert kernels.is_clean(usable, row, col) == twins.is_clean(usable, row, col)
        level = kernels.ring_level(image, usable, row, col, ring)
        assert level == twins.ring_level(image, usable, row, col, ring)
        centre = (row + 0.3, col - 0.4)
        for radius in (1.5, 3.5):
            ours = kernels.sum_aperture(image, err, level, centre, radius)
            theirs = twins.sum_aperture(image, err, level, centre, radius)
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
        ours = kernels.measure_shape(image, err, usable, level, centre, 1.2)
        theirs = twins.measure_shape(image, err, usable, level, centre, 1.2)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
        ours = kernels.find_centroid(image, usable, level, (row, col), 1.2, weights)
        if np.isfinite(ours[0]):
            theirs = twins.find_centroid(image, usable, level, (row, col), 1.2, None)
            np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_twin_a_whole_table(rng):
    image, err, place = picture(rng, np.full(60, 10.0))
    usable = rng.random(SHAPE) > 0.003
    peaks = tuple(np.round(place.T).astype(np.int32))
    ours, theirs = (np.full((60, len(kernels.COLUMNS)), np.nan) for _ in range(2))
    kernels.measure_peaks(image, err, usable, peaks, 1.2, ours)
    twins.measure_peaks(image, err, usable, peaks, 1.2, theirs)
    assert np.isfinite(ours).all(axis=1).sum() > 40
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("width", [128, 150, 100])
def test_twin_cells_are_spread_over_a_row(rng, width):
    cells = rng.normal(size=-(-width // 64)).astype(np.float32)
    ours, theirs = np.zeros((2, width), np.float32)
    kernels.spread_cells(cells, 64, ours)
    twins.spread_cells(cells, 64, theirs)
    assert np.array_equal(ours, theirs)
