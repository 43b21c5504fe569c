"""What the field says about one exposure, read from the products of the first round."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..exposure.planes import SkyPlanes
from ..files.read_mosaic import read_surface
from ..files.templates import read_planes
from ..pipeline.second_round import FieldKnowledge
from ..pipeline.sky_to_mosaic import see_mask, see_scene
from .alignment_table import read_alignment
from .make_survey import read_survey

SOURCES, COMPACT, UNKNOWN = "SOURCES", "COMPACT", "UNKNOWN"
"""Masks of a mosaic: all light; what has a core, which stray light has not; no data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldView:
    """Where the knowledge of the field about one exposure is.

    Attributes
    ----------
    mosaic, sources : Path
        The draft mosaic of its filter, and the mask of its sources.
    hidden : tuple of Path
        Masks of the mosaics that tell sources from stray light.
    alignment, survey : Path
        The alignment table, and the exposure as it was aligned.
    """

    mosaic: Path
    sources: Path
    hidden: tuple[Path, ...]
    alignment: Path
    survey: Path

    def files(self) -> tuple[Path, ...]:
        """Return the products that are read, all with a content hash."""
        return (self.mosaic, self.sources, *self.hidden)


def look_at_field(view: FieldView, planes: SkyPlanes) -> FieldKnowledge:
    """Read the draft mosaic and the masks at the place of one exposure.

    Parameters
    ----------
    view : FieldView
    planes : SkyPlanes
        Of the exposure.

    Raises
    ------
    InputError
        A product that is no longer whole.
    """
    field, grid = read_alignment(view.alignment, [read_survey(view.survey)[1]])
    (geometry,) = field.geometries
    sky = read_surface(view.mosaic)
    scene = see_scene(sky, _read_mask(view.sources, SOURCES), grid, geometry)

    def see(path: Path, name: str) -> NDArray[np.bool_]:
        return see_mask(_read_mask(path, name), grid, geometry)

    hidden = np.zeros(geometry.shape, np.bool_)
    unseen = np.ones(geometry.shape, np.bool_)
    for path in view.hidden:
        hidden |= see(path, COMPACT)
        unseen &= see(path, UNKNOWN)
    # where no other mosaic looks, the own one tells what has a core
    hidden |= unseen & see(view.sources, COMPACT)
    return FieldKnowledge(scene=scene, is_source=hidden, planes=planes)


def _read_mask(path: Path, name: str) -> NDArray[np.bool_]:
    (mask,) = read_planes(path, name)
    return np.asarray(mask, np.bool_)
