"""From charge to the raw counts that are sent to the ground.

Capacitive coupling spreads each pixel's signal over its neighbours, the slow output
leaves some of it in the pixel clocked next; bias, reset (kTC) noise, read noise, 1/f
noise, odd/even offsets and a drifting pedestal are added; the mean of each group is
rounded to 16 bits. The first read is kept as the zero frame and is part of the first
group's mean, with its noise.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..exposure.timing import Readout
from ..numerics.jit import kernel
from ..params import Params
from .brighter_fatter import BrighterFatterParams
from .flicker import FlickerNoise, FlickerParams, clocking
from .instrument import DETECTORS, REF_BORDER
from .pedestal import Pedestal, PedestalParams
from .photons import Signal
from .pixels import PixelPlanes
from .streams import stream
from .telegraph import TelegraphNoise, TelegraphParams

Plane = NDArray[np.float32]
_HIGHEST: Final = np.float32(65535.0)


class ElectronicsParams(Params):
    """Effects of the read-out electronics."""

    read_noise: bool = True
    """White noise of each read."""
    reset_noise: bool = True
    """Scatter of each pixel's level from reset to reset (kTC)."""
    coupling: bool = True
    """Inter-pixel capacitance and post-pixel coupling."""
    flicker: FlickerParams = FlickerParams()
    """1/f noise and odd/even offsets."""
    pedestal: PedestalParams = PedestalParams()
    """Levels of the outputs, which drift."""
    telegraph: TelegraphParams = TelegraphParams()
    """Random telegraph noise."""
    brighter_fatter: BrighterFatterParams = BrighterFatterParams()
    """Pixels that shrink while they fill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """The raw counts of one integration.

    Attributes
    ----------
    samples : (groups, rows, cols) uint16, DN
    zero_frame : (rows, cols) uint16, DN
    """

    samples: NDArray[np.uint16]
    zero_frame: NDArray[np.uint16]


def coupling_kernel(name: str) -> NDArray[np.float64]:
    """Return the 3 x 3 kernel of inter-pixel capacitance of a detector; its sum is 1."""
    detector = DETECTORS[name]
    side, corner = detector.ipc_side, detector.ipc_corner
    kernel3 = np.full((3, 3), corner)
    kernel3[1, :] = kernel3[:, 1] = side
    kernel3[1, 1] = 1.0 - 4.0 * (side + corner)
    return kernel3


def read_out(
    signal: Signal,
    pixels: PixelPlanes,
    readout: Readout,
    params: ElectronicsParams,
    stream_key: tuple[int, str, tuple[int, ...]],
) -> Raw:
    """Turn an integration's charge into raw counts.

    Parameters
    ----------
    signal : Signal
        Its planes are overwritten.
    pixels : PixelPlanes
    readout : Readout
    params : ElectronicsParams
    stream_key : (int, str, tuple of int)
        Seed, detector name and the integration's key for random streams.
    """
    seed, name, key = stream_key
    noise = _Noise(pixels, readout, params, (seed, key))
    level = pixels.bias_dn + noise.reset
    samples = np.empty(signal.groups.shape, np.uint16)
    if params.coupling:
        couple(signal.first, name, readout)
    zero = signal.first + noise.of_reads(0, 1)
    zero_noise = zero - signal.first
    period = readout.n_frames + readout.n_dropped
    for group in range(readout.n_groups):
        counts = signal.groups[group]
        if params.coupling:
            couple(counts, name, readout)
        counts += level
        if group:
            counts += noise.of_reads(group * period, readout.n_frames)
        else:
            share = np.float32(1.0 / readout.n_frames)
            counts += share * zero_noise
            if readout.n_frames > 1:
                counts += (1 - share) * noise.of_reads(1, readout.n_frames - 1)
        samples[group] = _digitise(counts)
    return Raw(samples=samples, zero_frame=_digitise(zero + level))


def _digitise(counts: Plane) -> NDArray[np.uint16]:
    return np.clip(np.rint(counts), 0.0, _HIGHEST).astype(np.uint16)


class _Noise:
    """What is added to the mean of some reads, each component from its own stream."""

    def __init__(
        self,
        pixels: PixelPlanes,
        readout: Readout,
        params: ElectronicsParams,
        source: tuple[int, tuple[int, ...]],
    ) -> None:
        seed, key = source
        self._shape = readout.n_rows, readout.n_cols
        self._n_outputs = readout.n_outputs
        self._white = pixels.read_noise_dn if params.read_noise else None
        self._draw = stream(seed, "read_noise", *key)
        self._parity = stream(seed, "odd_even", *key)
        flicker = params.flicker
        self._odd_even_dn = flicker.odd_even_dn if flicker.enabled else 0.0
        self._flicker = None
        if flicker.enabled:
            white_dn = float(np.median(pixels.read_noise_dn))
            drift = stream(seed, "flicker", *key)
            self._flicker = FlickerNoise(readout, white_dn, flicker, drift)
        self._pedestal = None
        if params.pedestal.enabled:
            levels = stream(seed, "pedestal", *key)
            self._pedestal = Pedestal(readout, params.pedestal, levels)
        self._telegraph = None
        if params.telegraph.enabled:
            traps = stream(seed, "telegraph", *key)
            self._telegraph = TelegraphNoise(
                pixels.flags, readout, params.telegraph, traps
            )
        self.reset: Plane | np.float32 = np.float32(0.0)
        if params.reset_noise:
            sigma = np.float32(DETECTORS[_name_of(key)].reset_noise_dn)
            reset = stream(seed, "reset_noise", *key)
            self.reset = sigma * reset.standard_normal(self._shape, np.float32)

    def of_reads(self, first: int, n_reads: int) -> Plane:
        """Return the noise of the mean of reads ``first`` to ``first + n_reads - 1``."""
        total = np.zeros(self._shape, np.float32)
        root = np.float32(np.sqrt(n_reads))
        if self._white is not None:
            total += self._draw.standard_normal(self._shape, np.float32) * (
                self._white / root
            )
        if self._flicker is not None:
            total += self._flicker.mean_of_reads(first, n_reads)
        if self._odd_even_dn:
            pairs = self._parity.standard_normal((self._n_outputs, 2))
            width = self._shape[1] // self._n_outputs
            offsets = np.tile(pairs[:, None, :], (1, width // 2, 1)).reshape(-1)
            total += (self._odd_even_dn / root * offsets).astype(np.float32)
        if self._pedestal is not None:
            total += self._pedestal.mean_of_reads(first, n_reads)
        if self._telegraph is not None:
            self._telegraph.add_mean_of_reads(total, first, n_reads)
        return total


def _name_of(key: tuple[int, ...]) -> str:
    """Return the detector whose number stands in a stream's key."""
    return next(d.name for d in DETECTORS.values() if d.number == key[1])


