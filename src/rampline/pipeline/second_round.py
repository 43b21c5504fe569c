"""The second round of an exposure: its stripes measured again, the sources known.

One exposure alone cannot tell faint wings of sources from slow drifts of its amplifiers.
The draft mosaic can: on the pixels that sources reach, its light is subtracted before
the stripes are measured. Only the steps from the stripes on are run again.
"""

from dataclasses import replace

import numpy as np

from ..detector.flicker_noise import FlickerNoiseParams, remove_flicker_noise
from ..exposure.planes import SkyPlanes
from ..exposure.records import Plane, Scene, SlopeImage

STRIPES = "STRIPES"


def clean_with_scene(
    image: SlopeImage, scene: Scene, planes: SkyPlanes, params: FlickerNoiseParams
) -> SlopeImage:
    """Remove the stripes of an exposure again, with the draft mosaic's sources known.

    Parameters
    ----------
    image : SlopeImage
        Of the first round; the stripes that it lost are put back first.
    scene : Scene
        What the draft mosaic says about it.
    planes : SkyPlanes
        Its flat, and the conversion of the scene to DN/s.
    params : FlickerNoiseParams

    Returns
    -------
    SlopeImage
        With the new stripes in its extras.
    """
    removed = image.extras.get(STRIPES)
    slope = image.planes.slope
    striped = slope if removed is None else np.asarray(slope + removed, np.float32)
    found = remove_flicker_noise(
        striped,
        image.planes.flags,
        image.header.readout.n_outputs,
        params,
        planes.flat,
        scene_slope(scene, planes),
    )
    return replace(
        image,
        planes=replace(image.planes, slope=found.slope),
        extras={**image.extras, STRIPES: found.stripes},
    )


def scene_slope(scene: Scene, planes: SkyPlanes) -> Plane:
    """Return the light of the sources in an exposure, DN/s, and 0 on sky.

    The draft mosaic's noise is partly this exposure's own: where there are no sources,
    subtracting it would take a share of the stripes away unseen.
    """
    known = np.isfinite(scene.sky)
    is_sky = known & ~scene.is_source
    level = np.median(scene.sky[is_sky]) if is_sky.any() else np.float32(0.0)
    sources = np.where(known & scene.is_source, scene.sky - level, 0.0)
    response = np.where(np.isfinite(planes.flat), planes.flat, 1.0)
    return np.asarray(sources * response / planes.mjy_sr_per_dn_s, np.float32)
