"""Scenes that are often wanted."""

from .scene import (
    ActivityParams,
    ClusterParams,
    FieldParams,
    GalaxyParams,
    ReferenceParams,
    SceneParams,
    StarParams,
    VisitParams,
)

_SHORT_B = ("NRCB1", "NRCB2", "NRCB3", "NRCB4")


def demo_scene(*, full: bool = False) -> SceneParams:
    """Return the field of the demonstration.

    Parameters
    ----------
    full : bool
        Four short-wavelength detectors and the long-wavelength one of module B, full
        frame, instead of one of each in a subarray.

    Returns
    -------
    SceneParams
        A small field near SMACS J0723 with stars, galaxies and the edge of a cluster,
        in F200W and F444W at four dithers.
    """
    if full:
        return _full_demo()
    return SceneParams(
        field=FieldParams(
            half_width_arcsec=26.0,
            stars=StarParams(number=600, brightest=20.0, faintest=28.0, slope=0.04),
            galaxies=GalaxyParams(number=150, brightest=21.0, faintest=27.8),
            cluster=ClusterParams(
                members=14, brightest=19.5, half_light_arcsec=0.9, core_arcsec=4.0,
                offset_arcsec=(9.0, -9.0),
            ),
        ),
        visit=VisitParams(aperture="NRCB5_SUB640", dither="4-POINT", points=4),
        activities=(
            ActivityParams(subarray="SUB640", detectors=(*_SHORT_B, "NRCBLONG")),
        ),
    )  # fmt: skip


def _full_demo() -> SceneParams:
    detectors = (*_SHORT_B, "NRCBLONG")
    return SceneParams(
        field=FieldParams(
            half_width_arcsec=85.0,
            stars=StarParams(number=1500, brightest=19.0, faintest=28.5, slope=0.08),
            galaxies=GalaxyParams(number=2500),
            cluster=ClusterParams(members=60, brightest=17.5, half_light_arcsec=3.0),
        ),
        visit=VisitParams(aperture="NRCB5_FULL", dither="SMACS-9", points=4),
        activities=(ActivityParams(detectors=detectors),),
    )


def benchmark_scene(*, points: int = 9) -> SceneParams:
    """Return full-frame exposures of NRCB1 in F200W, MEDIUM8 with 9 groups."""
    return SceneParams(
        field=FieldParams(
            half_width_arcsec=50.0,
            stars=StarParams(number=600, brightest=18.5, faintest=28.5, slope=0.08),
            galaxies=GalaxyParams(number=1200),
        ),
        visit=VisitParams(aperture="NRCB1_FULL", dither="9-POINT", points=points),
        activities=(ActivityParams(detectors=("NRCB1",)),),
    )


def smacs_scene() -> SceneParams:
    """Return the Early Release field: SMACS J0723 in six filters with ten detectors.

    Nine dithers of three filter pairs, MEDIUM8 with 9 groups: 270 exposures. Module B
    is on the cluster; module A sees the field beside it. The reference files have
    realistic errors.
    """
    detectors = (
        "NRCA1", "NRCA2", "NRCA3", "NRCA4", "NRCALONG",
        "NRCB1", "NRCB2", "NRCB3", "NRCB4", "NRCBLONG",
    )  # fmt: skip
    pairs = (
        ("01", "F090W", "F277W"),
        ("03", "F150W", "F356W"),
        ("05", "F200W", "F444W"),
    )
    return SceneParams(
        field=FieldParams(
            half_width_arcsec=230.0,
            stars=StarParams(number=4000, brightest=14.0, faintest=28.5, slope=0.12),
            galaxies=GalaxyParams(number=16000),
            cluster=ClusterParams(members=150, brightest=17.0, half_light_arcsec=4.0),
        ),
        visit=VisitParams(aperture="NRCB5_FULL", dither="SMACS-9", points=9),
        activities=tuple(
            ActivityParams(activity=number, short=short, long=long, detectors=detectors)
            for number, short, long in pairs
        ),
        references=ReferenceParams(
            flat_error=0.005, gain_error=0.005, dark_exposures=50,
            distortion_mas=2.0, offset_mas=3.0,
        ),
    )  # fmt: skip
