import numpy as np
import pytest

from rampline.exposure.planes import CatalogPlanes
from rampline.photometry.apertures import ApertureFluxes
from rampline.photometry.catalog import (
    CatalogParams,
    Measurements,
    SkyPositions,
    build_catalog,
)
from rampline.photometry.centroids import Centroids
from rampline.photometry.labelled_image import LabelledImage
from rampline.photometry.shapes import measure_shapes
from rampline.photometry.star_shape import Neighbours, StarShapes

AREA_SR = 2e-14
JY = 1e6 * AREA_SR


def _catalog(flux=((30.0, 10.0), (50.0, 24.0), (70.0, 50.0)), narrowing=1.0, up=0.0):
    """Two sources on a line: a star and a galaxy."""
    labels = np.zeros((9, 20), np.int32)
    labels[4, 3:6], labels[3:6, 14] = 1, 2
    light = np.where(labels > 0, np.float32(10), np.float32(0))
    ones, two = np.ones(2), np.full((2, 2), 5.0)
    shapes = measure_shapes(LabelledImage(light, np.ones_like(light), labels), light)
    measured = Measurements(
        shapes=shapes,
        noise_factor=np.array([1.0, 2.0]),
        kron_noise_factor=ones,
        centroids=Centroids(shapes.row, shapes.col, 0.1 * ones, 0.2 * ones),
        apertures=ApertureFluxes(np.array(flux), np.ones((3, 2)), ones, 0.5 * ones),
        narrowing=narrowing,
        star_shapes=StarShapes(ones, ones),
        neighbours=Neighbours(np.array([1, -1]), np.array([10.0, np.nan])),
        flags=np.zeros(2, np.int32),
    )
    sky = SkyPositions(
        isophotal=two,
        windowed=two,
        corners=np.full((4, 2, 2), 5.0),
        scale_arcsec=0.03,
        up_from_north_deg=up,
    )
    planes = CatalogPlanes(
        encircled_energy=np.array([0.3, 0.5, 0.7]),
        radius_px=np.array([1.2, 1.7, 3.1]),
        correction=np.array([3.4, 2.0, 1.4]),
        sky_in_px=8.0,
        sky_out_px=13.0,
        ab_minus_vega=1.7,
    )
    return build_catalog(measured, sky, planes, AREA_SR, CatalogParams())


def test_fluxes_are_in_jansky_and_the_total_is_corrected():
    table = _catalog(narrowing=0.99)
    np.testing.assert_allclose(table["aper70_flux"].to_value("Jy"), [70 * JY, 50 * JY])
    total = table["aper_total_flux"].to_value("Jy")
    np.testing.assert_allclose(total, np.array([70, 50]) * JY * 1.4 * 0.99)
    errors = table["aper_total_flux_err"].to_value("Jy")
    np.testing.assert_allclose(errors, 1.4 * 0.99 * JY)


def test_magnitudes_are_ab_and_vega():
    table = _catalog(flux=np.full((3, 2), 1 / JY))
    np.testing.assert_allclose(table["aper30_abmag"], 8.9)
    np.testing.assert_allclose(table["aper30_vegamag"], 7.2)
    np.testing.assert_allclose(table["aper30_abmag_err"], 2.5 * np.log10(1 + JY))


def test_negative_fluxes_have_no_magnitude():
    table = _catalog(flux=np.full((3, 2), -1.0))
    assert np.isnan(table["aper50_abmag"]).all()
    assert np.isnan(table["aper50_vegamag_err"]).all()
    assert (table["aper50_flux"] < 0).all()


def test_the_more_extended_source_is_called_extended():
    np.testing.assert_array_equal(_catalog()["is_extended"], [False, True])


@pytest.mark.parametrize(("up", "angle"), [(0.0, 90.0), (30.0, 120.0)])
def test_position_angles_turn_with_the_grid(up, angle):
    table = _catalog(up=up)
    along_columns, along_rows = table["sky_orientation"].value
    # north up and east left: a source along a row points east
    assert along_columns == pytest.approx(angle)
    assert along_rows == pytest.approx(angle + 90)


def test_correlated_noise_raises_isophotal_errors():
    err = _catalog()["isophotal_flux_err"].to_value("Jy") / JY
    np.testing.assert_allclose(err, [np.sqrt(3), 2 * np.sqrt(3)])


def test_errors_of_places_are_in_milliarcseconds():
    table = _catalog()
    np.testing.assert_allclose(table["y_err"].to_value("mas"), 3.0)
    np.testing.assert_allclose(table["x_err"].to_value("mas"), 6.0)


def test_neighbours_are_named_by_their_labels():
    table = _catalog()
    np.testing.assert_array_equal(table["nn_label"], [2, -1])
    np.testing.assert_array_equal(table["nn_dist"].value, [10, np.nan])


def test_the_meta_data_say_how_it_was_measured():
    meta = _catalog(narrowing=0.998).meta
    assert meta["aperture_params"]["aperture_ee"] == [30, 50, 70]
    assert meta["aperture_narrowing"] == 0.998
    assert meta["abvega_offset"] == 1.7
