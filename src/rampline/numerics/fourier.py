"""Fourier transforms of real streams, in the precision they come in: those of SciPy."""

from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray


def rfft(
    streams: NDArray[np.floating[Any]], length: int | None = None, axis: int = -1
) -> NDArray[np.complexfloating[Any, Any]]:
    """Return the cycles of real streams, padded with zeros to ``length``."""
    return np.asarray(scipy.fft.rfft(streams, length, axis=axis))


def irfft(
    cycles: NDArray[np.complexfloating[Any, Any]] | NDArray[np.floating[Any]],
    length: int | None = None,
    axis: int = -1,
) -> NDArray[np.floating[Any]]:
    """Return the real streams of ``length`` that have these cycles."""
    return np.asarray(scipy.fft.irfft(cycles, length, axis=axis))


def fast_length(least: int) -> int:
    """Return a length from ``least`` on whose transform takes little time."""
    return int(scipy.fft.next_fast_len(least, real=True))


def dctn(plane: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Return the orthonormal cosine transform of a plane."""
    return np.asarray(scipy.fft.dctn(plane, norm="ortho"))


def idctn(
    modes: NDArray[np.floating[Any]], shape: tuple[int, ...]
) -> NDArray[np.floating[Any]]:
    """Return the plane of a shape that has these orthonormal modes, the first of all."""
    return np.asarray(scipy.fft.idctn(modes, s=shape, norm="ortho"))
