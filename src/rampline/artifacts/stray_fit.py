"""Fit the strength of known stray light in one exposure.

A least-squares fit of its components with a gradient of the sky and a free level for
each amplifier row, to means of blocks: otherwise 1/f noise, which drifts from row to
row, would be taken for light that covers hundreds of rows. Blocks are clipped
asymmetrically, because sources are brighter than the sky. Minimising the scatter
instead would bias the strength low where stray light leaks into the source mask.
"""

from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..exposure.records import Plane
from ..exposure.timing import OUTPUT_COLUMNS
from ..numerics.jit import kernel
from ..numerics.selection import MAD_TO_SIGMA
from ..params import Count, Factor, Pixels, PixelsFloat, Sigma, StepParams
from .cells import average_blocks, expand, spread

BLOCK: Final = 4
"""Width of a block of the fit, pixels: light this smooth has no finer detail."""
CLIP_LOW, CLIP_HIGH = -4.0, 2.5
"""Blocks farther from the fit are excluded, sigma."""
ROUNDS: Final = 6
SETTLED: Final = 1e-4
"""Fraction of the blocks that may still change sides when the clipping ends."""
MARGIN_PX: Final = 128
"""Rows of sky around the stray light that are included in the fit."""
SKY_TERMS: Final = 3
Vector = NDArray[np.float64]


class StrayLightParams(StepParams):
    """How wisps and claws are found and subtracted."""

    least_exposures: Annotated[Count, Field(ge=2)] = 3
    """Minimum number of exposures of a detector and filter for a template."""
    smoothing: PixelsFloat = 3.0
    """Standard deviation of the Gaussian that smooths the finest detail of a template."""
    threshold: Sigma = 3.0
    """Minimum significance of the smoothed median for a region of the template."""
    least_area: Pixels = 500
    """Minimum area of a region of the template."""
    significance: Sigma = 5.0
    """Minimum significance of a strength for it to be subtracted."""
    strongest: Factor = 3.0
    """Strengths above this many times that of the template are rejected."""
    templates: str = ""
    """Folder of wisp templates: FITS files with detector and filter in their names, one
    or more for each. If empty, templates are made from the exposures themselves."""


