"""The true geometry of an exposure as cards that any FITS reader understands.

A tangential projection about the middle of the image with the distortion as SIP
polynomials of the fifth order (Shupe et al. 2005), fitted to the simulator's own chain
from pixels to the sky; the residuals are below 1e-5 mas over a full detector.
"""

from typing import Final

import numpy as np
from numpy.polynomial.polynomial import polyvander2d
from numpy.typing import NDArray

from ..exposure.header import Card
from ..units import MAS_PER_ARCSEC
from .pointing import Exposure

Array = NDArray[np.float64]
_ORDER: Final = 5
_NODES: Final = 41
_DIGITS_DEG: Final = 14
"""Decimals of the linear part over half the frame, deg: 4e-8 mas."""
_DIGITS_CURVED: Final = 12
"""Decimals of the bends over half the frame, shares of it: 1e-9 pixels."""
_DIGITS_MAS: Final = 6
_POWERS: Final = tuple(
    (i, j) for i in range(_ORDER + 1) for j in range(_ORDER + 1) if 0 < i + j <= _ORDER
)


def true_wcs_cards(exposure: Exposure) -> tuple[Card, ...]:
    """Return the cards of an exposure's true WCS, for images in science orientation.

    Returns
    -------
    tuple of Card
        TAN-SIP, with the largest residual of the fit, mas, in SIPMAXER.
    """
    n_rows, n_cols = exposure.readout.n_rows, exposure.readout.n_cols
    row0, col0 = (n_rows - 1) // 2, (n_cols - 1) // 2
    centre = exposure.true.pixel_to_sky(np.array([row0]), np.array([col0]))
    origin = float(centre[0][0]), float(centre[1][0])
    rows, cols = np.meshgrid(
        np.linspace(-0.5, n_rows - 0.5, _NODES),
        np.linspace(-0.5, n_cols - 0.5, _NODES),
        indexing="ij",
    )
    plane = np.array(
        _tangent_plane(*exposure.true.pixel_to_sky(rows.ravel(), cols.ravel()), origin)
    )
    u, v = cols.ravel() - col0, rows.ravel() - row0
    matrix, bends, error_deg = _fit(u, v, plane)
    return (
        Card("WCSAXES", 2, "number of World Coordinate System axes"),
        Card("CTYPE1", "RA---TAN-SIP", "Axis 1 type"),
        Card("CTYPE2", "DEC--TAN-SIP", "Axis 2 type"),
        Card("CUNIT1", "deg", "Axis 1 units"),
        Card("CUNIT2", "deg", "Axis 2 units"),
        Card("RADESYS", "ICRS", "Coordinate reference frame"),
        Card("CRPIX1", col0 + 1.0, "axis 1 coordinate of the reference pixel"),
        Card("CRPIX2", row0 + 1.0, "axis 2 coordinate of the reference pixel"),
        Card("CRVAL1", origin[0], "[deg] true RA at the reference pixel"),
        Card("CRVAL2", origin[1], "[deg] true Dec at the reference pixel"),
        *_matrix_cards(matrix),
        *_bend_cards(bends),
        Card(
            "SIPMAXER",
            round(error_deg * 3600.0 * MAS_PER_ARCSEC, _DIGITS_MAS),
            "[mas] largest error of the polynomials",
        ),
    )


def _tangent_plane(ra: Array, dec: Array, origin: tuple[float, float]) -> list[Array]:
    """Return coordinates towards east and north in the tangent plane, deg."""
    delta, dec0 = np.radians(ra - origin[0]), np.radians(origin[1])
    sin_dec, cos_dec = np.sin(np.radians(dec)), np.cos(np.radians(dec))
    depth = np.sin(dec0) * sin_dec + np.cos(dec0) * cos_dec * np.cos(delta)
    xi = cos_dec * np.sin(delta) / depth
    eta = (np.cos(dec0) * sin_dec - np.sin(dec0) * cos_dec * np.cos(delta)) / depth
    return [np.degrees(xi), np.degrees(eta)]


def _fit(u: Array, v: Array, plane: Array) -> tuple[Array, Array, float]:
    """Return linear part (2, 2), SIP coefficients (2, powers), largest error, deg."""
    scale = float(max(np.abs(u).max(), np.abs(v).max()))
    design = polyvander2d(u / scale, v / scale, [_ORDER, _ORDER])
    design = design[:, [i * (_ORDER + 1) + j for i, j in _POWERS]]
    solved = np.linalg.lstsq(design, plane.T, rcond=None)[0]
    error_deg = float(np.abs(design @ solved - plane.T).max())
    linear = [_POWERS.index((1, 0)), _POWERS.index((0, 1))]
    # last digits differ between versions of LAPACK; they say nothing
    steep = np.round(solved.T[:, linear], _DIGITS_DEG)
    curved = np.round(np.linalg.solve(steep, solved.T), _DIGITS_CURVED)
    powers = scale ** np.array([i + j for i, j in _POWERS])
    return steep / scale, np.asarray(curved * scale / powers, np.float64), error_deg


def _matrix_cards(matrix: Array) -> list[Card]:
    return [
        Card(f"CD{i + 1}_{j + 1}", float(matrix[i, j]), "[deg/pixel] linear part")
        for i in range(2)
        for j in range(2)
    ]


def _bend_cards(bends: Array) -> list[Card]:
    cards = []
    for name, values in zip("AB", bends, strict=True):
        cards.append(Card(f"{name}_ORDER", _ORDER, "SIP polynomial order"))
        cards += [
            Card(f"{name}_{i}_{j}", float(value), "SIP distortion coefficient")
            for (i, j), value in zip(_POWERS, values, strict=True)
            if i + j > 1
        ]
    return cards
