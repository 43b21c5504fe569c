"""Components of an image between the sources: drift, faint light, and terms of the sky.

Each is a Gaussian field, a linear map from unknowns of unit variance to the cells of the
image. Cells are 32 pixels wide and one row high, because drift changes from row to row. The
light is smooth, so it is the same in all rows of a square cell. Levels of amplifier rows and
values of square cells are stored separately; the full image is never formed.
"""

import itertools
from typing import Final, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ..numerics import fourier
from ..numerics.conjugate_gradients import conjugate_gradients
from ..numerics.jit import kernel
from .drift_spectrum import stream_length
from .stripes import STRIP, height_of_rows, parabola

CELL: Final = 32
"""Width of a cell, pixels; light too faint for the mask varies on larger scales."""
_MODES: Final = 24
"""Cosines along each axis: in a full frame the shortest wavelength is 178 pixels."""
_FALL: Final = 3.0
"""Slope of the light's power over wave number: 2 for isothermal halos, 6 for disks."""

_LIMITS: Final = (1e-3, 200)
"""Relative residual at which to stop, and maximum number of iterations."""

Vector = NDArray[np.float64]
Plane = NDArray[np.float64]
"""(rows, cells)"""


class Powers(NamedTuple):
    """Prior variances of the levels, for each cycle in the padded stream of rows."""

    own: Vector
    """(cycles,), (DN/s)**2"""
    common: Vector
    """(cycles,), (DN/s)**2"""


class Parts(NamedTuple):
    """An image of cells as the sum of two repeating parts; or the sums of an image."""

    rows: Plane
    """(rows, outputs): the same in all cells of a row of an output."""
    squares: Plane
    """(cell rows, cells): the same in all rows of a cell."""


