"""The planes that a slope fit fills, whole or band by band."""

from typing import NamedTuple

import numpy as np

from ...exposure.records import Plane, SlopePlanes


class SlopeFit(NamedTuple):
    """Slopes of the exposure and of its integrations."""

    exposure: SlopePlanes
    """(rows, cols)"""
    integrations: SlopePlanes
    """(ints, rows, cols)"""
    chi2: Plane
    """(rows, cols), chi2 per degree of freedom; NaN where the fit has none."""


def empty_slopes(n_ints: int, n_rows: int, n_cols: int) -> SlopeFit:
    """Return planes to be filled by `fit_slopes`, band by band."""
    shape = (n_rows, n_cols)
    return SlopeFit(
        _empty_planes(shape),
        _empty_planes((n_ints, *shape)),
        np.empty(shape, np.float32),
    )


def rows_of(fit: SlopeFit, rows: slice) -> SlopeFit:
    """Return the views of some rows of all planes."""
    return SlopeFit(
        cut_planes(fit.exposure, rows),
        cut_planes(fit.integrations, rows),
        fit.chi2[rows],
    )


def _empty_planes(shape: tuple[int, ...]) -> SlopePlanes:
    """Return planes of arbitrary content."""
    return SlopePlanes(
        slope=np.empty(shape, np.float32),
        err=np.empty(shape, np.float32),
        var_poisson=np.empty(shape, np.float32),
        var_read=np.empty(shape, np.float32),
        flags=np.empty(shape, np.uint32),
    )


def cut_planes(planes: SlopePlanes, rows: slice) -> SlopePlanes:
    """Return the views of some rows of slope planes."""
    return SlopePlanes(
        slope=planes.slope[..., rows, :],
        err=planes.err[..., rows, :],
        var_poisson=planes.var_poisson[..., rows, :],
        var_read=planes.var_read[..., rows, :],
        flags=planes.flags[..., rows, :],
    )
