"""What turns slopes into surface brightness with a place on the sky.

Flat field and pixel areas as planes, the flux conversion as the one row of the filter and
pupil at the time of the exposure, distortion and filter offset as the models and numbers
that the geometry is built from.
"""

from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import flags
from ..errors import MissingReferenceError
from ..exposure.header import Header
from ..exposure.planes import SkyPlanes, UsedFile
from ..exposure.records import Flags32, Plane
from ..exposure.tagged import TreeModel
from ..files.source_code import source_hash
from .asdf_file import NOT_PLAIN, read_nodes, read_tree
from .cache import entry_name, recall
from .photom import read_photom
from .pixel_file import open_pixel_file
from .selection import ReferenceFiles

REQUIRED: Final = ("flat", "photom", "area", "distortion")
MODULE: Final = "reference.sky_planes"
"""Flats made by other code than this, and what it imports, are made again."""

_models: dict[str, Any] = {}
_models_lock = Lock()


class FlatField(NamedTuple):
    """A flat field, ready to divide by; named as in `SkyPlanes`."""

    flat: Plane
    """(rows, cols) float32; 1 where it is not to be used."""
    flat_err: Plane
    """(rows, cols) float32"""
    flat_flags: Flags32
    """(rows, cols) uint32"""
    files: tuple[UsedFile, ...]


def load_sky_planes(files: ReferenceFiles, header: Header) -> SkyPlanes:
    """Load what turns the slopes of an exposure into surface brightness.

    Parameters
    ----------
    files : ReferenceFiles
        With flat, photom, area and distortion; without filteroffset there is none.
    header : Header

    Raises
    ------
    MissingReferenceError
        One line with exposure, type and file: missing, damaged, not fitting, or without
        a row for the filter and pupil.
    """
    kinds = [*REQUIRED, *(k for k in ("filteroffset",) if k in files.paths)]
    used = files.require(header, kinds)
    flat = load_flat(files, header)
    area, area_sr = load_area(files, header)
    flux = read_photom(files.paths["photom"], header)
    sha1 = {file.kind: file.sha1 for file in used}
    return SkyPlanes(
        flat=flat.flat,
        flat_err=flat.flat_err,
        flat_flags=flat.flat_flags,
        area=area,
        pixel_area_sr=_first_known(header, area_sr, flux.pixel_area_sr),
        mjy_sr_per_dn_s=flux.mjy_sr_per_dn_s,
        distortion=load_distortion(
            files.paths["distortion"], sha1["distortion"], header
        ),
        filter_offset_px=filter_offset(files, header),
        files=used,
    )


def load_flat(files: ReferenceFiles, header: Header) -> FlatField:
    """Load the flat field alone, for exposures that go no further (NRC_WFSS).

    Step ``flat_field``: DO_NOT_USE and NO_FLAT_FIELD where the flat is NaN or 0,
    DO_NOT_USE where it says NO_FLAT_FIELD, and division by 1 wherever DO_NOT_USE.
    """
    used = files.require(header, ["flat"])

    def build() -> dict[str, NDArray[Any]]:
        with open_pixel_file(files.paths["flat"], "flat", header) as file:
            flat, bits = file.plane(), file.flags()
            err = file.plane("ERR") if file.has("ERR") else np.zeros_like(flat)
        bits[np.isnan(flat) | (flat == 0.0)] |= flags.NO_FLAT_FIELD
        bits[(bits & flags.NO_FLAT_FIELD) != 0] |= flags.DO_NOT_USE
        flat[(bits & flags.DO_NOT_USE) != 0] = 1.0
        return {"flat": flat, "err": err, "flags": bits}

    found = recall(_name("flat", used[0], header), build)
    return FlatField(found["flat"], found["err"], found["flags"], used)


def load_distortion(path: Path, sha1: str, header: Header) -> Any:
    """Return the model from detector pixels to (V2, V3), arcsec.

    Returns
    -------
    TreeModel or astropy.modeling.Model
        The latter, which takes seconds to import, only where a file is no such tree. Each
        caller gets a copy of its own, since WCS code sets bounding boxes on models.
    """
    with _models_lock:
        model = _models.get(sha1)
    if model is None:
        model = _open_distortion(path, header)
        with _models_lock:
            _models[sha1] = model
    return model if isinstance(model, TreeModel) else model.copy()


def _open_distortion(path: Path, header: Header) -> Any:
    try:
        model = TreeModel(read_nodes(path, "model"))
        model(0.0, 0.0)
    except NOT_PLAIN:
        # of other transforms, compressed, or damaged: asdf reads it, or reports what is wrong
        return read_tree(path, "distortion", header, "model")
    return model


def filter_offset(files: ReferenceFiles, header: Header) -> tuple[float, float]:
    """Return column and row offset of the filter, pixels; (0, 0) where none is given.

    As step ``assign_wcs``: the row of this filter and pupil; no row is no offset.
    """
    path = files.paths.get("filteroffset")
    if path is None:
        return 0.0, 0.0
    wanted = (header.filter, header.pupil)
    try:
        rows = read_nodes(path, "filters")
    except NOT_PLAIN:
        rows = read_tree(path, "filteroffset", header, "filters")
    for row in rows:
        if (row.get("filter"), row.get("pupil")) == wanted:
            return float(row["column_offset"]), float(row["row_offset"])
    return 0.0, 0.0


def load_area(files: ReferenceFiles, header: Header) -> tuple[Plane, float | None]:
    """Load the pixel areas.

    Returns
    -------
    area : (rows, cols) float32
        Over the nominal one.
    pixel_area_sr : float or None
        The file's nominal pixel area, where it says one.
    """
    used = files.require(header, ["area"])

    def build() -> dict[str, NDArray[Any]]:
        with open_pixel_file(files.paths["area"], "area", header) as file:
            nominal = file.number("PIXAR_SR")
            sr = np.array([np.nan if nominal is None else nominal])
            return {"area": file.plane(), "sr": sr}

    found = recall(_name("area", used[0], header), build, on_disk=False)
    nominal = float(found["sr"][0])
    return found["area"], None if np.isnan(nominal) else nominal


def _first_known(header: Header, *candidates: float | None) -> float:
    """Return the nominal pixel area: the area file's, else the photom file's."""
    for value in candidates:
        if value is not None:
            return value
    raise MissingReferenceError(
        f"{header.root}: neither the area nor the photom reference file says how large "
        "a pixel is (PIXAR_SR)"
    )


def _name(kind: str, file: UsedFile, header: Header) -> str:
    readout = header.readout
    window = (readout.row_start, readout.col_start, readout.n_rows, readout.n_cols)
    return entry_name(source_hash(MODULE), kind, file.sha1, window)
