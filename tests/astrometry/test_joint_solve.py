import numpy as np
import pytest

from rampline.astrometry.bending import LINEAR, UNKNOWNS, design_bends
from rampline.astrometry.joint_solve import (
    Observations,
    Rigour,
    image_design,
    solve_jointly,
    term_design,
)
from rampline.astrometry.layout import (
    CATALOG,
    PriorParams,
    make_layout,
    move_images,
    move_observations,
)
from rampline.astrometry.matching import rotation

RIGOUR = Rigour((5e-5, 2e-4), 1e-6, with_bends=False)
PRIORS = PriorParams()


def corners(centres, half=32.0):
    return centres[:, None] + half * np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]])


def layout_of(n=3, detectors=("NRCB1",)):
    keys = [("v", f"e{k}", d) for k in range(n) for d in detectors]
    centres = np.array(
        [[3.0 * k, 40.0 * j] for k in range(n) for j, _ in enumerate(detectors)]
    )
    turn = rotation(0.4)
    axes = np.tile(turn, (len(keys), 1, 1))
    return make_layout(keys, centres, axes, corners(centres), PRIORS)


def observe(rng, layout, shifts, rolls, n=50, error=1e-4):
    """All images see all stars; the catalogue knows them without error."""
    stars = rng.uniform(-30, 30, (n, 2))
    image, star, position = [], [], []
    for k, (shift, roll) in enumerate(zip(shifts, rolls, strict=True)):
        c = layout.centres[k]
        seen = (stars - shift - c) @ rotation(-roll).T + c
        image.append(np.full(n, k))
        star.append(np.arange(n))
        position.append(seen + rng.normal(0, error, seen.shape))
    image.append(np.full(n, CATALOG))
    star.append(np.arange(n))
    position.append(stars)
    total = n * (len(shifts) + 1)
    return Observations(
        np.concatenate(image),
        np.concatenate(star),
        np.concatenate(position),
        np.full(total, error),
        np.arange(total),
    )


def images_only(observed):
    ours = observed.image != CATALOG
    return Observations(*(column[ours] for column in observed))


def test_terms_are_shared_by_name():
    layout = layout_of(n=2, detectors=("NRCB1", "NRCB2"))
    visits, exposures, detectors, images = layout.terms.T
    assert len(set(visits)) == 1
    assert exposures[0] == exposures[1] != exposures[2] == exposures[3]
    assert detectors[0] == detectors[2] != detectors[1] == detectors[3]
    assert len(set(images)) == 4
    assert layout.sigmas[visits[0]].tolist() == [0.2, 0.2, 5e-4, 1e-9]


def test_a_visit_that_turns_carries_its_images_along():
    layout = layout_of(n=3)
    values = np.zeros((len(layout.pivots), 4))
    values[layout.terms[0, 0], 2] = 0.01
    shift, roll, _ = move_images(layout, values)
    pivot = layout.centres.mean(axis=0)
    expected = (layout.centres - pivot) @ rotation(0.01).T + pivot - layout.centres
    np.testing.assert_allclose(shift, expected, atol=1e-12)
    np.testing.assert_allclose(roll, 0.01)


def test_a_detectors_shift_turns_with_the_telescope():
    layout = layout_of(n=1)
    values = np.zeros((len(layout.pivots), 4))
    values[layout.terms[0, 2]] = 1.0, 0.0, 0.0, 0.0
    shift, _, _ = move_images(layout, values)
    np.testing.assert_allclose(shift[0], [np.cos(0.4), np.sin(0.4)])


def test_the_catalogue_does_not_move(rng):
    layout = layout_of()
    values = rng.normal(size=(len(layout.pivots), 4))
    image = np.array([CATALOG, 0])
    moved = move_observations(layout, values, image, np.array([[5.0, 6.0], [5.0, 6.0]]))
    assert moved[0].tolist() == [5.0, 6.0]
    assert moved[1].tolist() != [5.0, 6.0]


def test_derivatives_are_exact(rng):
    layout = layout_of(n=2, detectors=("NRCB1", "NRCB2"))
    values = rng.normal(size=(len(layout.pivots), 4)) * [1.0, 1.0, 1e-2, 1e-3]
    image = rng.integers(0, 4, 20)
    position = rng.uniform(-50, 50, (20, 2))
    design = image_design(layout, values, image, position) @ term_design(layout, values)
    design = design.toarray()
    for k in range(values.size):
        step = np.zeros(values.size)
        step[k] = 1e-6
        step = step.reshape(values.shape)
        up, down = (
            move_observations(layout, values + sign * step, image, position)
            for sign in (1, -1)
        )
        if k % 4 == 3 and k // 4 not in layout.terms[:, 2]:
            assert not design[:, k].any()  # only detectors stretch
            continue
        slope = ((up - down) / 2e-6).ravel()
        np.testing.assert_allclose(design[:, k], slope, atol=1e-6)


