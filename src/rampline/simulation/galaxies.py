"""Galaxies: exact Sersic profiles, convolved with the PSF in Fourier space.

The two-dimensional transform of a circular Sersic profile depends on the product of
wave number and effective radius alone, so one table per index serves all galaxies; an
elliptical, tilted one on a distorted detector is the same table read at the length of a
linearly mapped wave vector. Multiplied by the PSF's transform and a phase for the
sub-pixel position, it comes back by one inverse transform. Nothing is sampled before
it is band-limited by the optics, so cusps and sub-pixel positions are exact, and flux
is conserved: the transform is 1 at zero frequency.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.interpolate import CubicSpline
from scipy.special import gamma, gammaincinv

from ..numerics.jit import kernel
from .optics import PointSpread

Array = NDArray[np.float64]

INDEX_STEP: Final = 0.1
"""Sersic indices are rounded to this: one table each."""
_TABLE_POINTS: Final = 2048
_TABLE_STEP: Final = 0.004
"""Step of the table in ln(1 + k r_e)."""
_LOG_POINTS: Final = 8192
"""Points of the logarithmic grid of radii, 1e-9 to 1e9 half-light radii."""
_SIZES: Final = (64, 128, 256, 512, 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """Galaxies as one detector sees them.

    Attributes
    ----------
    positions : (n, 2) float64, pixels
        Row and column, 0-based.
    rates : (n,) or (n, planes) float64, DN/s
        Total rates, of each plane of the image where it has several.
    index : (n,) float64
        Sersic index.
    half_light_px : (n,) float64, pixels
        Semi-major half-light axis, for the size of the stamp.
    shape : (n, 2, 2) float64, pixels
        Maps the unit circle (col, row) to the half-light ellipse on the detector.
    """

    positions: Array
    rates: Array
    index: Array
    half_light_px: Array
    shape: Array


def paint_galaxies(image: Array, spread: PointSpread, galaxies: Profiles) -> None:
    """Add galaxies to an image, in place.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols) float64, DN/s
        Added to.
    spread : PointSpread
    galaxies : Profiles

    Notes
    -----
    Profile: Sersic (1968) with the exact b_n; its transform
    by FFTLog (Hamilton 2000). Light that
    leaves the stamp (eight effective radii and the core of the PSF, at most 1024
    pixels wide) comes back in at its other side.
    """
    reach = 8.0 * galaxies.half_light_px + 24.0
    for k in np.argsort(reach, kind="stable"):
        size = next((s for s in _SIZES if s >= 2 * reach[k]), _SIZES[-1])
        row, col = galaxies.positions[k]
        low_row, low_col = int(np.rint(row)) - size // 2, int(np.rint(col)) - size // 2
        cut = _overlap(image.shape[-2:], low_row, low_col, size)
        if cut is None:
            continue
        table = sersic_transform(round(galaxies.index[k] / INDEX_STEP) * INDEX_STEP)
        optics = _optics_transform(spread, size)
        place = row - low_row, col - low_col, size
        stamp = _stamp(optics, table, galaxies.shape[k], place)
        there, here = cut
        image[..., there[0], there[1]] += np.multiply.outer(
            galaxies.rates[k], stamp[here]
        )


def _overlap(
    shape: tuple[int, ...], low_row: int, low_col: int, size: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Return the slices of the image and of the stamp that meet, or None."""
    first = max(low_row, 0), max(low_col, 0)
    last = min(low_row + size, shape[0]), min(low_col + size, shape[1])
    if first[0] >= last[0] or first[1] >= last[1]:
        return None
    there = slice(first[0], last[0]), slice(first[1], last[1])
    here = (
        slice(first[0] - low_row, last[0] - low_row),
        slice(first[1] - low_col, last[1] - low_col),
    )
    return there, here


