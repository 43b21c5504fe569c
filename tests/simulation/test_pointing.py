import itertools

import numpy as np
import pytest

from rampline.errors import ParameterError
from rampline.simulation.instrument import (
    DETECTORS,
    FLUX_CONVERSION,
    PASSBANDS,
    frame_time_s,
    passband,
)
from rampline.simulation.pointing import (
    DITHERS,
    plan_exposures,
    pointing_errors,
    velocity_aberration,
)
from rampline.simulation.presets import demo_scene
from rampline.simulation.scene import (
    ActivityParams,
    PointingErrorParams,
    SceneParams,
    VisitParams,
)


def _scene(**kwargs):
    return SceneParams(
        visit=VisitParams(points=2, **kwargs.pop("visit", {})),
        activities=(
            ActivityParams(activity="01", short="F090W", long="F277W"),
            ActivityParams(activity="03"),
        ),
        **kwargs,
    )


def test_names_are_those_of_the_archive():
    roots = [exposure.root for exposure in plan_exposures(_scene())]
    assert roots == [
        f"jw02736001001_021{activity}_0000{dither}_{detector}"
        for activity in ("01", "03")
        for dither in (1, 2)
        for detector in ("nrcb1", "nrcblong")
    ]


@pytest.mark.parametrize(
    ("shape", "outputs", "seconds"),
    [
        ((2048, 2048), 4, 10.73677),
        ((640, 640), 1, 4.18584),
        ((320, 320), 1, 1.06904),
        ((160, 160), 1, 0.27864),
    ],
)
def test_frame_times_are_those_of_the_instrument(shape, outputs, seconds):
    assert frame_time_s(*shape, outputs) == pytest.approx(seconds, abs=1e-9)


def test_exposures_follow_each_other():
    exposures = plan_exposures(_scene())
    for before, after in itertools.pairwise(exposures):
        if before.dither == after.dither and before.activity == after.activity:
            assert after.start_mjd == before.start_mjd
        else:
            gap = (after.start_mjd - before.start_mjd) * 86400
            assert gap > before.duration_s


def test_a_dither_moves_the_target_by_its_offset():
    first, second = (e for e in plan_exposures(_scene()) if e.activity.activity == "03"
                     and e.detector.name == "NRCBLONG")  # fmt: skip
    scene = _scene()
    target = np.array([scene.field.ra]), np.array([scene.field.dec])
    row, col = np.array(first.believed.sky_to_pixel(*target)) - np.array(
        second.believed.sky_to_pixel(*target)
    )
    x, y = DITHERS["4-POINT"][1]
    scale = first.believed.used.x_scale_arcsec
    # The ideal frame's x runs along the columns, y along the rows.
    assert np.isclose(abs(col[0]) * scale, abs(x), rtol=0.01)
    assert np.isclose(abs(row[0]) * scale, abs(y), rtol=0.01)


def test_the_truth_is_off_the_header_by_the_visits_error():
    scene = _scene(pointing_error=PointingErrorParams(jitter_arcsec=0.0))
    exposure = plan_exposures(scene)[3]
    east, north, roll = pointing_errors(scene, 0, 1)
    believed, true = exposure.believed.pointing(), exposure.true.pointing()
    assert np.isclose(true.roll_ref_deg - believed.roll_ref_deg, roll, atol=1e-4)
    dec = (true.dec_ref_deg - believed.dec_ref_deg) * 3600
    # The roll turns about the pointing aperture, half an arcsecond from here.
    assert np.isclose(dec, north, atol=5e-3)
    ra = (true.ra_ref_deg - believed.ra_ref_deg) * 3600
    assert np.isclose(ra * np.cos(np.radians(believed.dec_ref_deg)), east, atol=5e-3)


def test_the_error_of_a_visit_is_common_and_of_the_measured_size():
    errors = np.array(
        [pointing_errors(_scene(seed=seed), 0, dither) for seed in range(300)
         for dither in range(2)]
    ).reshape(300, 2, 3)  # fmt: skip
    assert np.allclose(errors[:, 0, :2].std(axis=0), 0.11, rtol=0.15)
    jitter = errors[:, 0, :2] - errors[:, 1, :2]
    assert np.allclose(jitter.std(axis=0), 0.004 * np.sqrt(2), rtol=0.15)
    size = np.abs(errors[:, 0, 2])
    assert size.min() > 0.01
    assert size.max() < 0.07
    assert (errors[:, 0, 2] > 0).any()
    assert (errors[:, 0, 2] < 0).any()


def test_velocity_aberration_is_that_of_the_earths_speed():
    scale, beta = velocity_aberration(59737.4, 110.83, -73.45)
    speed = np.linalg.norm(beta) * 299792.458
    assert 29.0 < speed < 31.0
    forward, _ = velocity_aberration(
        59737.4,
        np.degrees(np.arctan2(beta[1], beta[0])),
        np.degrees(np.arcsin(beta[2] / np.linalg.norm(beta))),
    )
    assert np.isclose(forward, 1 + speed / 299792.458, atol=1e-8)
    assert abs(scale - 1) < 1.05e-4


@pytest.mark.parity
def test_velocity_aberration_is_that_of_stcal():
    from stcal.velocity_aberration import compute_va_effects

    scale, beta = velocity_aberration(59737.4, 110.83, -73.45)
    expected = compute_va_effects(*(beta * 299792.458), 110.83, -73.45)[0]
    assert np.isclose(scale, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"detectors": ("NRCC1",)}, "NRCC1"),
        ({"short": "F999W"}, "F999W"),
        ({"short": "F444W"}, "F444W"),
        ({"subarray": "SUB999"}, "SUB999"),
        ({"pattern": "SLOW"}, "SLOW"),
    ],
)
def test_what_the_instrument_does_not_have_is_one_line(wrong, what):
    scene = SceneParams(activities=(ActivityParams(**wrong),))
    with pytest.raises(ParameterError, match=what):
        plan_exposures(scene)


def test_more_points_than_the_pattern_has_are_one_line():
    with pytest.raises(ParameterError, match=r"visit\.points"):
        plan_exposures(SceneParams(visit=VisitParams(points=5)))


def test_every_filter_has_a_flux_conversion_on_all_its_detectors():
    for band in PASSBANDS.values():
        for detector in DETECTORS.values():
            key = detector.name, band.filter, band.pupil
            assert (key in FLUX_CONVERSION) == (detector.channel == band.channel)
    assert passband("F405N").filter == "F444W"


def test_the_demos_detectors_see_the_same_sky():
    first = {e.detector.name: e for e in reversed(plan_exposures(demo_scene()))}
    long = first.pop("NRCBLONG")
    assert sorted(first) == ["NRCB1", "NRCB2", "NRCB3", "NRCB4"]
    for short in first.values():
        middle = short.believed.pixel_to_sky(np.array([319.5]), np.array([319.5]))
        row, col = long.believed.sky_to_pixel(*middle)
        assert 0 < row[0] < 640
        assert 0 < col[0] < 640
