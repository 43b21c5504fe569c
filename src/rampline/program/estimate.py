"""What each task of a run will take: seconds, memory and disk, estimated from sizes.

The factors were measured on one core of a common server with warm kernels; another
machine, a slow disk or a crowded field may take twice as much. Sizes of mosaics follow
from the pointings in the headers, before anything is aligned.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from ..astrometry.point_spread import PIXEL_ARCSEC
from ..astrometry.tessellation import BLOCK_ARCSEC, MARGIN_ARCSEC
from ..exposure.header import Header
from ..units import DEG_PER_ARCSEC
from .engines.budget import (
    BASE_BYTES,
    CAL_BYTES,
    MOSAIC_BYTES,
    SEGMENTATION_BYTES,
    Budget,
    exposure_bytes,
    planes_bytes,
    slope_bytes,
)
from .input.inputs import Source
from .input.options import ReduceOptions

TASK_S = 0.6
"""Any task on an exposure: opening and closing files, geometry."""
FIELD_S = 1.5
"""Any task on a field."""
SAMPLE_S = 25e-9
"""Each sample of a ramp, raw to slope."""
PIXEL_S = 500e-9
"""Each pixel, slope to sky, with its source list."""
LEDGER_S = 5e-9
"""Each sample of a ramp, for the ledger of its detector's persistence."""
RAW_BYTES = 2
"""Each sample as it was taken."""
DRIZZLE_S = 1e-6
"""Each pixel that enters a mosaic: outliers and drizzle."""
GRID_S = 500e-9
"""Each pixel of a mosaic: catalogue."""
LIBRARIES_BYTES = 360_000_000
"""What a mosaic needs of libraries and compiled kernels."""
MEMBER_BYTES = 20
"""Each pixel of an exposure that waits to be combined."""
LOADING_BYTES, REPLACING_BYTES = 20, 48
"""Each pixel of the two exposures that are being loaded; the second where others have to go
for them."""
PIXELS_A_BYTE = 8
"""Of all exposures, for their outliers."""
SURVEY_BYTES = 3_000_000
"""What the field knows of an exposure."""
MAPPED_BYTES = 80_000_000
"""A mosaic whose planes are mapped: windows, and what is looked at of the planes."""
CATALOG_BYTES = 80
"""Each pixel of a mosaic whose sources are measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEstimate:
    """One task before it is run.

    Attributes
    ----------
    stage, name : str
    detail : str
        What goes in, for people.
    seconds : float
    memory_bytes, disk_bytes : int
    kept_bytes : int
        Of the disk space, what stays when the run is over.
    """

    stage: str
    name: str
    detail: str
    seconds: float
    memory_bytes: int
    disk_bytes: int
    kept_bytes: int


def estimate_tasks(
    sources: Sequence[Source],
    names: Sequence[str],
    scale_arcsec: float,
    options: ReduceOptions,
) -> Iterator[TaskEstimate]:
    """Yield every task of a run in the order of its stages.

    Parameters
    ----------
    sources : sequence of Source
    names : sequence of str
        Root of the mosaic that each of them enters; empty where it enters none.
    scale_arcsec : float
        Of the mosaics.
    options : ReduceOptions
    """
    for source in sources:
        yield _exposure(source, options)
    members = sorted(
        ((name, s.header) for name, s in zip(names, sources, strict=True) if name),
        key=lambda pair: pair[0],
    )
    if not options.reaches("mosaic") or not members:
        return
    yield TaskEstimate(
        stage="alignment",
        name="alignment",
        detail=f"{len(members)} exposures",
        seconds=FIELD_S + 0.05 * len(members),
        memory_bytes=BASE_BYTES,
        disk_bytes=0,
        kept_bytes=0,
    )
    shape = grid_shape([header for _, header in members], scale_arcsec)
    filters = [
        (name, [header for _, header in group])
        for name, group in groupby(members, key=lambda pair: pair[0])
    ]
    for name, headers in filters:
        yield _mosaic(name, headers, shape, options)
    has_catalogs = options.reaches("catalog")
    if has_catalogs:
        for name, _ in filters:
            yield _catalog(name, shape)
    if "crf" in options.keep:
        stage = "catalogues" if has_catalogs else "exposures of the mosaics"
        for name, header in members:
            yield _entered(stage, name, header)


def estimate_ledger(name: str, headers: Sequence[Header]) -> TaskEstimate:
    """Return the task that follows the traps of one detector through its exposures.

    Parameters
    ----------
    name : str
    headers : sequence of Header
        Of its raw exposures.
    """
    samples = [_samples(header) for header in headers]
    return TaskEstimate(
        stage="persistence",
        name=name,
        detail=f"{len(headers)} exposures",
        seconds=TASK_S / 2 + sum(samples) * LEDGER_S,
        memory_bytes=BASE_BYTES + max(samples) * RAW_BYTES,
        disk_bytes=0,
        kept_bytes=0,
    )


def grid_shape(headers: Sequence[Header], scale_arcsec: float) -> tuple[int, int]:
    """Estimate rows and columns of the common grid from pointings and pixel counts."""
    dec = np.array([h.pointing.dec_ref_deg for h in headers])
    ra = np.array([h.pointing.ra_ref_deg for h in headers])
    # a field may lie on both sides of the hour circle of 0
    east = (ra - ra[0] + 180.0) % 360.0 - 180.0
    place = np.stack([east * np.cos(np.radians(dec[0])), dec - dec[0]]) / DEG_PER_ARCSEC
    half = np.array([_half_sizes(header) for header in headers]).T
    span = (place + half).max(axis=1) - (place - half).min(axis=1)
    # edges move out to whole blocks, by half a block each on the average
    span += 2 * MARGIN_ARCSEC + BLOCK_ARCSEC
    n_cols, n_rows = np.ceil(span / scale_arcsec).astype(int)
    return int(n_rows), int(n_cols)


def total_seconds(tasks: Sequence[TaskEstimate], budget: Budget) -> float:
    """Return the time of a run: the stages one after the other, their tasks at once."""
    seconds = 0.0
    for _, group in groupby(tasks, key=lambda task: task.stage):
        each = [task.seconds for task in group]
        seconds += max(sum(each) / budget.workers, *each)
    return seconds


def _half_sizes(header: Header) -> tuple[float, float]:
    """Return half the extent of an exposure to the east and to the north, arcsec."""
    pixel = PIXEL_ARCSEC[header.channel]
    width, height = header.readout.n_cols * pixel, header.readout.n_rows * pixel
    turned = header.pointing.roll_ref_deg + header.pointing.v3i_yang_deg
    s, c = abs(np.sin(np.radians(turned))), abs(np.cos(np.radians(turned)))
    return (width * c + height * s) / 2, (width * s + height * c) / 2


def _samples(header: Header) -> int:
    readout = header.readout
    return readout.n_ints * readout.n_groups * readout.n_rows * readout.n_cols


def _exposure(source: Source, options: ReduceOptions) -> TaskEstimate:
    header, readout = source.header, source.header.readout
    pixels = readout.n_rows * readout.n_cols
    from_raw, to_sky = source.suffix == "uncal", options.reaches("cal")
    made = {
        "rate": slope_bytes(header) * from_raw,
        "cal": pixels * CAL_BYTES * (to_sky and source.suffix != "cal"),
    }
    dropped = options.reaches("mosaic")
    return TaskEstimate(
        stage="exposures",
        name=header.root,
        detail=f"from _{source.suffix}",
        seconds=TASK_S
        + _samples(header) * SAMPLE_S * from_raw
        + pixels * PIXEL_S * to_sky,
        memory_bytes=exposure_bytes(header),
        disk_bytes=sum(made.values()),
        kept_bytes=sum(
            size for name, size in made.items() if name in options.keep or not dropped
        ),
    )


def _mosaic(
    name: str,
    headers: Sequence[Header],
    shape: tuple[int, int],
    options: ReduceOptions,
) -> TaskEstimate:
    pixels = sum(h.readout.n_rows * h.readout.n_cols for h in headers)
    grid = shape[0] * shape[1]
    disk = grid * MOSAIC_BYTES
    return TaskEstimate(
        stage="mosaics",
        name=name,
        detail=f"{len(headers)} exposures on {shape[1]} x {shape[0]} pixels",
        seconds=FIELD_S + pixels * DRIZZLE_S,
        memory_bytes=mosaic_bytes(headers, grid, options.max_memory_bytes // 2),
        disk_bytes=disk,
        kept_bytes=disk,
    )


def mosaic_bytes(headers: Sequence[Header], grid: int, max_bytes: int) -> int:
    """Estimate the memory that a mosaic takes while it is made.

    Parameters
    ----------
    headers : sequence of Header
        Of its exposures.
    grid : int
        Its pixels.
    max_bytes : int
        For exposures.
    """
    sizes = [h.readout.n_rows * h.readout.n_cols for h in headers]
    largest, total = max(sizes), sum(sizes)
    kept = max(1, max_bytes // (largest * MEMBER_BYTES))
    members = min(total, kept * largest) * MEMBER_BYTES
    loading = REPLACING_BYTES if kept < len(sizes) else LOADING_BYTES
    members += largest * loading + total // PIXELS_A_BYTE
    planes = planes_bytes(grid, len(headers))
    planes = planes if planes <= max_bytes // 4 else MAPPED_BYTES
    return LIBRARIES_BYTES + len(headers) * SURVEY_BYTES + members + planes


def _catalog(name: str, shape: tuple[int, int]) -> TaskEstimate:
    grid = shape[0] * shape[1]
    return TaskEstimate(
        stage="catalogues",
        name=f"{name}_cat",
        detail=f"{shape[1]} x {shape[0]} pixels",
        seconds=FIELD_S + grid * GRID_S,
        memory_bytes=BASE_BYTES + grid * CATALOG_BYTES,
        disk_bytes=grid * SEGMENTATION_BYTES,
        kept_bytes=grid * SEGMENTATION_BYTES,
    )


def _entered(stage: str, name: str, header: Header) -> TaskEstimate:
    """Return the writing of an exposure as it entered its mosaic."""
    disk = header.readout.n_rows * header.readout.n_cols * CAL_BYTES
    return TaskEstimate(
        stage=stage,
        name=f"{header.root}_crf",
        detail=f"as it entered {name}",
        seconds=TASK_S,
        memory_bytes=BASE_BYTES,
        disk_bytes=disk,
        kept_bytes=disk,
    )
