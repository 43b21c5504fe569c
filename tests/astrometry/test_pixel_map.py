from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from rampline.astrometry.footprint import grid_from_footprints, outline, s_region
from rampline.astrometry.geometry import make_geometry, pixel_to_sky
from rampline.astrometry.gwcs_model import geometry_from_gwcs
from rampline.astrometry.pixel_map import (
    grid_cards,
    grid_from_cards,
    grid_to_sky,
    map_pixels,
    map_to_grid,
    sky_to_grid,
)
from rampline.exposure.grid import Grid

from .fields import (
    CORRECTION,
    POINTING,
    READOUT,
    SMALL,
    open_real,
    random_pixels,
    real_pointing,
    sky_planes,
)

NORTH_UP = Grid(
    ra_deg=30.0,
    dec_deg=0.0,
    col_ref=50.0,
    row_ref=40.0,
    scale_arcsec=0.1,
    n_rows=100,
    n_cols=120,
)
TURNED = replace(NORTH_UP, ra_deg=359.9995, dec_deg=-73.4, position_angle_deg=37.0)


def geometry_at(ra_deg, **changes):
    place = replace(POINTING, ra_ref_deg=ra_deg, **changes)
    return make_geometry(sky_planes(), place, READOUT, CORRECTION)


def test_north_is_up_and_east_left():
    ra, dec = grid_to_sky(NORTH_UP, [40.0, 41.0, 40.0], [50.0, 50.0, 49.0])
    np.testing.assert_allclose((ra - 30) * 36000, [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(dec * 36000, [0, 1, 0], atol=1e-6)


def test_at_position_angle_ninety_up_is_east():
    turned = replace(NORTH_UP, position_angle_deg=90.0)
    ra, dec = grid_to_sky(turned, [41.0, 40.0], [50.0, 51.0])
    np.testing.assert_allclose((ra - 30) * 36000, [1, 0], atol=1e-6)
    np.testing.assert_allclose(dec * 36000, [0, 1], atol=1e-6)


@pytest.mark.parametrize("grid", [NORTH_UP, TURNED])
def test_the_cards_mean_to_astropy_what_the_grid_means_to_us(rng, grid):
    wcs = WCS(fits.Header([tuple(card) for card in grid_cards(grid)]))
    rows, cols = random_pixels(rng, (grid.n_rows, grid.n_cols))
    ra, dec = grid_to_sky(grid, rows, cols)
    theirs = wcs.all_pix2world(cols, rows, 0)
    np.testing.assert_allclose((ra - theirs[0] + 180) % 360 - 180, 0, atol=1e-11)
    np.testing.assert_allclose(dec, theirs[1], atol=1e-11)
    np.testing.assert_allclose(sky_to_grid(grid, ra, dec), [rows, cols], atol=1e-7)


@pytest.mark.parametrize("grid", [NORTH_UP, TURNED])
def test_a_grid_comes_back_from_its_cards(grid):
    cards = {card.keyword: card.value for card in grid_cards(grid)}
    assert grid_from_cards(cards, grid.n_rows, grid.n_cols) == grid


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"CTYPE1": "RA---SIN"}, "TAN"),
        ({"CRVAL2": None}, "CRVAL2"),
        ({"CDELT2": 2e-5}, "square"),
        ({"PC1_1": 1.0}, "east left"),
        ({"RADESYS": "FK4"}, "ICRS"),
    ],
)
def test_cards_of_another_kind_of_grid_are_refused(change, complaint):
    cards = {card.keyword: card.value for card in grid_cards(NORTH_UP)} | change
    with pytest.raises(ValueError, match=complaint):
        grid_from_cards(cards, 10, 10)


def test_pixels_land_where_they_look(rng):
    geometry = geometry_at(0.0005)
    grid = grid_from_footprints([geometry], 0.03, position_angle_deg=20.0)
    pixel_map = map_to_grid(geometry, grid)
    rows, cols = random_pixels(rng, geometry.shape)
    landed = map_pixels(pixel_map, rows, cols)
    looked = sky_to_grid(grid, *pixel_to_sky(geometry, rows, cols))
    np.testing.assert_allclose(landed.T, looked, atol=1e-6)


@pytest.mark.shared
def test_pixels_of_real_exposures_land_where_their_gwcs_says(shared, rng):
    """Distortion, alignment and projection through nodes, to 1e-5 pixels."""
    paths = sorted((shared / "real_gwcs").glob("*.asdf"))
    for path in (paths[0], paths[7], paths[-1]):
        real, wcsinfo = open_real(path)
        geometry = geometry_from_gwcs(real, real_pointing(real, wcsinfo), (2048, 2048))
        grid = grid_from_footprints([geometry], 0.03)
        rows, cols = random_pixels(rng, geometry.shape, 2000)
        landed = map_pixels(map_to_grid(geometry, grid), rows, cols)
        looked = sky_to_grid(grid, *real(cols, rows))
        np.testing.assert_allclose(landed.T, looked, atol=1e-5, err_msg=path.name)


