"""Ghosts of grism exposures: tadpoles and shells.

The grisms of module B are coated on one side only. With GRISMC every bright source has a
tadpole, a compact head with a tail along the columns, about 1385 pixels above the place
of the direct image (F322W2) or 1350 (F444W), with up to 10 pixels more or less; its peak is
10 DN/s for AB 17. With GRISMR weaker ones at an angle are seen in the upper rows. Shells
are diffuse, partial rings of very bright sources. Assumed: the offsets of other
filters (linear in wavelength), lengths, knots, the strength with GRISMR, all of the shells'
geometry; heads scale with the magnitude in the filter.
"""

from typing import Final

import numpy as np

from ...params import StepParams
from ..instrument import N_FULL
from ..streams import stream
from .view import Array, Cause, Stars, Strength, View, Window, window

_OFFSETS: Final = ((3.247, -40.0, 1385.0), (4.421, 36.0, 1350.0))
"""Wavelength (um), columns and rows from the direct image to the head."""
_WANDER_PX: Final = 10.0
_HEAD_DN_S: Final = 10.0
_HEAD_ABMAG: Final = 17.0
_HEAD_PX: Final = 3.0
_TAIL_PX: Final = 160.0
_TAIL_ANGLE: Final = {"GRISMC": 0.0, "GRISMR": np.radians(25.0)}
_STRENGTH: Final = {"GRISMC": 1.0, "GRISMR": 0.15}
_LOWEST_ROW: Final = {"GRISMC": 0.0, "GRISMR": 1650.0}
_FAINTEST_DN_S: Final = 1.0e-4
_ORIGIN: Final = (-1400.0, 700.0)
"""Rows of direct images whose tadpoles were seen."""

_SHELL_ABMAG: Final = 15.5
_SHELL_SHARE: Final = 2.0e-3
"""Brightness of a shell over the peak of the tadpole's head."""
_SHELL_PX: Final = (70.0, 150.0)
_SHELL_WIDTH_PX: Final = 14.0


class TadpoleParams(StepParams):
    """Tadpoles of module B's grisms."""

    enabled: bool = False
    """Whether there are any."""
    strength: Strength = 1.0
    """Brightness over the usual one."""


class ShellParams(StepParams):
    """Shells of module B's grisms."""

    enabled: bool = False
    """Whether there are any."""
    strength: Strength = 1.0
    """Brightness over the assumed one."""


def head_offset(pivot_um: float) -> tuple[float, float]:
    """Return columns and rows from a direct image to the head of its tadpole."""
    (short, col_0, row_0), (long, col_1, row_1) = _OFFSETS
    share = min(max((pivot_um - short) / (long - short), -0.5), 1.5)
    return col_0 + share * (col_1 - col_0), row_0 + share * (row_1 - row_0)


def _has_ghosts(view: View) -> bool:
    return view.detector.name == "NRCBLONG" and bool(view.grism)


def _heads(view: View, stars: Stars) -> tuple[Array, Array, Array]:
    """Return rows, columns and peaks (DN/s) of all heads; the peak is 0 for none."""
    d_col, d_row = head_offset(view.band.pivot_um)
    # The head wanders with the column, for each filter in its own way.
    draw = stream(0, "tadpoles", round(1000 * view.band.pivot_um))
    middle = (N_FULL - 1) / 2.0
    slope = draw.uniform(-0.7, 0.7, 2) * _WANDER_PX / middle
    row = stars.row + d_row + slope[0] * (stars.col - middle)
    col = stars.col + d_col + slope[1] * (stars.col - middle)
    flux = stars.flux_jy * (view.band.pivot_um / 2.0) ** stars.colour
    magnitude = 8.90 - 2.5 * np.log10(flux)
    peak = _HEAD_DN_S * 10 ** (-0.4 * (magnitude - _HEAD_ABMAG))
    seen = (stars.row > _ORIGIN[0]) & (stars.row < _ORIGIN[1])
    seen &= (stars.col > -200.0) & (stars.col < N_FULL + 200.0)
    return row, col, np.where(seen, peak, 0.0)


