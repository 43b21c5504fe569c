"""Align all exposures of a field: every mosaic waits for this."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ...astrometry.distortion_update import largest_change
from ...astrometry.footprint import enclosing_cone
from ...astrometry.image_sources import detector_name
from ...astrometry.pixel_map import grid_from_cards
from ...astrometry.reference_catalog import (
    J2000_MJD,
    ReferenceStars,
    read_reference_stars,
)
from ...errors import InputError, NetworkError, ParameterError, RamplineError, name_some
from ...exposure.grid import Grid
from ...files.catalogs import read_catalog
from ...files.content import hash_file
from ...files.read_mosaic import read_image_cards
from ...pipeline.sky_to_mosaic import (
    AlignedField,
    SkyToMosaic,
    Survey,
    align_field,
    choose_grid,
)
from ...units import MAS_PER_ARCSEC
from .alignment_table import read_alignment, stored_key, write_alignment
from .make_survey import read_survey
from .products import Made
from .task_key import make_key

log = logging.getLogger(__name__)

MODULE = "program.tasks.make_alignment"
NO_ANSWER = "Gaia could not be asked: no absolute alignment"
LARGEST_GRID = 60_000
"""Pixels along a side: a field of half a degree at 0.03 arcsec."""


_NAMED: Final = 3
"""Exposures named in one line for each reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentRequest:
    """What the alignment task is to do.

    Attributes
    ----------
    surveys : tuple of Path
        Of all exposures, all filters.
    align_to : str
        ``gaia``, ``none`` or an ECSV file.
    grid : Path or None
        Mosaic whose grid is used.
    table : Path
        Where the result goes.
    params : SkyToMosaic
    """

    surveys: tuple[Path, ...]
    align_to: str
    grid: Path | None
    table: Path
    params: SkyToMosaic


def make_alignment(request: AlignmentRequest) -> Made:
    """Align the exposures of a field and choose the grid of its mosaics.

    Raises
    ------
    RamplineError
        No catalogue, or no exposure that may enter a mosaic.
    """
    surveys = [read_survey(path)[1] for path in request.surveys]
    key = _key(request)
    if stored_key(request.table) == key:
        field, _ = read_alignment(request.table, surveys)
        note = describe_alignment(field, request.align_to)
        return Made(path=request.table, made=(), note=note)
    stars, problem = _stars(request.align_to, surveys)
    field = align_field(surveys, stars, request.params.alignment)
    grid = _grid(field, request)
    # without a key the table is never up to date: a failed network is tried again
    said = NO_ANSWER if problem else ""
    write_alignment(request.table, field, grid, "" if problem else key, said)
    note = describe_alignment(field, request.align_to, problem)
    return Made(path=request.table, made=("alignment",), note=note)


def read_positions(path: Path, epoch_mjd: float = J2000_MJD) -> ReferenceStars:
    """Read the user's table of positions that exposures are aligned with.

    Parameters
    ----------
    path : Path
    epoch_mjd : float, days
        Of the exposures.

    Raises
    ------
    InputError
        A file that is no table, or without positions.
    """
    table = read_catalog(path)
    columns = {name: np.ma.asarray(table[name]) for name in table.colnames}
    try:
        return read_reference_stars(columns, epoch_mjd)
    except (ParameterError, ValueError) as error:
        raise InputError(str(path), str(error)) from error


def read_grid(path: Path) -> Grid:
    """Read the grid of a mosaic that the user names.

    Raises
    ------
    InputError
        A file without an image, or whose cards describe no such grid.
    """
    cards, (n_rows, n_cols) = read_image_cards(path)
    try:
        return grid_from_cards(cards, n_rows, n_cols)
    except ValueError as error:
        raise InputError(str(path), f"no grid to use ({error})") from error


def _key(request: AlignmentRequest) -> str:
    inputs = [hash_file(path) for path in request.surveys]
    for name in (request.align_to, str(request.grid or "")):
        path = Path(name)
        inputs.append(hash_file(path) if name and path.is_file() else name)
    return make_key(MODULE, inputs, request.params)


