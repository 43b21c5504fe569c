"""A mosaic whose pixels are assigned to sources."""

from typing import NamedTuple

from ..exposure.records import Labels, Plane


class LabelledImage(NamedTuple):
    """Signal, its error and whose each pixel is.

    Attributes
    ----------
    signal, err : (rows, cols) float32, MJy/sr
        NaN where there are no data.
    labels : (rows, cols) int32
        0 on sky, otherwise the number of the pixel's source, counted from 1.
    """

    signal: Plane
    err: Plane
    labels: Labels
