"""Charge gathered read by read, as the detector sees it.

Between two reads a pixel gathers a Poisson number of electrons; cosmic rays and other
events add theirs at their read. After each read the charge, stopped at the full well,
is turned into counts with the pixel's non-linearity, and the reads of a group are
averaged: what is saturated or bent within a group comes out as on the instrument. The
reads dropped between groups are drawn at once. Every pixel draws from a generator of its
own, seeded by its row's seed, so rows may be computed in any order and on any number of
threads, and what happens in one pixel does not move the photons of another.
"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..exposure.timing import Readout
from ..numerics.jit import kernel
from .pixels import PixelPlanes

Plane = NDArray[np.float32]
_BAND: Final = 64
_INVERSION_LIMIT: Final = 12.0
_NORMAL_LIMIT: Final = 1.0e5
_MOST: Final = 200
_RECIPROCALS: Final = 1.0 / np.maximum(np.arange(_MOST + 1.0), 1.0)
"""A product is faster than a quotient in the innermost loop."""
_GAMMA: Final = np.uint64(0x9E3779B97F4A7C15)
"""Step of splitmix64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Charge that arrives at single pixels at single reads (cosmic rays and the like).

    Attributes
    ----------
    row, col : (n,) int32
    frame : (n,) int32
        Read, counted from 0 at the reset with the dropped ones, that first sees it.
    electrons : (n,) float32, e-
    group : (n,) int32
        Number of the ray or snowball it belongs to; 0 for persistence.
    """

    row: NDArray[np.int32]
    col: NDArray[np.int32]
    frame: NDArray[np.int32]
    electrons: NDArray[np.float32]
    group: NDArray[np.int32]

    @classmethod
    def none(cls) -> "Events":
        """Return no events."""
        empty = np.zeros(0, np.int32)
        return cls(
            row=empty,
            col=empty,
            frame=empty,
            electrons=np.zeros(0, np.float32),
            group=empty,
        )


def join_events(parts: Sequence[Events]) -> Events:
    """Return all events in one."""
    if not parts:
        return Events.none()
    return Events(
        row=np.concatenate([part.row for part in parts]),
        col=np.concatenate([part.col for part in parts]),
        frame=np.concatenate([part.frame for part in parts]),
        electrons=np.concatenate([part.electrons for part in parts]),
        group=np.concatenate([part.group for part in parts]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Counts before bias, coupling and read-out noise.

    Attributes
    ----------
    groups : (groups, rows, cols) float32, DN
        Mean of each group's reads.
    first : (rows, cols) float32, DN
        The first read.
    """

    groups: NDArray[np.float32]
    first: Plane


def gather_charge(
    rate_e_s: Plane,
    pixels: PixelPlanes,
    events: Events,
    readout: Readout,
    seeds: NDArray[np.uint64],
    workers: int = 1,
) -> Signal:
    """Fill the wells of one integration.

    Parameters
    ----------
    rate_e_s : (rows, cols) float32, e-/s
        Light and dark current.
    pixels : PixelPlanes of (rows, cols)
    events : Events
    readout : Readout
    seeds : (rows,) uint64
        One seed for each row (`streams.row_seeds`).
    workers : int
        Threads.

    Notes
    -----
    Poisson numbers by inversion below 12, by Hoermann's (1993) transformed rejection
    PTRS above, by a rounded normal above 1e5, from splitmix64 (Steele et al. 2014).
    """
    n_rows, n_cols = rate_e_s.shape
    order = np.lexsort((events.frame, events.row))
    row_start = np.searchsorted(events.row[order], np.arange(n_rows + 1))
    groups = np.empty((readout.n_groups, n_rows, n_cols), np.float32)
    first = np.empty((n_rows, n_cols), np.float32)
    timing = readout.n_groups, readout.n_frames, readout.n_dropped, readout.frame_s
    arrived = events.frame[order], events.col[order], events.electrons[order]

    def fill(top: int) -> None:
        band = slice(top, min(top + _BAND, n_rows))
        _gather_band(
            (
                rate_e_s[band],
                pixels.gain[band],
                pixels.curvature[band],
                pixels.well_dn[band],
            ),
            arrived,
            row_start[top:],
            timing,
            seeds[band],
            (groups[:, band], first[band]),
        )

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(fill, range(0, n_rows, _BAND)))
    return Signal(groups=groups, first=first)


