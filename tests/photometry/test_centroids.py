import numpy as np

from rampline.photometry.centroids import measure_centroids
from rampline.photometry.labelled_image import LabelledImage

from .scenes import FWHM_PX, gaussian_stars

ALONE = np.ones((1, 1))


def _measure(sky, rows, cols, err=1.0, noise=ALONE):
    plane = np.full(sky.shape, err, np.float32)
    labels = np.zeros(sky.shape, np.int32)
    start = np.stack([np.rint(rows), np.rint(cols)], axis=1)
    return measure_centroids(LabelledImage(sky, plane, labels), start, FWHM_PX, noise)


def test_a_noiseless_star_is_centred_to_a_thousandth_of_a_pixel():
    rows, cols = np.array([20.3, 41.8]), np.array([19.6, 40.1])
    found = _measure(gaussian_stars((64, 64), rows, cols, [50.0, 9.0]), rows, cols)
    np.testing.assert_allclose(found.row, rows, atol=1e-3)
    np.testing.assert_allclose(found.col, cols, atol=1e-3)


def test_pulls_have_a_width_of_one(rng):
    rows, cols = (
        20 + 24 * np.mgrid[:20, :20].reshape(2, -1) + rng.uniform(-0.5, 0.5, (2, 400))
    )
    stars = gaussian_stars((500, 500), rows, cols, np.full(400, 100.0))
    noise = rng.normal(0, 1, stars.shape).astype(np.float32)
    found = _measure(stars + noise, rows, cols)
    for pull in (
        (found.row - rows) / found.row_err,
        (found.col - cols) / found.col_err,
    ):
        assert abs(pull.std() - 1.0) < 4 / np.sqrt(2 * 400)


def test_a_neighbour_is_left_out():
    rows, cols = np.array([30.0, 30.0]), np.array([30.0, 36.0])
    sky = gaussian_stars((64, 64), rows, cols, [50.0, 500.0])
    labels = np.ones(sky.shape, np.int32)
    labels[:, 33:] = 2
    err = np.ones(sky.shape, np.float32)
    start = np.stack([rows, cols], axis=1)
    found = measure_centroids(LabelledImage(sky, err, labels), start, FWHM_PX, ALONE)
    blind = _measure(sky, rows, cols)
    assert abs(found.col[0] - 30) < abs(blind.col[0] - 30)


def test_a_window_without_flux_stays_where_it_was():
    found = _measure(np.zeros((32, 32), np.float32), np.array([9.0]), np.array([8.0]))
    assert (found.row[0], found.col[0]) == (9.0, 8.0)
    assert np.isnan(found.row_err[0])
