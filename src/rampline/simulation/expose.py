"""One exposure from the noiseless image to raw counts, with its truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Ramp
from ..flags import REFERENCE_PIXEL
from .catalog import Sources
from .cosmic_rays import cosmic_rays
from .electronics import read_out
from .headers import exposure_header, group_table, int_times_table
from .light import Light, shine
from .photons import Events, gather_charge
from .pixels import PixelPlanes, pixel_planes
from .pointing import Exposure
from .scene import SceneParams
from .streams import row_seeds, stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """A raw exposure and what is true of it.

    Attributes
    ----------
    ramp : Ramp
    light : Light
    events : tuple of Events
        For each integration.
    """

    ramp: Ramp
    light: Light
    events: tuple[Events, ...]


def detector_planes(exposure: Exposure, seed: int) -> PixelPlanes:
    """Return the pixels of an exposure's subarray."""
    readout = exposure.readout
    return pixel_planes(exposure.detector.name, seed).cut(
        readout.row_start, readout.col_start, readout.n_rows, readout.n_cols
    )


def expose(
    scene: SceneParams, exposure: Exposure, sources: Sources, threads: int = 1
) -> Exposed:
    """Simulate one exposure.

    Parameters
    ----------
    scene : SceneParams
    exposure : Exposure
    sources : Sources
    threads : int
        The content does not depend on it.

    Returns
    -------
    Exposed
    """
    pixels = detector_planes(exposure, scene.seed)
    light = shine(exposure, sources, pixels, scene.light, scene.seed)
    rate_e_s = light.total_dn_s() * pixels.gain
    readout = exposure.readout
    shape = readout.n_rows, readout.n_cols
    samples = np.empty((readout.n_ints, readout.n_groups, *shape), np.uint16)
    zero_frame: NDArray[np.uint16] = np.empty((readout.n_ints, *shape), np.uint16)
    rays = []
    for integration in range(readout.n_ints):
        key = (*exposure.key, integration)
        draw = stream(scene.seed, "cosmic_rays", *key)
        events = cosmic_rays(readout, scene.cosmic_rays, draw)
        seeds = row_seeds(stream(scene.seed, "photons", *key), readout.n_rows)
        sensitive = _on_sensitive(events, pixels)
        signal = gather_charge(rate_e_s, pixels, sensitive, readout, seeds, threads)
        source = scene.seed, exposure.detector.name, key
        raw = read_out(signal, pixels, readout, scene.electronics, source)
        samples[integration], zero_frame[integration] = raw.samples, raw.zero_frame
        rays.append(sensitive)
    ramp = Ramp(
        header=exposure_header(scene, exposure),
        samples=samples,
        zero_frame=zero_frame if readout.n_frames > 1 else None,
        group_times=group_table(exposure),
        int_times=int_times_table(exposure),
    )
    return Exposed(ramp=ramp, light=light, events=tuple(rays))


def _on_sensitive(events: Events, pixels: PixelPlanes) -> Events:
    """Leave out what falls on reference pixels, which gather no charge."""
    kept = (pixels.flags[events.row, events.col] & REFERENCE_PIXEL) == 0
    return Events(
        row=events.row[kept],
        col=events.col[kept],
        frame=events.frame[kept],
        electrons=events.electrons[kept],
        group=events.group[kept],
    )