class StrayTemplate(NamedTuple):
    """Stray light on one detector in one filter."""

    light: Plane
    """(components, rows, cols), in the unit of the exposures; 0 where none was found.
    The first is the light itself; for the others see ``n_light``."""
    err: Plane
    """(rows, cols): standard error of the light; 0 where there is none."""
    bits: NDArray[np.uint16]
    """(rows, cols): of the ``ARTIFACT`` plane."""
    n_light: int = 1
    """Number of leading components that are light, whose strength cannot be negative;
    the others describe changes of its shape."""
    shift_px: float = 0.0
    """Largest dither between the exposures, pixels: their mosaic shows the light as far
    from where it is."""
    cell_px: int = 1
    """Pixels to a side of its rows and columns."""

    def fit(
        self, exposure: Plane, params: StrayLightParams, block_px: int = BLOCK
    ) -> "StrayFit":
        """Return its strength in an exposure in the same cells, by `fit_strength`."""
        sampling = Sampling(self.n_light, self.cell_px, block_px)
        return fit_strength(exposure, self.light, params, sampling)

    def expanded(self, shape: tuple[int, ...]) -> "StrayTemplate":
        """Return it in the pixels of a frame."""
        bits = spread(self.bits, self.cell_px, shape)
        nothing = np.float32(0)
        planes = [
            np.where(bits > 0, expand(part, self.cell_px, shape), nothing)
            for part in (*self.light, self.err)
        ]
        light = np.stack(planes[:-1])
        return self._replace(light=light, err=planes[-1], bits=bits, cell_px=1)

    def shrunk(self, cell_px: int) -> "StrayTemplate":
        """Return it, of single pixels, in cells."""
        light = np.stack([average_blocks(part, cell_px)[0] for part in self.light])
        err, _ = average_blocks(self.err, cell_px)
        bits = self.bits[cell_px // 2 :: cell_px, cell_px // 2 :: cell_px]
        bits = bits[: err.shape[0], : err.shape[1]]
        return self._replace(light=light, err=err, bits=bits, cell_px=cell_px)


class StrayFit(NamedTuple):
    """The strength of the stray light in one exposure."""

    strength: float
    """Factor for the first component; 0 if it is not subtracted."""
    measured: float
    """The fitted strength, subtracted or not; NaN if it could not be fitted."""
    strength_err: float
    further: tuple[float, ...] = ()
    """Factors for the further components; 0 if nothing is subtracted."""
    further_err: tuple[float, ...] = ()

    @property
    def is_sure(self) -> bool:
        """Whether there is something to subtract."""
        return any(value != 0.0 for value in (self.strength, *self.further))

    def light(self, template: StrayTemplate) -> tuple[Plane, Plane]:
        """Return the light of a template as fitted, and its error, each (rows, cols)."""
        total, variance = np.zeros((2, *template.err.shape), np.float32)
        strengths = (self.strength, *self.further)
        errors = (self.strength_err, *self.further_err)
        each = zip(template.light, strengths, errors, strict=True)
        for k, (component, strength, error) in enumerate(each):
            total += np.float32(strength) * component
            variance += (np.float32(error) * component) ** 2
            if k < template.n_light:
                own = np.where(component != 0, template.err, np.float32(0))
                variance += (np.float32(strength) * own) ** 2
        return total, np.sqrt(variance)


NO_FIT: Final = StrayFit(0.0, np.nan, np.inf)


class Sampling(NamedTuple):
    """What the planes of a fit are."""

    n_light: int = 1
    """As in `StrayTemplate`."""
    cell_px: int = 1
    """Pixels to a side of a row or column, at most ``block_px``."""
    block_px: int = BLOCK
    """Width of a block of the fit, pixels."""


def fit_strength(
    exposure: Plane,
    light: Plane,
    params: StrayLightParams,
    sampling: Sampling = Sampling(),  # noqa: B008
) -> StrayFit:
    """Fit the strength of stray light in one exposure.

    Parameters
    ----------
    exposure : (rows, cols) float32
        Minus its sky, any unit; NaN on sources and bad pixels.
    light : (components, rows, cols) float32
        Of a `StrayTemplate`, in the same unit.
    params : StrayLightParams
    sampling : Sampling
        If it has more than one component of light, those with negative strength are
        removed one by one.

    Returns
    -------
    StrayFit
        Not subtracted unless at least one light component exceeds
        ``params.significance`` times its error and all are below ``params.strongest``.
        Components that describe changes of shape may have either sign.
    """
    nothing = (0.0,) * (len(light) - 1)
    n_light, cell_px, block_px = sampling
    box = find_box((light != 0).any(axis=0), sampling)
    if box is None:
        return NO_FIT._replace(further=nothing, further_err=nothing)
    width = block_px // cell_px
    values, weight = average_blocks(exposure[box], width)
    shapes = [average_blocks(component[box], width)[0] for component in light]
    used = weight > 0.5
    row = _amplifier_rows(values.shape, exposure.shape[1], sampling)[used]
    if used.sum() < 10 * (SKY_TERMS + len(shapes)):
        return NO_FIT._replace(further=nothing, further_err=nothing)
    basis = np.stack([*_sky_terms(values.shape), *shapes], axis=-1)
    seen = values[used].astype(np.float64)
    found, error = clipped_fit(seen, basis[used], row)
    lit = slice(SKY_TERMS, SKY_TERMS + n_light)
    while n_light > 1 and (found[lit] < 0.0).any():
        # one at a time: the others may change sign
        basis[:, :, SKY_TERMS + int(found[lit].argmin())] = 0.0
        found, error = clipped_fit(seen, basis[used], row)
    strength, *further = (float(value) for value in found[SKY_TERMS:])
    strength_err, *further_err = (float(value) for value in error[SKY_TERMS:])
    strengths, errors = found[lit], error[lit]
    sure = (strengths > params.significance * errors).any()
    if not (sure and strengths.max() < params.strongest):
        return StrayFit(0.0, strength, strength_err, nothing, nothing)
    return StrayFit(
        strength, strength, strength_err, tuple(further), tuple(further_err)
    )


def _sky_terms(shape: tuple[int, ...]) -> Sequence[Vector]:
    """Return a constant and the slopes along rows and columns."""
    rows, cols = np.indices(shape) / max(shape)
    return np.ones(shape), rows, cols


def _amplifier_rows(
    shape: tuple[int, ...], n_cells: int, sampling: Sampling
) -> NDArray[np.intp]:
    """Return the index of the amplifier row of each block, for full-width rows."""
    n_cols = n_cells * sampling.cell_px
    width = output_width(n_cols)
    row, col = np.indices(shape)
    output = col // (width // sampling.block_px)
    return np.asarray(row * (-(-n_cols // width)) + output, np.intp)


def output_width(n_cols: int) -> int:
    """Return the columns per amplifier: all, unless a multiple of `OUTPUT_COLUMNS`."""
    return OUTPUT_COLUMNS if n_cols % OUTPUT_COLUMNS == 0 else n_cols


def clipped_fit(
    values: Vector, basis: Vector, group: NDArray[np.intp]
) -> tuple[Vector, Vector]:
    """Return coefficients and errors of a fit with a free level for each group.

    Values far from the fit, mostly sources, are clipped.

    Parameters
    ----------
    values : (n,) float64
    basis : (n, m) float64
        A component without light, or without differences within groups, has the
        coefficient 0.
    group : (n,) int
    """
    used = np.ones(len(values), np.bool_)
    both = np.column_stack([values, basis])
    means = np.empty((int(group.max()) + 1, both.shape[1]))
    normal = np.empty((both.shape[1], both.shape[1]))
    residual = np.empty(len(values))
    solution: Vector = np.zeros(basis.shape[1])
    variance, scatter = solution, 0.0
    for _ in range(ROUNDS):
        _normal_of_groups(both, group, used, means, normal)
        inverse = np.linalg.pinv(normal[1:, 1:], hermitian=True)
        solution, variance = inverse @ normal[1:, 0], np.diag(inverse)
        _residual_of_groups(both, group, means, solution, residual)
        scatter = float(np.median(np.abs(residual[used]))) * MAD_TO_SIGMA
        inside = (residual > CLIP_LOW * scatter) & (residual < CLIP_HIGH * scatter)
        if scatter == 0.0 or (inside != used).mean() < SETTLED:
            break
        used = inside
    return solution, np.sqrt(np.maximum(variance, 0.0)) * scatter


def find_box(
    found: NDArray[np.bool_], sampling: Sampling
) -> tuple[slice, slice] | None:
    """Return the box of the rows used in a fit; None if nothing was found."""
    rows = np.flatnonzero(found.any(axis=1))
    if rows.size == 0:
        return None
    margin = MARGIN_PX // sampling.cell_px
    block = sampling.block_px // sampling.cell_px
    low = max(0, int(rows[0]) - margin) // block * block
    return slice(low, int(rows[-1]) + margin), slice(0, found.shape[1])


@kernel
def _normal_of_groups(  # noqa: C901
    columns: Vector,
    group: NDArray[np.intp],
    used: NDArray[np.bool_],
    means: Vector,
    normal: Vector,
) -> None:
    """Fill means of columns in groups, and sums of products of what differs from them.

    ``columns`` is (n, m), ``means`` (groups, m), ``normal`` (m, m).
    """
    n, m = columns.shape
    count = np.zeros(means.shape[0])
    means[:] = 0.0
    for i in range(n):
        if used[i]:
            count[group[i]] += 1.0
            for k in range(m):
                means[group[i], k] += columns[i, k]
    for g in range(means.shape[0]):
        for k in range(m):
            means[g, k] /= max(count[g], 1.0)
    normal[:] = 0.0
    even = np.empty(m)
    for i in range(n):
        if used[i]:
            for k in range(m):
                even[k] = columns[i, k] - means[group[i], k]
            for k in range(m):
                for j in range(k + 1):
                    normal[k, j] += even[k] * even[j]
    for k in range(m):
        for j in range(k):
            normal[j, k] = normal[k, j]


@kernel
def _residual_of_groups(
    columns: Vector,
    group: NDArray[np.intp],
    means: Vector,
    solution: Vector,
    residual: Vector,
) -> None:
    """Fill the first column less the fit of the others, all less their groups' means."""
    for i in range(len(residual)):
        g = group[i]
        left = columns[i, 0] - means[g, 0]
        for k in range(len(solution)):
            left -= solution[k] * (columns[i, k + 1] - means[g, k + 1])
        residual[i] = left
