"""All sources of a scene, those given by their place in the focal plane included."""

import numpy as np
from numpy.typing import NDArray

from .catalog import draw_sources, magnitude_to_jy
from .geometry import focal_to_sky
from .instrument import passband
from .picture import read_pictures
from .pointing import pointed_attitude
from .scene import SceneParams
from .sources import Sources, join_sources


def draw_sky(scene: SceneParams) -> Sources:
    """Return the sources of the field, then the stars placed in the focal plane.

    Raises
    ------
    ParameterError
        A catalogue, or an image to be painted, that cannot be read.
    """
    for activity in scene.activities:
        for name in (activity.short, activity.long.partition("+")[0]):
            read_pictures(scene.light, passband(name))
    placed = _placed_stars(scene)
    return join_sources([draw_sources(scene.field, scene.seed), placed])


def _placed_stars(scene: SceneParams) -> Sources:
    """Return where the planned pointing of the first exposure has them on the sky."""
    stars = scene.light.stars

    def column(name: str) -> NDArray[np.float64]:
        return np.array([getattr(star, name) for star in stars], float)

    ra, dec = focal_to_sky(pointed_attitude(scene), column("v2"), column("v3"))
    zero, one = np.zeros(len(stars)), np.ones(len(stars))
    return Sources(
        ra_deg=ra,
        dec_deg=dec,
        flux_jy=magnitude_to_jy(column("magnitude")),
        colour=column("colour"),
        half_light_arcsec=zero,
        index=one,
        axis_ratio=one,
        position_angle_deg=zero,
        in_band={},
    )
