import numpy as np
import pytest

from rampline.astrometry.bending import (
    LINEAR,
    SHAPES,
    UNKNOWNS,
    design_bends,
    evaluate_shapes,
    make_frames,
    straighten,
)
from rampline.astrometry.matching import rotation

CORNERS = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, 1.0], [1.0, -1.0]])


def frames_of(turns, half=32.0, middle=(5.0, -3.0)):
    axes = np.array([rotation(turn) for turn in turns])
    outlines = np.einsum("kab,cb->kca", half * axes, CORNERS) + middle
    return make_frames(outlines, axes, np.arange(len(turns)))


def test_the_frame_of_an_image_is_its_square():
    frames = frames_of([0.3], half=20.0)
    np.testing.assert_allclose(frames.middle, [[5.0, -3.0]])
    np.testing.assert_allclose(frames.half, 20.0)


def test_bends_have_no_part_in_shift_roll_or_scale():
    # Gauss-Legendre nodes: sums are integrals over the detector
    node, weight = np.polynomial.legendre.leggauss(6)
    u, v = (axis.ravel() for axis in np.meshgrid(node, node))
    area = np.outer(weight, weight).ravel()
    shapes = evaluate_shapes(u, v)
    for part in (np.ones(36), u, v):
        np.testing.assert_allclose(shapes @ (area * part), 0, atol=1e-12)
    products = (shapes * area) @ shapes.T
    np.testing.assert_allclose(products, np.diag(np.diag(products)), atol=1e-12)


def test_the_design_turns_with_the_telescope(rng):
    position = np.add(rng.uniform(-20, 20, (30, 2)), [5.0, -3.0])
    bends = rng.normal(0, 1, UNKNOWNS)
    image = np.zeros(30, int)
    plain = (design_bends(frames_of([0.0]), image, position) @ bends).reshape(-1, 2)
    turn = rotation(0.7)
    moved = (position - [5.0, -3.0]) @ turn.T + [5.0, -3.0]
    turned = (design_bends(frames_of([0.7]), image, moved) @ bends).reshape(-1, 2)
    np.testing.assert_allclose(turned, plain @ turn.T, atol=1e-12)


def test_a_detector_s_bends_move_its_own_images_only():
    frames = frames_of([0.1, 0.2])
    design = design_bends(frames, np.array([1, 0]), np.array([[9.0, 9.0], [1.0, 2.0]]))
    dense = design.toarray()
    assert dense.shape == (4, 2 * UNKNOWNS)
    assert not dense[:2, :UNKNOWNS].any()
    assert not dense[2:, UNKNOWNS:].any()


@pytest.mark.parametrize("turn", [0.0, 1.1])
def test_aspect_and_skew_are_linear_motions(rng, turn):
    frames = frames_of([turn])
    bends = np.zeros((1, UNKNOWNS))
    bends[0, -LINEAR:] = 0.4, -0.3
    position = np.add(rng.uniform(-20, 20, (30, 2)), [5.0, -3.0])
    design = design_bends(frames, np.zeros(30, int), position)
    moved = (design @ bends.ravel()).reshape(-1, 2)
    linear = straighten(frames, bends)[0]
    np.testing.assert_allclose(moved, (position - [5.0, -3.0]) @ linear.T, atol=1e-12)
    # neither a roll nor a scale
    np.testing.assert_allclose(
        [np.trace(linear), linear[0, 1] - linear[1, 0]], 0, atol=1e-12
    )


def test_the_shapes_are_legendre_products():
    u, v = 0.3, -0.7
    second = [(3 * x**2 - 1) / 2 for x in (u, v)]
    third = [(5 * x**3 - 3 * x) / 2 for x in (u, v)]
    by_hand = [second[0], u * v, second[1], third[0], second[0] * v, u * second[1]]
    shapes = evaluate_shapes(np.array([u]), np.array([v]))
    assert shapes.shape == (SHAPES, 1)
    np.testing.assert_allclose(shapes[:, 0], [*by_hand, third[1]], rtol=1e-14)
