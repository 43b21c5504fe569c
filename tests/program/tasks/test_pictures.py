"""The pictures of slopes: what was subtracted is shown, what was not leaves no picture."""

from dataclasses import replace

import numpy as np
from PIL import Image

from rampline.exposure.records import SlopeImage, SlopePlanes
from rampline.program.tasks.pictures import draw_slope

from ...reference.exposures import make_header


def _slope(rng):
    plane = rng.normal(0.2, 0.02, (64, 64)).astype(np.float32)
    planes = SlopePlanes(
        slope=plane,
        err=np.ones_like(plane),
        flags=np.zeros(plane.shape, np.uint32),
        var_poisson=np.ones_like(plane),
        var_read=np.ones_like(plane),
    )
    return SlopeImage(header=make_header(), planes=planes)


def test_light_that_was_subtracted_has_its_picture_until_it_is_not(rng, tmp_path):
    slope = _slope(rng)
    stray = np.zeros((64, 64), np.float32)
    stray[8:, 8:] = 0.1
    draw_slope(tmp_path, "one", replace(slope, extras={"STRAY": stray}))
    with Image.open(tmp_path / "one_stray.png") as image:
        pixels = np.asarray(image.convert("L"))
    assert pixels[0, -1] == 255
    assert pixels[600, 10] < 100
    draw_slope(tmp_path, "one", replace(slope, extras={"STRAY": 0 * stray}))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["one_rate.png"]


def test_dispersed_slopes_show_the_sky_that_was_subtracted(rng, tmp_path):
    sky = np.full((64, 64), 0.3, np.float32)
    slope = replace(_slope(rng), extras={"GRISM_SKY": sky, "STRIPES": sky})
    draw_slope(tmp_path, "one", slope, "flatfield")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["one_flatfield.png", "one_grismsky.png", "one_stripes.png"]