class Cells(NamedTuple):
    """Cells within the outputs."""

    first_strip: NDArray[np.intp]
    n_strips: NDArray[np.intp]
    """Number of strips of each cell."""
    first_row: NDArray[np.intp]
    n_rows: NDArray[np.intp]
    """Number of rows of each cell."""
    output: NDArray[np.intp]
    """Output of each strip."""

    @classmethod
    def of(cls, shape: tuple[int, ...], n_outputs: int) -> Self:
        """Divide the outputs of an image of the given rows and strips into cells."""
        output = np.arange(shape[1]) * n_outputs // shape[1]
        border = np.searchsorted(output, np.arange(n_outputs + 1))
        pairs = itertools.pairwise(border)
        strips = np.concatenate([np.arange(a, b, CELL // STRIP) for a, b in pairs])
        rows = np.arange(0, shape[0], CELL)
        n_strips = np.diff(np.append(strips, shape[1]))
        return cls(strips, n_strips, rows, np.diff(np.append(rows, shape[0])), output)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Return the number of rows, outputs, cell rows and cells of a row."""
        n_outputs = int(self.output[-1]) + 1
        return int(self.n_rows.sum()), n_outputs, len(self.n_rows), len(self.n_strips)

    def along_rows(self, values: NDArray[np.float32]) -> Plane:
        """Sum the strips of each row over the cells."""
        summed = np.add.reduceat(values, self.first_strip, axis=1)
        return np.asarray(summed, np.float64)

    def along_columns(self, plane: Plane) -> Plane:
        """Sum over the rows of each cell, (cell rows, cells)."""
        return np.asarray(np.add.reduceat(plane, self.first_row, axis=0), np.float64)

    def spread(self, parts: Parts) -> Plane:
        """Return the image, (rows, cells)."""
        levels = parts.rows[:, self.output[self.first_strip]]
        return np.asarray(levels + np.repeat(parts.squares, self.n_rows, axis=0))

    def add_up(self, weight: Plane, parts: Parts) -> Parts:
        """Return the sums over rows and squares of the image times a weight."""
        n_rows, n_outputs, n_high, n_wide = self.shape
        sums = Parts(np.zeros((n_rows, n_outputs)), np.zeros((n_high, n_wide)))
        border = np.arange(n_outputs + 1)
        first_cell = np.searchsorted(self.output[self.first_strip], border)
        _add_weighted(weight, parts, (self.first_row, first_cell), sums)
        return sums

    def mean(self, values: NDArray[np.floating]) -> Plane:
        """Return the mean of strips over each cell, (cell rows, cells)."""
        total = np.add.reduceat(values, self.first_strip, axis=1)
        total = np.add.reduceat(total, self.first_row, axis=0)
        number = np.outer(self.n_rows, self.n_strips)
        return np.asarray(total / number, np.float64)


class Field(Protocol):
    """A linear map from unknowns to cells."""

    @property
    def size(self) -> int:
        """Return the number of unknowns."""

    def weigh(self, weight: Plane) -> None:
        """Prepare the preconditioner; ``weight`` is the inverse variance of cell means."""

    def parts(self, part: Vector) -> Parts:
        """Return the image."""

    def transposed(self, sums: Parts) -> Vector:
        """Return the product of the transposed map with an image that has these sums."""

    def guess(self, part: Vector) -> Vector:
        """Return an approximate solution in the absence of other fields."""


def find_fields(
    cells: Cells, fields: tuple[Field, ...], weight: Plane, right: Plane
) -> list[Vector]:
    """Return the conditional mean of the unknowns of each field.

    Parameters
    ----------
    cells : Cells
    fields : tuple of Field
    weight : (rows, cells) float64, (DN/s)**-2
        Number of pixels over the variance of a pixel.
    right : (rows, cells) float64, 1/(DN/s)
        Sum of the pixels over the variance of a pixel.

    Returns
    -------
    list of vectors
    """
    for field in fields:
        field.weigh(weight)
    ends = np.cumsum([0, *(field.size for field in fields)]).tolist()

    def split(whole: Vector) -> list[Vector]:
        return [whole[a:b] for a, b in itertools.pairwise(ends)]

    def transposed(sums: Parts) -> Vector:
        return np.concatenate([field.transposed(sums) for field in fields])

    def image_of(whole: Vector) -> Vector:
        pairs = zip(fields, split(whole), strict=True)
        seen = add_parts([field.parts(part) for field, part in pairs])
        return whole + transposed(cells.add_up(weight, seen))

    def guess_of(whole: Vector) -> Vector:
        pairs = zip(fields, split(whole), strict=True)
        return np.concatenate([field.guess(part) for field, part in pairs])

    def dot(one: Vector, other: Vector) -> float:
        # not by BLAS: synchronising its threads takes longer than the sum
        return float((one * other).sum())

    one = Parts(np.ones(cells.shape[:2]), np.zeros(cells.shape[2:]))
    told = transposed(cells.add_up(right, one))
    whole = conjugate_gradients(image_of, told, guess_of, dot, _LIMITS)
    return split(whole)


def add_parts(images: list[Parts]) -> Parts:
    """Return the sum of some images."""
    rows, squares = zip(*images, strict=True)
    return Parts(sum(rows[1:], start=rows[0]), sum(squares[1:], start=squares[0]))


class Drift:
    """Levels of the rows of each output, from cycles of unit variance.

    The unknowns are the real and imaginary parts of the cycles in an orthonormal scale, so
    that prior and preconditioner, which are the same for all rows, act on each alone.
    """

    def __init__(self, cells: Cells, powers: Powers) -> None:
        """Take square roots of the prior's eigenvalues, common and own."""
        self._rows, self._outputs = cells.shape[:2]
        self._dark = np.zeros(cells.shape[2:])
        self._length = stream_length(self._rows)
        whole = powers.own + self._outputs * powers.common
        self._prior = np.repeat(powers.own, 2), np.repeat(whole, 2)
        self._roots = self._mixer(*(np.sqrt(prior) for prior in self._prior))
        self._filters = self._roots
        self._scale = np.full(whole.size, np.sqrt(self._length / 2.0))
        # the cycles that are their own mirror images
        self._scale[:: self._length // 2 if self._length % 2 == 0 else whole.size] = (
            np.sqrt(self._length)
        )
        self.size = self._outputs * 2 * whole.size

    def weigh(self, weight: Plane) -> None:
        """Prepare the preconditioner: equal weight for all rows."""
        mean = float(weight.sum()) / (self._outputs * self._rows)
        filters = (1.0 / (1.0 + mean * prior) for prior in self._prior)
        self._filters = self._mixer(*filters)

    def levels(self, part: Vector) -> Plane:
        """Return levels, (outputs, rows)."""
        cycles = self._scale * self._mixed(part, *self._roots).view(np.complex128)
        streams = fourier.irfft(cycles, self._length, axis=1)
        return np.asarray(streams[:, : self._rows], np.float64)

    def parts(self, part: Vector) -> Parts:
        """Return the levels as an image."""
        return Parts(np.ascontiguousarray(self.levels(part).T), self._dark)

    def transposed(self, sums: Parts) -> Vector:
        """Return the product with the transposed map."""
        cycles = fourier.rfft(sums.rows.T, self._length, axis=1) / self._scale
        return self._mixed(cycles.view(np.float64), *self._roots).ravel()

    def guess(self, part: Vector) -> Vector:
        """Return a solution for equal weights."""
        return self._mixed(part, *self._filters).ravel()

    def _mixer(self, own: Vector, joint: Vector) -> tuple[Vector, Vector]:
        """Return the factors of each output and of the sum of the outputs.

        The mean of the outputs is multiplied by ``joint`` and the rest by ``own``.
        """
        return own, (joint - own) / self._outputs

    def _mixed(self, part: Vector, own: Vector, shared: Vector) -> Plane:
        """Multiply each output by one factor and add the sum times the other."""
        each = part.reshape(self._outputs, -1)
        return np.asarray(own * each + shared * each.sum(axis=0))


class Modes:
    """Smooth light, from cosines of unit variance."""

    def __init__(self, cells: Cells, scatter: Plane) -> None:
        """``scatter`` is the prior scatter in each cell, (cell rows, cells), DN/s."""
        self._cells, self._scatter = cells, scatter
        self._level = np.zeros(cells.shape[:2])
        high, wide = (np.arange(min(_MODES, n)) / n for n in scatter.shape)
        wave = np.hypot(high[:, None], wide)
        wave[0, 0] = wave[wave > 0.0].min(initial=1.0)
        power = wave**-_FALL
        self._root = np.sqrt(power / power.sum() * scatter.size)
        self._up, self._along = (
            cosines(n, m) for n, m in zip(scatter.shape, power.shape, strict=True)
        )
        self._guess = np.ones(1)
        self.size = power.size

    def weigh(self, weight: Plane) -> None:
        """Prepare the preconditioner: modes taken as independent."""
        seen = self._cells.along_columns(weight) * self._scatter**2
        self._guess = (1.0 / (1.0 + seen.mean() * self._root**2)).ravel()

    def parts(self, part: Vector) -> Parts:
        """Return the light as an image."""
        modes = self._root * part.reshape(self._root.shape)
        light = self._up @ modes @ self._along.T
        return Parts(self._level, np.asarray(self._scatter * light))

    def transposed(self, sums: Parts) -> Vector:
        """Return the product with the transposed map."""
        light = self._scatter * sums.squares
        modes = self._up.T @ light @ self._along
        return np.asarray(self._root * modes, np.float64).ravel()

    def guess(self, part: Vector) -> Vector:
        """Return a solution for modes alone."""
        return self._guess * part


def cosines(n: int, most: int) -> Plane:
    """Return the first orthonormal cosines of ``n`` cells, (n, most)."""
    wave = np.outer(np.arange(n) + 0.5, np.arange(most)) * (np.pi / n)
    scale = np.where(np.arange(most) > 0, np.sqrt(2.0 / n), np.sqrt(1.0 / n))
    return np.asarray(np.cos(wave) * scale)


class Terms:
    """Level and parabola of the sky along the rows, its tilt, and pedestals."""

    def __init__(self, cells: Cells, scatter: tuple[float, float, float]) -> None:
        """``scatter`` is that of level and parabola, of the pedestals, and of the tilt."""
        smooth, pedestals, tilt = scatter
        self._shape, self._outputs, self._pedestals = (
            cells.shape,
            cells.shape[1],
            pedestals,
        )
        steps = np.arange(self._outputs)[:, None] == cells.output
        across = [smooth * parabola(len(cells.output))]
        across += [pedestals * (steps - 1.0 / self._outputs)]
        whole = np.add.reduceat(np.concatenate(across), cells.first_strip, axis=1)
        self._across = whole / cells.n_strips
        self._up = tilt * height_of_rows(int(cells.n_rows.sum()))
        self._inverse: Plane = np.eye(1)
        self.size = len(whole) + 1

    def weigh(self, weight: Plane) -> None:
        """Prepare the preconditioner: the terms alone."""
        normal = np.eye(self.size)
        normal[:-1, :-1] += (self._across * weight.sum(axis=0)) @ self._across.T
        lever = self._across @ (self._up @ weight)
        normal[-1, :-1] += lever
        normal[:-1, -1] += lever
        normal[-1, -1] += self._up**2 @ weight.sum(axis=1)
        self._inverse = np.asarray(np.linalg.inv(normal), np.float64)

    def parts(self, part: Vector) -> Parts:
        """Return terms as an image."""
        rows, squares = np.empty(self._shape[:2]), np.empty(self._shape[2:])
        rows[:] = (part[-1] * self._up)[:, None]
        squares[:] = part[:-1] @ self._across
        return Parts(rows, squares)

    def pedestal(self, part: Vector) -> Vector:
        """Return the pedestals, (outputs,), zero on average."""
        steps = self._pedestals * part[-1 - self._outputs : -1]
        return np.asarray(steps - steps.mean())

    def transposed(self, sums: Parts) -> Vector:
        """Return the product with the transposed map."""
        across = self._across @ sums.squares.sum(axis=0)
        return np.append(across, self._up @ sums.rows.sum(axis=1))

    def guess(self, part: Vector) -> Vector:
        """Return the solution for terms alone."""
        return self._inverse @ part


@kernel
def _add_weighted(
    weight: Plane,
    parts: Parts,
    first: tuple[NDArray[np.intp], NDArray[np.intp]],
    sums: Parts,
) -> None:
    """Add the weighted image to ``sums``.

    ``first`` is the first row of each square; the first cell of each output, followed by
    the number of cells.
    """
    first_row, first_cell = first
    for high in range(len(first_row)):
        light, squares = parts.squares[high], sums.squares[high]
        last = first_row[high + 1] if high + 1 < len(first_row) else len(weight)
        for r in range(first_row[high], last):
            level, total, own = parts.rows[r], sums.rows[r], weight[r]
            for k in range(len(level)):
                height, summed = level[k], 0.0
                for c in range(first_cell[k], first_cell[k + 1]):
                    seen = own[c] * (height + light[c])
                    summed += seen
                    squares[c] += seen
                total[k] += summed
