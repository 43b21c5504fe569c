"""Holes that saturated cores leave in a mosaic.

Where a star saturates in the first group of every exposure, the mosaic has no data. The
hole is part of the star: without it the rim would fall into several sources.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..exposure.records import Labels, Plane
from .diffraction import Cores

AROUND = np.ones((3, 3), bool)


def find_holes(valid: NDArray[np.bool_], widest: float) -> Labels:
    """Find and number the holes among the data.

    Parameters
    ----------
    valid : (rows, cols) bool
        Where there are data.
    widest : float, pixels
        Larger gaps, and those at the image's edge, lie outside the data.

    Returns
    -------
    (rows, cols) int32
        0 elsewhere.
    """
    labels = np.zeros(valid.shape, np.int32)
    gaps, _ = ndimage.label(~valid, structure=AROUND)
    count = 0
    for k, box in enumerate(ndimage.find_objects(gaps), 1):
        narrow = max(side.stop - side.start for side in box) <= widest
        inner = all(
            side.start > 0 and side.stop < size
            for side, size in zip(box, valid.shape, strict=True)
        )
        if narrow and inner:
            count += 1
            labels[box][gaps[box] == k] = count
    return labels


def fill_holes(holes: Labels, planes: tuple[Plane, ...]) -> None:
    """Fill each hole with the highest value on its rim, in place.

    Parameters
    ----------
    holes : (rows, cols) int32
    planes : tuple of (rows, cols) float32
        Changed within the holes only.
    """
    for k, box in enumerate(ndimage.find_objects(holes), 1):
        wider = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in box)
        inside = holes[wider] == k
        rim = ndimage.binary_dilation(inside, AROUND) & ~inside
        for plane in planes:
            plane[wider][inside] = plane[wider][rim].max()


def locate_cores(
    labels: Labels, peaks: tuple[NDArray[np.int64], NDArray[np.int64]], holes: Labels
) -> Cores:
    """Locate the middle of each source: its peak, or the middle of its largest hole.

    Parameters
    ----------
    labels : (rows, cols) int32
        Sources 1, 2, ..., their holes included.
    peaks : ((sources,) int64, (sources,) int64), pixels
        Row and column.
    holes : (rows, cols) int32

    Returns
    -------
    Cores
    """
    rows, cols = (place.astype(np.float64) for place in peaks)
    radius = np.zeros(rows.size)
    for k, box in enumerate(ndimage.find_objects(holes), 1):
        inside = np.argwhere(holes[box] == k) + [side.start for side in box]
        owner = int(labels[tuple(inside[0])]) - 1
        own_radius = float(np.sqrt(len(inside) / np.pi))
        if owner >= 0 and own_radius > radius[owner]:
            rows[owner], cols[owner] = inside.mean(axis=0)
            radius[owner] = own_radius
    return Cores(rows, cols, radius)
