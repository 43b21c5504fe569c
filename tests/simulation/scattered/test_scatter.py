"""Scattered light from the scene to the files."""

import numpy as np
import pytest
from astropy.io import fits

from rampline.errors import ParameterError
from rampline.files.read import read_ramp
from rampline.simulation import light
from rampline.simulation.headers import exposure_header
from rampline.simulation.pointing import plan_exposures
from rampline.simulation.presets import all_scattered, artifacts_scene
from rampline.simulation.scattered.bright_stars import brightest_stars
from rampline.simulation.scattered.scatter import ScatteredParams, scatter
from rampline.simulation.scene import SceneParams, read_scene
from rampline.simulation.simulate import simulate
from rampline.simulation.sky import draw_sky
from tests.simulation.scattered.views import sources, view

QUIET = {"cosmic_rays": {"enabled": False}, "snowballs": {"enabled": False}}


def _scene(**scattered):
    """One exposure of a corner of A3 that wisps and stripes reach."""
    return SceneParams.model_validate(
        {
            "seed": 4,
            "field": {"half_width_arcsec": 3.0, "stars": {"number": 5}},
            "visit": {"aperture": "NRCA3_SUB160", "points": 1},
            "activities": [
                {
                    "short": "F187N",
                    "detectors": ["NRCA3"],
                    "subarray": "SUB160",
                    "groups": 3,
                }
            ],
            "light": {
                "stars": [{"v2": 3000.0, "v3": 3000.0, "magnitude": -0.4}],
                "scattered": scattered,
            },
            "events": QUIET,
            "electronics": {"coupling": False},
            "references": {"write": False},
        }
    )


WISPS = {"wisps": {"enabled": True, "strength": 2.0e4}}
STRIPES = {"stripes": {"enabled": True, "strength": 2.0e4}}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scattered")
    return {
        name: simulate(_scene(**kinds), folder / name)
        for name, kinds in [
            ("none", {}),
            ("wisps", WISPS),
            ("both", WISPS | STRIPES),
            ("stripes", STRIPES),
        ]
    }


def _plane(made, name, plane):
    with fits.open(made[name].truth[0]) as truth:
        return truth[plane].data.astype(float)


def test_each_kind_has_a_plane_of_its_own_in_the_truth(made):
    with fits.open(made["both"].truth[0]) as truth:
        names = [hdu.name for hdu in truth]
        assert {"WISPS", "STRIPES", "CAUSES"} <= set(names)
        assert truth["WISPS"].data.max() > 0
        causes = truth["CAUSES"].data
        assert causes["kind"].tolist() == ["STRIPES"]
        assert causes["source"][0] == 6
        assert causes["v2"][0] == pytest.approx(3000.0, abs=5.0)
    with fits.open(made["none"].truth[0]) as truth:
        assert "WISPS" not in [hdu.name for hdu in truth]
        assert len(truth["CAUSES"].data) == 0


@pytest.mark.parametrize(
    ("name", "other", "plane"),
    [("both", "wisps", "WISPS"), ("both", "stripes", "STRIPES")],
)
def test_one_kind_does_not_depend_on_another(made, name, other, plane):
    assert np.array_equal(_plane(made, name, plane), _plane(made, other, plane))


def test_switching_wisps_off_leaves_the_numbers_of_all_other_pixels(made):
    with_wisps = read_ramp(made["wisps"].raw[0]).samples
    without = read_ramp(made["none"].raw[0]).samples
    differs = (with_wisps != without).any(axis=(0, 1))
    lit = _plane(made, "wisps", "WISPS") > 0
    assert differs[lit].any()
    # Photon numbers take one draw each below a mean of twelve: none is moved.
    assert not differs[~lit].any()


def test_the_light_is_in_the_raw_exposure(made):
    samples = [
        read_ramp(made[name].raw[0]).samples[0].astype(float)
        for name in ("both", "none")
    ]
    slopes = [(ramp[-1] - ramp[0]) for ramp in samples]
    header = read_ramp(made["both"].raw[0]).header.readout
    added = _plane(made, "both", "WISPS") + _plane(made, "both", "STRIPES")
    seen = (slopes[0] - slopes[1]) / (2 * header.group_s)
    scale = np.vdot(seen, added) / np.vdot(added, added)
    noise = np.sqrt(added.max() / 2.0 / (2 * header.group_s) / (added**2).sum())
    assert scale == pytest.approx(1.0, abs=5 * noise + 0.01)


