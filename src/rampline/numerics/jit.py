"""How kernels are compiled: once, cached on disk, without the interpreter's lock.

A kernel is a small function on plain arrays and scalars. Threads are not its business:
the runner gives each thread its own band of rows. The first compilation of a process,
that is one that the cache could not answer, is told on the terminal: it takes longer
than anything that follows.
"""

import sys
from collections.abc import Callable
from multiprocessing import current_process
from typing import Any, Final, TypeVar, cast

from numba import njit
from numba.core import event

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

_WORD: Final = "compiling kernels for this machine, once: about half a minute\n"


class _Announcer(event.Listener):
    """Says once that kernels are compiled; of several processes the first does."""

    def __init__(self) -> None:
        self.is_silent = not current_process().name.endswith(("MainProcess", "-1"))

    def on_start(self, event: Any) -> None:
        """Tell of the first kernel of ours."""
        kernel_of = event.data["dispatcher"].py_func.__module__
        if not self.is_silent and kernel_of.startswith("rampline."):
            self.is_silent = True
            sys.stderr.write(_WORD)
            sys.stderr.flush()

    def on_end(self, event: Any) -> None:
        """Say nothing more."""


event.register("numba:compile", _Announcer())  # type: ignore[no-untyped-call]


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
