"""A CRDS cache in small: mappings and files by which the ``crds`` client chooses.

A context (``.pmap``) names one instrument's rules (``.imap``), these name one table
(``.rmap``) per reference type, and a table leads from values of the header to a file.
The tables have the keys of NIRCam's own; where a simulated file is good for one subarray,
filter or readout pattern only, as the archive's need not be, that is a key too. Types
that NIRCam's images do without are answered with N/A. The client needs neither network
nor write access to such a cache.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ..errors import RamplineError
from .references import Reference

CONTEXT: Final = "jwst_0001.pmap"
"""Name of the context."""
NOBODY: Final = "http://localhost:1"
"""An address at which no server listens: the client then uses only the cache."""

_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "mask": ("DETECTOR", "SUBARRAY"),
    "saturation": ("DETECTOR", "SUBARRAY"),
    "superbias": ("DETECTOR", "READPATT", "SUBARRAY"),
    "linearity": ("DETECTOR", "SUBARRAY"),
    "dark": ("DETECTOR", "SUBARRAY", "NOUTPUTS", "READPATT"),
    "gain": ("DETECTOR", "SUBARRAY"),
    "readnoise": ("DETECTOR", "SUBARRAY"),
    "ipc": ("DETECTOR",),
    "flat": ("DETECTOR", "FILTER", "PUPIL", "SUBARRAY"),
    "area": ("DETECTOR", "FILTER", "PUPIL"),
    "photom": ("DETECTOR",),
    "distortion": ("DETECTOR", "CHANNEL", "FILTER", "PUPIL"),
    "filteroffset": ("CHANNEL", "MODULE"),
    # mosaics are of many detectors, so these two must not ask for one
    "apcorr": ("FILTER", "PUPIL"),
    "abvegaoffset": (),
}
"""Criteria of each type, by keyword."""
_NAMES: Final = {
    "CHANNEL": "META.INSTRUMENT.CHANNEL",
    "DETECTOR": "META.INSTRUMENT.DETECTOR",
    "FILTER": "META.INSTRUMENT.FILTER",
    "MODULE": "META.INSTRUMENT.MODULE",
    "NOUTPUTS": "META.EXPOSURE.NOUTPUTS",
    "PUPIL": "META.INSTRUMENT.PUPIL",
    "READPATT": "META.EXPOSURE.READPATT",
    "SUBARRAY": "META.SUBARRAY.NAME",
}
"""The keywords as the client is asked by `jwst`."""
_DATE: Final = ("META.OBSERVATION.DATE", "META.OBSERVATION.TIME")
_USEAFTER: Final = "2022-01-01 00:00:00"
_STEP_PARAMETERS: Final = (
    "assignmtwcsstep", "assignwcsstep", "backgroundstep", "chargemigrationstep",
    "cleanflickernoisestep", "darkcurrentstep", "darkpipeline", "detector1pipeline",
    "dqinitstep", "emicorrstep", "firstframestep", "flatfieldstep", "gainscalestep",
    "groupscalestep", "image2pipeline", "image3pipeline", "ipcstep", "jumpstep",
    "lastframestep", "linearitystep", "outlierdetectionstep", "persistencestep",
    "photomstep", "pictureframestep", "rampfitstep", "refpixstep", "resamplestep",
    "resetstep", "rscdstep", "saturationstep", "skymatchstep", "sourcecatalogstep",
    "spec2pipeline", "superbiasstep", "tsophotometrystep", "tweakregstep",
    "wfsscontamstep", "whitelightstep",
)  # fmt: skip
"""Steps and pipelines whose own parameters `jwst` keeps."""
_NOT_NEEDED: Final = (
    "bkg", "camera", "chromcorr", "collimator", "dflat", "disperser", "drizpars",
    "emicorr", "extract1d", "fflat", "fore", "fpa", "ifufore", "ifupost", "ifuslicer",
    "msa", "ote", "pastasoss", "persat", "pictureframe", "psfmask", "refpix", "regions",
    "reset", "rscd", "sflat", "sirskernel", "specwcs", "throughput", "trapdensity",
    "trappars", "tsophot", "wavelengthrange", "wcsregions", "wfssbkg",
    *(f"pars-{name}" for name in _STEP_PARAMETERS),
)  # fmt: skip
"""Types that `jwst` asks for, or may, and that do not apply."""


def crds_environment(folder: Path) -> dict[str, str]:
    """Return the environment variables by which ``crds`` and `jwst` use a cache."""
    return {
        "CRDS_PATH": str(folder.resolve()),
        "CRDS_CONTEXT": CONTEXT,
        "CRDS_SERVER_URL": NOBODY,
        "CRDS_READONLY_CACHE": "1",
    }


def write_crds_cache(folder: Path, references: Sequence[Reference]) -> None:
    """Write a cache that holds these reference files.

    Parameters
    ----------
    folder : Path
        Gets ``mappings``, ``references`` (hard links where the disk allows them),
        ``config``, and ``environment.sh`` to be sourced by a shell. What an earlier
        run wrote under the same names is replaced.
    references : sequence of Reference
        Of several files with the same criteria the first is taken.

    Raises
    ------
    RamplineError
        The cache cannot be written.
    """
    places = [folder / name / "jwst" for name in ("mappings", "references", "config")]
    try:
        for place in places:
            place.mkdir(parents=True, exist_ok=True)
        _write_mappings(places[0], references)
        for path in dict.fromkeys(reference.path for reference in references):
            _link(path, places[1] / "nircam" / path.name)
        _write_config(places[2])
        lines = [f"export {k}='{v}'\n" for k, v in crds_environment(folder).items()]
        (folder / "environment.sh").write_text("".join(lines), "utf-8")
    except OSError as error:
        reason = error.strerror or error
        raise RamplineError(f"{folder}: no CRDS cache written: {reason}") from error


def _write_mappings(folder: Path, references: Sequence[Reference]) -> None:
    """Write the context, NIRCam's rules, and one table for each type."""
    tables = dict.fromkeys(_NOT_NEEDED, "N/A")
    for kind, keywords in _KEYS.items():
        files: dict[tuple[str, ...], str] = {}
        for reference in references:
            if reference.kind == kind:
                values = tuple(reference.facts[keyword] for keyword in keywords)
                files.setdefault(values, reference.path.name)
        tables[kind] = f"jwst_nircam_{kind}_0001.rmap"
        parkey = tuple(_NAMES[keyword] for keyword in keywords), _DATE
        header = {
            "mapping": "REFERENCE",
            "instrument": "NIRCAM",
            "filekind": kind.upper(),
            "classes": ("Match", "UseAfter"),
            "parkey": parkey,
        }
        _write_mapping(folder / tables[kind], header, _match(files))
    header = {"mapping": "INSTRUMENT", "instrument": "NIRCAM", "parkey": ("REFTYPE",)}
    imap = folder / "jwst_nircam_0001.imap"
    _write_mapping(imap, header, _literal(tables))
    header = {"mapping": "PIPELINE", "parkey": ("META.INSTRUMENT.NAME",)}
    _write_mapping(folder / CONTEXT, header, _literal({"nircam": imap.name}))


