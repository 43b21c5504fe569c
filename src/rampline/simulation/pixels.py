"""The true properties of each pixel of a detector.

Drawn once per detector over all 2048 x 2048 pixels from streams that depend on the
detector alone, then cut to the subarray: a pixel is the same pixel in every subarray,
exposure and run of the same seed. The measured signal is ``m = s / (1 + curvature s)``
of the true one, which loses a few per cent at the full well; its exact inverse is a
geometric series, so that the correction polynomial of a reference file is known.
"""

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..flags import (
    ADJ_OPEN,
    DEAD,
    DO_NOT_USE,
    HOT,
    LOW_QE,
    NO_FLAT_FIELD,
    OPEN,
    REFERENCE_PIXEL,
    TELEGRAPH,
    WARM,
)
from .instrument import DETECTORS, N_FULL, REF_BORDER, Detector
from .streams import stream

Plane = NDArray[np.float32]

N_OUTPUTS: Final = 4
LOSS_AT_WELL: Final = 0.06
"""Share of the signal that non-linearity hides at the full well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelPlanes:
    """True properties of the pixels, all (rows, cols).

    Attributes
    ----------
    bias_dn : float32, DN
    gain : float32, e-/DN
    curvature : float32, 1/DN
        Of the non-linearity, see the module's docstring.
    well_dn : float32, DN
        True signal (before non-linearity, without bias) at which the pixel is full.
    dark_e_s : float32, e-/s
    warm_e_s : float32, e-/s
        Further dark current that no reference file knows.
    read_noise_dn : float32, DN
        Of a single read.
    response : float32
        Pixel-to-pixel quantum efficiency, mean 1; 0 on reference and dead pixels.
    flags : uint32
        What a bad-pixel mask says.
    """

    bias_dn: Plane
    gain: Plane
    curvature: Plane
    well_dn: Plane
    dark_e_s: Plane
    warm_e_s: Plane
    read_noise_dn: Plane
    response: Plane
    flags: NDArray[np.uint32]

    def cut(self, row: int, col: int, n_rows: int, n_cols: int) -> "PixelPlanes":
        """Return the planes of a subarray."""
        window = slice(row, row + n_rows), slice(col, col + n_cols)
        planes = {f.name: getattr(self, f.name)[window].copy() for f in fields(self)}
        return PixelPlanes(**planes)


@lru_cache(maxsize=2)
def pixel_planes(name: str, seed: int) -> PixelPlanes:
    """Return the whole detector's planes.

    Parameters
    ----------
    name : str
        Detector, for example ``NRCB1``.
    seed : int

    Returns
    -------
    PixelPlanes of (2048, 2048)
    """
    detector = DETECTORS[name]
    flags, dark_e_s, warm_e_s, response = _bad_pixels(detector, seed)
    draw = stream(seed, "full_well", detector.number)
    gain = _gain(detector, seed)
    well_dn = detector.full_well_e / gain * _scatter(draw, 0.02)
    draw = stream(seed, "linearity", detector.number)
    loss = LOSS_AT_WELL / (1.0 - LOSS_AT_WELL)
    curvature = loss / (detector.full_well_e / detector.gain) * _scatter(draw, 0.05)
    draw = stream(seed, "read_noise", detector.number)
    read_noise = detector.read_noise_dn * _scatter(draw, 0.05)
    read_noise[draw.random(read_noise.shape, np.float32) < 0.01] *= 2.0
    return PixelPlanes(
        bias_dn=_bias(detector, seed),
        gain=gain,
        curvature=curvature,
        well_dn=well_dn,
        dark_e_s=dark_e_s,
        warm_e_s=warm_e_s,
        read_noise_dn=read_noise,
        response=response,
        flags=flags,
    )


@lru_cache(maxsize=4)
def band_response(name: str, number: int, seed: int) -> Plane:
    """Return what a filter changes of the response: mottle and a smooth slope, mean 1.

    Parameters
    ----------
    name : str
        Detector.
    number : int
        The filter's number, part of the seed.
    seed : int
    """
    draw = stream(seed, "flat", DETECTORS[name].number, number)
    axis = np.linspace(-1.0, 1.0, N_FULL, dtype=np.float32)
    x, y = axis[None, :], axis[:, None]
    a, b, c, d, e = 0.01 * draw.standard_normal(5)
    smooth = 1.0 + a * x + b * y + c * (x**2 - 1 / 3) + d * x * y + e * (y**2 - 1 / 3)
    return np.asarray(smooth * _scatter(draw, 0.002), np.float32)


def _scatter(draw: np.random.Generator, sigma: float) -> Plane:
    """Return numbers about 1, kept within five sigma."""
    normal = draw.standard_normal((N_FULL, N_FULL), np.float32)
    return 1.0 + np.float32(sigma) * np.clip(normal, -5.0, 5.0)


def _gain(detector: Detector, seed: int) -> Plane:
    """Return one gain per output."""
    draw = stream(seed, "gain", detector.number)
    outputs = detector.gain * (1.0 + 0.01 * draw.standard_normal(N_OUTPUTS))
    columns = np.repeat(outputs, N_FULL // N_OUTPUTS).astype(np.float32)
    return np.tile(columns, (N_FULL, 1))


def _bias(detector: Detector, seed: int) -> Plane:
    """Return level, offsets of outputs and columns, and pixel scatter."""
    draw = stream(seed, "superbias", detector.number)
    outputs = np.repeat(40.0 * draw.standard_normal(N_OUTPUTS), N_FULL // N_OUTPUTS)
    columns = outputs + 5.0 * draw.standard_normal(N_FULL)
    parity = np.where(np.arange(N_FULL) % 2, 4.0, -4.0)
    pixels = draw.standard_normal((N_FULL, N_FULL), np.float32)
    pixels *= np.float32(detector.bias_scatter_dn)
    pixels += (detector.bias_dn + columns + parity).astype(np.float32)
    return pixels


def _bad_pixels(
    detector: Detector, seed: int
) -> tuple[NDArray[np.uint32], Plane, Plane, Plane]:
    """Return flags, known and unknown dark current, response."""
    shape = N_FULL, N_FULL
    dark = _dark(detector, seed)
    response = _scatter(stream(seed, "flat", detector.number), 0.01)
    flags = np.zeros(shape, np.uint32)
    warm = np.zeros(shape, np.float32)
    draw = stream(seed, "bad_pixels", detector.number)
    n_pixels = N_FULL * N_FULL

    def pick(share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        chosen = draw.integers(0, n_pixels, round(share * n_pixels))
        return chosen // N_FULL, chosen % N_FULL

    spots = pick(1.0e-3)
    dark[spots] = np.exp(draw.normal(1.5, 1.5, spots[0].size))
    flags[spots] |= HOT
    flags[dark > 50.0] |= DO_NOT_USE
    spots = pick(1.5e-3)
    dark[spots] = draw.uniform(0.05, 1.0, spots[0].size)
    flags[spots] |= WARM
    spots = pick(5.0e-4)
    response[spots] *= draw.uniform(0.3, 0.8, spots[0].size).astype(np.float32)
    flags[spots] |= LOW_QE
    spots = pick(5.0e-4)
    response[spots] = 0.0
    flags[spots] |= DEAD | DO_NOT_USE | NO_FLAT_FIELD
    spots = pick(5.0e-5)
    warm[spots] = draw.uniform(0.5, 10.0, spots[0].size)
    spots = pick(3.0e-4)
    _open(flags, response, spots)
    flags[pick(1.0e-3)] |= TELEGRAPH
    _blind_border(flags, dark, warm, response)
    return flags, dark, warm, response


def _open(
    flags: NDArray[np.uint32],
    response: Plane,
    spots: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> None:
    """Disconnect pixels: most of their charge goes to the four neighbours, in place."""
    for d_row, d_col in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        beside = (spots[0] + d_row) % N_FULL, (spots[1] + d_col) % N_FULL
        response[beside] *= np.float32(1.0 + 0.9 / 4.0)
        flags[beside] |= ADJ_OPEN
    response[spots] *= np.float32(0.1)
    flags[spots] |= OPEN | DO_NOT_USE


def _blind_border(
    flags: NDArray[np.uint32], dark: Plane, warm: Plane, response: Plane
) -> None:
    """Make the outer four rows and columns reference pixels, in place."""
    border = np.ones(flags.shape, bool)
    border[REF_BORDER:-REF_BORDER, REF_BORDER:-REF_BORDER] = False
    flags[border] = REFERENCE_PIXEL
    for plane in (dark, warm, response):
        plane[border] = 0.0


def _dark(detector: Detector, seed: int) -> Plane:
    """Return dark current with scatter, and the glow of the outputs at two edges, e-/s."""
    draw = stream(seed, "dark", detector.number)
    dark = draw.standard_normal((N_FULL, N_FULL), np.float32)
    dark *= np.float32(0.3 * detector.dark_scatter_e_s)
    dark += np.float32(detector.dark_e_s)
    edge = np.exp(-np.arange(N_FULL, dtype=np.float32) / 60.0)
    dark += 0.004 * (edge + edge[::-1])[None, :]
    return np.maximum(dark, np.float32(0.0))