def tadpoles(
    view: View, params: TadpoleParams, stars: Stars
) -> tuple[Array | None, list[Cause]]:
    """Return the tadpoles of an exposure, (rows, cols) DN/s, and their stars."""
    if not _has_ghosts(view):
        return None, []
    row, col, peak = _heads(view, stars)
    peak = peak * params.strength * _STRENGTH[view.grism]
    visible = (peak > _FAINTEST_DN_S) & (row > _LOWEST_ROW[view.grism])
    image = np.zeros(view.shape)
    causes = []
    reach = 1.2 * _TAIL_PX
    for star in np.flatnonzero(visible):
        head = float(row[star]), float(col[star])
        where = window(
            view, (head[0] - reach, head[0] + 20), (head[1] - reach, head[1] + 20)
        )
        if where is None:
            continue
        draw = stream(0, "tadpoles", 1, *stars.label(int(star)))
        added = peak[star] * _tadpole(where, head, _TAIL_ANGLE[view.grism], draw)
        image[where.place] += added
        causes.append(Cause("TADPOLES", int(star), float(added.sum())))
    return (image, causes) if causes else (None, [])


def _tadpole(
    where: Window, head: tuple[float, float], angle: float, draw: np.random.Generator
) -> Array:
    """Return a head of peak 1, its tail towards lower rows, and up to two knots in it."""
    d_row, d_col = where.row - head[0], where.col - head[1]
    behind = -np.cos(angle) * d_row - np.sin(angle) * d_col
    side = np.sin(angle) * d_row - np.cos(angle) * d_col
    light = np.exp(-0.5 * (behind**2 + side**2) / _HEAD_PX**2)
    fade = np.clip(1.0 - behind / _TAIL_PX, 0.0, 1.0)
    tail = np.where(behind > 0.0, fade * np.exp(-behind / (0.45 * _TAIL_PX)), 0.0)
    light = light + 0.08 * tail * np.exp(-0.5 * (side / _HEAD_PX) ** 2)
    for _ in range(int(draw.integers(0, 3))):
        knot, bright = draw.uniform(0.15, 0.8) * _TAIL_PX, draw.uniform(0.05, 0.3)
        off2 = (behind - knot) ** 2 + side**2
        light = light + bright * np.exp(-0.5 * off2 / _HEAD_PX**2)
    return np.asarray(light)


def shells(
    view: View, params: ShellParams, stars: Stars
) -> tuple[Array | None, list[Cause]]:
    """Return the shells of an exposure, (rows, cols) DN/s, and their stars."""
    if not _has_ghosts(view):
        return None, []
    row, col, peak = _heads(view, stars)
    limit = _HEAD_DN_S * 10 ** (-0.4 * (_SHELL_ABMAG - _HEAD_ABMAG))
    image = np.zeros(view.shape)
    causes = []
    for star in np.flatnonzero((peak > limit) & (params.strength > 0.0)):
        draw = stream(0, "tadpoles", 2, *stars.label(int(star)))
        radius = draw.uniform(*_SHELL_PX)
        # Half way between the direct image and the tadpole.
        d_col, d_row = head_offset(view.band.pivot_um)
        middle = row[star] - 0.5 * d_row, col[star] - 0.5 * d_col
        reach = radius + 5.0 * _SHELL_WIDTH_PX
        where = window(
            view,
            (middle[0] - reach, middle[0] + reach),
            (middle[1] - reach, middle[1] + reach),
        )
        if where is None:
            continue
        d_row, d_col = where.row - middle[0], where.col - middle[1]
        ring = (np.hypot(d_row, d_col) - radius) / _SHELL_WIDTH_PX
        turned = np.arctan2(d_row, d_col) - draw.uniform(0.0, 2.0 * np.pi)
        open_side = 0.5 + 0.5 * np.cos(turned)
        bright = params.strength * _SHELL_SHARE * peak[star]
        added = bright * open_side * np.exp(-0.5 * ring**2)
        image[where.place] += added
        causes.append(Cause("SHELLS", int(star), float(added.sum())))
    return (image, causes) if causes else (None, [])
