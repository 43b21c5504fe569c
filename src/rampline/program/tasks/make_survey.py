"""Survey one exposure: its sources and sky, as a small file beside its products."""

from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ...astrometry.sources import PointSources
from ...background.level_matching import SkyCells
from ...exposure.geometry import Geometry
from ...exposure.records import SkyImage
from ...files.fits_layout import FileStamp, file_stamp
from ...files.read import read_gwcs, read_header, read_sky, stored_geometry
from ...files.read_mosaic import read_image_cards
from ...files.whole_file import write_arrays
from ...pipeline.sky_to_mosaic import SkyToMosaic, Survey, survey_exposure
from .products import input_file
from .task_key import make_key

MODULE = "program.tasks.make_survey"
CELLS = ("level", "error", "grid_position")
SOURCES = PointSources.__slots__
SURVEYED = ("SCI", "ERR", "DQ")
"""Extensions that a survey looks at."""


def make_survey(
    cal: Path, sky: SkyImage | None, folder: Path, params: SkyToMosaic
) -> tuple[Path, bool]:
    """Survey one calibrated exposure unless that is up to date.

    Parameters
    ----------
    cal : Path
    sky : SkyImage or None
        Its content, where it is in memory already.
    folder : Path
        Where the table goes.
    params : SkyToMosaic

    Returns
    -------
    path : Path
        ``<root>_survey.npz``.
    is_new : bool
    """
    cal_hash = input_file(cal).content_hash
    key = make_key(MODULE, [cal_hash, str(cal)], params)
    path = folder / cal.name.replace(".fits", "_survey.npz")
    if _is_current(path, key):
        return path, False
    survey = survey_exposure(sky or load_sky(cal, computed=SURVEYED), params)
    _write(path, cal, survey, key)
    return path, True


def load_sky(
    cal: Path,
    geometry: Geometry | None = None,
    computed: Collection[str] | None = None,
) -> SkyImage:
    """Read a calibrated image, ours or that of `jwst`.

    Parameters
    ----------
    cal : Path
    geometry : Geometry or None
        If already known; otherwise it is read from the file's WCS, which may take seconds.
    computed : collection of str, optional
        As in `read_sky`.
    """
    geometry = geometry or stored_geometry(cal)
    if geometry is None:
        # only for files of others
        from ...astrometry.gwcs_model import geometry_from_gwcs

        pointing, (_, shape) = read_header(cal).pointing, read_image_cards(cal)
        geometry = geometry_from_gwcs(read_gwcs(cal), pointing, shape)
    return read_sky(cal, geometry, computed)


def read_survey(path: Path) -> tuple[Path, Survey]:
    """Read a survey and the name of the calibrated image that it is of."""
    return _read(path, file_stamp(path))


@lru_cache(maxsize=256)
def _read(path: Path, _stamp: FileStamp) -> tuple[Path, Survey]:
    """Read a survey that is as the stamp says: alignment, plan and mosaic ask for it."""
    with np.load(path) as stored:
        cal = Path(str(stored["cal"]))
        header = read_header(cal)
        geometry = Geometry(
            v2v3_arcsec=stored["v2v3_arcsec"],
            step=int(stored["step"]),
            origin=int(stored["origin"]),
            shape=(int(stored["shape"][0]), int(stored["shape"][1])),
            pointing=header.pointing,
            correction=stored["correction"],
        )
        return cal, Survey(
            header=header,
            geometry=geometry,
            sources=PointSources(
                **{name: stored[f"source_{name}"] for name in SOURCES}
            ),
            sky=SkyCells(**{name: stored[f"sky_{name}"] for name in CELLS}),
        )


def _write(path: Path, cal: Path, survey: Survey, key: str) -> None:
    geometry = survey.geometry
    columns = {
        "key": key,
        "cal": str(cal),
        "v2v3_arcsec": geometry.v2v3_arcsec,
        "step": geometry.step,
        "origin": geometry.origin,
        "shape": geometry.shape,
        "correction": geometry.correction,
        **{f"source_{name}": getattr(survey.sources, name) for name in SOURCES},
        **{f"sky_{name}": getattr(survey.sky, name) for name in CELLS},
    }
    write_arrays(path, columns)


def _is_current(path: Path, key: str) -> bool:
    if not path.is_file():
        return False
    try:
        with np.load(path) as stored:
            return str(stored["key"]) == key
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        # damaged since: it is made again
        return False
