"""Ellipses around the events of a group: the snowball masks of the standard pipeline.

A region of flags is described by the ellipse with the same second moments. Coordinates
follow ``stcal``: column before row; axes are full lengths, the minor one first; the angle
is that of the major axis from the row axis, in degrees.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..numerics.jit import kernel
from .regions import Regions, filled_areas, sum_moments

_MIN_RING = 8
"""Number of pixels of the smallest ring that encloses a hole."""


class Ellipse(NamedTuple):
    """One ellipse in a plane."""

    col: float
    row: float
    minor: float
    major: float
    angle_deg: float


Ellipses: TypeAlias = NDArray[np.float64]
"""(5, n): ellipses of a group, in the order of the fields of `Ellipse`."""


def fit_ellipses(regions: Regions, min_area: float) -> Ellipses:
    """Fit ellipses to the regions of at least ``min_area`` pixels, holes filled."""
    box = regions.box
    enclosed = (box[:, 1] - box[:, 0] + 1) * (box[:, 3] - box[:, 2] + 1)
    open_question = (regions.area < min_area) & (regions.area >= _MIN_RING)
    area = filled_areas(regions, open_question & (enclosed >= min_area))
    return _fit(regions, np.flatnonzero(area >= min_area))


def _fit(regions: Regions, chosen: NDArray[np.intp]) -> Ellipses:
    """Return the ellipses with the second moments of the chosen regions."""
    n = regions.area[chosen]
    r, c, rr, rc, cc = sum_moments(regions)[chosen].T
    # exact integers: the angle for equal moments does not depend on rounding
    row_row, row_col, col_col = n * rr - r * r, n * rc - r * c, n * cc - c * c
    middle, half = 0.5 * (row_row + col_col), 0.5 * (row_row - col_col)
    reach = np.hypot(half, row_col)
    even = np.where(row_col <= 0, -0.25 * math.pi, 0.25 * math.pi)
    angle = np.where(half == 0, even, 0.5 * np.arctan2(2 * row_col, 2 * half))
    columns = (
        regions.box[chosen, 2] + c / n,
        regions.box[chosen, 0] + r / n,
        4.0 * np.sqrt(np.maximum(middle - reach, 0.0)) / n - 1.0,
        4.0 * np.sqrt(middle + reach) / n - 1.0,
        np.degrees(angle),
    )
    return np.stack(columns)


def list_ellipses(ellipses: Ellipses) -> list[Ellipse]:
    """Return the ellipses as a list."""
    return [Ellipse(*column) for column in ellipses.T.tolist()]


def expanded(ellipse: Ellipse, factor: float, max_width: float) -> Ellipse:
    """Return the ellipse with both axes longer by (``factor`` - 1) times the minor axis."""
    grown = (factor - 1.0) * min(ellipse.minor, ellipse.major)
    minor = min(ellipse.minor + grown, max_width)
    major = min(ellipse.major + grown, max_width)
    return ellipse._replace(minor=minor, major=major)


def contain(ellipses: Ellipses, col: float, row: float) -> NDArray[np.bool_]:
    """Return which ellipses contain a point, (n,), by the test of ``stcal``.

    In this test ``stcal`` measures the angle from the column axis, so that an elongated
    ellipse is mirrored about the diagonal.
    """
    own_col, own_row, minor, major, angle_deg = ellipses
    angle = np.radians(180.0 - angle_deg)
    x, y = col - own_col, row - own_row
    along = x * np.cos(angle) - y * np.sin(angle)
    across = x * np.sin(angle) + y * np.cos(angle)
    semi_major, semi_minor = (
        0.5 * np.maximum(major, minor),
        0.5 * np.minimum(major, minor),
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        far = (along / semi_major) ** 2 + (across / semi_minor) ** 2
    is_flat = (semi_major == 0.0) | (semi_minor == 0.0)
    return np.asarray((far <= 1.0) & ~is_flat, np.bool_)


def ellipse_mask(
    ellipse: Ellipse, shape: tuple[int, int]
) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """Draw a filled ellipse with centre and semi-axes rounded to pixels.

    Parameters
    ----------
    ellipse : Ellipse
    shape : (int, int)
        Rows and columns of the plane.

    Returns
    -------
    window : (slice, slice)
        Position of the mask in the plane.
    mask : (rows, cols) bool
    """
    form = _drawn([ellipse])
    top, stop, left, end = (int(edge) for edge in _window(form[0], shape))
    mask = np.zeros((stop - top, end - left), np.uint8)
    form[0, :2] -= top, left
    _fill_ellipses(mask, form, 1, 0)
    return (slice(top, stop), slice(left, end)), mask.view(np.bool_)


def flag_ellipses(
    flags: NDArray[np.uint8], ellipses: Sequence[Ellipse], bit: int, veto: int
) -> None:
    """Add a bit inside ellipses, drawn as by `ellipse_mask`.

    Parameters
    ----------
    flags : (rows, cols) uint8
        Owned.
    ellipses : sequence of Ellipse
    bit : int
    veto : int
        Pixels with this bit are not changed.
    """
    _fill_ellipses(flags, _drawn(ellipses), bit, veto)


def _drawn(ellipses: Sequence[Ellipse]) -> NDArray[np.float64]:
    """Return (n, 6): row, column, semi-axes, all rounded, cosine and sine of the angle."""
    form = np.empty((len(ellipses), 6))
    for own, ellipse in zip(form, ellipses, strict=True):
        angle = math.radians(ellipse.angle_deg) % math.pi
        axes = round(ellipse.minor / 2), round(ellipse.major / 2)
        place = round(ellipse.row), round(ellipse.col)
        own[:] = *place, *axes, math.cos(angle), math.sin(angle)
    return form


@kernel
def _window(
    form: NDArray[np.float64], shape: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return first and last + 1 row and column that an ellipse may reach."""
    row, col = int(form[0]), int(form[1])
    reach = int(max(form[2], form[3])) + 2
    top, left = max(row - reach, 0), max(col - reach, 0)
    stop, end = min(row + reach + 1, shape[0]), min(col + reach + 1, shape[1])
    return top, stop, left, end


@kernel
def _fill_ellipses(
    flags: NDArray[np.uint8], forms: NDArray[np.float64], bit: int, veto: int
) -> None:
    """Add a bit inside ellipses, where the veto bit is not set."""
    shape = flags.shape[0], flags.shape[1]
    for k in range(len(forms)):
        row, col, semi_minor, semi_major = (
            forms[k, 0],
            forms[k, 1],
            forms[k, 2],
            forms[k, 3],
        )
        cosine, sine = forms[k, 4], forms[k, 5]
        if semi_minor == 0.0 or semi_major == 0.0:
            continue
        top, stop, left, end = _window(forms[k], shape)
        for r in range(top, stop):
            for c in range(left, end):
                y, x = r - row, c - col
                along = (y * cosine + x * sine) / semi_major
                across = (y * sine - x * cosine) / semi_minor
                is_inside = along * along + across * across < 1.0
                if is_inside and flags[r, c] & veto == 0:
                    flags[r, c] |= np.uint8(bit)
