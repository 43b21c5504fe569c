"""Simulated exposures for the pictures, with what is true of them."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rampline.simulation.expose import Exposed, expose
from rampline.simulation.persistence import no_traps
from rampline.simulation.pointing import Exposure, plan_exposures
from rampline.simulation.presets import artifacts_scene
from rampline.simulation.scene import SceneParams
from rampline.simulation.sky import draw_sky

Array = NDArray[np.floating[Any]]


class Shot(NamedTuple):
    """One simulated exposure."""

    exposure: Exposure
    made: Exposed

    def step(self, first: int, last: int) -> Array:
        """Return one group minus another, DN."""
        samples = self.made.ramp.samples[0].astype(float)
        return np.asarray(samples[last] - samples[first])

    def slope(self) -> Array:
        """Return the last group minus the first per second, DN/s."""
        readout = self.exposure.readout
        span = (readout.n_groups - 1) * readout.group_s
        return self.step(0, readout.n_groups - 1) / span

    def events(self, kind: str, first: int, last: int) -> Array:
        """Return the charge of events in one group minus another, e-.

        An event within a group is in the mean of its reads from then on.
        """
        readout = self.exposure.readout
        found = getattr(self.made.arrivals[0], kind)
        period = readout.n_frames + readout.n_dropped
        weight = np.zeros(found.frame.size)
        for group, sign in ((first, -1.0), (last, 1.0)):
            reads = group * period + readout.n_frames - found.frame
            weight += sign * np.clip(reads / readout.n_frames, 0.0, 1.0)
        image = np.zeros((readout.n_rows, readout.n_cols))
        np.add.at(image, (found.row, found.col), weight * found.electrons)
        return image


NO_EVENTS = {"cosmic_rays": {"enabled": False}, "snowballs": {"enabled": False}}
NO_DRIFT = {"flicker": {"enabled": False}, "telegraph": {"enabled": False}}


def take(
    detector: str = "NRCB1", subarray: str = "SUB640", **changes: Any
) -> tuple[Shot, ...]:
    """Simulate the exposures of one detector, in order of time."""
    names = ("short", "long", "pattern", "groups")
    own = {name: changes.pop(name) for name in names if name in changes}
    siaf = detector.replace("LONG", "5")
    visit = {"aperture": f"{siaf}_{subarray}", "points": 1} | changes.pop("visit", {})
    activity = {"detectors": [detector], "subarray": subarray, "groups": 5} | own
    content = {"events": NO_EVENTS, **changes, "visit": visit, "activities": [activity]}
    return take_scene(SceneParams.model_validate(content))


def take_scene(scene: SceneParams) -> tuple[Shot, ...]:
    """Simulate all exposures of a scene, charge traps handed on."""
    sources, traps, shots = draw_sky(scene), no_traps(), []
    for exposure in plan_exposures(scene):
        made = expose(scene, exposure, sources, 2, traps)
        traps = made.traps
        shots.append(Shot(exposure, made))
    return tuple(shots)


def scattered(detector: str, kind: str, **activity: Any) -> Shot:
    """Simulate one detector of the scene in which all scattered light is seen."""
    scene = artifacts_scene(points=1)
    field = scene.field.model_copy(
        update={"stars": scene.field.stars.model_copy(update={"number": 900})}
    )
    kinds = {
        name: {"enabled": name == kind}
        for name in scene.light.scattered.model_fields_set
    }
    light = scene.light.model_dump() | {"scattered": kinds}
    content = scene.model_dump() | {"field": field.model_dump(), "light": light}
    content["activities"] = [{"detectors": [detector], "groups": 5, **activity}]
    content["events"] = NO_EVENTS
    return take_scene(SceneParams.model_validate(content))[0]


def cut(image: Array, row: int, col: int, size: int) -> Array:
    """Return a square about a pixel, moved inwards where it would reach out."""
    top = min(max(row - size // 2, 0), image.shape[0] - size)
    left = min(max(col - size // 2, 0), image.shape[1] - size)
    return image[top : top + size, left : left + size]


def binned(image: Array, size: int = 512, *, median: bool = False) -> Array:
    """Return means (or medians) of blocks, ``size`` of them along an axis."""
    n = image.shape[0] // size
    blocks = image.reshape(size, n, size, n)
    combine = np.median if median else np.mean
    return np.asarray(combine(blocks, axis=(1, 3)))
