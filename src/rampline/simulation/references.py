"""CRDS-format reference files that calibrate what was simulated.

What is in them comes from `reference_planes`; this gives them names, headers, and the
criteria by which an exposure finds them.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from astropy import units

from ..exposure.header import Card
from ..files.write_raw import write_asdf_reference, write_reference
from .light import arcsec2, nominal_area_sr
from .pixels import PixelPlanes
from .pointing import Exposure
from .reference_planes import (
    ASDF_MAKERS,
    FITS_MAKERS,
    Source,
    dark_grouping,
    dark_times_s,
)
from .scene import SceneParams

_USEAFTER: Final = "2022-01-01T00:00:00"

_BY_BAND: Final = frozenset({"flat", "area", "apcorr", "distortion"})
_OF_IMAGES: Final = frozenset({"area", "apcorr", "photom"})
_BY_WINDOW: Final = frozenset(
    {
        "mask", "saturation", "superbias", "linearity", "dark", "gain", "readnoise",
        "flat",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A reference file and the exposures that it is for.

    Attributes
    ----------
    kind : str
        Reference type.
    path : Path
    facts : mapping of str to str
        What an exposure must have, by keyword: DETECTOR, CHANNEL, MODULE, FILTER, PUPIL,
        SUBARRAY, READPATT, NOUTPUTS.
    """

    kind: str
    path: Path
    facts: Mapping[str, str]


def write_references(
    folder: Path,
    scene: SceneParams,
    exposure: Exposure,
    pixels: PixelPlanes,
    done: Collection[Reference] = (),
) -> tuple[Reference, ...]:
    """Write all reference files that one exposure's configuration needs.

    Parameters
    ----------
    folder : Path
        Exists.
    scene : SceneParams
    exposure : Exposure
        Stands for all of the same detector, filter, subarray and pattern.
    pixels : PixelPlanes
        Cut to the subarray.
    done : collection of Reference
        What was written for other configurations; shared files are not written again.

    Returns
    -------
    tuple of Reference
        One of each type, with those that had been written; for exposures with a grism
        only the types up to the flat.
    """
    there = {reference.path for reference in done}
    source = Source(scene=scene, exposure=exposure, pixels=pixels)
    facts = _facts(source)
    written = []
    for kind, make in FITS_MAKERS.items():
        if exposure.grism and kind in _OF_IMAGES:
            continue
        path = folder / f"{_stem(source, kind)}.fits"
        if path not in there:
            write_reference(path, kind, _cards(source, kind), make(source))
        written.append(Reference(kind=kind, path=path, facts=facts))
    # Dispersed exposures go as far as the flat.
    makers = {} if exposure.grism else ASDF_MAKERS
    for kind, make_tree in makers.items():
        path = folder / f"{_stem(source, kind)}.asdf"
        if path not in there:
            meta = _meta(source, kind)
            write_asdf_reference(path, kind, meta, make_tree(source))
        written.append(Reference(kind=kind, path=path, facts=facts))
    return tuple(written)


def _facts(source: Source) -> dict[str, str]:
    """Return the criteria that the exposure stands for."""
    detector, band = source.exposure.detector, source.exposure.band
    readout = source.exposure.readout
    return {
        "DETECTOR": detector.name,
        "CHANNEL": detector.channel,
        "MODULE": detector.module,
        "FILTER": band.filter,
        "PUPIL": source.exposure.pupil,
        "SUBARRAY": readout.subarray,
        "READPATT": readout.pattern,
        "NOUTPUTS": str(readout.n_outputs),
    }


def _stem(source: Source, kind: str) -> str:
    """Return a file name that contains everything the content depends on."""
    exposure = source.exposure
    detector = exposure.detector
    words = [detector.name]
    if kind == "filteroffset":
        words = [detector.channel, detector.module]
    elif kind == "abvegaoffset":
        words = ["all"]
    if kind in _BY_WINDOW:
        words.append(exposure.readout.subarray)
    if kind == "dark":
        words.append(dark_grouping(source)[0])
    if kind in _BY_BAND:
        words += [exposure.band.name, exposure.grism]
    words = list(filter(None, words))
    return "_".join(["jwst", "nircam", kind, *words]).lower()


