"""What a calibration would have measured on the simulated detector.

Each plane is the truth, or, where the scene asks for it, the truth with an error of its
own: a superbias and a dark averaged from finitely many exposures, a noisy flat, a wrong
gain, a distortion measured on too few stars. What is measured through the read-out (flat,
dark) has its coupling between pixels in it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from ..exposure.timing import PATTERNS
from ..files.fits_output import Part
from ..flags import (
    DO_NOT_USE,
    NO_FLAT_FIELD,
    NO_SATURATION_CHECK,
    REFERENCE_PIXEL,
)
from .distortion import distortion_model
from .electronics import couple, coupling_kernel
from .instrument import FLUX_CONVERSION, PASSBANDS
from .light import area_ratio, flat_plane, full_area_ratio
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What all reference files of one exposure's configuration are made from.

    Attributes
    ----------
    scene : SceneParams
    exposure : Exposure
        Stands for all of the same detector, filter, subarray and pattern.
    pixels : PixelPlanes
        Cut to the subarray.
    """

    scene: SceneParams
    exposure: Exposure
    pixels: PixelPlanes

    @property
    def is_reference(self) -> NDArray[np.bool_]:
        """Return where reference pixels are."""
        return np.asarray((self.pixels.flags & REFERENCE_PIXEL) != 0)

    def draw(self, *number: int) -> np.random.Generator:
        """Return the stream of one error of this detector."""
        sca = self.exposure.detector.number
        return stream(self.scene.seed, "reference_errors", sca, *number)


def _flags(source: Source) -> NDArray[np.uint32]:
    return np.zeros(source.pixels.flags.shape, np.uint32)


def _mask(source: Source) -> list[Part]:
    return [Part("DQ", source.pixels.flags)]


def _saturation(source: Source) -> list[Part]:
    pixels = source.pixels
    measured = pixels.well_dn / (1.0 + pixels.curvature * pixels.well_dn)
    limit = pixels.bias_dn + np.float32(_SATURATES_AT) * measured
    limit[source.is_reference] = np.nan
    flags = _flags(source)
    flags[source.is_reference] = NO_SATURATION_CHECK
    return [Part("SCI", limit), Part("DQ", flags)]


def _superbias(source: Source) -> list[Part]:
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


def _linearity(source: Source) -> list[Part]:
    """Return 1/(1 - curvature m) as a polynomial: true signal from measured."""
    curvature = source.pixels.curvature
    coefficients = np.zeros((_POLYNOMIAL, *curvature.shape), np.float32)
    for power in range(1, _POLYNOMIAL):
        coefficients[power] = curvature.astype(np.float64) ** (power - 1)
    return [Part("COEFFS", coefficients), Part("DQ", _flags(source))]


def dark_grouping(source: Source) -> tuple[str, int, int]:
    """Return a dark's readout pattern: its name, frames averaged, frames dropped."""
    readout = source.exposure.readout
    if source.scene.references.rapid_dark:
        return "RAPID", *PATTERNS["RAPID"]
    return readout.pattern, readout.n_frames, readout.n_dropped


