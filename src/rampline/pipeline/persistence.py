"""Persistence on the path: bindings of its two steps.

What the traps of a detector hold at the start of an exposure comes with the reference planes
(`persistence_ledger`).
"""

from typing import Final

import numpy as np

from ..detector.band import PixelNoise, RampBand
from ..detector.persistence import (
    AfterglowErrorParams,
    PersistenceParams,
    add_afterglow_error,
    cut_held,
    predict_release,
    remove_afterglow,
)
from ..exposure.planes import RampPlanes
from ..exposure.ramp_state import LinearRamp
from ..exposure.records import SlopeImage
from .runner import Banded

EXTENSION: Final = "PERSIST"
"""Plane of the subtracted afterglow, DN/s."""


def persistence(
    ramp: LinearRamp, planes: RampPlanes, params: PersistenceParams
) -> Banded[LinearRamp]:
    """Subtract the afterglow of earlier exposures.  DN in, DN out."""
    held, readout = planes.held, ramp.header.readout
    if held is None or held.row.size == 0:
        return Banded(ramp, _nothing)
    release = predict_release(held, readout)
    removed = np.zeros((readout.n_rows, readout.n_cols), np.float32)
    removed[held.row, held.col] = release.rate_dn_s

    def work(rows: slice) -> None:
        own, inside = cut_held(held, rows)
        if own.row.size:
            part = ramp.rows(rows)
            remove_afterglow(
                RampBand(
                    part.counts, part.group_flags, part.pixel_flags, part.zero_frame
                ),
                PixelNoise(planes.gain[rows], planes.read_noise_dn[rows]),
                own,
                release._replace(
                    charge_dn=release.charge_dn[..., inside],
                    first_read_dn=release.first_read_dn[..., inside],
                ),
                readout,
                params,
            )

    return Banded(ramp.without(EXTENSION, removed), work)


def afterglow_error(
    image: SlopeImage, planes: RampPlanes, _params: AfterglowErrorParams
) -> SlopeImage:
    """Add what is uncertain of the subtracted afterglow to the variances, in place."""
    held, removed = planes.held, image.extras.get(EXTENSION)
    if held is not None and removed is not None:
        slopes = [image.planes]
        if image.integrations is not None:
            slopes.append(image.integrations)
        add_afterglow_error(slopes, held, removed[held.row, held.col])
    return image


def _nothing(_rows: slice) -> None:
    """Leave the band as it is."""
