"""The scenes that rampline brings."""

from .scattered.scatter import ScatteredParams
from .scene import (
    ActivityParams,
    ClusterParams,
    FieldParams,
    GalaxyParams,
    LightParams,
    PlacedStarParams,
    ReferenceParams,
    SceneParams,
    StarParams,
    VisitParams,
)

_SHORT_B = ("NRCB1", "NRCB2", "NRCB3", "NRCB4")
_ALL = ("NRCA1", "NRCA2", "NRCA3", "NRCA4", "NRCALONG", *_SHORT_B, "NRCBLONG")


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
    realistic errors. All kinds of scattered light are on.
    """
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
        light=LightParams(scattered=all_scattered()),
        activities=tuple(
            ActivityParams(activity=number, short=short, long=long, detectors=_ALL)
            for number, short, long in pairs
        ),
        references=ReferenceParams(
            flat_error=0.005, gain_error=0.005, dark_exposures=50,
            distortion_mas=2.0, offset_mas=3.0,
        ),
    )  # fmt: skip


def artifacts_scene(*, points: int = 3) -> SceneParams:
    """Return a field in which every kind of scattered light is seen.

    All ten detectors in F200W and F356W, then the long-wavelength detector of module B
    with each grism in F322W2; bright stars stand where they make claws, both kinds of
    dragon's breath, the ginkgo leaf and stripes.

    Parameters
    ----------
    points : int
        Dithers.
    """
    giant = 0.4  # colour of late giants
    claws = [(1.435, 9.912), (-1.355, 10.230)]
    stars = [
        *(
            PlacedStarParams(v2=3600 * v2, v3=3600 * v3, magnitude=4.35, colour=giant)
            for v2, v3 in claws
        ),
        # Mira, as it disturbed a survey field.
        PlacedStarParams(v2=6000.0, v3=3000.0, magnitude=-0.36, colour=giant),
        # Knife edge beside B1 and A2.
        PlacedStarParams(v2=-166.0, v3=-450.0, magnitude=12.0),
        PlacedStarParams(v2=163.0, v3=-445.0, magnitude=12.5),
        # Mask beside B5, B2 and A3.
        PlacedStarParams(v2=-120.0, v3=-558.8, magnitude=13.5),
        PlacedStarParams(v2=55.0, v3=-562.0, magnitude=12.5),
        # Leaf of A5.
        PlacedStarParams(v2=175.0, v3=-453.3, magnitude=10.5),
    ]
    return SceneParams(
        field=FieldParams(
            half_width_arcsec=230.0,
            stars=StarParams(number=2500, brightest=15.0, faintest=28.0, slope=0.10),
            galaxies=GalaxyParams(number=9000, faintest=27.5),
        ),
        visit=VisitParams(aperture="NRCB5_FULL", dither="9-POINT", points=points),
        light=LightParams(stars=tuple(stars), scattered=all_scattered()),
        activities=(
            ActivityParams(
                activity="01", long="F356W", detectors=_ALL, pattern="MEDIUM8", groups=5
            ),
            *(
                ActivityParams(
                    activity=number, long=f"F322W2+{grism}", detectors=("NRCBLONG",),
                    pattern="MEDIUM8", groups=5,
                )
                for number, grism in (("03", "GRISMR"), ("05", "GRISMC"))
            ),
        ),
    )  # fmt: skip


def all_scattered() -> ScatteredParams:
    """Return scattered light with every kind switched on."""
    kinds = ScatteredParams.model_fields
    return ScatteredParams.model_validate({name: {"enabled": True} for name in kinds})