def test_a_grid_on_the_far_side_of_the_sky_gets_nothing():
    geometry = geometry_at(30.0)
    far = replace(NORTH_UP, ra_deg=210.0, dec_deg=73.4)
    assert np.isnan(map_to_grid(geometry, far).nodes).all()


def test_the_grid_holds_all_exposures_with_a_margin():
    fields = [geometry_at(ra) for ra in (359.97, 0.02, 0.05)]
    grid = grid_from_footprints(fields, 0.03)
    edges = np.concatenate([outline(field, 100) for field in fields])
    rows, cols = sky_to_grid(grid, edges[:, 0], edges[:, 1])
    for place, size in ((rows, grid.n_rows), (cols, grid.n_cols)):
        assert 7.4 < place.min() < 8.6 + 40
        assert 7.4 < size - 1 - place.max() < 8.6 + 40


def test_mosaics_of_all_scales_share_their_edges():
    fields = [geometry_at(ra) for ra in (10.0, 10.01)]
    grids = [grid_from_footprints(fields, s) for s in (0.02, 0.03, 0.04, 0.06)]
    corners = []
    for grid in grids:
        rows, cols = [-0.5, grid.n_rows - 0.5], [-0.5, grid.n_cols - 0.5]
        corners.append(np.stack(grid_to_sky(grid, rows, cols)))
        # edges of pixels lie at whole multiples of the scale from the tangent point
        assert (grid.row_ref + 0.5) % 1 == (grid.col_ref + 0.5) % 1 == 0
    for corner in corners[1:]:
        np.testing.assert_allclose(corner, corners[0], rtol=0, atol=1e-11)
    assert len({(g.ra_deg, g.dec_deg, g.cell) for g in grids}) == 1


def test_an_exposure_more_leaves_the_pixels_where_they_are():
    few, more = (
        grid_from_footprints([geometry_at(ra) for ra in pointings], 0.03)
        for pointings in ((10.0,), (10.0, 10.02))
    )
    place = np.array(sky_to_grid(more, *grid_to_sky(few, 7, 11)))
    assert more != few
    assert place == pytest.approx(place.round(), abs=1e-6)


def test_the_cell_goes_into_the_cards_and_comes_back():
    grid = grid_from_footprints([geometry_at(10.0)], 0.03)
    cards = {card.keyword: card.value for card in grid_cards(grid)}
    assert cards["GRIDCELL"] == grid.cell != ""
    assert grid_from_cards(cards, grid.n_rows, grid.n_cols) == grid
    beside = grid_from_footprints([geometry_at(10.0)], 0.03, cell="032x020")
    assert beside.cell == "032x020" != grid.cell


def test_pixels_away_from_the_tangent_point_are_smaller():
    grid = replace(NORTH_UP, row_ref=40.0 + 360 * 500, scale_arcsec=1.0)
    corners = np.array([[0, 0, 1, 1], [0, 1, 1, 0]]) - 0.5 + [[50], [60]]
    ra, dec = np.radians(grid_to_sky(grid, *corners))
    x, y = ra * np.cos(dec.mean()), dec
    area = 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))
    assert grid.pixel_area_sr == pytest.approx(area, rel=1e-4)
    at_tangent_point = (1.0 / 206264.806) ** 2
    assert grid.pixel_area_sr < 0.7 * at_tangent_point


def test_the_grid_does_not_depend_on_the_order_of_exposures():
    fields = [geometry_at(ra) for ra in (359.97, 0.02, 0.05)]
    assert grid_from_footprints(fields, 0.03) == grid_from_footprints(
        fields[::-1], 0.03
    )


def test_a_grid_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        grid_from_footprints([], 0.03)


def test_s_region_has_the_outer_corners_in_the_order_of_the_archive():
    geometry = make_geometry(sky_planes(), POINTING, SMALL)
    words = s_region(geometry).split()
    assert words[:2] == ["POLYGON", "ICRS"]
    rows, cols = [-0.5, 95.5, 95.5, -0.5], [-0.5, -0.5, 63.5, 63.5]
    expected = np.stack(pixel_to_sky(geometry, rows, cols), -1).ravel()
    np.testing.assert_allclose([float(w) for w in words[2:]], expected, atol=1e-9)