def _match(files: Mapping[tuple[str, ...], str]) -> str:
    """Return the table that leads from values to a file."""
    rows = (
        f"    {values!r} : UseAfter({{\n        {_USEAFTER!r} : {name!r},\n    }}),\n"
        for values, name in sorted(files.items())
    )
    return f"Match({{\n{''.join(rows)}}})"


def _literal(names: Mapping[str, str]) -> str:
    rows = (f"    {key!r} : {name!r},\n" for key, name in sorted(names.items()))
    return f"{{\n{''.join(rows)}}}"


def _write_mapping(path: Path, header: Mapping[str, object], selector: str) -> None:
    """Write a mapping with its checksum: that of all lines but the checksum's own."""
    about = {
        "derived_from": "written by the simulator",
        "name": path.name,
        "observatory": "JWST",
        **header,
    }
    lines = [f"    {key!r} : {value!r},\n" for key, value in sorted(about.items())]
    rest = f"}}\n\nselector = {selector}\n"
    counted = "".join(["header = {\n", *lines, rest])
    digest = hashlib.sha1(counted.encode(), usedforsecurity=False).hexdigest()
    checksum = f"    'sha1sum' : '{digest}',\n"
    path.write_text("".join(["header = {\n", *lines, checksum, rest]), "utf-8")


def _link(path: Path, place: Path) -> None:
    """Put a file into the cache, without a copy where the disk can."""
    place.parent.mkdir(exist_ok=True)
    place.unlink(missing_ok=True)
    try:
        os.link(path, place)
    except OSError:  # another disk, or one without hard links
        shutil.copyfile(path, place)


def _write_config(folder: Path) -> None:
    """Write what the client would keep of the server's last answer."""
    server = {
        "bad_files_list": [],
        "bad_files_set": [],
        "force_remote_mode": False,
        "last_synced": "2022-12-01 00:00:00",
        "latest_context": CONTEXT,
        "observatory": "jwst",
        "operational_context": CONTEXT,
    }
    (folder / "server_config").write_text(repr(server), "utf-8")
    (folder / "ref_cache_subdir_mode").write_text("instrument", "utf-8")