def _stars(
    align_to: str, surveys: Sequence[Survey]
) -> tuple[ReferenceStars | None, str]:
    """Read or fetch the reference stars at the epoch of the exposures.

    If Gaia cannot be reached, there are none, and the reason is returned with them.
    """
    if align_to == "none":
        return None, ""
    epoch = float(np.mean([survey.header.start_mjd for survey in surveys]))
    if align_to == "gaia":
        return _gaia_stars(surveys, epoch)
    return read_positions(Path(align_to), epoch), ""


def _gaia_stars(
    surveys: Sequence[Survey], epoch_mjd: float
) -> tuple[ReferenceStars | None, str]:
    """Fetch Gaia stars around the field, or return why there is no answer.

    Mosaics without absolute alignment are still useful, so this is reported and not fatal.
    """
    from ...archive.gaia import fetch_gaia
    from ...archive.vizier import Service

    cone = enclosing_cone([survey.geometry for survey in surveys])
    try:
        columns = fetch_gaia(*cone, Service())
    except NetworkError as error:
        log.warning("no absolute alignment: %s", error)
        return None, str(error)
    return read_reference_stars(columns, epoch_mjd), ""


def _grid(field: AlignedField, request: AlignmentRequest) -> Grid:
    """Choose the grid, or take that of a mosaic the user names."""
    if request.grid is not None:
        return read_grid(request.grid)
    try:
        grid = choose_grid(field, request.params.grid)
    except ValueError as error:
        raise RamplineError(f"no mosaic: {error}") from error
    if max(grid.n_rows, grid.n_cols) > LARGEST_GRID:
        size = f"{grid.n_cols} x {grid.n_rows} pixels"
        raise RamplineError(
            f"the exposures span {size} on one grid; reduce distant pointings separately"
        )
    return grid


def _updated(field: AlignedField) -> list[str]:
    """Say how many reference distortions the stars have updated."""
    largest = {
        detector_name(survey.header): largest_change(image.applied_update)
        for survey, image in zip(field.surveys, field.alignment.images, strict=True)
        if image.applied_update is not None
    }
    if not largest:
        return []
    most = f"{MAS_PER_ARCSEC * max(largest.values()):.1f} mas"
    what = f"distortions of {len(largest)} detectors and filters"
    return [f"{what} updated by up to {most}"]


def _some(roots: Sequence[str]) -> str:
    """Name a few exposures and count the others; the table has them all."""
    # the last one's name takes no more room than its number
    return name_some(roots, _NAMED + (len(roots) == _NAMED + 1))


def describe_alignment(field: AlignedField, align_to: str, problem: str = "") -> str:
    """Say how the alignment went: exposures that are not OK are named with the reason."""
    images = field.alignment.images
    counts = [
        f"{n} {status}"
        for status in ("OK", "WEAK", "FAILED")
        if (n := sum(image.status == status for image in images))
    ]
    stars = (
        f"{field.alignment.n_stars} stars, {field.alignment.n_catalog} of the catalogue"
    )
    words = [", ".join(counts), stars]
    if np.isfinite(field.alignment.rms_arcsec):
        words.append(f"scatter {1000 * field.alignment.rms_arcsec:.2f} mas")
    elif np.isfinite(field.alignment.catalog_rms_arcsec):
        rms = 1000 * field.alignment.catalog_rms_arcsec
        words.append(f"scatter from the catalogue {rms:.2f} mas")
    words += _updated(field)
    reasons: dict[str, list[str]] = {}
    for survey, image in zip(field.surveys, images, strict=True):
        if image.reason:
            reasons.setdefault(f"{image.status}: {image.reason}", []).append(
                survey.header.root
            )
    words += [f"{_some(roots)} {reason}" for reason, roots in reasons.items()]
    if align_to != "none" and field.alignment.n_catalog == 0:
        why = problem or "no star of the catalogue was matched; headers' pointing kept"
        words.append(f"NO ABSOLUTE ALIGNMENT: {why}")
    return "; ".join(words)
