"""The distortion of a detector as CRDS files hold it: a chain of astropy models.

Pixels (0-based) become 1-based, are taken from the reference pixel, go through two
polynomials to the ideal frame, are rotated to V2, V3 and shifted to the reference
point. The way back is a polynomial too, fitted to the way there over the detector.
"""

from typing import Any

import numpy as np
from astropy.modeling.models import Mapping, Polynomial2D, Shift
from numpy.polynomial.polynomial import polyval2d, polyvander2d
from numpy.typing import NDArray

from ..units import MAS_PER_ARCSEC
from .siaf import Aperture

Array = NDArray[np.float64]


def distortion_model(
    full: Aperture, errors_mas: tuple[float, float], draw: np.random.Generator
) -> Any:
    """Return the model of a distortion file, with its inverse.

    Parameters
    ----------
    full : Aperture
        The detector's full-frame aperture.
    errors_mas : (float, float), mas
        RMS of a smooth error over the detector; sigma per axis of a shift.
    draw : numpy.random.Generator
        For the errors.

    Returns
    -------
    astropy.modeling.CompoundModel
        From 0-based pixels (x, y) of the full detector to (V2, V3), arcsec.
    """
    x_ideal, y_ideal = full.x_ideal.copy(), full.y_ideal.copy()
    rms_arcsec = errors_mas[0] / MAS_PER_ARCSEC
    x_ideal += _smooth_error(x_ideal.shape[0], rms_arcsec, draw)
    y_ideal += _smooth_error(y_ideal.shape[0], rms_arcsec, draw)
    shift = errors_mas[1] / MAS_PER_ARCSEC * draw.standard_normal(2)
    inverse_x, inverse_y = _invert(x_ideal, y_ideal, full)
    there = _turn(full, backwards=False)
    back = _turn(full, backwards=True)
    v2, v3 = full.v2_ref_arcsec + shift[0], full.v3_ref_arcsec + shift[1]
    split = Mapping((0, 1, 0, 1))
    model = (
        (Shift(1.0) & Shift(1.0))
        | (Shift(-full.x_ref) & Shift(-full.y_ref))
        | split
        | (_polynomial(x_ideal) & _polynomial(y_ideal))
        | split
        | (_polynomial(there[0]) & _polynomial(there[1]))
        | (Shift(v2) & Shift(v3))
    )
    model.inverse = (
        (Shift(-v2) & Shift(-v3))
        | split
        | (_polynomial(back[0]) & _polynomial(back[1]))
        | split
        | (_polynomial(inverse_x) & _polynomial(inverse_y))
        | (Shift(full.x_ref) & Shift(full.y_ref))
        | (Shift(-1.0) & Shift(-1.0))
    )
    return model


def _polynomial(coefficients: Array) -> Any:
    """Return ``coefficients[i, j] x**i y**j``, i + j up to the order, as a model."""
    order = coefficients.shape[0] - 1
    named = {
        f"c{i}_{j}": float(coefficients[i, j])
        for i in range(order + 1)
        for j in range(order + 1 - i)
    }
    return Polynomial2D(order, **named)


def _turn(full: Aperture, *, backwards: bool) -> tuple[Array, Array]:
    """Return the linear step between the ideal frame and V2, V3 off the reference."""
    angle = np.radians(full.v3i_yang_deg)
    matrix = np.array(
        [
            [full.vparity * np.cos(angle), np.sin(angle)],
            [-full.vparity * np.sin(angle), np.cos(angle)],
        ]
    )
    if backwards:
        matrix = np.linalg.inv(matrix)
    first, second = (np.array([[0.0, row[1]], [row[0], 0.0]]) for row in matrix)
    return first, second


def _smooth_error(size: int, rms_arcsec: float, draw: np.random.Generator) -> Array:
    """Return coefficients of a quadratic and cubic error of a given rms, arcsec."""
    error = np.zeros((size, size))
    if not rms_arcsec:
        return error
    half = 1024.0
    for i, j in ((2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3)):
        error[i, j] = draw.standard_normal() / half ** (i + j)
    axis = np.linspace(-half, half, 33)
    values = polyval2d(*np.meshgrid(axis, axis), error)
    return np.asarray(error * (rms_arcsec / np.sqrt(np.mean(values**2))))


def _invert(x_ideal: Array, y_ideal: Array, full: Aperture) -> tuple[Array, Array]:
    """Fit polynomials of the same order for the way back, over the detector."""
    order = x_ideal.shape[0] - 1
    axis = np.linspace(-40.0, full.n_cols + 40.0, 65)
    dx, dy = (
        grid.ravel() for grid in np.meshgrid(axis - full.x_ref, axis - full.y_ref)
    )
    u, v = polyval2d(dx, dy, x_ideal), polyval2d(dx, dy, y_ideal)
    scale = np.abs(u).max()
    design = polyvander2d(u / scale, v / scale, [order, order])
    powers = [(i, j) for i in range(order + 1) for j in range(order + 1)]
    kept = [k for k, (i, j) in enumerate(powers) if i + j <= order]
    fitted = []
    for target in (dx, dy):
        solution = np.linalg.lstsq(design[:, kept], target, rcond=None)[0]
        matrix = np.zeros((order + 1, order + 1))
        for k, value in zip(kept, solution, strict=True):
            i, j = powers[k]
            matrix[i, j] = value / scale ** (i + j)
        fitted.append(matrix)
    return fitted[0], fitted[1]