@pytest.mark.parametrize("with_catalog", [True, False])
def test_motions_are_recovered(rng, with_catalog):
    layout = layout_of(n=4)
    shifts = rng.normal(0, 0.02, (4, 2))
    rolls = rng.normal(0, 2e-5, 4)
    observed = observe(rng, layout, shifts, rolls)
    if not with_catalog:
        observed = images_only(observed)
    start = np.zeros((len(layout.pivots), 4))
    solution = solve_jointly(layout, observed, start, RIGOUR)
    found, turned, _ = move_images(layout, solution.values)
    if not with_catalog:
        found, shifts = found - found.mean(axis=0), shifts - shifts.mean(axis=0)
        turned, rolls = turned - turned.mean(), rolls - rolls.mean()
    np.testing.assert_allclose(found, shifts, atol=1e-4)
    np.testing.assert_allclose(turned, rolls, atol=6e-6)


def test_pulls_are_normal_and_false_observations_stand_out(rng):
    layout = layout_of(n=5)
    observed = observe(rng, layout, np.zeros((5, 2)), np.zeros(5), n=200)
    observed.position[:10] += 0.02
    observed = images_only(observed)
    start = np.zeros((len(layout.pivots), 4))
    solution = solve_jointly(
        layout, observed, start, RIGOUR._replace(floors=(1e-6, 1e-6))
    )
    assert (solution.pull[:10] > 20).all()
    good = solution.pull[10:1000]
    assert np.median(good**2) == pytest.approx(2 * np.log(2), rel=0.1)
    assert np.abs(move_images(layout, solution.values)[0]).max() < 5e-5


def test_scatter_beyond_the_given_errors_is_measured(rng):
    layout = layout_of(n=5)
    observed = observe(rng, layout, np.zeros((5, 2)), np.zeros(5), n=200, error=2e-3)
    observed = observed._replace(error=np.full(len(observed.error), 1e-4))
    start = np.zeros((len(layout.pivots), 4))
    solution = solve_jointly(layout, observed, start, RIGOUR)
    ours = observed.image != CATALOG
    assert np.median(solution.pull[ours] ** 2) == pytest.approx(2 * np.log(2), rel=0.1)


def bent(layout, observed, bends):
    """The same observations, by a reference distortion that is wrong."""
    ours = observed.image != CATALOG
    design = design_bends(layout.frames, observed.image[ours], observed.position[ours])
    position = observed.position.copy()
    position[ours] -= (design @ bends.ravel()).reshape(-1, 2)
    return observed._replace(position=position)


def test_what_a_reference_distortion_has_wrong_is_found(rng):
    layout = layout_of(n=5, detectors=("NRCB1", "NRCB2"))
    shifts, rolls = rng.normal(0, 0.01, (10, 2)), np.zeros(10)
    bends = layout.bend_sigmas * rng.standard_normal((2, UNKNOWNS))
    observed = bent(layout, observe(rng, layout, shifts, rolls, n=400), bends)
    start = np.zeros((len(layout.pivots), 4))
    plain = solve_jointly(layout, observed, start, RIGOUR)
    solution = solve_jointly(layout, observed, start, RIGOUR._replace(with_bends=True))
    np.testing.assert_allclose(solution.bends, bends, atol=2e-4)
    assert not plain.bends.any()
    assert np.std(solution.residual) < 0.2 * np.std(plain.residual)


def test_the_errors_of_bends_are_those_they_have(rng):
    layout = layout_of(n=5)
    start = np.zeros((len(layout.pivots), 4))
    rigour = RIGOUR._replace(with_bends=True)
    pulls = []
    for _ in range(6):
        bends = layout.bend_sigmas * rng.standard_normal((1, UNKNOWNS))
        shifts = rng.normal(0, 0.01, (5, 2))
        observed = observe(rng, layout, shifts, np.zeros(5), n=300, error=5e-4)
        noise = np.where(observed.image == CATALOG, 5e-4, 0.0)[:, None]
        position = observed.position + noise * rng.standard_normal((1800, 2))
        observed = bent(layout, observed._replace(position=position), bends)
        solution = solve_jointly(layout, observed, start, rigour)
        error = np.sqrt(np.diagonal(solution.bend_covariance, axis1=1, axis2=2))
        pulls.append((solution.bends - bends)[:, :-LINEAR] / error)
    assert np.abs(pulls).max() < 4.0
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(pulls))), 1.0, atol=0.25)


def test_bends_take_nothing_from_few_stars(rng):
    layout = layout_of(n=3)
    shifts = rng.normal(0, 0.05, (3, 2))
    observed = observe(rng, layout, shifts, np.zeros(3), n=4)
    start = np.zeros((len(layout.pivots), 4))
    solution = solve_jointly(layout, observed, start, RIGOUR._replace(with_bends=True))
    found = move_images(layout, solution.values).shift
    np.testing.assert_allclose(found, shifts, atol=5e-4)
