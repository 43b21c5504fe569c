import numpy as np
import pytest

from rampline.simulation.geometry import attitude_from
from rampline.simulation.scattered.stripes import StripeParams, stripes
from rampline.simulation.scattered.view import see_stars
from tests.simulation.scattered.views import sources, stars, view

ON = StripeParams(enabled=True)
NEAR = (6000.0, 3000.0)


def _image(k_mag=-2.0, place=NEAR, detector="NRCB1", subarray="SUB640"):
    seen = view(detector, subarray=subarray)
    star = stars(seen, *place, k_mag + 1.85 + 0.05, colour=0.4)
    return stripes(seen, ON, star)[0]


def test_only_extreme_stars_within_five_degrees_count():
    assert _image() is not None
    assert _image(k_mag=0.0) is None
    assert _image(place=(20000.0, 0.0)) is None


def test_levels_are_those_that_were_met():
    image = _image(subarray="FULL")
    assert 0.0005 < image.std() < 0.004
    assert image.min() >= 0


def _spread(image, angle_deg):
    """The variance of means along lines at an angle to the rows' direction."""
    angle = np.radians(angle_deg)
    row, col = np.indices(image.shape)
    across = np.rint((col * np.cos(angle) + row * np.sin(angle)) / 4.0).astype(int)
    across -= across.min()
    count = np.bincount(across.ravel())
    mean = np.bincount(across.ravel(), image.ravel())[count > 40] / count[count > 40]
    return mean.var()


@pytest.mark.parametrize("side", [30, 150])
def test_they_run_at_thirty_degrees_to_the_columns(side):
    """Bands at 30 degrees to the columns change fastest 30 degrees off the rows."""
    image = _image(subarray="FULL")[::3, ::3]
    first = 0 if side < 90 else 90
    angles = range(first + 2, first + 90, 4)
    best = max(angles, key=lambda angle: _spread(image, angle))
    assert best == pytest.approx(side, abs=4)


def test_they_keep_their_places_on_the_sky():
    """A dither moves star and bands together over the detector."""
    sky = sources(*NEAR, -0.1, colour=0.4)
    images = []
    for v2 in (0.0, -3.0):
        pointed = attitude_from((v2, -495.0), (150.1, 2.2), 20.0)
        seen = view(subarray="SUB640", attitude=pointed)
        images.append(stripes(seen, ON, see_stars(seen, sky, np.zeros(1), 1))[0])
    # V2 runs against columns: 3 arcsec are 97 pixels to the right.
    shift = 3.0 / seen.camera.full.x_scale_arcsec
    assert shift == pytest.approx(97.7, abs=0.1)
    first, moved = images[0][200:400, 200:400], images[1][200:400, 298:498]
    assert moved == pytest.approx(first, abs=0.15 * images[0].std())


def test_stars_are_named_by_their_place_in_random_streams():
    seen = view(subarray="SUB160")
    one = stars(seen, *NEAR, -0.1, colour=0.4)
    two = stars(seen, [0.0, NEAR[0]], [3.0e5, NEAR[1]], [20.0, -0.1], colour=0.4)
    assert stripes(seen, ON, one)[0] == pytest.approx(stripes(seen, ON, two)[0])