def _cards(source: Source, kind: str) -> tuple[Card, ...]:
    """Return the primary cards: what the file is for."""
    exposure = source.exposure
    cards = [
        Card("PEDIGREE", "DUMMY", "The pedigree of the reference file"),
        Card("DESCRIP", f"Simulated {kind}", "Description of the reference file"),
        Card("AUTHOR", "rampline", "Author of the reference file"),
        Card("USEAFTER", _USEAFTER, "Use after date of the reference file"),
        Card("DETECTOR", exposure.detector.name, "Name of detector"),
        Card("EXP_TYPE", exposure.exp_type, "Type of data in the exposure"),
    ]
    if kind in _BY_BAND:
        cards += [
            Card("FILTER", exposure.band.filter, "Name of the filter element used"),
            Card("PUPIL", exposure.pupil, "Name of the pupil element used"),
            Card("CHANNEL", exposure.detector.channel, "Instrument channel"),
            Card("MODULE", exposure.detector.module, "NIRCam module"),
        ]
    if kind in {"area", "photom"}:
        area_sr = nominal_area_sr(exposure.believed)
        cards += [
            Card("PIXAR_SR", area_sr, "Nominal pixel area in steradians"),
            Card("PIXAR_A2", arcsec2(area_sr), "Nominal pixel area in arcsec^2"),
        ]
    if kind in _BY_WINDOW:
        cards += _window_cards(source)
    if kind == "area":
        # CRDS has areas of whole detectors only, and `jwst` cuts them itself
        full = exposure.believed.full
        cards += [
            Card("SUBARRAY", "GENERIC", "Subarray used"),
            Card("SUBSTRT1", 1, "Starting pixel in axis 1 direction"),
            Card("SUBSTRT2", 1, "Starting pixel in axis 2 direction"),
            Card("SUBSIZE1", full.n_cols, "Number of pixels in axis 1 direction"),
            Card("SUBSIZE2", full.n_rows, "Number of pixels in axis 2 direction"),
        ]
    if kind == "dark":
        cards += _dark_cards(source)
    return tuple(cards)


def _window_cards(source: Source) -> list[Card]:
    readout = source.exposure.readout
    return [
        Card("SUBARRAY", readout.subarray, "Subarray used"),
        Card("SUBSTRT1", readout.col_start + 1, "Starting pixel in axis 1 direction"),
        Card("SUBSTRT2", readout.row_start + 1, "Starting pixel in axis 2 direction"),
        Card("SUBSIZE1", readout.n_cols, "Number of pixels in axis 1 direction"),
        Card("SUBSIZE2", readout.n_rows, "Number of pixels in axis 2 direction"),
        Card("FASTAXIS", readout.fast_axis, "Fast readout axis direction"),
        Card("SLOWAXIS", readout.slow_axis, "Slow readout axis direction"),
    ]


def _dark_cards(source: Source) -> list[Card]:
    frame_s = source.exposure.readout.frame_s
    pattern, n_frames, n_dropped = dark_grouping(source)
    return [
        Card("READPATT", pattern, "Readout pattern"),
        Card("NFRAMES", n_frames, "Number of frames per group"),
        Card("GROUPGAP", n_dropped, "Number of frames dropped between groups"),
        Card("NGROUPS", dark_times_s(source).size, "Number of groups in integration"),
        Card("TFRAME", frame_s, "[s] Time between frames"),
        Card("TGROUP", (n_frames + n_dropped) * frame_s, "[s] Group time"),
        Card("AVDRKCUR", 0.0, "Average dark current"),
    ]


def _meta(source: Source, kind: str) -> Mapping[str, Any]:
    exposure = source.exposure
    detector = exposure.detector
    instrument: dict[str, Any] = {}
    if kind != "abvegaoffset":
        instrument |= {"channel": detector.channel, "module": detector.module}
    if kind == "distortion":
        instrument["detector"] = detector.name
    meta: dict[str, Any] = {
        "author": "rampline",
        "description": f"Simulated {kind}",
        "pedigree": "DUMMY",
        "useafter": _USEAFTER,
        "exposure": {"type": "NRC_IMAGE"},
        "instrument": instrument,
    }
    if kind == "distortion":
        instrument["p_filter"] = f"{exposure.band.filter}|"
        instrument["p_pupil"] = f"{exposure.band.pupil}|"
        instrument["filter"] = exposure.band.filter
        instrument["pupil"] = exposure.band.pupil
        meta["exposure"]["p_exptype"] = "NRC_IMAGE|"
        meta["subarray"] = {"p_subarray": "GENERIC|"}
        meta["input_units"], meta["output_units"] = units.pix, units.arcsec
    return meta
