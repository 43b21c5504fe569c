"""Small images of Gaussian stars, for the tests of photometry."""

import numpy as np

SIGMA_PX = 1.0
FWHM_PX = 2.354820045030949 * SIGMA_PX


def gaussian_stars(shape, rows, cols, fluxes, sigma=SIGMA_PX):
    """Paint stars, each pixel the value at its centre."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.zeros(shape)
    for row, col, flux in zip(rows, cols, fluxes, strict=True):
        profile = np.exp(-0.5 * ((y - row) ** 2 + (x - col) ** 2) / sigma**2)
        image += flux * profile / (2 * np.pi * sigma**2)
    return image.astype(np.float32)