def test_off_is_off():
    seen = view("NRCB4", subarray="SUB160")
    made = scatter(seen, ScatteredParams(), sources(0.0, 36000.0, 2.0), np.ones(1))
    assert made.planes == {}


def test_the_brightest_stars_of_the_sky_count_without_being_listed():
    names = brightest_stars()
    assert names.ra_deg.size == 76
    k_mag = 8.90 - 2.5 * np.log10(names.flux_jy) - 1.85
    assert k_mag[0] == pytest.approx(-4.38, abs=0.1)


def test_every_kind_can_be_switched_on():
    assert all(
        getattr(all_scattered(), name).enabled for name in ScatteredParams.model_fields
    )


def test_the_preset_shows_every_kind():
    scene = artifacts_scene(points=1)
    assert SceneParams.model_validate(scene.model_dump()) == scene
    sky = draw_sky(scene)
    shown = set()
    for exposure in plan_exposures(scene):
        if exposure.detector.name in {"NRCB1", "NRCB4", "NRCALONG"} or exposure.grism:
            area_sr = light.nominal_area_sr(exposure.true)
            per_jy = 1.0 / (1e6 * light.flux_conversion(exposure) * area_sr)
            rate = sky.flux_in(exposure.band) * per_jy
            seen = light._view(exposure, scene.seed)
            shown |= set(scatter(seen, scene.light.scattered, sky, rate).planes)
    assert shown == {
        "WISPS",
        "CLAWS",
        "BREATH1",
        "BREATH2",
        "GINKGO",
        "STRIPES",
        "TADPOLES",
        "SHELLS",
    }


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("[light.scattered.wisps]\nstrength = -1", "light.scattered.wisps.strength"),
        ("[light.scattered.wips]\nenabled = true", "light.scattered.wips"),
        ("[[light.stars]]\nv2 = 1.0\nmagnitude = 3", "light.stars.0.v3"),
        ("[[light.pictures]]\nmagnitude = 3", "light.pictures.0.file"),
    ],
)
def test_a_bad_entry_is_named_in_one_line(tmp_path, text, entry):
    path = tmp_path / "scene.toml"
    path.write_text(text)
    with pytest.raises(ParameterError, match=entry.replace(".", r"\.")) as caught:
        read_scene(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"long": "F444W+GRISMX"}, "GRISMX"),
        ({"long": "F405N+GRISMR"}, "no room for a grism"),
        ({"long": "F444W+GRISMR", "subarray": "SUB160"}, "subarray"),
    ],
)
def test_a_grism_that_cannot_be_is_named(entry, message):
    scene = SceneParams.model_validate(
        {"activities": [{"detectors": ["NRCBLONG"], **entry}]}
    )
    with pytest.raises(ParameterError, match=message):
        plan_exposures(scene)


def test_grism_exposures_have_the_headers_of_slitless_spectroscopy():
    scene = artifacts_scene(points=1)
    exposures = [e for e in plan_exposures(scene) if e.grism]
    assert [e.grism for e in exposures] == ["GRISMR", "GRISMC"]
    header = exposure_header(scene, exposures[1])
    assert (header.exp_type, header.filter, header.pupil) == (
        "NRC_WFSS",
        "F322W2",
        "GRISMC",
    )
    cards = {card.keyword: card.value for card in header.primary}
    assert cards["APERNAME"] == "NRCB5_GRISMC_WFSS"
    assert cards["TEMPLATE"] == "NIRCam Wide Field Slitless Spectroscopy"


def test_short_wavelengths_image_while_the_long_ones_disperse():
    scene = SceneParams.model_validate(
        {"activities": [{"long": "F444W+GRISMC", "detectors": ["NRCB1", "NRCBLONG"]}]}
    )
    short, long = plan_exposures(scene)[:2]
    assert exposure_header(scene, short).exp_type == "NRC_IMAGE"
    assert exposure_header(scene, long).exp_type == "NRC_WFSS"
