"""One exposure from the noiseless image to raw counts, with its truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Ramp
from ..flags import REFERENCE_PIXEL
from .brighter_fatter import move_charge
from .cosmic_rays import cosmic_rays
from .electronics import read_out
from .headers import exposure_header, group_table, int_times_table
from .light import Light, shine
from .persistence import Traps, fill_traps, no_traps, released
from .photons import Events, gather_charge, join_events
from .pixels import PixelPlanes, pixel_planes
from .pointing import Exposure
from .scene import SceneParams
from .snowballs import snowballs
from .sources import Sources
from .streams import row_seeds, stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Charge in one integration that is not light.

    Attributes
    ----------
    cosmic_rays, snowballs, persistence : Events
    """

    cosmic_rays: Events
    snowballs: Events
    persistence: Events

    def all(self) -> Events:
        """Return all of them."""
        return join_events([self.cosmic_rays, self.snowballs, self.persistence])


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """A raw exposure with its truth.

    Attributes
    ----------
    ramp : Ramp
    light : Light
    arrivals : tuple of Arrivals
        For each integration.
    traps : Traps or None
        Charge held back for later exposures; None without persistence.
    gain : (rows, cols) float32, e-/DN
    """

    ramp: Ramp
    light: Light
    arrivals: tuple[Arrivals, ...]
    traps: Traps | None
    gain: NDArray[np.float32]


def detector_planes(exposure: Exposure, seed: int) -> PixelPlanes:
    """Return the pixels of an exposure's subarray."""
    readout = exposure.readout
    return pixel_planes(exposure.detector.name, seed).cut(
        readout.row_start, readout.col_start, readout.n_rows, readout.n_cols
    )


def expose(
    scene: SceneParams,
    exposure: Exposure,
    sources: Sources,
    threads: int = 1,
    traps: Traps | None = None,
) -> Exposed:
    """Simulate one exposure.

    Parameters
    ----------
    scene : SceneParams
    exposure : Exposure
    sources : Sources
    threads : int
        The content does not depend on it.
    traps : Traps, optional
        Charge that earlier exposures left behind.
    """
    pixels = detector_planes(exposure, scene.seed)
    light = shine(exposure, sources, pixels, scene.light, scene.seed)
    rate_e_s = light.total_dn_s() * pixels.gain
    readout = exposure.readout
    shape = readout.n_rows, readout.n_cols
    samples = np.empty((readout.n_ints, readout.n_groups, *shape), np.uint16)
    zero_frame: NDArray[np.uint16] = np.empty((readout.n_ints, *shape), np.uint16)
    held = traps or no_traps()
    arrivals = []
    for integration in range(readout.n_ints):
        key = (*exposure.key, integration)
        rays, balls, glow = _arrivals(scene, exposure, held, integration)
        arrived = Arrivals(
            cosmic_rays=_on_sensitive(rays, pixels),
            snowballs=_on_sensitive(balls, pixels),
            persistence=_on_sensitive(glow, pixels),
        )
        seeds = row_seeds(stream(scene.seed, "photons", *key), readout.n_rows)
        events = arrived.all()
        signal = gather_charge(rate_e_s, pixels, events, readout, seeds, threads)
        if scene.electronics.brighter_fatter.enabled:
            params = scene.electronics.brighter_fatter
            move_charge(signal, rate_e_s, pixels, readout, params)
        well_share = signal.groups[-1] / pixels.well_dn
        source = scene.seed, exposure.detector.name, key
        raw = read_out(signal, pixels, readout, scene.electronics, source)
        samples[integration], zero_frame[integration] = raw.samples, raw.zero_frame
        arrivals.append(arrived)
    ramp = Ramp(
        header=exposure_header(scene, exposure),
        samples=samples,
        zero_frame=zero_frame if readout.n_frames > 1 else None,
        group_times=group_table(exposure),
        int_times=int_times_table(exposure),
    )
    after = None
    if scene.events.persistence.enabled:
        after = _hold(scene, exposure, held, well_share)
    return Exposed(
        ramp=ramp,
        light=light,
        arrivals=tuple(arrivals),
        traps=after,
        gain=pixels.gain,
    )


def _arrivals(
    scene: SceneParams, exposure: Exposure, traps: Traps, integration: int
) -> tuple[Events, Events, Events]:
    """Draw what arrives in one integration: rays, snowballs, persistence."""
    readout, params = exposure.readout, scene.events
    key = (*exposure.key, integration)

    def draw(component: str) -> np.random.Generator:
        return stream(scene.seed, component, *key)

    rays = cosmic_rays(readout, params.cosmic_rays, draw("cosmic_rays"))
    balls = snowballs(readout, params.snowballs, draw("snowballs"))
    glow = Events.none()
    if params.persistence.enabled:
        elapsed_s = integration * (readout.integration_s() + readout.frame_s)
        start = exposure.start_mjd + elapsed_s / 86400.0
        glow = released(traps, readout, start, draw("persistence"))
    return rays, balls, glow


def _hold(
    scene: SceneParams,
    exposure: Exposure,
    traps: Traps,
    well_share: NDArray[np.float32],
) -> Traps:
    """Return the charge that the traps hold after the exposure."""
    readout = exposure.readout
    end = exposure.start_mjd + exposure.duration_s / 86400.0
    return fill_traps(
        traps,
        well_share,
        (readout.row_start, readout.col_start),
        (end, exposure.duration_s),
        exposure.detector.full_well_e,
        scene.events.persistence,
    )


def _on_sensitive(events: Events, pixels: PixelPlanes) -> Events:
    """Drop events on reference pixels, which gather no charge."""
    kept = (pixels.flags[events.row, events.col] & REFERENCE_PIXEL) == 0
    return Events(
        row=events.row[kept],
        col=events.col[kept],
        frame=events.frame[kept],
        electrons=events.electrons[kept],
        group=events.group[kept],
    )
