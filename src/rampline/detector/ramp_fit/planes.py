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


def move_dark_noise(planes: SlopePlanes, dark_dn_s: Plane) -> None:
    """Count the photon noise of the dark as noise of the reads, in place.

    Parameters
    ----------
    planes : SlopePlanes of (..., rows, cols)
        Owned: only the two variances change, their sum does not.
    dark_dn_s : (rows, cols) float32, DN/s
        Dark current that the fit knew of.

    Notes
    -----
    The noise of the dark does not depend on what is observed, as weights must not. `jwst`
    leaves that of AVDRKCUR in VAR_POISSON, and that of the dark itself out.
    """
    moved = np.fmax(planes.slope, np.float32(0.0))
    moved += dark_dn_s
    np.divide(dark_dn_s, moved, out=moved, where=moved > 0.0)
    moved *= planes.var_poisson
    np.subtract(planes.var_poisson, moved, out=planes.var_poisson)
    np.add(planes.var_read, moved, out=planes.var_read)


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
