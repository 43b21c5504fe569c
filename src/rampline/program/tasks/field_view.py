"""What the field tells about one exposure, read from the products of the first round."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...exposure.geometry import Geometry
from ...exposure.grid import Grid
from ...exposure.records import Scene
from ...files.read_mosaic import read_surface
from ...files.templates import read_planes
from ...pipeline.draft_mosaic import blot_grid_mask, blot_scene
from .alignment_table import read_alignment
from .make_survey import read_survey

SOURCES, COMPACT, UNKNOWN = "SOURCES", "COMPACT", "UNKNOWN"
"""Masks of a mosaic: all sources; those with a core, unlike stray light; no data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldView:
    """The files that hold what the field tells about one exposure.

    Attributes
    ----------
    mosaic, sources : Path
        The draft mosaic of its filter, and the mask of its sources.
    hidden : tuple of Path
        Masks of the mosaics by which sources are distinguished from stray light.
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
class OpenView:
    """An exposure with its place in the field; products are read when asked for.

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
        """Return the draft mosaic of its filter, with the sources that other filters show."""
        sky, own = read_surface(self.view.mosaic), self.view.sources
        scene = blot_scene(sky, _read_mask(own, SOURCES), self.grid, self.geometry)
        others = [path for path in self.view.hidden if path != own]
        if not others:
            return scene
        # light that no other mosaic shows is stray light, not a source
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
        # where no other mosaic has data: the sources with a core of its own filter
        return hidden | (unseen & self._see(self.view.sources, COMPACT))

    def _see(self, path: Path, name: str) -> NDArray[np.bool_]:
        return blot_grid_mask(_read_mask(path, name), self.grid, self.geometry)


def open_view(view: FieldView) -> OpenView:
    """Find the place of an exposure in the aligned field.

    Raises
    ------
    InputError
        A product that is no longer whole.
    """
    field, grid = read_alignment(view.alignment, [read_survey(view.survey)[1]])
    return OpenView(view=view, grid=grid, geometry=field.geometries[0])


def _read_mask(path: Path, name: str) -> NDArray[np.bool_]:
    (mask,) = read_planes(path, name)
    return np.asarray(mask, np.bool_)
