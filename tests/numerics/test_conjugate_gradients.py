import numpy as np
import pytest

from rampline.numerics.conjugate_gradients import conjugate_gradients


def hermitian(rng, n, *, is_complex):
    root = rng.normal(size=(n, n)) + is_complex * 1j * rng.normal(size=(n, n))
    root = root if is_complex else root.real
    return root @ root.conj().T + 0.1 * np.eye(n)


def real_dot(one, other):
    return float(np.vdot(one, other).real)


@pytest.mark.parametrize("is_complex", [False, True])
def test_the_solution_is_that_of_the_explicit_matrix(rng, is_complex):
    matrix = hermitian(rng, 30, is_complex=is_complex)
    right = matrix @ (rng.normal(size=30) + is_complex * 1j * rng.normal(size=30))
    right = right if is_complex else right.real
    near = 1 / np.diag(matrix).real
    found = conjugate_gradients(
        lambda x: matrix @ x, right, lambda x: near * x, real_dot, (1e-10, 500)
    )
    np.testing.assert_allclose(found, np.linalg.solve(matrix, right), rtol=1e-5)


def test_an_exact_guess_needs_one_round(rng):
    matrix = hermitian(rng, 20, is_complex=False)
    inverse = np.linalg.inv(matrix)
    right = rng.normal(size=20)
    calls = []

    def image_of(x):
        calls.append(1)
        return matrix @ x

    found = conjugate_gradients(
        image_of, right, lambda x: inverse @ x, real_dot, (1e-6, 50)
    )
    assert len(calls) == 1
    np.testing.assert_allclose(found, inverse @ right, rtol=1e-6)


def test_nothing_on_the_right_is_solved_by_nothing():
    found = conjugate_gradients(
        lambda x: 2 * x, np.zeros(5), lambda x: x, real_dot, (1e-3, 9)
    )
    assert not found.any()
