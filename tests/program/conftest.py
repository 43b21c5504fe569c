"""A small simulated field, made once."""

import shutil

import pytest

from rampline.simulation.scene import (
    ActivityParams,
    FieldParams,
    SceneParams,
    StarParams,
    VisitParams,
)
from rampline.simulation.simulate import simulate


@pytest.fixture(scope="session")
def field(tmp_path_factory):
    """Four dithers of two detectors in SUB160: seconds to make, seconds to reduce."""
    scene = SceneParams(
        field=FieldParams(
            half_width_arcsec=7.0,
            stars=StarParams(number=60, brightest=19.5, faintest=25.0, slope=0.05),
        ),
        visit=VisitParams(aperture="NRCB5_SUB160", dither="4-POINT", points=4),
        activities=(ActivityParams(subarray="SUB160", groups=5),),
    )
    return simulate(scene, tmp_path_factory.mktemp("field"))


@pytest.fixture
def raw(field, tmp_path):
    """A folder of copies of two raw exposures, to be spoiled at will."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for path in field.raw[:2]:
        shutil.copy(path, folder)
    return folder
