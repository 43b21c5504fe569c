"""Exposures that cannot share a mosaic: another target, a wrong pointing.

All mosaics of a run lie on one tangent plane, which cannot hold exposures far apart, and in
one frame: the sky's or that of one moving target. The others stop at their calibrated
images, and each is reported.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import scipy
from numpy.typing import NDArray

from ..errors import InputError
from ..exposure.header import Header, card_values
from .input.inputs import Inputs, Source
from .tasks.make_cal import is_background
from .tasks.make_exposure import why_no_mosaic

LARGEST_GAP_DEG: Final = 0.5
"""Largest gap within a field: the side of the largest grid at 0.03 arcsec."""
CELL_RAD: Final = 1.0e-3
"""Pointings are binned to 3 arcmin, so that thousands of exposures make few places."""


def set_distant_apart(inputs: Inputs) -> Inputs:
    """Say which sources lie too far from the others for a common mosaic.

    Fields are what gaps of more than half a degree leave between pointings, those of each
    moving target by themselves; the one with the most exposures stays, the first one on a
    tie.

    Returns
    -------
    Inputs
        With ``distant`` set; the sources are the same.
    """
    members = [
        source
        for source in inputs.sources
        if not (why_no_mosaic(source.header) or is_background(source.header))
    ]
    if len(members) < 2:
        return inputs
    toward = _directions(members)
    names = [_followed(source.header) for source in members]
    field = list(zip(_places(toward).tolist(), names, strict=True))
    # of equally many the one counted first
    main, _ = Counter(field).most_common(1)[0]
    centre = toward[[one == main for one in field]].mean(axis=0)
    centre /= np.linalg.norm(centre)
    distant = tuple(
        InputError(
            str(source.path),
            _difference(_angle_deg(one, centre), name, main[1]),
            "calibrated, in no mosaic; reduce it by itself if its header is right",
        )
        for source, one, (place, name) in zip(members, toward, field, strict=True)
        if (place, name) != main
    )
    return replace(inputs, distant=distant)


def _followed(header: Header) -> str:
    """Return the name of the moving target that an exposure follows; empty: none."""
    names = card_values(header.primary)
    return str(names.get("TARGPROP", "unnamed")) if header.is_moving_target else ""


def _difference(angle_deg: float, name: str, main: str) -> str:
    """Return how an exposure differs from those of the mosaic."""
    if name == main:
        return f"looks {angle_deg:.1f} deg away from the other exposures"
    own, others = (f"the moving target {n}" if n else "the sky" for n in (name, main))
    return f"follows {own}, the other exposures {others}"


def _directions(sources: Sequence[Source]) -> NDArray[np.float64]:
    """Return the unit vector towards each exposure's reference point, (n, 3)."""
    pointings = [source.header.pointing for source in sources]
    ra = np.radians([pointing.ra_ref_deg for pointing in pointings])
    dec = np.radians([pointing.dec_ref_deg for pointing in pointings])
    return np.stack(
        [np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1
    )


def _places(toward: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the number of the place of each direction, in the order of appearance."""
    cells, cell = np.unique(np.round(toward / CELL_RAD), axis=0, return_inverse=True)
    steps = cells[:, None] - cells[None]
    near = CELL_RAD * np.linalg.norm(steps, axis=-1) < np.radians(LARGEST_GAP_DEG)
    _, part = scipy.sparse.csgraph.connected_components(near, directed=False)
    part = part[cell.ravel()]
    _, first, number = np.unique(part, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[number], dtype=np.int64)


def _angle_deg(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    chord = float(np.linalg.norm(one - other))
    return float(np.degrees(2.0 * np.arcsin(min(chord / 2.0, 1.0))))
