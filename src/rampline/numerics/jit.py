"""How kernels are compiled: once, cached on disk, without the interpreter's lock.

A kernel is a small function on plain arrays and scalars. Threads are not its business:
the runner gives each thread its own band of rows. The first compilation of a process,
that is one that the cache could not answer, is told on the terminal: it takes longer
than anything that follows.
"""

import gc
import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, TypeVar, cast

import numpy as np
from numba import njit
from numba.core import event
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher
from numba.core.registry import cpu_target

from .compile_turn import turn

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

_FAST: Final = {"contract", "nsz"}
_WORD: Final = "compiling kernels for this machine, once: about half a minute\n"


class _FirstUse(event.Listener):
    """Lets numba load what it compiles with, once, before it loads or compiles a kernel."""

    def __init__(self) -> None:
        self._is_over = False

    def on_start(self, _event: Any) -> None:
        """Load it, if this is the first time that the compiler's lock is asked for."""
        if not self._is_over:
            self._is_over = True
            _load_compiler()

    def on_end(self, _event: Any) -> None:
        """Do nothing."""


def _load_compiler() -> None:
    """Load numba's compiler as the first kernel would, without SciPy's linear algebra.

    Numba asks here whether there is a BLAS, by importing `scipy.linalg`: half of the time
    of all this, for products of matrices, which no kernel of ours has. We depend on SciPy,
    so there is one, and a kernel of others that needs it imports it then.
    """
    from numba.np import linalg  # noqa: PLC0415 - part of what is loaded

    with global_compiler_lock, _no_collections():
        ask = linalg.ensure_blas
        linalg.ensure_blas = lambda: None
        try:
            cpu_target.target_context.refresh()
        finally:
            linalg.ensure_blas = ask


@contextmanager
def _no_collections() -> Iterator[None]:
    """Collect no garbage meanwhile."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


class _Watch(event.Listener):
    """Sees to what is around the compilation of our kernels.

    They are compiled by one process at a time, which says so once, and while no garbage is
    collected: the compiler makes so many objects that live on that searching them for
    garbage again and again takes a quarter of its time.
    """

    def __init__(self) -> None:
        self._depth, self._is_told, self._collects = 0, False, False

    def on_start(self, event: Any) -> None:
        """Wait for our turn and tell, if the kernel is none that another one calls.

        The compiler's lock is held here, so no other thread of ours compiles.
        """
        kernel_of = event.data["dispatcher"].py_func.__module__
        if self._depth == 0 and not kernel_of.startswith("rampline."):
            return
        self._depth += 1
        if self._depth > 1:
            return
        is_first = turn.take(_anchor.stats.cache_path or "")
        if is_first and not self._is_told:
            self._is_told = True
            sys.stderr.write(_WORD)
            sys.stderr.flush()
        self._collects = gc.isenabled()
        gc.disable()

    def on_end(self, _event: Any) -> None:
        """Collect garbage again."""
        self._depth = max(self._depth - 1, 0)
        if self._depth == 0 and self._collects:
            self._collects = False
            gc.enable()


event.register("numba:compile", _Watch())  # type: ignore[no-untyped-call]


@njit(cache=True)
def _anchor() -> None:
    """Is never compiled: the folder of its cache is known to all processes."""


# making the first dispatcher above asked for the lock, too
event.register("numba:compiler_lock", _FirstUse())  # type: ignore[no-untyped-call]


def kernel(function: Kernel) -> Kernel:
    """Compile ``function`` with the house options."""
    return _compile(function)


def fast_kernel(function: Kernel) -> Kernel:
    """Compile ``function`` with fused products allowed, NaN and inf kept.

    Flags by NaN stay valid; results move by rounding only, and are the same wherever a
    value stands in an array. (With reciprocals allowed too, ``arcp``, vectors would be
    divided by estimates and the last values of a loop exactly.)
    """
    return _compile(function, fastmath=_FAST)


def kernel_part(function: Kernel) -> Kernel:
    """Compile ``function`` as a part of each kernel that calls it.

    What a kernel knows of its arrays, that they are apart and how their rows lie, is known
    in its parts too, so their loops become vector code without tests. They are compiled
    with each caller: one or two of them.
    """
    return _compile(function, inline="always", fastmath=_FAST)


def _compile(function: Kernel, **options: Any) -> Kernel:
    compiled = njit(nogil=True, cache=True, error_model="numpy", **options)(function)
    if isinstance(compiled, Dispatcher):
        file = _cache_file(compiled)
        how = sorted(options.get("fastmath", ()))
        known = repr((file._source_stamp, how, _compiled_in(function.__module__)))  # noqa: SLF001
        file._source_stamp = hashlib.sha256(known.encode()).digest()  # noqa: SLF001
    return cast("Kernel", compiled)


def _cache_file(compiled: Any) -> Any:
    """Return where a kernel is kept; numba has no public way to say what it depends on."""
    return compiled._cache._cache_file  # noqa: SLF001


@cache
def _compiled_in(module: str) -> list[tuple[str, object]]:
    """Return what the kernels of a module may have compiled in from other files.

    Called at its first kernel, when all that it imports is there. Numba looks for changes
    in a kernel's own file only. What it takes from others would stay as it was after their
    change, also after an update of the package: kernels, constants, and the order of the
    arrays in a record.
    """
    found: list[tuple[str, object]] = []
    for name, value in vars(sys.modules[module]).items():
        if isinstance(value, Dispatcher):
            found.append((name, _cache_file(value)._source_stamp))  # noqa: SLF001
        elif isinstance(value, int | float | np.generic):
            found.append((name, repr(value)))
        elif hasattr(value, "_fields"):
            found.append((name, value._fields))
    return found
