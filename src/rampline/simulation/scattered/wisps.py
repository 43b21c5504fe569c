"""Wisps: curved streams of light that a strut of the secondary mirror scatters.

They lie on B4, A3, A4 and B3 at the same pixels in all exposures, cross the gap between
the two detectors of a module, and vary in strength, and a little in shape, from exposure
to exposure. Here a module's wisp is a bundle of filaments along a curved spine in the
focal plane; the spine and its length fill the regions in which wisps were mapped
(CEERS, grizli). A second bundle, with an amplitude of its own, is the change of shape.
Not known, and assumed: the surface brightness of the peaks (0.05 MJy/sr on B4 in the
bands where wisps are strongest), the ratio of detectors and filters, the filaments.
"""

from typing import Final

import numpy as np
from scipy.interpolate import PchipInterpolator

from ...params import Fraction, StepParams
from ..streams import stream
from .view import Array, Strength, View, smooth, window

_PEAK_MJY_SR: Final = 0.05
_DETECTORS: Final = frozenset({"NRCA3", "NRCA4", "NRCB3", "NRCB4"})
_LEVELS: Final = {"A": (0.6, 0.45), "B": (1.0, 0.35)}
"""Peak on a module's lower and upper detector over that on B4."""
_JOIN_ARCSEC: Final = 9.0
"""Half of the stretch about the gap over which the one passes into the other."""
_FILTER: Final = {
    "F070W": 0.0, "F090W": 0.5, "F115W": 0.7, "F140M": 0.9, "F187N": 0.9, "F210M": 0.9,
}  # fmt: skip
"""Peak in each filter over that in F150W and all others."""
_REGION: Final = {
    "NRCA3": ((1000.0, 2047.0), (50.0, 1400.0)),
    "NRCA4": ((0.0, 900.0), (200.0, 1450.0)),
    "NRCB3": ((0.0, 1000.0), (350.0, 1650.0)),
    "NRCB4": ((760.0, 2047.0), (400.0, 1800.0)),
}
"""Rows and columns that wisps reach."""
_SPINE: Final = {
    # Along +V3 from the middle of the gap: V3, then V2, arcsec; and the relative light.
    "A": (
        (-28.0, -20.0, -12.0, -3.0, 3.0, 9.0, 16.0, 26.0),
        (61.0, 62.5, 63.5, 62.0, 61.0, 60.0, 56.0, 52.0),
        (0.0, 0.55, 1.0, 0.85, 1.0, 0.9, 0.5, 0.0),
        -493.8,
    ),
    "B": (
        (-38.0, -28.0, -17.0, -8.0, 0.0, 6.0, 14.0, 25.0),
        (-64.0, -63.5, -62.0, -59.5, -56.0, -56.5, -58.5, -63.0),
        (0.0, 0.5, 1.0, 0.9, 0.8, 1.0, 0.7, 0.0),
        -491.4,
    ),
}
_FILAMENTS: Final = 14
_STEP_PX: Final = 4.0
_TAPER_PX: Final = 220.0


class WispParams(StepParams):
    """Wisps of A3, A4, B3 and B4."""

    enabled: bool = False
    """Whether there are any."""
    strength: Strength = 1.0
    """Surface brightness over the usual one."""
    scatter: Fraction = 0.15
    """Relative scatter of the strength from exposure to exposure."""
    shape: Fraction = 0.15
    """Light in the second bundle, whose amplitude varies by itself, over the first's."""


def wisps(view: View, params: WispParams) -> Array | None:
    """Return the wisps of an exposure, (rows, cols) MJy/sr, or None where it has none."""
    peak = _PEAK_MJY_SR * _FILTER.get(view.band.name, 1.0) * params.strength
    if view.detector.name not in _DETECTORS or not peak:
        return None
    rows, cols = _REGION[view.detector.name]
    where = window(view, rows, cols)
    if where is None:
        return None
    first, second = amplitudes(view, params)
    bundles = [_Bundle(view, number) for number in (0, 1)]

    def light(v2: Array, v3: Array) -> Array:
        return first * bundles[0].light(v2, v3) + second * bundles[1].light(v2, v3)

    image = np.zeros(view.shape)
    edge = _taper(where.row, rows) * _taper(where.col, cols)
    light_here = np.maximum(smooth(view, where, _STEP_PX, light), 0.0)
    image[where.place] = peak * edge * light_here
    return image


