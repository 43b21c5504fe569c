"""How kernels are compiled: once, cached on disk, without the interpreter's lock.

A kernel is a small function on plain arrays and scalars. Threads are not its business:
the runner gives each thread its own band of rows.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def kernel(function: Kernel) -> Kernel:
    """Compile ``function`` with the house options."""
    compiled = njit(nogil=True, cache=True, error_model="numpy")(function)
    return cast("Kernel", compiled)


def fast_kernel(function: Kernel) -> Kernel:
    """Compile ``function`` with fused and reordered products allowed, NaN and inf kept.

    ``contract``, ``nsz`` and ``arcp`` leave NaN and infinities as they are, so flags by
    NaN stay valid; results move by rounding only.
    """
    options = {"contract", "nsz", "arcp"}
    compiled = njit(nogil=True, cache=True, error_model="numpy", fastmath=options)
    return cast("Kernel", compiled(function))


def kernel_part(function: Kernel) -> Kernel:
    """Compile ``function`` as a part of each kernel that calls it.

    What a kernel knows of its arrays, that they are apart and how their rows lie, is known
    in its parts too, so their loops become vector code without tests. They are compiled
    with each caller: one or two of them, in the same file, or the cache would be stale.
    """
    options = {"contract", "nsz", "arcp"}
    compiled = njit(
        nogil=True, cache=True, inline="always", error_model="numpy", fastmath=options
    )
    return cast("Kernel", compiled(function))
