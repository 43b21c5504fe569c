"""How the noise of neighbouring mosaic pixels is correlated.

The noise of an input pixel is distributed over the output pixels that its drop
overlaps. Along one axis the share is the convolution of a box (the drop) with a box
(the output pixel): a trapezoid. Averaged over all sub-pixel phases, the covariance of
two output pixels is the overlap of two such trapezoids at their distance; the two axes
are independent.
"""

import numpy as np
from numpy.typing import NDArray


def noise_autocorrelation(pixfrac: float, scale_ratio: float) -> NDArray[np.float64]:
    """Return the noise's autocorrelation between output pixels.

    Parameters
    ----------
    pixfrac : float
        Side of the drop over the side of the input pixel.
    scale_ratio : float
        Side of the output pixel over the side of the input pixel.

    Returns
    -------
    (k, k) float64
        1 at the centre, 0 beyond the array; k is odd.

    Raises
    ------
    ValueError
        If an argument is not positive.

    Notes
    -----
    For white noise it holds within 1 to 2 per cent at any angle between the grids, for
    single pixels and for disks of 3 to 33 pixels alike (``benchmarks/mosaic.py``).
    """
    if pixfrac <= 0 or scale_ratio <= 0:
        raise ValueError("pixfrac and the scale ratio must be positive")
    drop = pixfrac / scale_ratio
    reach = int(np.ceil(drop + 1.0)) - 1
    lags = np.arange(-reach, reach + 1, dtype=np.float64)
    line = _overlap(lags, drop) / _overlap(np.zeros(1), drop)
    return np.asarray(np.outer(line, line))


def correlated_noise_factor(pixfrac: float, scale_ratio: float) -> float:
    """Return the ratio of the noise of a large area to that expected from ERR.

    Parameters
    ----------
    pixfrac, scale_ratio : float
        As in `noise_autocorrelation`.

    Returns
    -------
    float
        At least 1: R of Casertano et al. (2000, AJ 120, 2747, appendix A) and of
        Fruchter & Hook (2002, equation 9). The noise in an aperture of N output pixels
        tends to ``R * ERR * sqrt(N)``.

    Raises
    ------
    ValueError
        If an argument is not positive.
    """
    return float(np.sqrt(noise_autocorrelation(pixfrac, scale_ratio).sum()))


def _overlap(lags: NDArray[np.float64], drop: float) -> NDArray[np.float64]:
    """Overlap integral of two trapezoids (boxes of 1 and ``drop``) at each lag.

    The convolution of four boxes, written with cubes of truncated distances.
    """
    corners = [(0.0, 1.0)]
    for width in (1.0, 1.0, drop, drop):
        corners = [
            (place + side * width / 2, -side * weight)
            for place, weight in corners
            for side in (-1.0, 1.0)
        ]
    total = np.zeros_like(lags)
    for place, weight in corners:
        total += weight * np.maximum(lags - place, 0.0) ** 3
    return total / 6.0
