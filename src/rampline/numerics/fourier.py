"""Fourier transforms of real streams, in the precision they come in.

They are those of SciPy, whose import takes a quarter of a second: it is put off until the
first transform, so that who needs none does not wait for it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def rfft(
    streams: NDArray[np.floating[Any]], length: int | None = None, axis: int = -1
) -> NDArray[np.complexfloating[Any, Any]]:
    """Return the cycles of real streams, padded with zeros to ``length``."""
    from scipy import fft  # noqa: PLC0415 - see above

    return np.asarray(fft.rfft(streams, length, axis=axis))


def irfft(
    cycles: NDArray[np.complexfloating[Any, Any]] | NDArray[np.floating[Any]],
    length: int | None = None,
    axis: int = -1,
) -> NDArray[np.floating[Any]]:
    """Return the real streams of ``length`` that have these cycles."""
    from scipy import fft  # noqa: PLC0415 - see above

    return np.asarray(fft.irfft(cycles, length, axis=axis))


def fast_length(least: int) -> int:
    """Return a length from ``least`` on whose transform takes little time."""
    from scipy import fft  # noqa: PLC0415 - see above

    return int(fft.next_fast_len(least, real=True))


def dctn(plane: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Return the orthonormal cosine transform of a plane."""
    from scipy import fft  # noqa: PLC0415 - see above

    return np.asarray(fft.dctn(plane, norm="ortho"))


def idctn(
    modes: NDArray[np.floating[Any]], shape: tuple[int, ...]
) -> NDArray[np.floating[Any]]:
    """Return the plane of a shape that has these orthonormal modes, the first of all."""
    from scipy import fft  # noqa: PLC0415 - see above

    return np.asarray(fft.idctn(modes, s=shape, norm="ortho"))
