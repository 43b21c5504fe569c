"""Correlated noise: what ERR, the noise of single output pixels, leaves out.

Drizzle shares an input pixel out over several output pixels, so neighbours are correlated:
the noise of a single pixel is smaller, and the noise of the mean of a large area larger,
than independent pixels would have. R is the factor by which the noise of a large area
exceeds what ERR, added in squares, predicts (Casertano et al. 2000, AJ 120, 2747, appendix
A; Fruchter & Hook 2002, equation 9).
"""


def correlated_noise_factor(pixfrac: float, scale_ratio: float) -> float:
    """Return R for the square kernel, many dithers of all phases and equal weights.

    Parameters
    ----------
    pixfrac : float
        Side of the drop over the side of the input pixel.
    scale_ratio : float
        Side of the output pixel over the side of the input pixel.

    Returns
    -------
    float
        At least 1. The noise in an aperture of N output pixels tends to
        ``R * ERR * sqrt(N)``.

    Raises
    ------
    ValueError
        If an argument is not positive.

    Notes
    -----
    With ``r = pixfrac / scale_ratio``: ``r / (1 - 1 / (3 r))`` for r of at least 1, and
    ``1 / (1 - r / 3)`` below. Rotation between the grids changes it by a few per cent.
    """
    if pixfrac <= 0 or scale_ratio <= 0:
        raise ValueError("pixfrac and the scale ratio must be positive")
    ratio = pixfrac / scale_ratio
    if ratio >= 1.0:
        return ratio / (1.0 - 1.0 / (3.0 * ratio))
    return 1.0 / (1.0 - ratio / 3.0)