@kernel
def _gather_band(
    planes: tuple[Plane, Plane, Plane, Plane],
    events: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]],
    row_start: NDArray[np.int64],
    timing: tuple[int, int, int, float],
    seeds: NDArray[np.uint64],
    out: tuple[NDArray[np.float32], Plane],
) -> None:
    """Fill the wells of a band of rows, row by row, read by read."""
    rate, gain, curvature, well = planes
    frames, cols, electrons = events
    n_groups, n_frames, n_dropped, frame_s = timing
    groups, first = out
    n_rows, n_cols = rate.shape
    state = np.empty(n_cols, np.uint64)
    charge, total = np.empty(n_cols), np.empty(n_cols)
    expected, nothing = np.empty(n_cols), np.empty(n_cols)
    expected_gap, nothing_gap = np.empty(n_cols), np.empty(n_cols)
    for i in range(n_rows):
        _seed(seeds[i], state)
        for j in range(n_cols):
            expected[j] = rate[i, j] * frame_s
            nothing[j] = math.exp(-expected[j])
            expected_gap[j] = expected[j] * n_dropped
            nothing_gap[j] = math.exp(-expected_gap[j])
            charge[j] = 0.0
        event, end = row_start[i], row_start[i + 1]
        frame = 0
        for group in range(n_groups):
            total[:] = 0.0
            for k in range(n_frames):
                _add_photons(expected, nothing, gain[i], well[i], charge, state)
                while event < end and frames[event] <= frame:
                    charge[cols[event]] += electrons[event]
                    event += 1
                frame += 1
                _read(charge, gain[i], curvature[i], well[i], total)
                if group == 0 and k == 0:
                    first[i] = total
            for j in range(n_cols):
                groups[group, i, j] = total[j] / n_frames
            if n_dropped and group < n_groups - 1:
                _add_photons(expected_gap, nothing_gap, gain[i], well[i], charge, state)
                frame += n_dropped


@kernel
def _read(
    charge: NDArray[np.float64],
    gain: Plane,
    curvature: Plane,
    well: Plane,
    total: NDArray[np.float64],
) -> None:
    """Add one read's counts to the sum, the charge stopped at the well."""
    for j in range(charge.size):
        signal = charge[j] / gain[j]
        if signal > well[j]:
            signal = np.float64(well[j])
            charge[j] = signal * gain[j]
        total[j] += signal / (1.0 + curvature[j] * signal)


@kernel
def _add_photons(
    expected: NDArray[np.float64],
    nothing: NDArray[np.float64],
    gain: Plane,
    well: Plane,
    charge: NDArray[np.float64],
    state: NDArray[np.uint64],
) -> None:
    """Add a Poisson number of electrons to each pixel that is not full."""
    for j in range(charge.size):
        mean = expected[j]
        if mean <= 0.0 or charge[j] >= well[j] * gain[j]:
            continue
        if mean < _INVERSION_LIMIT:
            charge[j] += _poisson_inversion(mean, nothing[j], state, j)
        elif mean < _NORMAL_LIMIT:
            charge[j] += _poisson_rejection(mean, state, j)
        else:
            charge[j] += np.rint(mean + math.sqrt(mean) * _normal(state, j))


@kernel
def _poisson_inversion(
    mean: float, nothing: float, state: NDArray[np.uint64], j: int
) -> int:
    """Draw by adding up probabilities until a uniform number is passed."""
    u = _uniform(state, j)
    count = 0
    probability = nothing
    while u > probability and count < _MOST:
        u -= probability
        count += 1
        probability *= mean * _RECIPROCALS[count]
    return count


@kernel
def _poisson_rejection(mean: float, state: NDArray[np.uint64], j: int) -> int:
    """Draw by transformed rejection with squeeze, for means above 10."""
    root = math.sqrt(mean)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    fit = 0.9277 - 3.6224 / (b - 2.0)
    log_mean = math.log(mean)
    while True:
        u = _uniform(state, j) - 0.5
        v = 1.0 - _uniform(state, j)
        us = 0.5 - abs(u)
        count = math.floor((2.0 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= fit:
            return count
        if count < 0 or (us < 0.013 and v > us):
            continue
        left = math.log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b)
        if left <= -mean + count * log_mean - math.lgamma(count + 1.0):
            return count


@kernel
def _normal(state: NDArray[np.uint64], j: int) -> float:
    """Draw a normal number (Box & Muller)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - _uniform(state, j)))
    return radius * math.cos(2.0 * math.pi * _uniform(state, j))


@kernel
def _uniform(state: NDArray[np.uint64], j: int) -> float:
    """Return a number in [0, 1) from pixel ``j``'s generator and advance it."""
    state[j] += _GAMMA
    return float(_mixed(state[j]) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@kernel
def _mixed(x: np.uint64) -> np.uint64:
    """Scramble 64 bits (the output function of splitmix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@kernel
def _seed(seed: np.uint64, state: NDArray[np.uint64]) -> None:
    """Start the generators of a row's pixels, far from each other, from one number."""
    for j in range(state.size):
        seed += _GAMMA
        state[j] = _mixed(seed)
