"""CRDS-format reference files that calibrate what was simulated.

Each file holds what a perfect calibration would have measured on this detector, or,
where the scene asks for it, the same with an error of its own. What is measured through
the read-out (flat, dark) has its coupling between pixels in it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy import units
from astropy.table import Table
from numpy.typing import NDArray

from ..exposure.header import Card
from ..files.fits_output import Part
from ..files.write_raw import write_asdf_reference, write_reference
from ..flags import (
    DO_NOT_USE,
    NO_FLAT_FIELD,
    NO_SATURATION_CHECK,
    REFERENCE_PIXEL,
)
from .distortion import distortion_model
from .electronics import couple, coupling_kernel
from .instrument import FLUX_CONVERSION, PASSBANDS, passband
from .light import (
    arcsec2,
    area_ratio,
    flat_plane,
    full_area_ratio,
    nominal_area_sr,
)
from .optics import (
    coupled,
    encircled_energy,
    point_spread,
    ring_level,
    widened,
)
from .pixels import PixelPlanes
from .pointing import Exposure, filter_offset_px
from .scene import SceneParams
from .streams import stream

Plane = NDArray[np.float32]

_FRACTIONS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85)
_SKY_IN_PX: Final = 8.0
_SKY_OUT_PX: Final = 13.0
_SATURATES_AT: Final = 0.97
"""Share of the full well at which a saturation file calls a pixel saturated."""
_POLYNOMIAL: Final = 6
_USEAFTER: Final = "2022-01-01T00:00:00"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What all reference files of one exposure's configuration are made from."""

    scene: SceneParams
    exposure: Exposure
    pixels: PixelPlanes

    @property
    def is_reference(self) -> NDArray[np.bool_]:
        return np.asarray((self.pixels.flags & REFERENCE_PIXEL) != 0)

    def draw(self, number: int) -> np.random.Generator:
        sca = self.exposure.detector.number
        return stream(self.scene.seed, "reference_errors", sca, number)


