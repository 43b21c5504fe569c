"""Solve equations of which only the product of the matrix with a vector is known."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", np.float64, np.complex128)


def conjugate_gradients(
    image_of: Callable[[NDArray[Number]], NDArray[Number]],
    right: NDArray[Number],
    guess_of: Callable[[NDArray[Number]], NDArray[Number]],
    dot: Callable[[NDArray[Number], NDArray[Number]], float],
    limits: tuple[float, int],
) -> NDArray[Number]:
    """Solve ``image_of(x) = right`` by preconditioned conjugate gradients.

    Parameters
    ----------
    image_of : function
        Product with a symmetric positive matrix.
    right : array
        Of any shape, real or complex.
    guess_of : function
        Product with a matrix near the inverse, symmetric and positive.
    dot : function
        Product of two vectors, in which both matrices are symmetric.
    limits : (float, int)
        Share of the first error, in the norm of ``guess_of``, at which to stop; and the
        most rounds.

    Notes
    -----
    Hestenes and Stiefel 1952.
    """
    tolerance, most = limits
    found, step, left = np.zeros_like(right), np.zeros_like(right), right
    product = limit = 0.0
    for _ in range(most):
        guess = guess_of(left)
        old, product = product, dot(left, guess)
        limit = limit or tolerance**2 * product
        if product <= limit:
            break
        step = guess + (product / old if old else 0.0) * step
        image = image_of(step)
        far = product / dot(step, image)
        found += far * step
        left = left - far * image
    return found
