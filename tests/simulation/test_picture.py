import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from rampline.errors import ParameterError
from rampline.simulation import picture as room
from rampline.simulation.instrument import passband
from rampline.simulation.picture import paint_picture, read_pictures
from rampline.simulation.scene import LightParams
from tests.simulation.scattered.views import view
from tests.simulation.test_grism import spread
from tests.twins import simulation as twins

BAND = passband("F200W")


def _write(path, values, seen, row, col, scale_arcsec, unit="nJy", angle=20.0):
    """An image centred on a pixel of the detector, turned against it."""
    ra, dec = seen.camera.pixel_to_sky(np.array(row), np.array(col))
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [float(ra), float(dec)]
    wcs.wcs.crpix = [(n + 1) / 2 for n in values.shape[::-1]]
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    wcs.wcs.cd = scale_arcsec / 3600 * np.array([[-cos, sin], [sin, cos]])
    header = wcs.to_header()
    header["BUNIT"] = unit
    fits.PrimaryHDU(values.astype(np.float32), header).writeto(path)
    return str(path)


def _painted(path, seen, **entry):
    light = LightParams.model_validate({"pictures": [{"file": path, **entry}]})
    canvas = np.zeros(seen.shape)
    for picture in read_pictures(light, BAND):
        paint_picture(canvas, picture, (seen.camera, spread(), (0, 0)), 1.0e9)
    return canvas


@pytest.fixture(scope="module")
def seen():
    return view("NRCB1", subarray="SUB160")


def test_all_light_is_kept(seen, tmp_path, rng):
    values = rng.gamma(1.0, 1.0, (40, 30))
    path = _write(tmp_path / "sky.fits", values, seen, 80.0, 75.0, 0.05)
    total = float(spread().values.sum()) / 16
    assert _painted(path, seen).sum() == pytest.approx(values.sum() * total, rel=1e-4)


def test_a_lone_pixel_is_the_psf_at_its_place(seen, tmp_path):
    values = np.zeros((9, 9))
    values[4, 4] = 1.0
    path = _write(tmp_path / "dot.fits", values, seen, 70.3, 81.6, 0.004)
    image = _painted(path, seen)
    row, col = np.indices(image.shape)
    expected = np.exp(-0.5 * ((row - 70.3) ** 2 + (col - 81.6) ** 2) / 1.3**2)
    expected /= 2 * np.pi * 1.3**2
    assert image == pytest.approx(expected, abs=1e-3 * expected.max())


def test_orientation_follows_the_wcs(seen, tmp_path):
    values = np.zeros((31, 31))
    values[15, 15], values[25, 15] = 1.0, 2.0
    path = _write(tmp_path / "two.fits", values, seen, 80.0, 80.0, 0.1, angle=0.0)
    image = _painted(path, seen)
    # The second spot is 1 arcsec north.
    ra, dec = seen.camera.pixel_to_sky(np.array(80.0), np.array(80.0))
    row, col = seen.camera.sky_to_pixel(ra, dec + 1.0 / 3600)
    peak = np.unravel_index(np.argmax(image), image.shape)
    assert peak == (round(float(row)), round(float(col)))


def test_a_picture_across_the_edge_has_its_part_painted(seen, tmp_path):
    values = np.ones((60, 60))
    path = _write(tmp_path / "edge.fits", values, seen, 0.0, 80.0, 0.05, angle=0.0)
    image = _painted(path, seen)
    assert 0.3 < image.sum() / values.sum() < 0.7
    assert image.min() > -1e-3 * image.max()


def test_a_picture_elsewhere_adds_nothing(seen, tmp_path):
    path = _write(tmp_path / "far.fits", np.ones((9, 9)), seen, 9e3, 80.0, 0.05)
    assert not _painted(path, seen).any()


def test_a_picture_much_wider_than_the_detector_fills_it(seen, tmp_path):
    """Half a degree of even light, 6 arcsec per pixel."""
    path = _write(tmp_path / "wide.fits", np.ones((300, 300)), seen, 80.0, 80.0, 6.0)
    image = _painted(path, seen)
    pixel = float(seen.camera.pixel_area_sr(np.array(80.0), np.array(80.0)))
    per_pixel = pixel / (6.0 / 206264.806) ** 2
    assert image == pytest.approx(per_pixel, rel=0.02)