def amplitudes(view: View, params: WispParams) -> tuple[float, float]:
    """Return the strengths of the two bundles, the same on both detectors of a module."""
    module = 0 if view.detector.module == "A" else 1
    draw = stream(view.seed, "wisps", view.key[0], module)
    both = draw.standard_normal(2)
    first = max(0.0, 1.0 + params.scatter * both[0])
    return float(first), float(params.shape * abs(both[1]))


class _Bundle:
    """Filaments along a module's spine; the same in all simulations, as the optics are."""

    def __init__(self, view: View, number: int) -> None:
        module = view.detector.module
        v3, v2, share, self._gap_v3 = _SPINE[module]
        self._spine = PchipInterpolator(v3, v2, extrapolate=True)
        self._share = PchipInterpolator(v3, share, extrapolate=False)
        draw = stream(0, "wisps", 0 if module == "A" else 1, number)
        n = _FILAMENTS
        self._offset = np.sort(draw.normal(0.0, 4.5, n))
        self._phase = draw.uniform(0.0, 2 * np.pi, (3, n))
        self._wave = draw.uniform(18.0, 45.0, (3, n))
        self._sway = draw.uniform(0.4, 1.8, n)
        self._width = np.exp(draw.normal(np.log(0.55), 0.55, n))
        self._bright = draw.gamma(1.5, 1.0, n)
        # The balance of the filaments depends on the wavelength.
        self._phase[2] += 1.5 * (view.band.pivot_um - 1.5)
        self._scales = [
            level / peak
            for level, peak in zip(_LEVELS[module], self._peaks(), strict=True)
        ]

    def light(self, v2: Array, v3: Array) -> Array:
        """Return the light at places of the focal plane (arcsec), over B4's peak."""
        share = (v3 - self._gap_v3 + _JOIN_ARCSEC) / (2.0 * _JOIN_ARCSEC)
        share = np.clip(share, 0.0, 1.0)
        upper = share * share * (3.0 - 2.0 * share)
        low, high = self._scales
        return np.asarray((low + (high - low) * upper) * self._raw(v2, v3))

    def _raw(self, v2: Array, v3: Array) -> Array:
        """Add up the filaments and a faint haze about the spine."""
        along = v3 - self._gap_v3
        across = v2 - self._spine(along)
        share = np.nan_to_num(self._share(along))
        total = 0.10 * np.exp(-0.5 * (across / 8.0) ** 2)
        for k in range(_FILAMENTS):
            turn = 2 * np.pi * along[..., None] / self._wave[:, k] + self._phase[:, k]
            # A filament sways, fans out from the gap, and fades in and out along it.
            centre = self._offset[k] * (1.0 + 0.015 * np.abs(along))
            centre = centre + self._sway[k] * np.sin(turn[..., 0])
            width = self._width[k] * (1.3 + 0.5 * np.sin(turn[..., 1]))
            bright = self._bright[k] * (0.55 + 0.45 * np.sin(turn[..., 2]))
            total = total + bright * np.exp(-0.5 * ((across - centre) / width) ** 2)
        return np.asarray(share * total)

    def _peaks(self) -> tuple[float, float]:
        """Return the highest light below and above the gap."""
        across = np.arange(-16.0, 16.0, 0.1)
        peaks = []
        for along in (np.arange(-40.0, -2.0, 0.25), np.arange(2.0, 30.0, 0.25)):
            v2 = self._spine(along)[:, None] + across
            v3 = self._gap_v3 + along[:, None] + 0.0 * v2
            peaks.append(float(self._raw(v2, v3).max()))
        return peaks[0], peaks[1]


def _taper(axis: Array, ends: tuple[float, float]) -> Array:
    """Return 1 within the region, falling smoothly to 0 at ends inside the detector."""
    low, high = ends
    rise = np.ones_like(axis)
    if low > 0.0:
        rise = np.clip((axis - low) / _TAPER_PX, 0.0, 1.0)
    if high < 2047.0:
        rise = rise * np.clip((high - axis) / _TAPER_PX, 0.0, 1.0)
    return np.asarray(rise * rise * (3.0 - 2.0 * rise))
