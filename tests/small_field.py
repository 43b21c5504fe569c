"""A small simulated field: seconds to make, seconds to reduce."""

from rampline.simulation.scene import (
    ActivityParams,
    FieldParams,
    SceneParams,
    StarParams,
    VisitParams,
)
from rampline.simulation.simulate import simulate


def make_small_field(folder):
    """Four dithers of two detectors in SUB160 with sixty stars."""
    scene = SceneParams(
        field=FieldParams(
            half_width_arcsec=7.0,
            stars=StarParams(number=60, brightest=19.5, faintest=25.0, slope=0.05),
        ),
        visit=VisitParams(aperture="NRCB5_SUB160", dither="4-POINT", points=4),
        activities=(ActivityParams(subarray="SUB160", groups=5),),
    )
    return simulate(scene, folder, crds_cache=folder / "crds")
