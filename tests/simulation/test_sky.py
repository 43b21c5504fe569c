import numpy as np
import pytest

from rampline.errors import ParameterError
from rampline.simulation.geometry import sky_to_focal
from rampline.simulation.pointing import plan_exposures
from rampline.simulation.scene import SceneParams
from rampline.simulation.sky import draw_sky
from tests.simulation.scenes import small


def _with(**light):
    return SceneParams.model_validate({**small().model_dump(), "light": light})


def test_placed_stars_stand_where_they_were_put():
    scene = _with(stars=[{"v2": 3600.0, "v3": 36000.0, "magnitude": 4.0}])
    sky = draw_sky(scene)
    attitude = plan_exposures(scene)[0].believed.attitude
    v2, v3 = sky_to_focal(attitude, sky.ra_deg[-1:], sky.dec_deg[-1:])
    assert (v2[0], v3[0]) == pytest.approx((3600.0, 36000.0), abs=1e-6)
    assert sky.flux_jy[-1] == pytest.approx(3630.78 * 10**-1.6)


def test_they_come_after_all_others():
    scene = _with(stars=[{"v2": 0.0, "v3": 0.0, "magnitude": 4.0}])
    before, after = draw_sky(small()), draw_sky(scene)
    assert np.array_equal(before.ra_deg, after.ra_deg[:-1])


def test_a_picture_that_is_not_there_stops_before_anything_is_made():
    scene = _with(pictures=[{"file": "/nowhere/none.fits"}])
    with pytest.raises(ParameterError, match=r"light\.pictures\.0\.file"):
        draw_sky(scene)
