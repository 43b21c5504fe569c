"""Scenes that are simulated in a second."""

from rampline.simulation.scene import (
    ActivityParams,
    FieldParams,
    GalaxyParams,
    SceneParams,
    StarParams,
    VisitParams,
)


def small():
    """Two dithers of one detector in the smallest subarray, in narrow filters."""
    return SceneParams(
        field=FieldParams(
            half_width_arcsec=4.0,
            stars=StarParams(number=14, brightest=15.5, faintest=19.5),
            galaxies=GalaxyParams(number=4, brightest=17.0, faintest=19.0),
        ),
        visit=VisitParams(aperture="NRCB1_SUB160", points=2),
        activities=(
            ActivityParams(
                short="F187N", detectors=("NRCB1",), subarray="SUB160", groups=4
            ),
        ),
    )
