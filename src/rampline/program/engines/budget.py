"""How many exposures fit into memory at once, and what a run will take."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from ...exposure.header import Header
from ...mosaic.window import CONTEXT_BITS
from ..input.options import ReduceOptions

BASE_BYTES = 400_000_000
"""A process with its libraries and compiled kernels."""
RAMP_BYTES = 7
"""Each sample: raw (2), linear counts (4), flags (1)."""
PLANE_BYTES = 120
"""Each pixel: reference planes, results and their copies on the way to disk."""
RATE_BYTES = 28
CAL_BYTES = 28
MOSAIC_BYTES = 38
SEGMENTATION_BYTES = 4
"""Each pixel of a product on disk."""
PLANES = 8
"""Planes of a mosaic beside its context, the median among them, of four bytes a pixel."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may use.

    Attributes
    ----------
    workers : int
        Exposures at once.
    threads : int
        Of each worker.
    """

    workers: int
    threads: int


def plan_budget(headers: Sequence[Header], options: ReduceOptions) -> Budget:
    """Choose the number of workers from cores, memory and --workers."""
    each = max((exposure_bytes(header) for header in headers), default=BASE_BYTES)
    cores = os.cpu_count() or 1
    fitting = max(1, options.max_memory_bytes // each)
    wanted = options.workers or min(cores, fitting, max(len(headers), 1))
    workers = 1 if options.engine == "serial" else wanted
    # a worker of dask has as many tasks at once as it has threads
    threads = 1 if options.engine == "dask" else max(1, cores // workers)
    return Budget(workers, threads)


def exposure_bytes(header: Header) -> int:
    """Estimate the memory that the reduction of one exposure takes."""
    readout = header.readout
    pixels = readout.n_rows * readout.n_cols
    samples = readout.n_ints * readout.n_groups * RAMP_BYTES
    return BASE_BYTES + pixels * (samples + readout.n_groups * 4 + PLANE_BYTES)


def slope_bytes(header: Header) -> int:
    """Estimate the disk space of the slopes of one exposure, with its integrations."""
    readout = header.readout
    ints = readout.n_ints if readout.n_ints > 1 else 0
    return readout.n_rows * readout.n_cols * RATE_BYTES * (1 + ints)


def planes_bytes(n_pixels: int, n_exposures: int) -> int:
    """Return the bytes of a mosaic's planes while it is made, its context included."""
    context = (n_exposures + CONTEXT_BITS - 1) // CONTEXT_BITS
    return 4 * (PLANES + context) * n_pixels
