"""Separate the stripes from the light of sources that is too faint for the mask.

A mask ends where the noise hides the light, but the light extends further: the wings of
galaxies, or intracluster light. It is far fainter than the noise of a pixel, yet it biases
the mean of half an amplifier row, and is then subtracted as a stripe on both sides of the
source. Unlike a stripe, the light varies along the row, continues into the next amplifier,
and lies next to masked pixels. Light, sky, pedestals and drift are therefore estimated
together, as the conditional mean of Gaussian fields given the unmasked pixels. Where nothing
is masked, the prior expects no light and none is found.
"""

from typing import Final, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from .drift_and_sky import Cells, Drift, Modes, Powers, Terms, add_parts, find_fields
from .stripes import STRIP, Residual

_REACHES: Final = (1.0, 2.0, 4.0, 8.0)
"""Widths, in cells, of the Gaussians that spread the mask: large masks reach farther."""
_HIDING: Final = 3 * STRIP
"""Side, in pixels, of the mask's blocks of intermediate size, which set the light's prior."""
_FREE: Final = 3.0
"""Prior scatter of the sky's level and parabola, in units of a pixel's: uninformative."""


class Told(NamedTuple):
    """Drift and light, separated."""

    level: NDArray[np.float32]
    """(outputs, rows), DN/s: drift, including pedestals; zero on average"""
    pedestal: NDArray[np.float32]
    """(outputs,), DN/s: the pedestals' part of the levels; zero on average"""
    light: NDArray[np.float32]
    """(rows, strips), DN/s: light of sources, sky above its level, and pedestals"""


def tell_light(
    found: Residual,
    variance: float,
    powers: Powers,
    scatter: tuple[float, float],
    known: NDArray[np.float32] | None = None,
) -> Told:
    """Separate drift from faint light.

    Parameters
    ----------
    found : Residual
        Its tilt and pedestals are estimated again; its pedestals set their prior scatter.
    variance : float, (DN/s)**2
        White noise of a pixel.
    powers : Powers
    scatter : (float, float)
        Significance (sigma) at which the mask takes a block for a source; and prior scatter
        of the sky's tilt along the columns, DN/s from the first row to the last.
    known : (rows, strips) float32, optional
        Fraction of each strip in which the light of sources is known and subtracted. Light
        is expected around it, and within it the more, the farther away bare sky is.

    Notes
    -----
    The prior scatter of the light is the level that blocks of 24 pixels hide from the mask,
    times the masked fraction of the surroundings. A map maker for scans (Keihanen et al.
    2010, A&A 510, A57) solves for the same drift, with free pixels instead of a field.
    """
    if variance <= 0.0 or not found.used.any():
        nothing = np.zeros_like(found.total)
        return Told(found.levels.level, found.pedestal, nothing)
    cells = Cells.of(found.total.shape, len(found.pedestal))
    hidden = np.float64(scatter[0]) * np.sqrt(variance) / _HIDING
    drift = Drift(cells, powers)
    light = Modes(cells, hidden * _share_around(found, cells, known))
    pedestals = float(np.sqrt(np.mean(found.pedestal**2)))
    terms = Terms(cells, (_FREE * np.sqrt(variance), pedestals, scatter[1]))
    weight = cells.along_rows(found.used) / variance
    right = cells.along_rows(found.drifting()) / variance
    streams, modes, amounts = find_fields(cells, (drift, light, terms), weight, right)
    pedestal = terms.pedestal(amounts)
    level = drift.levels(streams) + pedestal[:, None]
    sky = cells.spread(add_parts([light.parts(modes), terms.parts(amounts)]))
    return Told(
        (level - level.mean()).astype(np.float32),
        pedestal.astype(np.float32),
        np.repeat(sky.astype(np.float32), cells.n_strips, axis=1),
    )


def _share_around(
    found: Residual, cells: Cells, known: NDArray[np.float32] | None
) -> NDArray[np.float64]:
    """Return the masked fraction of the surroundings of each cell, (cell rows, cells)."""
    # the border around sources is not counted: noise peaks have one, too
    inner = scipy.ndimage.binary_erosion(
        found.is_source, np.ones((3, 3)), border_value=1
    )
    masked = np.repeat(inner, STRIP, axis=0)[: len(found.total)]
    share = np.asarray(masked, np.float64)
    if known is not None:
        share = np.maximum(share, known)
    mean = cells.mean(share)
    around = [scipy.ndimage.gaussian_filter(mean, s, mode="nearest") for s in _REACHES]
    near = np.mean(around, axis=0)
    if known is not None:
        near *= 1.0 - cells.mean(known)
        near += _share_of_reaches(cells.mean(known) > 0.5)
    return np.asarray(near, np.float64)


def _share_of_reaches(known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the fraction of the reaches within which known cells have no bare sky.

    The level of the light subtracted there was never compared with bare sky: it may be
    wrong by the stripes that the first round subtracted.
    """
    if known.all():
        return np.ones(known.shape)
    padded = np.pad(known, 1, mode="edge")
    away = scipy.ndimage.distance_transform_edt(padded)[1:-1, 1:-1]
    return np.asarray(np.mean([away > reach for reach in _REACHES], axis=0))
