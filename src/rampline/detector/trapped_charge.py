"""The ledger of trapped charge: the traps of each pixel, from exposure to exposure.

While a pixel is full, its depletion region shrinks and traps at its edge are filled. They
empty over seconds to hours, whether or not the pixel is reset, and their charge looks like
light in later exposures. It is modelled by traps of several release times (Tulloch & George
2019, JATIS 5, 026004, arXiv:1908.06469, have one per decade; two per decade follow any law
of decay to a few per cent). The filling of the traps of each kind, from 0 to 1, is computed
from the history of the pixel alone; the charge that full traps hold is measured for each
detector (`trap_amplitudes`). Only pixels that were bright are kept, by row and column of
the whole detector, so that exposures of different subarrays and visits can be combined.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

TIMES_S: Final = (1.0, 3.2, 10.0, 32.0, 100.0, 320.0, 1000.0, 3200.0, 10000.0)
"""Release times of the kinds of traps, s."""
SHARES: Final = (0.3, 0.45, 0.55, 0.7, 1.0)
"""Fillings of the well at which the filling curve of the traps is tabulated."""
HALF_WELL: Final = (0.0, 0.25, 0.75, 1.0, 1.0)
"""Fraction of its traps that a pixel of these `SHARES` fills, before any measurement: they
start to fill at about half the full well and do not fill further above it."""
_SIDE: Final = 4096
"""Larger than the number of columns of a detector."""
_EMPTY: Final = 1e-4
"""Pixels whose traps are all filled less than this are dropped."""


class Illumination(NamedTuple):
    """The bright pixels of one exposure."""

    row: NDArray[np.int32]
    """(n,), in the whole detector."""
    col: NDArray[np.int32]
    """(n,)"""
    share: NDArray[np.float32]
    """(n,): fraction of the full well filled at the end; 1 where saturated."""
    start_mjd: float
    seconds: float
    """From the start of the exposure to its end."""


class Traps(NamedTuple):
    """Filling of the traps of a detector at a given time."""

    mjd: float
    row: NDArray[np.int32]
    """(n,), in the whole detector; sorted by row, then column."""
    col: NDArray[np.int32]
    filling: NDArray[np.float32]
    """(kinds, n), 0 to 1, in the order of `TIMES_S`."""


class TrapAmplitudes(NamedTuple):
    """Charge that the traps of a typical pixel of a detector hold when full."""

    charge_dn: NDArray[np.float64]
    """(kinds,), DN, in the order of `TIMES_S`."""
    covariance: NDArray[np.float64]
    """(kinds, kinds), DN**2"""
    curve: NDArray[np.float64]
    """(5,): fraction of its traps that a pixel fills, in the order of `SHARES`."""
    scatter: float
    """Relative scatter of the charge from pixel to pixel."""


def no_traps() -> Traps:
    """Return a detector whose traps are all empty."""
    none = np.zeros(0, np.int32)
    return Traps(0.0, none, none, np.zeros((len(TIMES_S), 0), np.float32))


def find_bright(
    last_dn: NDArray[np.float32],
    superbias_dn: NDArray[np.float32],
    full_well_dn: NDArray[np.float32],
    window: tuple[int, int],
    when: tuple[float, float],
) -> Illumination:
    """Find the pixels that were filled far enough to fill traps.

    Parameters
    ----------
    last_dn : (rows, cols) float32, DN
        Raw counts of the last group, the maximum over all integrations.
    superbias_dn, full_well_dn : (rows, cols) float32, DN
        Level after a reset and saturation limit, raw; pixels without them are skipped.
    window : (int, int)
        First row and column of the subarray.
    when : (float, float), days and s
        MJD at the start of the exposure, and its duration.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (last_dn - superbias_dn) / (full_well_dn - superbias_dn)
    row, col = np.nonzero(np.isfinite(share) & (share > SHARES[0]))
    return Illumination(
        (row + window[0]).astype(np.int32),
        (col + window[1]).astype(np.int32),
        np.minimum(share[row, col], 1.0).astype(np.float32),
        *when,
    )