def write_references(
    folder: Path, scene: SceneParams, exposure: Exposure, pixels: PixelPlanes
) -> tuple[Path, ...]:
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

    Returns
    -------
    tuple of Path
    """
    source = _Source(scene=scene, exposure=exposure, pixels=pixels)
    name = exposure.detector.name.lower()
    subarray = exposure.readout.subarray.lower()
    band = exposure.band.name.lower()
    written = []
    for kind, make in _FITS.items():
        stem = f"jwst_nircam_{kind}_{name}_{subarray}"
        path = folder / f"{stem}{f'_{band}' if kind in _BY_BAND else ''}.fits"
        parts = make(source)
        write_reference(path, kind, _cards(source, kind), parts)
        written.append(path)
    for kind, make_tree in _ASDF.items():
        path = folder / f"jwst_nircam_{kind}_{name}_{band}.asdf"
        write_asdf_reference(path, kind, _meta(source, kind), make_tree(source))
        written.append(path)
    return tuple(written)


_BY_BAND: Final = frozenset({"flat", "area", "apcorr", "photom"})
_BY_WINDOW: Final = frozenset(
    {
        "mask", "saturation", "superbias", "linearity", "dark", "gain", "readnoise",
        "flat",
    }
)  # fmt: skip


def _cards(source: _Source, kind: str) -> tuple[Card, ...]:
    """Return the primary cards: what the file is for."""
    exposure = source.exposure
    cards = [
        Card("PEDIGREE", "DUMMY", "The pedigree of the reference file"),
        Card("DESCRIP", f"Simulated {kind}", "Description of the reference file"),
        Card("AUTHOR", "rampline", "Author of the reference file"),
        Card("USEAFTER", _USEAFTER, "Use after date of the reference file"),
        Card("DETECTOR", exposure.detector.name, "Name of detector"),
        Card("EXP_TYPE", "NRC_IMAGE", "Type of data in the exposure"),
    ]
    if kind in _BY_BAND:
        cards += [
            Card("FILTER", exposure.band.filter, "Name of the filter element used"),
            Card("PUPIL", exposure.band.pupil, "Name of the pupil element used"),
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


def _window_cards(source: _Source) -> list[Card]:
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


def _dark_cards(source: _Source) -> list[Card]:
    readout = source.exposure.readout
    rapid = source.scene.references.rapid_dark
    n_frames, n_dropped = (1, 0) if rapid else (readout.n_frames, readout.n_dropped)
    return [
        Card("READPATT", "RAPID" if rapid else readout.pattern, "Readout pattern"),
        Card("NFRAMES", n_frames, "Number of frames per group"),
        Card("GROUPGAP", n_dropped, "Number of frames dropped between groups"),
        Card("NGROUPS", _dark_times(source).size, "Number of groups in integration"),
        Card("TFRAME", readout.frame_s, "[s] Time between frames"),
        Card("TGROUP", (n_frames + n_dropped) * readout.frame_s, "[s] Group time"),
        Card("AVDRKCUR", 0.0, "Average dark current"),
    ]


def _flags(source: _Source) -> NDArray[np.uint32]:
    return np.zeros(source.pixels.flags.shape, np.uint32)


def _mask(source: _Source) -> list[Part]:
    return [Part("DQ", source.pixels.flags)]


def _saturation(source: _Source) -> list[Part]:
    pixels = source.pixels
    measured = pixels.well_dn / (1.0 + pixels.curvature * pixels.well_dn)
    limit = pixels.bias_dn + np.float32(_SATURATES_AT) * measured
    limit[source.is_reference] = np.nan
    flags = _flags(source)
    flags[source.is_reference] = NO_SATURATION_CHECK
    return [Part("SCI", limit), Part("DQ", flags)]


def _superbias(source: _Source) -> list[Part]:
    bias = source.pixels.bias_dn.copy()
    error = np.zeros_like(bias)
    n_darks = source.scene.references.dark_exposures
    if n_darks:
        # Each dark's first read has its reset noise and its read noise.
        detector = source.exposure.detector
        sigma = np.hypot(detector.reset_noise_dn, detector.read_noise_dn) / n_darks**0.5
        error += np.float32(sigma)
        bias += error * source.draw(0).standard_normal(bias.shape, np.float32)
    return [Part("SCI", bias), Part("ERR", error), Part("DQ", _flags(source))]


def _linearity(source: _Source) -> list[Part]:
    """Return 1/(1 - curvature m) as a polynomial: true signal from measured."""
    curvature = source.pixels.curvature
    coefficients = np.zeros((_POLYNOMIAL, *curvature.shape), np.float32)
    for power in range(1, _POLYNOMIAL):
        coefficients[power] = curvature.astype(np.float64) ** (power - 1)
    return [Part("COEFFS", coefficients), Part("DQ", _flags(source))]


def _dark_times(source: _Source) -> NDArray[np.float64]:
    readout = source.exposure.readout
    if source.scene.references.rapid_dark:
        period = readout.n_frames + readout.n_dropped
        n_reads = readout.n_groups * period
        return np.asarray(readout.frame_s * np.arange(1.0, n_reads + 1.0))
    return readout.group_times_s()


def _dark(source: _Source) -> list[Part]:
    pixels, readout = source.pixels, source.exposure.readout
    scene = source.scene
    rate = pixels.dark_e_s / pixels.gain
    if not scene.light.dark:
        rate = np.zeros_like(rate)
    elif scene.electronics.coupling:
        couple(rate, source.exposure.detector.name, readout)
    times = _dark_times(source).astype(np.float32)
    cube = times[:, None, None] * rate
    n_darks = scene.references.dark_exposures
    error = np.zeros((1, *rate.shape), np.float32)
    if n_darks:
        n_averaged = 1 if scene.references.rapid_dark else readout.n_frames
        sigma = pixels.read_noise_dn / np.float32((n_averaged * n_darks) ** 0.5)
        cube += sigma * source.draw(1).standard_normal(cube.shape, np.float32)
        error[0] = sigma
    return [Part("SCI", cube), Part("ERR", error), Part("DQ", _flags(source))]


def _gain(source: _Source) -> list[Part]:
    wrong = np.float32(1.0 + source.scene.references.gain_error)
    return [Part("SCI", source.pixels.gain * wrong)]


def _readnoise(source: _Source) -> list[Part]:
    """Return the noise of a difference of two reads, as the real files have it."""
    return [Part("SCI", source.pixels.read_noise_dn * np.float32(np.sqrt(2.0)))]


def _flat(source: _Source) -> list[Part]:
    exposure, scene = source.exposure, source.scene
    _, flat = flat_plane(exposure, source.pixels, area_ratio(exposure), scene.seed)
    if scene.electronics.coupling:
        couple(flat, exposure.detector.name, exposure.readout)
    sigma = np.float32(scene.references.flat_error)
    error = np.full_like(flat, sigma)
    if sigma:
        flat = flat * (
            1 + sigma * source.draw(2).standard_normal(flat.shape, np.float32)
        )
    flags = _flags(source)
    unknown = (source.pixels.flags & (NO_FLAT_FIELD | REFERENCE_PIXEL)) != 0
    flags[unknown] = NO_FLAT_FIELD | DO_NOT_USE
    flat[unknown] = np.nan
    return [Part("SCI", flat), Part("ERR", error), Part("DQ", flags)]


def _area(source: _Source) -> list[Part]:
    return [Part("SCI", full_area_ratio(source.exposure.believed))]


def _ipc(source: _Source) -> list[Part]:
    kernel3 = coupling_kernel(source.exposure.detector.name).astype(np.float32)
    return [Part("SCI", kernel3)]


def _photom(source: _Source) -> list[Part]:
    name = source.exposure.detector.name
    rows = [
        (band, pupil, factor, 0.01 * factor)
        for (detector, band, pupil), factor in FLUX_CONVERSION.items()
        if detector == name
    ]
    layout = [
        ("filter", "S12"), ("pupil", "S15"), ("photmjsr", "f4"), ("uncertainty", "f4"),
    ]  # fmt: skip
    return [Part("PHOTOM", _table(rows, layout))]


def _apcorr(source: _Source) -> list[Part]:
    """Return apertures by encircled energy, corrected for what the annulus takes away.

    As the archive's, they are for images resampled at the detector's own pixel scale,
    and for a sky that is the median of the annulus.
    """
    exposure = source.exposure
    spread = point_spread(exposure.band, exposure.detector)
    if source.scene.electronics.coupling:
        spread = coupled(spread, coupling_kernel(exposure.detector.name))
    spread = widened(spread, 3)
    grid = np.linspace(0.0, 60.0, 6001)
    energy = encircled_energy(spread, grid)
    per_area = ring_level(spread, _SKY_IN_PX, _SKY_OUT_PX)
    rows = []
    for fraction in _FRACTIONS:
        radius = float(np.interp(fraction, energy, grid))
        measured = fraction - per_area * np.pi * radius**2
        rows.append(
            (
                exposure.band.filter, exposure.band.pupil, fraction, radius,
                1.0 / measured, _SKY_IN_PX, _SKY_OUT_PX,
            )
        )  # fmt: skip
    names = ("eefraction", "radius", "apcorr", "skyin", "skyout")
    layout = [("filter", "S12"), ("pupil", "S15"), *((name, "f4") for name in names)]
    return [Part("APCORR", _table(rows, layout))]


def _table(rows: list[tuple[Any, ...]], layout: list[tuple[str, str]]) -> NDArray[Any]:
    """Return rows as a structured array, words as bytes."""
    plain = [
        tuple(word.encode() if isinstance(word, str) else word for word in row)
        for row in rows
    ]
    return np.array(plain, layout)


def _meta(source: _Source, kind: str) -> Mapping[str, Any]:
    exposure = source.exposure
    detector = exposure.detector
    instrument: dict[str, Any] = {
        "detector": detector.name,
        "channel": detector.channel,
        "module": detector.module,
    }
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


def _distortion(source: _Source) -> Mapping[str, Any]:
    params = source.scene.references
    errors = params.distortion_mas, params.offset_mas
    model = distortion_model(source.exposure.believed.full, errors, source.draw(3))
    return {"model": model}


def _filteroffset(source: _Source) -> Mapping[str, Any]:
    detector = source.exposure.detector
    rows = []
    for (name, pupil), band in PASSBANDS.items():
        if band.channel == detector.channel:
            col, row = filter_offset_px(detector, band)
            offsets = {"column_offset": col, "row_offset": row}
            rows.append({"filter": name, "pupil": pupil, **offsets})
    return {"filters": rows}


def _abvegaoffset(source: _Source) -> Mapping[str, Any]:
    wanted = passband(source.exposure.band.name).channel
    bands = [band for band in PASSBANDS.values() if band.channel == wanted]
    table = Table()
    table["filter"] = [band.filter for band in bands]
    table["pupil"] = [band.pupil for band in bands]
    table["abvega_offset"] = [band.ab_minus_vega for band in bands]
    return {"abvega_offset": table}


_FITS: Final[Mapping[str, Callable[[_Source], list[Part]]]] = {
    "mask": _mask,
    "saturation": _saturation,
    "superbias": _superbias,
    "linearity": _linearity,
    "dark": _dark,
    "gain": _gain,
    "readnoise": _readnoise,
    "flat": _flat,
    "area": _area,
    "ipc": _ipc,
    "photom": _photom,
    "apcorr": _apcorr,
}
_ASDF: Final[Mapping[str, Callable[[_Source], Mapping[str, Any]]]] = {
    "distortion": _distortion,
    "filteroffset": _filteroffset,
    "abvegaoffset": _abvegaoffset,
}
