import numpy as np
import pytest

from rampline.numerics import nodes as kernels
from rampline.numerics.nodes import (
    count_nodes,
    interpolate_nodes,
    invert_nodes,
)

from ..twins import numerics as twins

STEP, ORIGIN, SHAPE = 32, -32, (150, 97)


def at_nodes(function, shape=SHAPE):
    rows, cols = (
        ORIGIN + STEP * np.arange(count_nodes(n, STEP, ORIGIN), dtype=float)
        for n in shape
    )
    return np.stack(function(rows[:, None], cols[None, :]), axis=-1)


def cubic(row, col):
    first = 3.0 + 0.5 * row - 0.02 * col + 1e-4 * row * col**2 + 2e-6 * row**3
    return first, -7.0 + 0.03 * row + 0.49 * col - 3e-6 * col**3 + 0 * row


def distortion(row, col):
    """Terms as large as the largest of NIRCam's, of each order, in pixels."""
    u, v = col / 1024 - 1, row / 1024 - 1
    bend = 40 * u**2 - 25 * u * v + 12 * v**2 + 8 * u**3 - 5 * u * v**2
    bend = bend + 0.5 * u**4 + 0.4 * v**4 + 0.05 * u**5 + 0.05 * v**5
    return 1.0 * row + 0.01 * col + bend, 0.99 * col - 0.02 * row + 0.7 * bend


def random_map(rng, shape=SHAPE):
    smooth = at_nodes(cubic, shape)
    return smooth + rng.normal(0, 0.5, smooth.shape)


def test_a_frame_of_one_step_needs_four_nodes():
    assert count_nodes(32, 32, -32) == 4
    assert count_nodes(33, 32, -32) == 5
    assert count_nodes(1, 32, -32) == 4


def test_a_cubic_comes_back_exactly_even_half_a_pixel_outside(rng):
    rows = rng.uniform(-0.5, SHAPE[0] - 0.5, 500)
    cols = rng.uniform(-0.5, SHAPE[1] - 0.5, 500)
    found = interpolate_nodes(at_nodes(cubic), STEP, ORIGIN, rows, cols)
    np.testing.assert_allclose(found, np.stack(cubic(rows, cols), -1), atol=1e-10)


def test_a_nircam_like_distortion_comes_back_to_a_millionth_of_a_pixel():
    rows, cols = np.indices((2048, 2048))
    nodes = at_nodes(distortion, (2048, 2048))
    frame = interpolate_nodes(nodes, STEP, ORIGIN, rows, cols)
    assert np.abs(frame - np.stack(distortion(rows, cols), -1)).max() < 1e-6


def test_positions_come_back_from_their_values(rng):
    nodes = at_nodes(distortion, (2048, 2048))
    places = rng.uniform(-0.5, 2047.5, (300, 2))
    values = interpolate_nodes(nodes, STEP, ORIGIN, places[:, 0], places[:, 1])
    found = invert_nodes(nodes, STEP, ORIGIN, values)
    np.testing.assert_allclose(found, places, atol=1e-9)


def test_values_far_from_the_frame_and_nan_have_no_position():
    nodes = at_nodes(distortion, (256, 256))
    values = np.array([[1e6, 0.0], [np.nan, 5.0], [100.0, 100.0]])
    found = invert_nodes(nodes, STEP, ORIGIN, values)
    assert np.isnan(found[:2]).all()
    assert np.isfinite(found[2]).all()


def test_a_position_that_is_not_finite_has_no_value(rng):
    found = interpolate_nodes(
        random_map(rng), STEP, ORIGIN, [1.0, np.nan], [np.inf, 2.0]
    )
    assert np.isnan(found).all()


@pytest.mark.parametrize("row", [-0.5, 0.0, 31.99, 32.0, 77.3, 149.5])
@pytest.mark.parametrize("first_col", [-0.5, 0.0, 0.25])
def test_twin_row(rng, row, first_col):
    nodes = random_map(rng)
    found, wanted = np.empty((2, 2, SHAPE[1]))
    kernels.interpolate_row(nodes, STEP, ORIGIN, row, first_col, found)
    twins.interpolate_row(nodes, STEP, ORIGIN, row, first_col, wanted)
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-9)


def test_twin_cubic_of_a_cell(rng):
    nodes, weights = random_map(rng), kernels.cubic_weights(0.3)
    for k in range(2):
        np.testing.assert_allclose(
            kernels.cubic_of_cell(nodes, 1, 2, k, weights),
            twins.cubic_of_cell(nodes, 1, 2, k, weights),
            rtol=1e-10,
            atol=1e-8,
        )


def test_twin_points(rng):
    nodes = random_map(rng)
    rows = np.append(rng.uniform(-1, 150, 50), [np.nan, 3.0])
    cols = np.append(rng.uniform(-1, 97, 50), [4.0, np.inf])
    found, wanted = np.empty((2, 52, 2))
    kernels.interpolate_points(nodes, STEP, ORIGIN, rows, cols, found)
    twins.interpolate_points(nodes, STEP, ORIGIN, rows, cols, wanted)
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-9)


def test_twin_inverse(rng):
    nodes = at_nodes(distortion, (256, 256))
    places = rng.uniform(0, 255, (20, 2))
    values = interpolate_nodes(nodes, STEP, ORIGIN, places[:, 0], places[:, 1])
    start = places + rng.normal(0, 5, places.shape)
    start[3] = np.nan
    found, wanted = np.empty((2, 20, 2))
    kernels.invert_points(nodes, STEP, ORIGIN, values, start, found)
    twins.invert_points(nodes, STEP, ORIGIN, values, start, wanted)
    np.testing.assert_allclose(found, wanted, atol=1e-7)


@pytest.mark.parametrize("t", [-0.02, 0.0, 0.3, 1.0, 1.01])
def test_twin_weights_and_their_slopes(t):
    np.testing.assert_allclose(
        kernels.cubic_weights(t), twins.cubic_weights(t), atol=1e-14
    )
    np.testing.assert_allclose(
        kernels.cubic_slopes(t), twins.cubic_slopes(t), atol=1e-14
    )


@pytest.mark.parametrize("position", [-40.0, -0.5, 0.0, 31.999, 32.0, 96.5, 300.0])
def test_twin_cell(position):
    found = kernels.find_cell(position, STEP, ORIGIN, 6)
    assert found == twins.find_cell(position, STEP, ORIGIN, 6)
