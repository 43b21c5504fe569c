"""The sky's pattern on dispersed exposures (WFSSBKG), and the flat that goes with them.

The flats of grisms are empty; those of the same filter without grism take their place.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..exposure.header import Header
from ..exposure.records import Flags32, Plane
from .pixel_file import open_pixel_file
from .selection import ReferenceFiles


class GrismSkyPlanes(NamedTuple):
    """A reference file of the sky's pattern."""

    light: Plane
    """(rows, cols) float32, not flat-fielded; NaN or 0 where unknown."""
    err: Plane
    """(rows, cols) float32; 0 where the file has none."""
    flags: Flags32
    """(rows, cols) uint32"""


def imaging_header(header: Header) -> Header:
    """Return the header of a dispersed exposure as if there were no grism.

    Only to choose a flat by.
    """
    return replace(header, pupil="CLEAR", exp_type="NRC_IMAGE")


def load_grism_sky(files: ReferenceFiles, header: Header) -> GrismSkyPlanes:
    """Load the sky's pattern for a dispersed exposure.

    Raises
    ------
    MissingReferenceError
        If there is none, or it is damaged.
    """
    files.require(header, ["wfssbkg"])
    with open_pixel_file(files.paths["wfssbkg"], "wfssbkg", header) as file:
        light, flags = file.plane(), file.flags()
        err = file.plane("ERR") if file.has("ERR") else np.zeros_like(light)
    return GrismSkyPlanes(light, np.nan_to_num(err, nan=0.0), flags)
