"""Single floats as FITS stores them: big-endian, all NaN alike.

Which of many NaN an operation returns depends on the order of its operands, and so on the
compiler; in a file, and in its content hash, there is one. Words are taken as integers,
because a float that is read in the wrong order may be anything. Constants are words as this
machine sees the bytes in a file.
"""

import numpy as np
from numpy.typing import NDArray

from .jit import kernel

Words = NDArray[np.uint32]


def _as_loaded(stored: bytes) -> np.uint32:
    return np.uint32(np.frombuffer(stored, np.uint32)[0])


_EXPONENT = _as_loaded(b"\x7f\x80\x00\x00")
_FRACTION = _as_loaded(b"\x00\x7f\xff\xff")
_NAN = _as_loaded(b"\x7f\xc0\x00\x00")
_ZERO = np.uint32(0)
_BYTE, _THREE = np.uint32(8), np.uint32(24)
_LOW, _HIGH = np.uint32(0x0000FF00), np.uint32(0x00FF0000)


@kernel
def turn_floats(words: Words, out: Words) -> None:
    """Turn the bytes of each float from little- to big-endian; NaN become one.

    Parameters
    ----------
    words : (n,) uint32
        Floats of a little-endian machine.
    out : (n,) uint32
        Filled.
    """
    for i in range(words.size):
        w = words[i]
        turned = (w << _THREE) | ((w & _LOW) << _BYTE)
        turned |= ((w & _HIGH) >> _BYTE) | (w >> _THREE)
        is_full = (turned & _EXPONENT) == _EXPONENT
        has_fraction = (turned & _FRACTION) != _ZERO
        out[i] = _NAN if is_full & has_fraction else turned


@kernel
def blank_floats(words: Words, blank: NDArray[np.uint8], out: Words) -> None:
    """Copy floats as a file stores them, those to be blanked as NaN; NaN become one.

    Parameters
    ----------
    words : (n,) uint32
        Big-endian floats.
    blank : (n,) uint8
        0 or 1.
    out : (n,) uint32
        Filled; may be ``words``.
    """
    for i in range(words.size):
        # all bits set are a NaN
        w = words[i] | (_ZERO - np.uint32(blank[i]))
        is_full = (w & _EXPONENT) == _EXPONENT
        has_fraction = (w & _FRACTION) != _ZERO
        out[i] = _NAN if is_full & has_fraction else w
