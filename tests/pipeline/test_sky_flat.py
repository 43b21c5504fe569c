from dataclasses import replace

import numpy as np
import pytest

from rampline.calibration.sky_flat import SkyFlatParams
from rampline.pipeline.sky_flat import measure_sky_flat

from . import dithers

SIZE = 192


@pytest.fixture
def images(rng):
    """Exposures of fields with stars, flat-fielded by a flat that is 2 % off across."""
    response = (1.0 + 0.02 * (np.arange(SIZE) / SIZE - 0.5)).astype(np.float32)
    made = []
    for k, shift in enumerate(rng.uniform(-1.5, 1.5, (6, 2))):
        stars = dithers.star_field(rng, 1)
        image = dithers.make_image(rng, k, stars, shift, level=5.0, size=SIZE)
        made.append(replace(image, sky=image.sky * response))
    return made


def test_what_stands_still_on_the_detector_is_the_flat(images):
    found = measure_sky_flat(iter(images), SkyFlatParams(min_exposures=6, cell=16))
    left, right = np.median(found.response[:, [10, 181]], axis=0)
    assert right - left == pytest.approx(0.02 * 171 / SIZE, abs=0.003)


def test_too_few_exposures_are_refused(images):
    with pytest.raises(ValueError, match="6 exposures are too few, 20 are needed"):
        measure_sky_flat(images, SkyFlatParams())


def test_exposures_of_another_size_are_refused(rng, images):
    small = dithers.make_image(rng, 9, dithers.star_field(rng, 3), (0, 0), size=96)
    with pytest.raises(ValueError, match="shape is not that"):
        measure_sky_flat([*images, small], SkyFlatParams())


def test_an_exposure_without_sky_is_named(images):
    dark = replace(images[0], sky=images[0].sky - 9)
    with pytest.raises(ValueError, match=f"{dark.header.root}: shows no sky"):
        measure_sky_flat([dark], SkyFlatParams())