def couple(counts: Plane, name: str, readout: Readout) -> None:
    """Spread counts over neighbours and into the pixel clocked next, in place.

    Parameters
    ----------
    counts : (rows, cols) float32
    name : str
        Detector.
    readout : Readout
    """
    kernel3 = coupling_kernel(name).astype(np.float32)
    source = np.pad(counts, 1)
    _spread(source, kernel3, counts)
    clocks = clocking(readout)
    left = np.float32(DETECTORS[name].ppc)
    for output, direction in enumerate(clocks.directions):
        strip = counts[:, output * clocks.n_cols : (output + 1) * clocks.n_cols]
        forward = strip[:, ::direction]
        carried = left * forward[:, :-1]
        forward[:, :-1] -= carried
        forward[:, 1:] += carried


@kernel
def _spread(source: Plane, kernel3: Plane, out: Plane) -> None:
    """Convolve the padded source with a symmetric 3 x 3 kernel; keep what stays inside."""
    n_rows, n_cols = out.shape
    side, corner, middle = kernel3[0, 1], kernel3[0, 0], kernel3[1, 1]
    for i in range(n_rows):
        for j in range(n_cols):
            sides = (
                source[i, j + 1] + source[i + 2, j + 1] + source[i + 1, j]
                + source[i + 1, j + 2]
            )  # fmt: skip
            corners = (
                source[i, j]
                + source[i, j + 2]
                + source[i + 2, j]
                + source[i + 2, j + 2]
            )
            out[i, j] = middle * source[i + 1, j + 1] + side * sides + corner * corners


def is_reference(readout: Readout) -> NDArray[np.bool_]:
    """Return where a subarray's pixels are reference pixels, (rows, cols)."""
    full = np.ones((2048, 2048), bool)
    full[REF_BORDER:-REF_BORDER, REF_BORDER:-REF_BORDER] = False
    rows = slice(readout.row_start, readout.row_start + readout.n_rows)
    cols = slice(readout.col_start, readout.col_start + readout.n_cols)
    return full[rows, cols]