def dark_times_s(source: Source) -> NDArray[np.float64]:
    """Return the mean time of each group of a dark since the reset, s.

    The dark is as long as the longest exposure of its subarray that it is good for.
    """
    _, n_frames, n_dropped = dark_grouping(source)
    at_least = source.scene.references.rapid_dark
    readout = source.exposure.readout
    n_reads = 0
    for activity in source.scene.activities:
        frames, dropped = PATTERNS[activity.pattern]
        fits = at_least or activity.pattern == readout.pattern
        if fits and activity.subarray == readout.subarray:
            n_reads = max(n_reads, activity.groups * (frames + dropped))
    n_groups = max(n_reads // (n_frames + n_dropped), at_least)
    first = np.arange(n_groups) * (n_frames + n_dropped)
    return np.asarray(readout.frame_s * (first + 0.5 * (n_frames + 1)))


def _dark(source: Source) -> list[Part]:
    pixels, scene = source.pixels, source.scene
    rate = pixels.dark_e_s / pixels.gain
    if not scene.light.dark:
        rate = np.zeros_like(rate)
    elif scene.electronics.coupling:
        couple(rate, source.exposure.detector.name, source.exposure.readout)
    times = dark_times_s(source)
    cube = np.empty((times.size, *rate.shape), np.float32)
    for group, seconds in enumerate(times):
        np.multiply(rate, np.float32(seconds), out=cube[group])
    error = np.zeros((1, *rate.shape), np.float32)
    if scene.references.dark_exposures:
        error[0] = _add_dark_noise(cube, rate, times, source)
    return [Part("SCI", cube), Part("ERR", error), Part("DQ", _flags(source))]


def _add_dark_noise(
    cube: NDArray[np.float32], rate: Plane, times: NDArray[np.float64], source: Source
) -> Plane:
    """Add the noise of a mean of finitely many darks, in place; return its read noise.

    The read noise of the groups is independent, the shot noise of the dark current
    runs on from group to group; normal numbers stand for the Poisson ones.
    """
    n_darks = source.scene.references.dark_exposures
    _, n_averaged, _ = dark_grouping(source)
    sigma = source.pixels.read_noise_dn / np.float32((n_averaged * n_darks) ** 0.5)
    draw = source.draw(1)
    shot_per_s = np.sqrt(np.maximum(rate, 0.0) / (source.pixels.gain * n_darks))
    walk = np.zeros_like(rate)
    for group, seconds in enumerate(np.diff(times, prepend=0.0)):
        step = shot_per_s * np.float32(seconds**0.5)
        walk += step * draw.standard_normal(rate.shape, np.float32)
        cube[group] += walk
        cube[group] += sigma * draw.standard_normal(rate.shape, np.float32)
    return np.asarray(sigma, np.float32)


def _gain(source: Source) -> list[Part]:
    wrong = np.float32(1.0 + source.scene.references.gain_error)
    return [Part("SCI", source.pixels.gain * wrong)]


def _readnoise(source: Source) -> list[Part]:
    """Return the noise of a difference of two reads, as the real files have it."""
    return [Part("SCI", source.pixels.read_noise_dn * np.float32(np.sqrt(2.0)))]


def _flat(source: Source) -> list[Part]:
    exposure, scene = source.exposure, source.scene
    _, flat = flat_plane(exposure, source.pixels, area_ratio(exposure), scene.seed)
    if scene.electronics.coupling:
        couple(flat, exposure.detector.name, exposure.readout)
    sigma = np.float32(scene.references.flat_error)
    error = np.full_like(flat, sigma)
    if sigma:
        draw = source.draw(2, list(PASSBANDS.values()).index(exposure.band))
        flat = flat * (1 + sigma * draw.standard_normal(flat.shape, np.float32))
    flags = _flags(source)
    unknown = (source.pixels.flags & (NO_FLAT_FIELD | REFERENCE_PIXEL)) != 0
    flags[unknown] = NO_FLAT_FIELD | DO_NOT_USE
    flat[unknown] = np.nan
    return [Part("SCI", flat), Part("ERR", error), Part("DQ", flags)]


def _area(source: Source) -> list[Part]:
    return [Part("SCI", full_area_ratio(source.exposure.believed))]


def _ipc(source: Source) -> list[Part]:
    kernel3 = coupling_kernel(source.exposure.detector.name)
    return [Part("SCI", decoupling_kernel(kernel3))]


def decoupling_kernel(kernel3: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the kernel that undoes a coupling: what the files of CRDS hold.

    The middle 3 x 3 of the exact inverse, its centre such that the sum is 1. What lies
    outside is of the order of the coupling's square.
    """
    size = 33
    padded = np.zeros((size, size))
    padded[:3, :3] = kernel3
    response = np.fft.rfft2(np.roll(padded, (-1, -1), (0, 1)))
    inverse = np.roll(np.fft.irfft2(1.0 / response, (size, size)), (1, 1), (0, 1))
    middle = inverse[:3, :3].copy()
    middle[1, 1] += 1.0 - middle.sum()
    return middle.astype(np.float32)


def _photom(source: Source) -> list[Part]:
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


def _apcorr(source: Source) -> list[Part]:
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


def _distortion(source: Source) -> Mapping[str, Any]:
    params = source.scene.references
    errors = params.distortion_mas, params.offset_mas
    model = distortion_model(source.exposure.believed.full, errors, source.draw(3))
    return {"model": model}


def _filteroffset(source: Source) -> Mapping[str, Any]:
    detector = source.exposure.detector
    rows = []
    for (name, pupil), band in PASSBANDS.items():
        if band.channel == detector.channel:
            col, row = filter_offset_px(detector, band)
            offsets = {"column_offset": col, "row_offset": row}
            rows.append({"filter": name, "pupil": pupil, **offsets})
    return {"filters": rows}


def _abvegaoffset(_source: Source) -> Mapping[str, Any]:
    bands = PASSBANDS.values()
    table = Table()
    table["filter"] = [band.filter for band in bands]
    table["pupil"] = [band.pupil for band in bands]
    table["abvega_offset"] = [band.ab_minus_vega for band in bands]
    return {"abvega_offset": table}


FITS_MAKERS: Final[Mapping[str, Callable[[Source], list[Part]]]] = {
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
"""Extensions of each type of file in FITS."""
ASDF_MAKERS: Final[Mapping[str, Callable[[Source], Mapping[str, Any]]]] = {
    "distortion": _distortion,
    "filteroffset": _filteroffset,
    "abvegaoffset": _abvegaoffset,
}
"""Content of each type of file in ASDF, beside its ``meta``."""
