"""Dispersed exposures (wide-field slitless spectroscopy), simple but in the right place.

The trace of a source at (x0, y0) is a line through it along rows (GRISMR) or columns
(GRISMC): light of wavelength w in order m lands ``s (m w - 3.95 um) + d`` pixels from
there, with the slopes and offsets measured in flight (F. Sun): module A disperses R
towards +x, module B towards -x, both disperse C towards +y. Two things make it fast: the
direct image, drawn well beyond the detector, is convolved along one axis, and power-law
spectra are a quadratic in their index between three of them. Assumed: 65 % of the
direct image's light in the first order of module A, a quarter less in B (known), a
twentieth of that in the second, which four filters show; the PSF is that of the
filter's middle; no tilt or bend of the traces (a few pixels in flight); a field that
goes on for 1400 pixels round the detector; the sky without structure.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from .instrument import Detector, Passband
from .painting import Palette, paint

Array = NDArray[np.float64]
REACH_PX: Final = 1400
"""How far beyond the detector sources count."""
_UNDEVIATED_UM: Final = 3.95
_TRACES: Final = {
    ("A", "GRISMR"): (1021.1, 18.9),
    ("B", "GRISMR"): (-1018.8, 16.0),
    ("A", "GRISMC"): (1022.0, -30.2),
    ("B", "GRISMC"): (1018.5, 23.6),
}
"""Pixels per um, and pixels at 3.95 um."""
_FIRST_ORDER: Final = {"A": 0.65, "B": 0.65 * 0.75}
_SECOND_ORDER: Final = 0.05
_SECOND_IN: Final = frozenset({"F250M", "F277W", "F300M", "F322W2"})
_COLOURS: Final = (-2.0, 0.5, 3.0)
"""Spectral indices between which all others are interpolated."""
_SAMPLES: Final = 20000
_EDGE_UM: Final = 0.008
_BLOCK: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Where a grism sends the light of one filter.

    Attributes
    ----------
    axis : int
        Axis of the image along which it disperses: 0 rows change (GRISMC), 1 columns.
    slope_px_um, offset_px : float
        Pixels per um, and from the direct image at 3.95 um.
    """

    axis: int
    slope_px_um: float
    offset_px: float

    def shift_px(self, wavelength_um: Array, order: int = 1) -> Array:
        """Return pixels from the direct image."""
        path = order * np.asarray(wavelength_um) - _UNDEVIATED_UM
        return self.slope_px_um * path + self.offset_px


def trace(detector: Detector, grism: str) -> Trace:
    """Return the trace of a grism in a detector's module."""
    slope, offset = _TRACES[detector.module, grism]
    return Trace(
        axis=0 if grism == "GRISMC" else 1, slope_px_um=slope, offset_px=offset
    )


def transmission(detector: Detector, band: Passband) -> float:
    """Return the light in all orders over that of the direct image."""
    orders = 1.0 + (_SECOND_ORDER if band.name in _SECOND_IN else 0.0)
    return _FIRST_ORDER[detector.module] * orders


def disperse(
    image: Array, palette: Palette, optics: tuple[Detector, Passband, str]
) -> None:
    """Add the spectra of all sources to an image, in place.

    Parameters
    ----------
    image : (rows, cols) float64, DN/s
        Added to.
    palette : Palette
    optics : (Detector, Passband, str)
        Detector, filter, grism.
    """
    detector, band, grism = optics
    path = trace(detector, grism)
    indices = palette.sources.colour
    of_pictures = np.array([picture.colour for picture in palette.pictures], float)
    pads = (REACH_PX, 0) if path.axis == 0 else (0, REACH_PX)
    shape = [n + 2 * pad for n, pad in zip(image.shape, pads, strict=True)]
    origin = -pads[0], -pads[1]
    canvas = np.zeros((len(_COLOURS), *shape))
    paint(canvas, palette, origin, (_shares(indices), _shares(of_pictures)))
    out = image.T if path.axis == 0 else image
    for plane, colour in zip(canvas, _COLOURS, strict=True):
        first, light = line_spread(path, detector, band, colour)
        _convolve_lines(out, plane.T if path.axis == 0 else plane, light, first)


def _shares(index: Array) -> Array:
    """Return the weights of spectra on the three power laws (Lagrange), (n, 3)."""
    clipped = np.clip(index, _COLOURS[0] - 1.0, _COLOURS[-1] + 1.0)
    weights = np.ones((index.size, len(_COLOURS)))
    for number, own in enumerate(_COLOURS):
        for other in _COLOURS:
            if other != own:
                weights[:, number] *= (clipped - other) / (own - other)
    return weights


def line_spread(
    path: Trace, detector: Detector, band: Passband, colour: float
) -> tuple[int, Array]:
    """Return how the light of a power law is spread along the trace.

    Parameters
    ----------
    path : Trace
    detector : Detector
    band : Passband
    colour : float
        Flux density (per frequency) goes as the wavelength to this power.

    Returns
    -------
    (int, (n,) float64)
        Shift of the first pixel, and the share of the direct image's light per pixel.
    """
    half = band.width_um / 2.0
    wavelength = np.linspace(
        band.pivot_um - half - 0.05, band.pivot_um + half + 0.05, _SAMPLES
    )
    edges = (wavelength - band.pivot_um + half, band.pivot_um + half - wavelength)
    passed = np.prod([1.0 / (1.0 + np.exp(-edge / _EDGE_UM)) for edge in edges], axis=0)
    photons = passed * wavelength ** (colour - 1.0)
    photons *= _FIRST_ORDER[detector.module] / photons.sum()
    orders = [(1, 1.0)] + ([(2, _SECOND_ORDER)] if band.name in _SECOND_IN else [])
    shift = np.concatenate([path.shift_px(wavelength, order) for order, _ in orders])
    share = np.concatenate([photons * part for _, part in orders])
    low = np.floor(shift).astype(np.int64)
    first = int(low.min())
    upper = shift - low
    light = np.bincount(
        low - first, share * (1.0 - upper), minlength=low.max() - first + 2
    )
    light += np.bincount(low - first + 1, share * upper, minlength=light.size)
    return first, np.asarray(light, np.float64)


def _convolve_lines(out: Array, lines: Array, light: Array, first: int) -> None:
    """Add lines convolved along their last axis; they begin REACH_PX before ``out``."""
    n_out = out.shape[1]
    length = fft.next_fast_len(lines.shape[1] + light.size, real=True)
    transform = fft.rfft(light, length)
    # Pixel x of the result gathers what lies at x - shift.
    begin = REACH_PX - first
    for top in range(0, lines.shape[0], _BLOCK):
        block = slice(top, top + _BLOCK)
        spread = fft.irfft(fft.rfft(lines[block], length, axis=1) * transform, length)
        low, high = max(begin, 0), min(begin + n_out, length)
        if low < high:
            out[block, low - begin : high - begin] += spread[:, low:high]
