"""What the field says about one exposure, read from the products of the first round."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..exposure.geometry import Geometry
from ..exposure.grid import Grid
from ..exposure.records import Scene
from ..files.read_mosaic import read_surface
from ..files.templates import read_planes
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookout:
    """One exposure's place in the field; products are read only when asked for.

    Attributes
    ----------
    view : FieldView
    grid : Grid
    geometry : Geometry
        Aligned.
    """

    view: FieldView
    grid: Grid
    geometry: Geometry

    def scene(self) -> Scene:
        """Return what the draft mosaic of its filter says: sources that others show, too."""
        sky, own = read_surface(self.view.mosaic), self.view.sources
        scene = see_scene(sky, _read_mask(own, SOURCES), self.grid, self.geometry)
        others = [path for path in self.view.hidden if path != own]
        if not others:
            return scene
        # what no other mosaic shows is stray light: it stays with the exposure
        elsewhere = np.zeros(self.geometry.shape, np.bool_)
        for path in others:
            elsewhere |= self._see(path, SOURCES) | self._see(path, UNKNOWN)
        return replace(scene, is_source=scene.is_source & elsewhere)

    def sources(self) -> NDArray[np.bool_]:
        """Return the pixels that light of its own filter reaches, (rows, cols) bool."""
        return self._see(self.view.sources, SOURCES)

    def hidden(self) -> NDArray[np.bool_]:
        """Return the pixels that do not show bare sky with stray light, (rows, cols) bool."""
        hidden = np.zeros(self.geometry.shape, np.bool_)
        unseen = np.ones(self.geometry.shape, np.bool_)
        for path in self.view.hidden:
            hidden |= self._see(path, COMPACT)
            unseen &= self._see(path, UNKNOWN)
        # where no other mosaic looks, the own one tells what has a core
        return hidden | (unseen & self._see(self.view.sources, COMPACT))

    def _see(self, path: Path, name: str) -> NDArray[np.bool_]:
        return see_mask(_read_mask(path, name), self.grid, self.geometry)


def open_view(view: FieldView) -> Lookout:
    """Find the place of an exposure in the aligned field.

    Raises
    ------
    InputError
        A product that is no longer whole.
    """
    field, grid = read_alignment(view.alignment, [read_survey(view.survey)[1]])
    return Lookout(view=view, grid=grid, geometry=field.geometries[0])


def _read_mask(path: Path, name: str) -> NDArray[np.bool_]:
    (mask,) = read_planes(path, name)
    return np.asarray(mask, np.bool_)
