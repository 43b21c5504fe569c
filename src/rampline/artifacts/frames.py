"""Positions of the detectors in the telescope's frame, for light from outside the field.

Quadratics in the pixel coordinates, fitted to the SIAF apertures (PRDOPSSOC-075):
accurate to 0.02 arcsec on the short-wavelength detectors and 0.13 on the
long-wavelength ones, half a pixel and two. They hold to some 15 arcsec beyond the
edges, where the stars that cause stray light lie. The more accurate mapping for
astrometry is `astrometry.geometry`.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector = NDArray[np.float64]
SIDE: Final = 2048
"""Rows and columns of a full detector."""
_CENTER: Final = (SIDE - 1) / 2.0
_NEWTON_ROUNDS: Final = 6


class Pixels(NamedTuple):
    """Positions on a full detector, science orientation, 0-based, centres at integers."""

    x: Vector
    """(...,) column, pixels."""
    y: Vector
    """(...,) row, pixels."""


class Telescope(NamedTuple):
    """Directions in the telescope's frame."""

    v2: Vector
    """(...,) arcsec."""
    v3: Vector
    """(...,) arcsec."""


def pixel_to_telescope(detector: str, x: ArrayLike, y: ArrayLike) -> Telescope:
    """Return the directions of pixels of a detector in the telescope's frame.

    Parameters
    ----------
    detector : str
        As in the keyword DETECTOR, such as ``NRCB1`` or ``NRCALONG``.
    x, y : (...,) float, pixels
        As in `Pixels`.
    """
    u, w = pixel_unit(x), pixel_unit(y)
    terms = np.stack(np.broadcast_arrays(1.0, u, w, u * u, u * w, w * w))
    v2, v3 = np.tensordot(np.array(_QUADRATICS[detector]), terms, axes=1)
    return Telescope(v2, v3)


def telescope_to_pixel(detector: str, v2: ArrayLike, v3: ArrayLike) -> Pixels:
    """Invert `pixel_to_telescope` by Newton's method.

    Parameters
    ----------
    detector : str
    v2, v3 : (...,) float, arcsec

    Returns
    -------
    Pixels
        Meaningful to some 500 pixels beyond the frame, and only rough farther out.
    """
    at = np.array(_QUADRATICS[detector])
    goal = np.stack(np.broadcast_arrays(np.asarray(v2, float), np.asarray(v3, float)))
    u, w = _solve(at[:, 1], at[:, 2], goal - _column(at[:, 0], goal.ndim))
    for _ in range(_NEWTON_ROUNDS):
        terms = np.stack([np.ones_like(u), u, w, u * u, u * w, w * w])
        miss = goal - np.tensordot(at, terms, axes=1)
        along_u = _slope(at, (1, 3, 4), (1.0, 2 * u, w))
        along_w = _slope(at, (2, 4, 5), (1.0, u, 2 * w))
        du, dw = _solve(along_u, along_w, miss)
        u, w = u + du, w + dw
    half = SIDE / 2
    return Pixels(_CENTER + half * u, _CENTER + half * w)


def pixel_unit(pixel: ArrayLike) -> Vector:
    """Return positions along an axis, scaled to -1 at the first edge and 1 at the last."""
    return np.asarray((np.asarray(pixel, np.float64) - _CENTER) / (SIDE / 2))


def across_telescope(detector: str, angle_deg: float) -> Vector:
    """Return the quadratic that gives the distance of pixels to one side of a line.

    Parameters
    ----------
    detector : str
    angle_deg : float, deg
        Of the line, from -V2 (close to the column axis) towards V3.

    Returns
    -------
    (6,) float64, arcsec
        Coefficients of 1, u, w, u^2, u w, w^2; u and w are `pixel_unit` of column and
        row.
    """
    v2, v3 = np.array(_QUADRATICS[detector])
    angle = np.radians(angle_deg)
    return np.asarray(np.cos(angle) * v3 + np.sin(angle) * v2)


def pixel_arcsec(detector: str) -> float:
    """Return the mean width of a pixel, arcsec."""
    v2, v3 = _QUADRATICS[detector]
    return float(np.sqrt(abs(v2[1] * v3[2] - v2[2] * v3[1]))) / (SIDE / 2)


def is_long(detector: str) -> bool:
    """Return whether a detector belongs to the long-wavelength channel."""
    return detector.endswith("LONG")


def _column(values: Vector, n_dims: int) -> Vector:
    return values.reshape(-1, *(1,) * (n_dims - 1))


def _slope(
    at: Vector, index: tuple[int, int, int], factor: tuple[ArrayLike, ...]
) -> Vector:
    """Return the derivative of V2 and V3 along one axis, (2, ...)."""
    first, second, third = (
        np.multiply.outer(at[:, k], f) for k, f in zip(index, factor, strict=True)
    )
    shape = np.broadcast_shapes(second.shape, third.shape)
    return np.asarray(_column(first, len(shape)) + second + third)


def _solve(a: Vector, b: Vector, goal: Vector) -> tuple[Vector, Vector]:
    """Solve ``p a + q b = goal`` for p and q, each vector (2, ...)."""
    det = a[0] * b[1] - a[1] * b[0]
    p = (goal[0] * b[1] - goal[1] * b[0]) / det
    q = (a[0] * goal[1] - a[1] * goal[0]) / det
    return np.asarray(p), np.asarray(q)


_QUADRATICS: Final = {
    "NRCA1": (
        (120.576, -31.892, -0.311, 0.000, 0.221, 0.038),
        (-527.500, -0.279, 32.082, 0.069, 0.040, -0.154),
    ),
    "NRCA2": (
        (119.739, -31.476, -0.114, 0.000, 0.170, 0.036),
        (-459.785, -0.150, 31.579, 0.091, 0.038, -0.083),
    ),
    "NRCA3": (
        (51.947, -32.039, 0.159, -0.068, 0.223, 0.012),
        (-527.927, 0.018, 32.219, 0.069, 0.086, -0.156),
    ),
    "NRCA4": (
        (52.360, -31.618, 0.053, -0.067, 0.171, 0.013),
        (-459.902, 0.031, 31.709, 0.091, 0.084, -0.083),
    ),
    "NRCALONG": (
        (85.926, -64.375, -0.070, -0.123, 0.766, 0.102),
        (-493.503, -0.169, 64.687, 0.328, 0.239, -0.447),
    ),
    "NRCB1": (
        (-122.428, -31.446, 0.190, -0.003, 0.170, -0.038),
        (-457.707, 0.231, 31.542, 0.090, -0.038, -0.082),
    ),
    "NRCB2": (
        (-122.680, -31.862, 0.473, -0.004, 0.221, -0.041),
        (-525.421, 0.435, 32.047, 0.068, -0.039, -0.156),
    ),
    "NRCB3": (
        (-54.611, -31.580, -0.250, 0.065, 0.172, -0.013),
        (-457.703, -0.229, 31.670, 0.091, -0.081, -0.083),
    ),
    "NRCB4": (
        (-54.387, -32.000, -0.191, 0.068, 0.224, -0.012),
        (-525.630, -0.048, 32.181, 0.068, -0.084, -0.158),
    ),
    "NRCBLONG": (
        (-89.403, -64.479, 0.023, 0.124, 0.778, -0.107),
        (-491.360, 0.112, 64.785, 0.327, -0.244, -0.462),
    ),
}
"""For each detector the coefficients of V2 and of V3, arcsec: 1, u, w, u^2, u w, w^2
with u and w as `pixel_unit` of column and row."""
