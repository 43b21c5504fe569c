"""The SIP approximation of an exposure's geometry, for tools that read FITS cards only.

Pixel offsets (u, v) from CRPIX, plus polynomials A and B of second and higher order, times
the CD matrix give gnomonic coordinates about CRVAL (Shupe et al. 2005, ADASS XIV, 491).
CD is the exact slope at CRPIX. AP and BP do the way back. Both are least-squares fits on
nodes over the frame, of the lowest order that is good to `SIP_TOLERANCE_PX`; the largest
residuals between the nodes are kept in SIPMXERR and SIPIVERR.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.geometry import Geometry
from ..exposure.header import Card
from ..units import DEG_PER_ARCSEC
from .geometry import pixel_to_sky, project, sky_vectors, tangent_frame

SIP_TOLERANCE_PX: Final = 0.001
"""A fifth of what products promise, for the residual is known on a finite grid only."""
MAX_ORDER: Final = 6
"""The highest order for which JWST's data model has keywords."""
FIT_POINTS: Final = 24
"""Points of the fit along each axis; Chebyshev nodes, so that corners do not ring."""


class SipFit(NamedTuple):
    """The cards and how good they are."""

    cards: tuple[Card, ...]
    """WCSAXES to BP_n_m, CTYPE with -SIP."""
    error_px: float
    """Largest error of pixel to sky over the frame, pixels."""
    inverse_error_px: float
    """Largest error of sky to pixel over the frame, pixels."""


class _Polynomials(NamedTuple):
    """Two polynomials in offsets divided by a scale."""

    order: int
    terms: list[tuple[int, int]]
    coefficients: NDArray[np.float64]
    """(terms, 2)"""
    residual: float


