"""Persistence: charge trapped while a pixel was full is released for hours.

Traps of five release times from 1 to 10 000 s are filled in proportion to how full the
well was, turning on at half of it, and empty exponentially whether or not the pixel is
reset (Tulloch & George 2019). The state is handed from exposure to exposure of a detector
in the order of time; the amplitude is an assumption, about 1 % of a full well in all.
"""

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..exposure.timing import Readout
from ..params import StepParams, Unit
from .cosmic_rays import frames_per_integration
from .photons import Events

TIMES_S: Final = (1.0, 10.0, 100.0, 1000.0, 10000.0)
_FAINTEST_E: Final = 1.0
"""Pixels that release less in an integration are left alone, electrons."""


class PersistenceParams(StepParams):
    """How much charge is trapped."""

    enabled: bool = False
    """Whether earlier exposures leave an afterglow; detectors then go in order of time."""
    share: Annotated[float, Field(ge=0, le=1), Unit("1")] = 0.002
    """Share of a full well's charge that each kind of trap takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traps:
    """Charge held back in a detector.

    Attributes
    ----------
    mjd : float, days
        When it was so much.
    row, col : (n,) int64
        Pixels of the full detector that hold any.
    charge_e : (5, n) float64, e-
        By kind of trap (`TIMES_S`).
    """

    mjd: float
    row: NDArray[np.int64]
    col: NDArray[np.int64]
    charge_e: NDArray[np.float64]


def no_traps() -> Traps:
    """Return traps that are all empty."""
    none = np.zeros(0, np.int64)
    return Traps(mjd=0.0, row=none, col=none, charge_e=np.zeros((len(TIMES_S), 0)))


def fill_traps(
    traps: Traps,
    well_share: NDArray[np.float32],
    window: tuple[int, int],
    span: tuple[float, float],
    full_well_e: float,
    params: PersistenceParams,
) -> Traps:
    """Return the traps after an exposure.

    Parameters
    ----------
    traps : Traps
        Before it.
    well_share : (rows, cols) float32
        How full the wells were at the end of an integration, 0 to 1.
    window : (int, int)
        First row and column of the subarray.
    span : (float, float), days and s
        MJD at the end of the exposure, and its duration.
    full_well_e : float, e-
    params : PersistenceParams
    """
    end_mjd, seconds = span
    times = np.array(TIMES_S)[:, None]
    elapsed_s = (end_mjd - traps.mjd) * 86400.0 if traps.row.size else 0.0
    kept = traps.charge_e * np.exp(-elapsed_s / times)
    bright = np.nonzero(well_share > 0.3)
    # A logistic step: traps are reached once the depletion region has shrunk by half.
    reached = 1.0 / (1.0 + np.exp(-(well_share[bright] - 0.5) / 0.05))
    caught = params.share * full_well_e * reached * (1.0 - np.exp(-seconds / times))
    row = np.concatenate([traps.row, bright[0] + window[0]])
    col = np.concatenate([traps.col, bright[1] + window[1]])
    charge = np.concatenate([kept, caught], axis=1)
    # One entry per pixel: a pixel filled again holds the sum, up to its share.
    key, place = np.unique(row * 4096 + col, return_inverse=True)
    joined = np.zeros((len(TIMES_S), key.size))
    for kind in range(len(TIMES_S)):
        np.add.at(joined[kind], place, charge[kind])
    np.minimum(joined, params.share * full_well_e, out=joined)
    return Traps(mjd=end_mjd, row=key // 4096, col=key % 4096, charge_e=joined)


def released(
    traps: Traps, readout: Readout, start_mjd: float, draw: np.random.Generator
) -> Events:
    """Draw what the traps give back during one integration, read by read.

    Parameters
    ----------
    traps : Traps
    readout : Readout
    start_mjd : float, days
        Of the integration.
    draw : numpy.random.Generator

    Returns
    -------
    Events
        ``group`` is 0.
    """
    row, col = traps.row - readout.row_start, traps.col - readout.col_start
    inside = (row >= 0) & (row < readout.n_rows) & (col >= 0) & (col < readout.n_cols)
    n_frames = frames_per_integration(readout)
    edges_s = readout.frame_s * np.arange(n_frames + 1.0)
    since_s = (start_mjd - traps.mjd) * 86400.0
    times = np.array(TIMES_S)[:, None]
    # Share of each kind's charge that is released in each read.
    decay = np.exp(-(since_s + edges_s) / times)
    given = -np.diff(decay, axis=1)
    expected = traps.charge_e[:, inside].T @ given
    glowing = expected.sum(axis=1) > _FAINTEST_E
    electrons = draw.poisson(expected[glowing])
    pixel, frame = np.nonzero(electrons)
    return Events(
        row=row[inside][glowing][pixel].astype(np.int32),
        col=col[inside][glowing][pixel].astype(np.int32),
        frame=frame.astype(np.int32),
        electrons=electrons[pixel, frame].astype(np.float32),
        group=np.zeros(pixel.size, np.int32),
    )
