"""What an image between the sources is made of: drift, light, and terms of the sky.

Each is a Gaussian field, a linear map of unknowns of unit variance to the cells of the
image: 32 pixels wide, every row of them, because drift changes from row to row. The light
is smooth, so it is the same in all rows of a square cell.
"""

import itertools
from typing import Final, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ..numerics import fourier
from ..numerics.conjugate_gradients import conjugate_gradients
from .drift_spectrum import stream_length
from .stripes import STRIP, height_of_rows, parabola

CELL: Final = 32
"""Pixels: light fainter than a mask finds within a cell changes more slowly."""
_MODES: Final = 24
"""Cosines along each axis: in a full frame the shortest wave is 178 pixels long."""
_FALL: Final = 3.0
"""Of the light's power over wave number: isothermal halos have 2, disks 6."""

_LIMITS: Final = (1e-3, 200)
"""Share of the error at which to stop, and most rounds."""

Vector = NDArray[np.float64]
Plane = NDArray[np.float64]
"""(rows, cells)"""


class Powers(NamedTuple):
    """Prior variances of the levels, cycle by cycle of the padded stream of rows."""

    own: Vector
    """(cycles,), (DN/s)**2"""
    common: Vector
    """(cycles,), (DN/s)**2"""


class Cells(NamedTuple):
    """Cells within the outputs."""

    first_strip: NDArray[np.intp]
    n_strips: NDArray[np.intp]
    """Strips of each cell."""
    first_row: NDArray[np.intp]
    n_rows: NDArray[np.intp]
    """Rows of each cell."""
    output: NDArray[np.intp]
    """Of each strip."""

    @classmethod
    def of(cls, shape: tuple[int, ...], n_outputs: int) -> Self:
        """Cut up the outputs of an image of so many rows and strips."""
        output = np.arange(shape[1]) * n_outputs // shape[1]
        border = np.searchsorted(output, np.arange(n_outputs + 1))
        pairs = itertools.pairwise(border)
        strips = np.concatenate([np.arange(a, b, CELL // STRIP) for a, b in pairs])
        rows = np.arange(0, shape[0], CELL)
        n_strips = np.diff(np.append(strips, shape[1]))
        return cls(strips, n_strips, rows, np.diff(np.append(rows, shape[0])), output)

    def along_rows(self, values: NDArray[np.float32]) -> Plane:
        """Sum the strips of each row over the cells."""
        summed = np.add.reduceat(values, self.first_strip, axis=1)
        return np.asarray(summed, np.float64)

    def along_columns(self, plane: Plane) -> Plane:
        """Sum over the rows of each cell, (cell rows, cells)."""
        return np.asarray(np.add.reduceat(plane, self.first_row, axis=0), np.float64)

    def mean(self, values: NDArray[np.floating]) -> Plane:
        """Return the mean of strips over each cell, (cell rows, cells)."""
        total = np.add.reduceat(values, self.first_strip, axis=1)
        total = np.add.reduceat(total, self.first_row, axis=0)
        number = np.outer(self.n_rows, self.n_strips)
        return np.asarray(total / number, np.float64)


class Field(Protocol):
    """A linear map of unknowns to cells."""

    @property
    def size(self) -> int:
        """Return the number of unknowns."""

    def weigh(self, weight: Plane) -> None:
        """Prepare the guess; ``weight`` is one over the variance of each cell's mean."""

    def plane(self, part: Vector) -> Plane:
        """Return the values in all cells."""

    def transposed(self, plane: Plane) -> Vector:
        """Return the product with the transposed map."""

    def guess(self, part: Vector) -> Vector:
        """Return the solution as if there were no other field, or nearly so."""


def find_fields(fields: tuple[Field, ...], weight: Plane, right: Plane) -> list[Vector]:
    """Return the conditional mean of the unknowns of each field.

    Parameters
    ----------
    fields : tuple of Field
    weight : (rows, cells) float64, (DN/s)**-2
        Number of pixels over the variance of one.
    right : (rows, cells) float64, 1/(DN/s)
        Sum of the pixels over the variance of one.

    Returns
    -------
    list of vectors
    """
    for field in fields:
        field.weigh(weight)
    ends = np.cumsum([field.size for field in fields])[:-1]
    nothing = np.zeros_like(weight)

    def transposed(plane: Plane) -> Vector:
        return np.concatenate([field.transposed(plane) for field in fields])

    def image_of(whole: Vector) -> Vector:
        pairs = zip(fields, np.split(whole, ends), strict=True)
        seen = sum((field.plane(part) for field, part in pairs), start=nothing)
        return whole + transposed(weight * seen)

    def guess_of(whole: Vector) -> Vector:
        pairs = zip(fields, np.split(whole, ends), strict=True)
        return np.concatenate([field.guess(part) for field, part in pairs])

    def dot(one: Vector, other: Vector) -> float:
        # not by BLAS, whose threads take longer to meet than to add
        return float((one * other).sum())

    whole = conjugate_gradients(image_of, transposed(right), guess_of, dot, _LIMITS)
    return np.split(whole, ends)


class Drift:
    """Levels of the rows of each output, from streams of unit variance."""

    def __init__(self, cells: Cells, powers: Powers) -> None:
        """Take roots of the prior's eigenvalues, of what outputs share and of the rest."""
        output = cells.output[cells.first_strip]
        self._first, self._n_cells = np.unique(
            output, return_index=True, return_counts=True
        )[1:]
        self._outputs, self._rows = len(self._first), int(cells.n_rows.sum())
        self._length = stream_length(self._rows)
        self._prior = powers.own, powers.own + self._outputs * powers.common
        self._filters = np.ones(1), np.ones(1)
        self.size = self._outputs * self._length

    def weigh(self, weight: Plane) -> None:
        """Prepare the guess: as if all rows had the same weight."""
        mean = float(weight.sum()) / (self._outputs * self._rows)
        own, joint = (1.0 / (1.0 + mean * prior) for prior in self._prior)
        self._filters = own, joint

    def levels(self, part: Vector) -> Plane:
        """Return levels, (outputs, rows)."""
        own, joint = (np.sqrt(prior) for prior in self._prior)
        streams = part.reshape(self._outputs, -1)
        return self._filtered(streams, own, joint)[:, : self._rows]

    def plane(self, part: Vector) -> Plane:
        """Return levels in all cells."""
        # contiguous, lest the sum of planes goes across memory
        levels = np.ascontiguousarray(self.levels(part).T)
        return np.repeat(levels, self._n_cells, axis=1)

    def transposed(self, plane: Plane) -> Vector:
        """Return the product with the transposed map."""
        own, joint = (np.sqrt(prior) for prior in self._prior)
        summed = np.add.reduceat(plane, self._first, axis=1).T
        return self._filtered(summed, own, joint).ravel()

    def guess(self, part: Vector) -> Vector:
        """Return a solution for equal weights."""
        streams = part.reshape(self._outputs, -1)
        return self._filtered(streams, *self._filters).ravel()

    def _filtered(self, streams: Plane, own: Vector, joint: Vector) -> Plane:
        cycles = fourier.rfft(streams, self._length, axis=1)
        cycles = own * cycles + (joint - own) * cycles.mean(axis=0)
        return np.asarray(fourier.irfft(cycles, self._length, axis=1), np.float64)


class Modes:
    """Smooth light, from cosines of unit variance."""

    def __init__(self, cells: Cells, scatter: Plane) -> None:
        """``scatter`` is the prior's in each cell, (cell rows, cells), DN/s."""
        self._cells, self._scatter = cells, scatter
        high, wide = (np.arange(min(_MODES, n)) / n for n in scatter.shape)
        wave = np.hypot(high[:, None], wide)
        wave[0, 0] = wave[wave > 0.0].min(initial=1.0)
        power = wave**-_FALL
        self._root = np.sqrt(power / power.sum() * scatter.size)
        self._guess = np.ones(1)
        self.size = power.size

    def weigh(self, weight: Plane) -> None:
        """Prepare the guess: as if the modes did not know of each other."""
        seen = self._cells.along_columns(weight) * self._scatter**2
        self._guess = (1.0 / (1.0 + seen.mean() * self._root**2)).ravel()

    def plane(self, part: Vector) -> Plane:
        """Return the light in all cells."""
        modes = self._root * part.reshape(self._root.shape)
        light = fourier.idctn(modes, self._scatter.shape)
        return np.repeat(self._scatter * light, self._cells.n_rows, axis=0)

    def transposed(self, plane: Plane) -> Vector:
        """Return the product with the transposed map."""
        light = self._scatter * self._cells.along_columns(plane)
        n_high, n_wide = self._root.shape
        modes = fourier.dctn(light)[:n_high, :n_wide]
        return np.asarray(self._root * modes, np.float64).ravel()

    def guess(self, part: Vector) -> Vector:
        """Return a solution for modes alone."""
        return self._guess * part


class Terms:
    """Level and parabola of the sky along the rows, its tilt, and pedestals."""

    def __init__(self, cells: Cells, scatter: tuple[float, float, float]) -> None:
        """``scatter`` are those of level and parabola, of pedestals and of the tilt."""
        smooth, pedestals, tilt = scatter
        self._outputs, self._pedestals = int(cells.output[-1]) + 1, pedestals
        steps = np.arange(self._outputs)[:, None] == cells.output
        across = [smooth * parabola(len(cells.output))]
        across += [pedestals * (steps - 1.0 / self._outputs)]
        whole = np.add.reduceat(np.concatenate(across), cells.first_strip, axis=1)
        self._across = whole / cells.n_strips
        self._up = tilt * height_of_rows(int(cells.n_rows.sum()))
        self._inverse: Plane = np.eye(1)
        self.size = len(whole) + 1

    def weigh(self, weight: Plane) -> None:
        """Prepare the guess: as if there were nothing else."""
        normal = np.eye(self.size)
        normal[:-1, :-1] += (self._across * weight.sum(axis=0)) @ self._across.T
        lever = self._across @ (self._up @ weight)
        normal[-1, :-1] += lever
        normal[:-1, -1] += lever
        normal[-1, -1] += self._up**2 @ weight.sum(axis=1)
        self._inverse = np.asarray(np.linalg.inv(normal), np.float64)

    def plane(self, part: Vector) -> Plane:
        """Return terms in all cells."""
        return np.asarray(part[:-1] @ self._across + (part[-1] * self._up)[:, None])

    def pedestal(self, part: Vector) -> Vector:
        """Return the pedestals, (outputs,), zero on average."""
        steps = self._pedestals * part[-1 - self._outputs : -1]
        return np.asarray(steps - steps.mean())

    def transposed(self, plane: Plane) -> Vector:
        """Return the product with the transposed map."""
        across = self._across @ plane.sum(axis=0)
        return np.append(across, self._up @ plane.sum(axis=1))

    def guess(self, part: Vector) -> Vector:
        """Return the solution for terms alone."""
        return self._inverse @ part
