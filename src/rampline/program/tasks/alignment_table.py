"""The alignment of a field as a table: for the next task, and for the user to read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...astrometry.alignment import Alignment, ImageAlignment
from ...astrometry.bending import SHAPES
from ...astrometry.distortion_update import DistortionUpdate, detector_frame
from ...exposure.grid import Grid
from ...exposure.header import SkyPlace
from ...files.catalogs import read_catalog
from ...files.whole_file import write_ecsv
from ...pipeline.sky_to_mosaic import AlignedField, Survey, place_exposures

CORRECTION = ("xx", "xy", "x0", "yx", "yy", "y0")
PLAIN = ("status", "reason", "n_sources", "n_matched", "n_catalog")
AXES = ("v2", "v3")
BEND, BEND_ERROR = "bend", "bend_error"
MEASURED = ("rms_arcsec", "error_arcsec", "roll_deg", "scale")


def write_alignment(
    path: Path, field: AlignedField, grid: Grid, key: str, problem: str = ""
) -> None:
    """Write one row for each exposure, and the common grid.

    Parameters
    ----------
    path : Path
        ``alignment.ecsv``.
    field : AlignedField
    grid : Grid
    key : str
        Of the task.
    problem : str
        What could not be done as it was asked for.
    """
    from astropy.table import Table

    images = field.alignment.images
    table = Table()
    table["exposure"] = [survey.header.root for survey in field.surveys]
    for name in (*PLAIN, *MEASURED):
        table[name] = [getattr(image, name) for image in images]
    for axis, name in enumerate(("shift_east_arcsec", "shift_north_arcsec")):
        table[name] = [image.shift_arcsec[axis] for image in images]
    for place, name in enumerate(CORRECTION):
        table[name] = [float(image.correction.flat[place]) for image in images]
    _add_updates(table, field)
    table.meta["grid"] = {slot: getattr(grid, slot) for slot in Grid.__slots__}
    table.meta["stars"] = field.alignment.n_stars
    table.meta["catalog_stars"] = field.alignment.n_catalog
    table.meta["rms_arcsec"] = float(field.alignment.rms_arcsec)
    table.meta["catalog_rms_arcsec"] = float(field.alignment.catalog_rms_arcsec)
    if field.still is not None:
        table.meta["moving_target"] = field.still._asdict()
    table.meta["key"] = key
    if problem:
        table.meta["problem"] = problem
    write_ecsv(path, table)


def _add_updates(table: Any, field: AlignedField) -> None:
    """Add what the distortions have wrong: terms in the order of ``bending.DEGREES``."""
    updates = [image.update for image in field.alignment.images]
    table["is_bent"] = [bool(u and u.is_applied) for u in updates]
    table["bend_evidence"] = [u.evidence if u else np.nan for u in updates]
    table["bend_stars"] = [u.n_stars if u else 0 for u in updates]
    frames = [detector_frame(survey.geometry) for survey in field.surveys]
    unknown = np.full((2, SHAPES), np.nan)
    shapes = np.array([u.shapes if u else unknown for u in updates])
    error = np.array([u.error if u else unknown for u in updates])
    for place, axis in enumerate(AXES):
        table[f"middle_{axis}_arcsec"] = [frame.middle[place] for frame in frames]
        table[f"{BEND}_{axis}_arcsec"] = shapes[:, place]
        table[f"{BEND_ERROR}_{axis}_arcsec"] = error[:, place]
    table["half_side_arcsec"] = [frame.half for frame in frames]


def read_alignment(path: Path, surveys: Sequence[Survey]) -> tuple[AlignedField, Grid]:
    """Read the alignment back and lay it on surveys it was made of, all or some of them."""
    table = read_catalog(path)
    rows = {str(row["exposure"]): row for row in table}
    images = tuple(_image(rows[survey.header.root]) for survey in surveys)
    alignment = Alignment(
        images=images,
        n_stars=table.meta["stars"],
        n_catalog=table.meta["catalog_stars"],
        rms_arcsec=table.meta["rms_arcsec"],
        catalog_rms_arcsec=table.meta["catalog_rms_arcsec"],
    )
    still = table.meta.get("moving_target")
    field = place_exposures(surveys, alignment, SkyPlace(**still) if still else None)
    return field, Grid(**table.meta["grid"])


def stored_key(path: Path) -> str:
    """Return the key of the task that wrote the table; empty where there is none."""
    return str(read_catalog(path).meta.get("key", "")) if path.is_file() else ""


def _image(row: Any) -> ImageAlignment:
    correction = np.array([float(row[name]) for name in CORRECTION]).reshape(2, 3)
    return ImageAlignment(
        correction=correction,
        status=str(row["status"]),  # type: ignore[arg-type]
        # an empty word comes back masked
        reason="" if np.ma.is_masked(row["reason"]) else str(row["reason"]),
        n_sources=int(row["n_sources"]),
        n_matched=int(row["n_matched"]),
        n_catalog=int(row["n_catalog"]),
        rms_arcsec=float(row["rms_arcsec"]),
        error_arcsec=float(row["error_arcsec"]),
        shift_arcsec=(
            float(row["shift_east_arcsec"]),
            float(row["shift_north_arcsec"]),
        ),
        roll_deg=float(row["roll_deg"]),
        scale=float(row["scale"]),
        update=None if str(row["status"]) == "FAILED" else _update(row),
    )


def _update(row: Any) -> DistortionUpdate:
    shapes, error = (
        np.array([row[f"{name}_{axis}_arcsec"] for axis in AXES], np.float64)
        for name in (BEND, BEND_ERROR)
    )
    return DistortionUpdate(
        shapes=shapes,
        error=error,
        evidence=float(row["bend_evidence"]),
        n_stars=int(row["bend_stars"]),
        is_applied=bool(row["is_bent"]),
    )
