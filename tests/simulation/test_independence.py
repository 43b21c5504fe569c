"""Whatever is switched off, all other components draw the numbers they drew before.

The state in which each component's generator ends up tells how far it was drawn from
and by which seed: all of them are compared, for every switch that a scene has.
"""

import sys

import pytest

from rampline.simulation.expose import expose
from rampline.simulation.pointing import plan_exposures
from rampline.simulation.presets import artifacts_scene
from rampline.simulation.scene import SceneParams
from rampline.simulation.sky import draw_sky
from rampline.simulation.streams import stream
from tests.simulation.scenes import small

BY_NUMBER = {
    "light.sky": 0.0,
    "pointing_error.visit_arcsec": 0.0,
    "pointing_error.jitter_arcsec": 0.0,
    "electronics.flicker.odd_even_dn": 0.0,
}
"""Components that are switched off by a number."""
OWN = {
    "light.scattered.breath_1.enabled": {"breath"},
    "light.scattered.breath_2.enabled": {"breath"},
    "electronics.flicker.enabled": {"flicker", "odd_even"},
    "electronics.flicker.odd_even_dn": {"odd_even"},
}
"""Streams of a switch whose name is not the stream's."""
FOLLOWS = {
    # charge is trapped where wells are full, of whatever it is
    "persistence": {"light", "events", "pointing_error"},
    # the pattern of rays is that of the place on the detector's edge
    "breath": {"pointing_error"},
}
"""Components whose draws depend on what the others put into the pixels."""


def _scene():
    content = small().model_dump()
    content["events"]["persistence"]["enabled"] = True
    content["events"]["cosmic_rays"]["rate_cm2_s"] = 50.0
    content["events"]["snowballs"]["rate_s"] = 5.0
    content["visit"]["aperture"] = "NRCB3_SUB160"
    content["activities"][0].update(integrations=2, detectors=("NRCB3",))
    for kind in content["light"]["scattered"].values():
        kind["enabled"] = True
    placed = artifacts_scene().light.stars
    content["light"]["stars"] = [star.model_dump() for star in placed]
    del content["references"]
    return content


def _leaves(content, above=""):
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{name}.")
        elif isinstance(value, bool):
            yield f"{above}{name}", value


def _switches():
    """Every entry of a scene that is on and may be off."""
    content = _scene()
    return [name for name, value in _leaves(content) if value] + list(BY_NUMBER)


def _without(name):
    content = _scene()
    *path, last = name.split(".")
    place = content
    for word in path:
        place = place[word]
    place[last] = BY_NUMBER.get(name, False)
    return SceneParams.model_validate(content)


def _drawn(scene):
    """The state of the generator of each component and key after an exposure."""
    made = {}

    def recorded(seed, component, *key):
        generator = stream(seed, component, *key)
        made.setdefault((component, *key), []).append(generator)
        return generator

    with pytest.MonkeyPatch.context() as patch:
        for name, module in list(sys.modules.items()):
            if name.startswith("rampline.simulation.") and hasattr(module, "stream"):
                patch.setattr(module, "stream", recorded)
        first, second = plan_exposures(scene)
        sources = draw_sky(scene)
        traps = expose(scene, first, sources).traps
        expose(scene, second, sources, traps=traps)
    return {
        key: [generator.bit_generator.state["state"] for generator in generators]
        for key, generators in made.items()
    }


@pytest.fixture(scope="module")
def everything():
    # what all exposures of a detector share is drawn once and kept: not part of it
    _drawn(SceneParams.model_validate(_scene()))
    return _drawn(SceneParams.model_validate(_scene()))


def test_every_component_of_an_exposure_is_in_the_scene(everything):
    drawn = {key[0] for key in everything}
    assert {"photons", "cosmic_rays", "snowballs", "persistence", "flicker"} <= drawn
    assert {"read_noise", "reset_noise", "odd_even", "telegraph"} <= drawn
    assert {"pointing", "jitter", "scene", "stripes", "breath"} <= drawn


@pytest.mark.parametrize("name", _switches())
def test_a_component_switched_off_does_not_move_the_others(everything, name):
    states = _drawn(_without(name))
    keys = everything.keys() | states.keys()
    moved = {key[0] for key in keys if everything.get(key) != states.get(key)}
    area, *_ = name.split(".")
    follows = {component for component, causes in FOLLOWS.items() if area in causes}
    assert moved - follows <= OWN.get(name, set(name.split(".")))


def test_the_recorder_tells_streams_apart():
    first, again = stream(1, "photons", 1), stream(1, "photons", 1)
    other = stream(1, "photons", 2)
    states = [g.bit_generator.state["state"] for g in (first, again, other)]
    assert states[0] == states[1] != states[2]
    first.random()
    assert first.bit_generator.state["state"] != states[1]
