import numpy as np
import pytest

from rampline.detector import linearity
from rampline.detector.linearity import correct_linearity
from rampline.flags import JUMP, NO_LINEARITY, SATURATED
from tests.twins.detector import pixels as twins

from .exposures import every_row


def polynomials(rng, shape, n_coefficients=6):
    """Coefficients like a real file's, with unknown ones among them."""
    scale = 10.0 ** -(4.9 * np.arange(n_coefficients) - 4.9)
    scale[0] = 1.0
    coefficients = rng.normal(0, 0.02, (n_coefficients, *shape)) * scale[:, None, None]
    coefficients[1] += 1.0
    coefficients[2, 0, :2] = np.nan
    coefficients[1, 1, 3] = 0.0
    return coefficients.astype(np.float32)


def test_a_parabola_is_evaluated_where_the_group_is_not_saturated():
    counts = np.array([10, 20], np.float32).reshape(1, 2, 1, 1)
    flags = np.array([JUMP, SATURATED], np.uint8).reshape(1, 2, 1, 1)
    parabola = np.array([1, 2, 0.5], np.float32).reshape(3, 1, 1)
    unknown = correct_linearity(counts, flags, parabola, None, slice(0, 1))
    assert counts.ravel().tolist() == [71, 20]
    assert not unknown.any()


def test_unknown_polynomials_leave_their_pixels_alone(rng):
    coefficients = polynomials(rng, (4, 5))
    file_flags = np.zeros((4, 5), np.uint32)
    file_flags[3, 3] = NO_LINEARITY
    counts = rng.uniform(0, 50000, (2, 3, 4, 5)).astype(np.float32)
    before = counts.copy()
    unflagged = np.zeros(counts.shape, np.uint8)
    unknown = correct_linearity(
        counts, unflagged, coefficients, file_flags, slice(0, 4)
    )
    assert np.argwhere(unknown).tolist() == [[0, 0], [0, 1], [1, 3], [3, 3]]
    np.testing.assert_array_equal(counts[..., unknown], before[..., unknown])
    assert (counts[..., ~unknown] != before[..., ~unknown]).all()


def test_kernels_equal_their_twins(rng):
    coefficients = polynomials(rng, (6, 35))
    unknown = linearity._unknown_polynomials(coefficients, 0, 5)
    np.testing.assert_array_equal(
        unknown, twins.unknown_polynomials(coefficients, 0, 5)
    )
    counts = rng.uniform(-50, 60000, (2, 3, 6, 35)).astype(np.float32)
    flags = rng.integers(0, 8, counts.shape).astype(np.uint8)
    twin = counts.copy()
    linearity._evaluate(counts, flags, SATURATED, coefficients, unknown, 0)
    twins.evaluate(twin, flags, SATURATED, coefficients, unknown, 0)
    np.testing.assert_allclose(counts, twin, rtol=3e-6, atol=1e-3)


@pytest.mark.parity
def test_counts_and_flags_equal_those_of_stcal(rng):
    from stcal.linearity.linearity import linearity_correction
    from stdatamodels.jwst.datamodels import dqflags

    shape = (2, 5, 24, 17)
    counts = rng.uniform(-30, 55000, shape).astype(np.float32)
    flags = rng.choice([0, SATURATED, JUMP], shape, p=[0.8, 0.1, 0.1]).astype(np.uint8)
    coefficients = polynomials(rng, shape[2:])
    file_flags = np.where(rng.random(shape[2:]) < 0.1, NO_LINEARITY, 0)
    file_flags = file_flags.astype(np.uint32)
    zero = counts[:, 0] * 0.3
    theirs, their_flags, their_zero = linearity_correction(
        counts.copy(),
        flags,
        np.zeros(shape[2:], np.uint32),
        coefficients.copy(),
        file_flags,
        dqflags.pixel,
        zframe=zero.copy(),
    )
    rows = every_row(counts)
    unknown = correct_linearity(counts, flags, coefficients, file_flags, rows)
    ours = zero[:, None]
    correct_linearity(ours, np.zeros_like(flags[:, :1]), coefficients, file_flags, rows)
    np.testing.assert_allclose(counts, theirs, rtol=2e-7, atol=1e-3)
    np.testing.assert_allclose(ours[:, 0], their_zero, rtol=2e-7, atol=1e-3)
    np.testing.assert_array_equal(unknown, (their_flags & NO_LINEARITY) != 0)