def expose_traps(traps: Traps, lit: Illumination, curve: NDArray[np.float64]) -> Traps:
    """Return the traps at the end of an exposure.

    Parameters
    ----------
    traps : Traps
        At any time before the exposure.
    lit : Illumination
    curve : (5,) float64
        Fraction of its traps that a pixel fills, in the order of `SHARES`.

    Notes
    -----
    The traps of a pixel relax towards the fraction given by the filling of its well, each
    kind with its release time: Q <- Q exp(-t / tau) + A F (1 - exp(-t / tau)).
    """
    end = lit.start_mjd + lit.seconds / 86400.0
    kept = empty_traps(traps, end)
    reached = np.interp(lit.share, SHARES, curve)
    times = np.array(TIMES_S)[:, None]
    caught = reached * -np.expm1(-lit.seconds / times)
    key = np.concatenate([_key(kept.row, kept.col), _key(lit.row, lit.col)])
    pixels, place = np.unique(key, return_inverse=True)
    filling = np.zeros((len(times), pixels.size))
    filling[:, place[: kept.row.size]] = kept.filling
    filling[:, place[kept.row.size :]] += caught
    held = filling.max(axis=0) > _EMPTY
    pixels = pixels[held]
    return Traps(
        end,
        (pixels // _SIDE).astype(np.int32),
        (pixels % _SIDE).astype(np.int32),
        np.minimum(filling[:, held], 1.0).astype(np.float32),
    )


def carry_shares(
    before: Traps, share: NDArray[np.float32], lit: Illumination, after: Traps
) -> NDArray[np.float32]:
    """Return for each pixel of ``after`` the filling of the well that last filled its traps.

    Parameters
    ----------
    before : Traps
    share : (n,) float32
        The same for the pixels of ``before``.
    lit : Illumination
        Exposure between the two.
    after : Traps
    """
    keys = np.concatenate([_key(lit.row, lit.col), _key(before.row, before.col)])
    shares = np.concatenate([lit.share, share])
    # of two entries for a pixel the first, the more recent one, is kept
    pixels, first = np.unique(keys, return_index=True)
    wanted = np.searchsorted(pixels, _key(after.row, after.col))
    return np.asarray(shares[first[wanted]], np.float32)


def empty_traps(traps: Traps, mjd: float) -> Traps:
    """Return the traps at a later time without light; unchanged for an earlier time."""
    elapsed_s = max(0.0, (mjd - traps.mjd) * 86400.0) if traps.row.size else 0.0
    left = np.exp(-elapsed_s / np.array(TIMES_S))[:, None]
    return traps._replace(mjd=mjd, filling=(traps.filling * left).astype(np.float32))


def released_shares(read_times_s: ArrayLike, start_s: float) -> NDArray[np.float64]:
    """Return the fraction of the traps that has been released in each group.

    Parameters
    ----------
    read_times_s : (groups, frames) float64, s
        Times of the averaged reads since the reset.
    start_s : float, s
        Time from the state of the traps to the reset of the integration.

    Returns
    -------
    (kinds, groups) float64
        Released since the reset, which removes all charge released before.
    """
    reads = np.asarray(read_times_s, np.float64)
    times = np.array(TIMES_S)[:, None, None]
    since = np.exp(-start_s / times) - np.exp(-(start_s + reads) / times)
    return np.asarray(since.mean(axis=2))


def cut_traps(
    traps: Traps, window: tuple[int, int, int, int]
) -> tuple[Traps, NDArray[np.bool_]]:
    """Return the traps within a subarray, with its rows and columns, and their mask.

    Parameters
    ----------
    traps : Traps
    window : (int, int, int, int)
        First row, first column, rows, columns.
    """
    row, col = traps.row - window[0], traps.col - window[1]
    inside = (row >= 0) & (row < window[2]) & (col >= 0) & (col < window[3])
    cut = Traps(traps.mjd, row[inside], col[inside], traps.filling[:, inside])
    return cut, inside


def _key(row: NDArray[np.int32], col: NDArray[np.int32]) -> NDArray[np.int64]:
    return row.astype(np.int64) * _SIDE + col