@lru_cache(maxsize=16)
def _optics_transform(spread: PointSpread, size: int) -> NDArray[np.complex128]:
    """Return the PSF's transform at the frequencies that the pupil passes.

    Stamps narrower than the PSF cut it, wider ones are padded; the PSF's own sum is
    kept, so light far from the core is lost from galaxies as it is from stars.

    Returns
    -------
    (2 m + 1, m + 1) complex128
        Row frequencies from -m to m, column frequencies from 0 to m, in cycles per
        ``size`` pixels.
    """
    step = spread.oversample
    width = spread.values.shape[0]
    fine = size * step
    half = min(width // 2, fine // 2 - 1)
    middle = slice(width // 2 - half, width // 2 + half + 1)
    board = np.zeros((fine, fine))
    board[: 2 * half + 1, : 2 * half + 1] = spread.values[middle, middle] / step**2
    transform = fft.rfft2(np.roll(board, (-half, -half), axis=(0, 1)))
    highest = min(int(np.ceil(spread.cutoff * size)), fine // 2 - 1)
    rows = np.arange(-highest, highest + 1)
    return np.ascontiguousarray(transform[rows, : highest + 1])


def _stamp(
    optics: NDArray[np.complex128],
    table: Array,
    shape: Array,
    place: tuple[float, float, int],
) -> Array:
    """Return the light per pixel of a galaxy of unit flux.

    The fine transform is folded onto the pixels' own frequencies, which is what
    sampling at pixel centres does.
    """
    row, col, size = place
    folded = np.zeros((size, size), np.complex128)
    _fold(optics, table, shape, (row, col), folded)
    return np.asarray(fft.ifft2(folded).real)


@kernel
def _fold(
    optics: NDArray[np.complex128],
    table: Array,
    shape: Array,
    centre: tuple[float, float],
    folded: NDArray[np.complex128],
) -> None:
    """Add the galaxy's transform at all fine frequencies to the pixels' frequencies."""
    highest = optics.shape[1] - 1
    size = folded.shape[0]
    for i in range(-highest, highest + 1):
        f_row = i / size
        for j in range(highest + 1):
            f_col = j / size
            # Wave vector times the ellipse, transposed: its length is k r_e.
            u = 2.0 * np.pi * (shape[0, 0] * f_col + shape[1, 0] * f_row)
            v = 2.0 * np.pi * (shape[0, 1] * f_col + shape[1, 1] * f_row)
            place = np.log1p(np.sqrt(u * u + v * v)) / 0.004
            k = int(place)
            if k >= table.size - 1:
                continue
            value = table[k] + (place - k) * (table[k + 1] - table[k])
            angle = -2.0 * np.pi * (f_row * centre[0] + f_col * centre[1])
            term = (
                optics[i + highest, j] * value * complex(np.cos(angle), np.sin(angle))
            )
            folded[i % size, j % size] += term
            if j > 0:
                folded[-i % size, -j % size] += term.conjugate()


@lru_cache(maxsize=128)
def sersic_transform(index: float) -> Array:
    """Return the transform of a round Sersic profile of unit flux and half-light radius.

    Parameters
    ----------
    index : float
        Sersic index, 0.3 to 8.

    Returns
    -------
    (2048,) float64
        At ``k r_e = exp(0.004 i) - 1``.
    """
    b = gammaincinv(2 * index, 0.5)
    step = np.log(1e18) / _LOG_POINTS
    log_r = (np.arange(_LOG_POINTS) - (_LOG_POINTS - 1) / 2) * step
    radius = np.exp(log_r)
    # Unit flux: 2 pi times the integral of the profile times r is 1.
    density = np.exp(-b * radius ** (1 / index)) * b ** (2 * index)
    density /= index * gamma(2 * index)
    wave = np.exp(log_r)
    table = fft.fht(density * radius, step, mu=0.0) / wave
    wanted = np.expm1(_TABLE_STEP * np.arange(1, _TABLE_POINTS))
    return np.concatenate([[1.0], CubicSpline(log_r, table)(np.log(wanted))])
