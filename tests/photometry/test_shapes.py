import numpy as np
import pytest
from photutils import use_future_column_names
from photutils.segmentation import SegmentationImage, SourceCatalog

from rampline.photometry.labelled_image import LabelledImage
from rampline.photometry.shapes import measure_shapes

from .scenes import gaussian_stars


def test_one_pixel_is_as_wide_as_a_pixel():
    sky = np.zeros((9, 9), np.float32)
    labels = np.zeros((9, 9), np.int32)
    sky[4, 6], labels[4, 6] = 5.0, 1
    found = measure_shapes(LabelledImage(sky, np.ones_like(sky), labels), sky)
    assert (found.row[0], found.col[0], found.area[0], found.flux[0]) == (4, 6, 1, 5)
    assert found.semimajor[0] == pytest.approx(np.sqrt(1 / 12))
    np.testing.assert_array_equal(found.box, [[4, 4, 6, 6]])


def test_an_ellipse_has_its_axes_and_angle():
    y, x = np.mgrid[:101, :101] - 50.0
    angle = np.radians(30)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    sky = np.exp(-0.5 * ((along / 8) ** 2 + (across / 4) ** 2)).astype(np.float32)
    labels = np.ones(sky.shape, np.int32)
    found = measure_shapes(LabelledImage(sky, np.ones_like(sky), labels), sky)
    assert found.semimajor[0] == pytest.approx(8, rel=1e-3)
    assert found.semiminor[0] == pytest.approx(4, rel=1e-3)
    assert found.orientation_deg[0] == pytest.approx(30, abs=0.01)


def test_negative_pixels_have_no_weight_in_moments_but_count_in_the_flux():
    sky = np.array([[1.0, 1.0, -4.0]], np.float32)
    labels = np.ones((1, 3), np.int32)
    found = measure_shapes(LabelledImage(sky, np.ones_like(sky), labels), sky)
    assert found.col[0] == 0.5
    assert found.flux[0] == -2.0
    assert found.variance[0] == 3.0


def test_without_sources_all_columns_are_empty():
    plane = np.zeros((5, 5), np.float32)
    found = measure_shapes(
        LabelledImage(plane, plane, np.zeros((5, 5), np.int32)), plane
    )
    assert len(found.row) == len(found.kron.flux) == len(found.box) == 0


def test_segments_are_measured_as_photutils_does(rng):
    rows, cols = rng.uniform(12, 188, (2, 25))
    sky = gaussian_stars((200, 200), rows, cols, rng.uniform(100, 900, 25), sigma=2.0)
    sky += rng.normal(0, 0.3, sky.shape).astype(np.float32)
    from scipy import ndimage

    labels, _ = ndimage.label(sky > 1.0, output=np.int32)
    err = rng.uniform(0.2, 0.4, sky.shape).astype(np.float32)
    smooth = ndimage.gaussian_filter(sky, 1.0)
    found = measure_shapes(LabelledImage(sky, err, labels), smooth)
    with use_future_column_names():
        theirs = SourceCatalog(
            sky, SegmentationImage(labels), convolved_data=smooth, error=err
        )
        pairs = {
            "x_centroid": found.col,
            "y_centroid": found.row,
            "area": found.area,
            "segment_flux": found.flux,
            "segment_flux_err": np.sqrt(found.variance),
            "semimajor_axis": found.semimajor,
            "semiminor_axis": found.semiminor,
            "orientation": found.orientation_deg,
            "bbox_ymin": found.box[:, 0],
            "bbox_xmax": found.box[:, 3],
        }
        for name, ours in pairs.items():
            values = getattr(theirs, name)
            values = np.asarray(getattr(values, "value", values))
            np.testing.assert_allclose(ours, values, rtol=1e-5, err_msg=name)
