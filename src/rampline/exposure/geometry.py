"""Where the pixels of an exposure look, and where they land on another grid.

Both are smooth, so they are kept at nodes every few pixels and interpolated by local
cubics (``numerics.nodes``); the nodes reach at least one step beyond the frame.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .header import Pointing


def _identity() -> NDArray[np.float64]:
    return np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """The path from a pixel to the sky.

    Attributes
    ----------
    v2v3_arcsec : (node_rows, node_cols, 2) float64, arcsec
        V2 and V3 of the node at row ``origin + step * i``, column ``origin + step * j``:
        the distortion with the filter offset, before velocity aberration and alignment.
    step : int, pixels
        Distance of the nodes.
    origin : int
        Row and column of the first node (negative: outside the frame).
    shape : (int, int)
        Rows and columns of the exposure.
    pointing : Pointing
    correction : (2, 3) float64, arcsec
        Alignment: in the tangent plane at (V2_REF, V3_REF), after velocity aberration,
        (x, y) becomes ``correction[:, :2] @ (x, y) + correction[:, 2]``.
    """

    v2v3_arcsec: NDArray[np.float64]
    step: int
    origin: int
    shape: tuple[int, int]
    pointing: Pointing
    correction: NDArray[np.float64] = field(default_factory=_identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelMap:
    """Where the pixels of an exposure land on a grid.

    Attributes
    ----------
    nodes : (node_rows, node_cols, 2) float64, pixels
        Row and column on the grid (0-based, centres at integers) of each node.
    step, origin : int
        As in `Geometry`.
    shape : (int, int)
        Rows and columns of the exposure.
    """

    nodes: NDArray[np.float64]
    step: int
    origin: int
    shape: tuple[int, int]