def fit_sip(geometry: Geometry, crpix: tuple[float, float] | None = None) -> SipFit:
    """Approximate a geometry by FITS TAN-SIP cards.

    Parameters
    ----------
    geometry : Geometry
    crpix : (float, float) or None
        1-based x and y of the reference pixel, as in the exposure's header; the middle of
        the frame where None, or where it lies outside the frame.

    Returns
    -------
    SipFit
        Cards in the order and with the names of the JWST pipeline's ``assign_wcs``.
    """
    n_rows, n_cols = geometry.shape
    x0, y0 = _reference_pixel(geometry.shape, crpix)
    ra, dec = (float(angle) for angle in pixel_to_sky(geometry, y0, x0))
    frame = tangent_frame(ra, dec)

    def plane(u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
        sky = pixel_to_sky(geometry, v + y0, u + x0)
        return project(sky_vectors(*sky), frame)

    cd = _slope(plane)
    fit, test = (
        np.stack(_offsets(n, geometry.shape, x0, y0), axis=-1)
        for n in (FIT_POINTS, 2 * FIT_POINTS - 1)
    )
    inverse_cd = np.linalg.inv(cd).T
    fit_lin = plane(fit[:, 0], fit[:, 1]) @ inverse_cd
    test_lin = plane(test[:, 0], test[:, 1]) @ inverse_cd
    scale = max(n_rows, n_cols) / 2.0
    forward = _fit(fit / scale, fit_lin - fit, test / scale, test_lin - test)
    inverse = _fit(fit_lin / scale, fit - fit_lin, test_lin / scale, test - test_lin)
    cards = (
        *_linear_cards((x0, y0), (ra, dec), cd * DEG_PER_ARCSEC),
        *_polynomial_cards(("A", "B"), forward, scale),
        Card("SIPMXERR", forward.residual, "max diff from GWCS (equiv pix)"),
        *_polynomial_cards(("AP", "BP"), inverse, scale),
        Card("SIPIVERR", inverse.residual, "max diff for inverse (pixels)"),
    )
    return SipFit(cards, forward.residual, inverse.residual)


def _reference_pixel(
    shape: tuple[int, int], crpix: tuple[float, float] | None
) -> tuple[float, float]:
    """Return 0-based x and y of the reference pixel."""
    n_rows, n_cols = shape
    if crpix is not None:
        x0, y0 = crpix[0] - 1.0, crpix[1] - 1.0
        if 0 <= x0 < n_cols and 0 <= y0 < n_rows:
            return x0, y0
    return (n_cols - 1) / 2.0, (n_rows - 1) / 2.0


def _offsets(
    n_points: int, shape: tuple[int, int], x0: float, y0: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return offsets (u, v) of Chebyshev-Lobatto points over the frame, edges included."""
    unit = (1.0 - np.cos(np.pi * np.arange(n_points) / (n_points - 1))) / 2.0
    u = unit * shape[1] - 0.5 - x0
    v = unit * shape[0] - 0.5 - y0
    uu, vv = np.meshgrid(u, v)
    return uu.ravel(), vv.ravel()


def _slope(
    plane: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Return d(xi, eta) / d(u, v) at the reference pixel, (2, 2), arcsec a pixel."""
    right, left, up, down = plane(
        np.array([0.5, -0.5, 0.0, 0.0]), np.array([0.0, 0.0, 0.5, -0.5])
    )
    return np.column_stack([right - left, up - down])


def _fit(
    fit: NDArray[np.float64],
    fit_values: NDArray[np.float64],
    test: NDArray[np.float64],
    test_values: NDArray[np.float64],
) -> _Polynomials:
    """Fit polynomials of second and higher order, of the lowest order that will do."""
    for order in range(2, MAX_ORDER + 1):
        terms = [(p, n - p) for n in range(2, order + 1) for p in range(n + 1)]
        design = _design(fit, terms)
        coefficients = np.linalg.lstsq(design, fit_values, rcond=None)[0]
        misfit = _design(test, terms) @ coefficients - test_values
        residual = float(np.hypot(misfit[:, 0], misfit[:, 1]).max())
        if residual < SIP_TOLERANCE_PX:
            break
    return _Polynomials(order, terms, np.asarray(coefficients, np.float64), residual)


def _design(
    points: NDArray[np.float64], terms: list[tuple[int, int]]
) -> NDArray[np.float64]:
    """Return u**p * v**q, (points, terms)."""
    order = max(p + q for p, q in terms)
    powers = np.ones((order + 1, *points.T.shape))
    for n in range(order):
        # four times faster than raising to each power by itself
        powers[n + 1] = powers[n] * points.T
    return np.stack([powers[p, 0] * powers[q, 1] for p, q in terms], axis=-1)


def _linear_cards(
    pixel: tuple[float, float], sky: tuple[float, float], cd: NDArray[np.float64]
) -> tuple[Card, ...]:
    """Return the cards of the linear part."""
    return (
        Card("WCSAXES", 2, "number of World Coordinate System axes"),
        Card("CRPIX1", pixel[0] + 1.0, "axis 1 coordinate of the reference pixel"),
        Card("CRPIX2", pixel[1] + 1.0, "axis 2 coordinate of the reference pixel"),
        Card("CRVAL1", sky[0], "first axis value at the reference pixel"),
        Card("CRVAL2", sky[1], "second axis value at the reference pixel"),
        Card("CTYPE1", "RA---TAN-SIP", "first axis coordinate type"),
        Card("CTYPE2", "DEC--TAN-SIP", "second axis coordinate type"),
        Card("CUNIT1", "deg", "first axis units"),
        Card("CUNIT2", "deg", "second axis units"),
        Card("CD1_1", float(cd[0, 0]), "linear transformation matrix element"),
        Card("CD1_2", float(cd[0, 1]), "linear transformation matrix element"),
        Card("CD2_1", float(cd[1, 0]), "linear transformation matrix element"),
        Card("CD2_2", float(cd[1, 1]), "linear transformation matrix element"),
        Card("RADESYS", "ICRS", "name of the coordinate reference frame"),
    )


def _polynomial_cards(
    names: tuple[str, str], fit: _Polynomials, scale: float
) -> tuple[Card, ...]:
    """Return order and coefficients of two polynomials, in pixels."""
    cards = []
    for axis, name in enumerate(names):
        cards.append(Card(f"{name}_ORDER", fit.order, "degree of SIP polynomial"))
        for (p, q), coefficient in zip(
            fit.terms, fit.coefficients[:, axis], strict=True
        ):
            value = float(coefficient) / scale ** (p + q)
            cards.append(Card(f"{name}_{p}_{q}", value, "SIP coefficient"))
    return tuple(cards)
