"""1/f noise in the order in which pixels are clocked out.

Every output's voltage drifts with a spectrum that falls as 1/f, part of it common to
all outputs. Pixels follow each other every 10 us, with 12 idle clocks after each row;
neighbouring outputs are read in opposite directions. The spectrum is drawn in two
parts. Above a few cycles per read, successive reads are independent, so the mean of N
reads is one drawing with 1/N of the variance. Below, the drift is constant along
a row but runs on from read to read: it is drawn for every row of every read of the
integration and then averaged.
"""

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import fft

from ..exposure.timing import Readout
from ..params import Fraction, StepParams, Unit
from .cosmic_rays import frames_per_integration
from .instrument import CLOCK_S, ROW_OVERHEAD

Plane = NDArray[np.float32]

_CYCLES_PER_READ: Final = 2.0
"""Border of the two parts of the spectrum."""


class FlickerParams(StepParams):
    """How strong the 1/f noise is."""

    knee_hz: Annotated[float, Field(gt=0), Unit("Hz")] = 500.0
    """Frequency at which it equals the white noise of single reads, Hz."""
    common: Fraction = 0.5
    """Share of its variance that all outputs have in common."""
    odd_even_dn: Annotated[float, Field(ge=0), Unit("DN")] = 0.3
    """Scatter of the offset between odd and even columns from read to read, DN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocking:
    """When each pixel of a read is clocked out, per output.

    Attributes
    ----------
    n_rows, n_cols : int
        Of one output.
    directions : tuple of int
        1 or -1 along the columns, for each output from the left.
    rows_down : bool
        Whether the last row is read first.
    """

    n_rows: int
    n_cols: int
    directions: tuple[int, ...]
    rows_down: bool

    @property
    def line(self) -> int:
        """Clocks from one row to the next."""
        return self.n_cols + ROW_OVERHEAD


def clocking(readout: Readout) -> Clocking:
    """Return the order of the read: outputs alternate in direction from the left."""
    directions = [readout.fast_axis * (-1) ** k for k in range(readout.n_outputs)]
    return Clocking(
        n_rows=readout.n_rows,
        n_cols=readout.n_cols // readout.n_outputs,
        directions=tuple(directions),
        rows_down=readout.slow_axis < 0,
    )


class FlickerNoise:
    """The 1/f noise of one integration, group by group.

    Parameters
    ----------
    readout : Readout
    white_dn : float, DN
        White noise of a single read, whose spectral density the knee refers to.
    params : FlickerParams
    draw : numpy.random.Generator
    """

    def __init__(
        self,
        readout: Readout,
        white_dn: float,
        params: FlickerParams,
        draw: np.random.Generator,
    ) -> None:
        self._clocking = clocking(readout)
        self._draw = draw
        self._frame_s = readout.frame_s
        # One-sided density at 1 Hz, DN2: white noise spreads over 1 / (2 CLOCK_S).
        self._density = white_dn**2 * 2.0 * CLOCK_S * params.knee_hz
        self._shares = params.common, 1.0 - params.common
        self._slow = self._slow_rows(readout)

    def mean_of_reads(self, first: int, n_reads: int) -> Plane:
        """Return the noise of the mean of consecutive reads.

        Parameters
        ----------
        first : int
            First read, counted from 0 at the reset with the dropped ones.
        n_reads : int

        Returns
        -------
        (rows, cols) float32, DN
        """
        clocks = self._clocking
        common = self._fast(self._shares[0] / n_reads)
        slow = self._slow[:, first : first + n_reads].mean(axis=1)
        strips = []
        for output, direction in enumerate(clocks.directions):
            noise = common + self._fast(self._shares[1] / n_reads)
            noise += (slow[0] + slow[1 + output])[:, None]
            strips.append(noise[:, ::direction])
        frame = np.concatenate(strips, axis=1)
        return np.ascontiguousarray(frame[::-1] if clocks.rows_down else frame)

    def _fast(self, variance: float) -> Plane:
        """Return a read of one stream above the border frequency, in clock order."""
        clocks = self._clocking
        lowest = _CYCLES_PER_READ / self._frame_s
        n_samples = clocks.n_rows * clocks.line
        noise = _pink(n_samples, CLOCK_S, (lowest, np.inf), self._draw)
        noise *= np.float32(np.sqrt(self._density * variance))
        return noise.reshape(clocks.n_rows, clocks.line)[:, : clocks.n_cols]

    def _slow_rows(self, readout: Readout) -> NDArray[np.float32]:
        """Return the drift below the border: (streams, reads, rows), common one first."""
        n_rows, n_reads = readout.n_rows, frames_per_integration(readout)
        row_s = readout.frame_s / n_rows
        highest = _CYCLES_PER_READ / readout.frame_s
        streams = []
        for share in [self._shares[0]] + [self._shares[1]] * readout.n_outputs:
            drift = _pink(n_reads * n_rows, row_s, (0.0, highest), self._draw)
            streams.append(drift * np.float32(np.sqrt(self._density * share)))
        return np.array(streams).reshape(-1, n_reads, n_rows)


def _pink(
    n_samples: int,
    step_s: float,
    limits_hz: tuple[float, float],
    draw: np.random.Generator,
) -> NDArray[np.float32]:
    """Return noise with a one-sided density of 1/f (1 per Hz at 1 Hz) within limits."""
    n_padded = fft.next_fast_len(n_samples, real=True)
    frequency = np.arange(n_padded // 2 + 1, dtype=np.float32) / (n_padded * step_s)
    inside = (frequency >= limits_hz[0]) & (frequency < limits_hz[1])
    inside[0] = False
    first = int(np.argmax(inside))
    last = first + int(np.count_nonzero(inside))
    spectrum = np.zeros(frequency.size, np.complex64)
    parts = draw.standard_normal((last - first) * 2, np.float32).view(np.complex64)
    # A bin of width df with density S has variance S df = |X|^2 * 2 / n^2.
    df = 1.0 / (n_padded * step_s)
    spectrum[first:last] = parts / np.sqrt(frequency[first:last])
    spectrum *= np.float32(np.sqrt(df) * n_padded / 2.0)
    return np.asarray(fft.irfft(spectrum, n_padded)[:n_samples], np.float32)