def test_a_magnitude_sets_the_sum(seen, tmp_path):
    path = _write(tmp_path / "m.fits", np.ones((9, 9)), seen, 80.0, 80.0, 0.05, "K")
    bright = _painted(path, seen, magnitude=20.0)
    flux = 3630.78 * 10**-8 * 1e9
    assert bright.sum() == pytest.approx(flux * spread().values.sum() / 16, rel=1e-3)


def test_surface_brightness_is_turned_into_flux(seen, tmp_path):
    path = _write(
        tmp_path / "sb.fits", np.full((41, 41), 2.0), seen, 80.0, 80.0, 0.05, "MJy/sr"
    )
    pixel_sr = float(seen.camera.pixel_area_sr(np.array(80.0), np.array(80.0)))
    image = _painted(path, seen)
    assert image[80, 80] == pytest.approx(2.0e6 * pixel_sr * 1e9, rel=5e-3)


def test_a_picture_for_one_filter_is_left_out_of_others(seen, tmp_path):
    path = _write(tmp_path / "f.fits", np.ones((9, 9)), seen, 80.0, 80.0, 0.05)
    assert _painted(path, seen, filter="F200W").any()
    assert not _painted(path, seen, filter="F150W").any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda path: path.unlink(missing_ok=True),
            "light.pictures.0.file: .*No such file",
        ),
        (lambda path: path.write_text("no fits"), "light.pictures.0.file"),
        (lambda path: fits.PrimaryHDU(np.ones((3, 3))).writeto(path), "celestial WCS"),
    ],
)
def test_what_cannot_be_painted_is_named(tmp_path, make, message):
    path = tmp_path / "bad.fits"
    make(path)
    light = LightParams.model_validate(
        {"pictures": [{"file": str(path), "magnitude": 20}]}
    )
    with pytest.raises(ParameterError, match=message) as caught:
        read_pictures(light, BAND)
    assert "\n" not in str(caught.value)


def test_a_unit_that_is_no_flux_is_named(seen, tmp_path):
    path = _write(tmp_path / "u.fits", np.ones((9, 9)), seen, 80.0, 80.0, 0.05, "K")
    light = LightParams.model_validate({"pictures": [{"file": path}]})
    with pytest.raises(ParameterError, match="'K' is no flux"):
        read_pictures(light, BAND)


def test_laying_down_agrees_with_its_twin(rng):
    values = rng.normal(1.0, 1.0, (4, 5))
    values[1, 2] = 0.0
    grid = np.meshgrid(
        np.arange(5) * 2.3 - 1.5, np.arange(6) * 1.9 - 0.7, indexing="ij"
    )
    rows, cols = (axis + rng.normal(0, 0.2, axis.shape) for axis in grid)
    boards = np.zeros((2, 9, 8))
    room._lay_down(boards[0], values, rows, cols, 3)
    twins.lay_down(boards[1], values, rows, cols, 3)
    assert boards[0] == pytest.approx(boards[1], abs=1e-12)


@pytest.mark.parametrize("low", [-6.0, -2.5, 0.0, 3.0, 9.0])
def test_pixels_off_the_board_are_told_as_by_the_twin(low):
    corners = low + np.array([[0.0, 1.0], [2.0, 3.1]])
    assert room._overlaps(corners, 9) == twins.overlaps(corners, 9)


@pytest.mark.parametrize("off", [-0.49, 0.0, 0.2, 0.5])
def test_a_place_is_shared_out_as_by_its_twin(off):
    boards = np.zeros((2, 6, 7))
    room._share_out(boards[0], 3.0 + off, 2.3, 5.0)
    twins.share_out(boards[1], 3.0 + off, 2.3, 5.0)
    assert boards[0] == pytest.approx(boards[1])
    shares = [room._quadratic(point, off) for point in (-1, 0, 1)]
    assert shares == pytest.approx(
        [twins.quadratic(point, off) for point in (-1, 0, 1)]
    )
    # Sum, centre and width do not depend on the place.
    assert sum(shares) == pytest.approx(1.0)
    assert shares[2] - shares[0] == pytest.approx(off)
    assert shares[2] + shares[0] - off**2 == pytest.approx(0.25)
