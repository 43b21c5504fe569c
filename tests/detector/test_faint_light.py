import numpy as np
import pytest

from rampline.detector import drift_and_sky, faint_light
from rampline.detector.drift_and_sky import Cells, Drift, Modes, Parts, Powers, Terms
from rampline.detector.drift_spectrum import falling, stream_length
from rampline.detector.faint_light import tell_light
from rampline.detector.flicker_noise import (
    FlickerNoiseParams,
    Sources,
    remove_flicker_noise,
)
from rampline.detector.stripes import Levels, Residual
from tests.twins.detector import pixels as twins

from .test_flicker_noise import make_readout, no_flags, white

SHAPE = (96, 48)
"""Rows and strips: two outputs of six cells."""


def make_powers(own=3e-3, common=5e-3, scatter=1e-4):
    shape = falling(stream_length(SHAPE[0])).astype(float)
    return Powers(own * shape + scatter, common * shape + scatter)


def make_found(total, used, is_source, tilt=0.0):
    rows, n_outputs = total.shape[0], 2
    levels = Levels(*np.zeros((3, n_outputs, rows), np.float32))
    sums = np.zeros((2, n_outputs, rows), np.float32)
    pedestal = np.array([0.1, -0.1], np.float32)
    return Residual(levels, total, used, pedestal, tilt, sums, (0.0, 0.0), is_source)


def make_fields(rng):
    cells = Cells.of(SHAPE, 2)
    scatter = rng.uniform(0.01, 0.1, (3, 12))
    powers = make_powers()
    return cells, (
        Drift(cells, powers),
        Modes(cells, scatter),
        Terms(cells, (3.0, 0.1, 0.2)),
    )


@pytest.mark.parametrize("k", [0, 1, 2])
def test_each_map_and_its_transposed_agree(rng, k):
    cells, fields = make_fields(rng)
    field = fields[k]
    x, plane = rng.normal(size=field.size), rng.normal(size=(SHAPE[0], 12))
    ahead = (cells.spread(field.parts(x)) * plane).sum()
    one = Parts(np.ones((96, 2)), np.zeros((3, 12)))
    back = x @ field.transposed(cells.add_up(plane, one))
    assert ahead == pytest.approx(back, rel=1e-10)


@pytest.mark.parametrize(("shape", "n_outputs"), [(SHAPE, 2), ((70, 27), 3)])
def test_an_image_adds_up_in_its_parts_as_when_it_is_spread_out(rng, shape, n_outputs):
    cells = Cells.of(shape, n_outputs)
    n_rows, _, n_high, n_wide = cells.shape
    image = Parts(
        rng.normal(size=(n_rows, n_outputs)), rng.normal(size=(n_high, n_wide))
    )
    weight = rng.random((n_rows, n_wide))
    ours = cells.add_up(weight, image)
    theirs = Parts(np.zeros_like(image.rows), np.zeros_like(image.squares))
    output = cells.output[cells.first_strip]
    twins.add_weighted(weight, image, cells.first_row, output, theirs)
    np.testing.assert_allclose(ours.rows, theirs.rows, atol=1e-12)
    np.testing.assert_allclose(ours.squares, theirs.squares, atol=1e-12)


def test_light_scatters_as_its_prior_says(rng):
    cells = Cells.of((2048, 256), 4)
    modes = Modes(cells, np.full((64, 64), 0.3))
    drawn = [modes.parts(rng.normal(size=modes.size)).squares for _ in range(60)]
    assert np.std(drawn) == pytest.approx(0.3, rel=0.15)


def test_cells_stay_within_outputs_of_any_width(rng):
    cells = Cells.of((70, 27), 3)
    assert cells.n_strips.sum() == 27
    assert cells.n_rows.sum() == 70
    ends = np.cumsum(cells.n_strips) - 1
    np.testing.assert_array_equal(cells.output[cells.first_strip], cells.output[ends])
    values = rng.normal(size=(70, 27)).astype(np.float32)
    assert cells.along_rows(values).sum() == pytest.approx(values.sum(), abs=1e-3)
    assert (cells.mean(np.ones((70, 27))) == 1.0).all()


def test_the_answer_is_the_conditional_mean_of_the_explicit_matrices(rng, monkeypatch):
    monkeypatch.setattr(drift_and_sky, "_LIMITS", (1e-6, 1000))
    used = (8.0 * (rng.random(SHAPE) < 0.8)).astype(np.float32)
    is_source = np.zeros((12, 48), np.bool_)
    is_source[3:8, 10:30] = True
    used[np.repeat(is_source, 8, axis=0)] = 0.0
    total = (used * rng.normal(0, 0.1, SHAPE)).astype(np.float32)
    found = make_found(total, used, is_source)
    told = tell_light(found, 0.08, make_powers(), (3.0, 0.2))
    cells = Cells.of(SHAPE, 2)
    near = faint_light._share_around(found, cells, None)
    fields = (
        Drift(cells, make_powers()),
        Modes(cells, 3.0 * np.sqrt(0.08) / 24 * near),
        Terms(cells, (3.0 * np.sqrt(0.08), 0.1, 0.2)),
    )
    maps = [
        np.array(
            [cells.spread(field.parts(unit)).ravel() for unit in np.eye(field.size)]
        ).T
        for field in fields
    ]
    whole = np.hstack(maps)
    weight = cells.along_rows(used).ravel() / 0.08
    normal = np.eye(whole.shape[1]) + whole.T @ (weight[:, None] * whole)
    right = whole.T @ cells.along_rows(found.drifting()).ravel() / 0.08
    exact = np.linalg.solve(normal, right)
    light = whole[:, fields[0].size :] @ exact[fields[0].size :]
    ours = told.light[:, cells.first_strip].ravel()
    assert np.abs(ours - light).max() < 1e-3 * np.abs(light).max()


def test_without_masks_no_light_is_found(rng):
    used = np.full(SHAPE, 8.0, np.float32)
    total = (used * rng.normal(0, 0.1, SHAPE)).astype(np.float32)
    found = make_found(total, used, np.zeros((12, 48), np.bool_))
    told = tell_light(found, 0.08, make_powers(), (3.0, 0.0))
    sky = told.light - np.repeat(told.pedestal, 24)
    center = np.arange(48) // 4
    parabola = np.polynomial.Polynomial.fit(center, sky[0], 2)(center)
    np.testing.assert_allclose(sky, np.broadcast_to(parabola, SHAPE), atol=1e-5)
    assert told.level.mean() == pytest.approx(0.0, abs=1e-6)


def test_nothing_usable_leaves_levels_as_they_are():
    zeros = np.zeros(SHAPE, np.float32)
    found = make_found(zeros, zeros, np.ones((12, 48), np.bool_))
    told = tell_light(found, 0.0, make_powers(), (3.0, 0.0))
    assert not told.level.any()
    assert not told.light.any()


def make_wings(rows=512, strips=256):
    """Strips of four outputs: light around a masked circle, and the mask's blocks."""
    row, col = np.mgrid[:rows, :strips]
    distance = np.hypot(row - 256, 8 * col + 4 - 1150)
    light = (0.1 * np.exp(-(distance - 150) / 60)).astype(np.float32)
    is_source = distance.reshape(rows // 8, 8, strips).min(axis=1) < 150
    return light, is_source


def test_light_beside_a_mask_is_not_taken_for_drift():
    light, is_source = make_wings()
    used = np.where(np.repeat(is_source, 8, axis=0), 0, 8).astype(np.float32)
    total = used * light
    sums = np.zeros((2, 4, 512), np.float32)
    levels = Levels(*np.zeros((3, 4, 512), np.float32))
    pedestal = np.full(4, 0.005, np.float32)
    found = levels, total, used, pedestal, 0.0, sums, (0.0, 0.0), is_source
    own = 1e-2 * falling(stream_length(512)).astype(float)
    told = tell_light(Residual(*found), 1.0, Powers(own, own), (3.0, 0.0))
    beside = told.level[2, 156:356] + told.level[1, 156:356]
    eaten = total[156:356, 64:192].sum() / used[156:356, 64:192].sum()
    assert np.abs(beside.mean()) < 0.1 * eaten


def test_wings_around_a_known_scene_are_not_taken_for_stripes(rng):
    shape = (512, 2048)
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    distance = np.hypot(rows - 256, cols - 1150)
    galaxy = (3.0 * np.exp(-distance / 60)).astype(np.float32)
    image = galaxy + white(rng, shape)
    known = distance < 150
    scene = Sources(np.where(known, galaxy, np.float32(0.0)), known)
    whole = Sources(galaxy, known)
    args = image, no_flags(shape), make_readout(shape), FlickerNoiseParams()
    done = remove_flicker_noise(*args, scene=scene)
    best = remove_flicker_noise(*args, scene=whole)
    beside = (distance < 400) & (np.arange(2048) // 512 == 2)
    assert abs((done.stripes - best.stripes)[beside].mean()) < 0.004


def test_light_is_left_in_a_known_scene_the_more_the_further_bare_sky_is():
    known = np.zeros((40, 40), bool)
    known[10:30, 10:30] = True
    known[2:5, 2:5] = True
    share = faint_light._share_of_reaches(known)
    assert not share[~known].any()
    assert share[20, 20] == 1.0
    assert share[3, 3] == share[11, 20] == 0.25
    assert share[10, 20] == 0.0
    assert (faint_light._share_of_reaches(np.ones((3, 4), bool)) == 1.0).all()
