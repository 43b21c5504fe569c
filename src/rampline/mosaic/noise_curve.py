"""How the noise of an area of blank sky grows with its size, measured on the mosaic.

The noise of independent pixels grows with the square root of their number. Drizzle
correlates neighbours, as predicted by `rampline.mosaic.correlation`; effects that it
cannot predict are measured here: charge coupled into neighbours, residual 1/f noise,
steps of the sky level. Sums over square boxes of the difference between two halves of
the exposures are compared with their errors; an aperture of the same area has the same
factor to a few per cent. Sources, detected or not, cancel in the difference.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..numerics.jit import kernel
from ..params import Count, Fraction, StepParams
from .correlation import noise_autocorrelation

SIDES: Final = (1, 2, 3, 4, 6, 8, 16, 32, 64)
"""Sides of the boxes, pixels; a box of 32 has the area of an aperture 36 in diameter."""
LEAST_BOXES: Final = 100
"""Minimum number of boxes, for an error of the scatter below 10 per cent."""
QUANTILES: Final = (0.1587, 0.8413)
"""One standard deviation to either side of the mean of normal noise."""
SCATTER_ERROR: Final = 0.96
"""Error of the scatter from these two quantiles of n normal values, times sqrt(n)."""


class NoiseCurveParams(StepParams):
    """How the noise of areas of a mosaic is measured."""

    pieces: Count = 4
    """Maximum number of pieces of 1024 x 1024 pixels used."""
    least_filled: Fraction = 0.8
    """Minimum fraction of a box that is free of bright sources."""


class Piece(NamedTuple):
    """A piece of a mosaic.

    Attributes
    ----------
    signal, err : (rows, cols) float32, MJy/sr
        The signal scatters around zero.
    is_sky : (rows, cols) bool
        Pixels with data and without bright sources.
    """

    signal: Plane
    err: Plane
    is_sky: NDArray[np.bool_]


class NoiseCurve(NamedTuple):
    """Noise of boxes relative to the square root of their summed ERR squared.

    Attributes
    ----------
    side_px : (sides,) float64, pixels
    predicted : (sides,) float64
        From the sizes of pixels and drops.
    measured : (sides,) float64
        NaN where too few boxes are blank.
    error : (sides,) float64
        Of the measured factor.
    n_boxes : (sides,) int64
    """

    side_px: NDArray[np.float64]
    predicted: NDArray[np.float64]
    measured: NDArray[np.float64]
    error: NDArray[np.float64]
    n_boxes: NDArray[np.int64]

    def factor(self, area_px: float) -> float:
        """Return the factor for an area: measured where possible, otherwise predicted.

        Interpolated in the logarithm of the area; outside the measured sizes the ratio
        of measured to predicted is that of the nearest size.
        """
        known = np.isfinite(self.measured)
        side = np.sqrt(area_px)
        predicted = float(np.interp(np.log(side), np.log(self.side_px), self.predicted))
        if not known.any():
            return predicted
        over = self.measured[known] / self.predicted[known]
        at = np.log(self.side_px[known])
        return predicted * float(np.interp(np.log(side), at, over))

    def table(self) -> NDArray[np.void]:
        """Return the curve as a table: SIDE (pixels), PREDICTED, MEASURED, ERROR, BOXES."""
        names = ("SIDE", "PREDICTED", "MEASURED", "ERROR")
        layout = [(name, "f8") for name in names] + [("BOXES", "i8")]
        rows = np.empty(len(self.side_px), layout)
        for name, values in zip((*names, "BOXES"), self, strict=True):
            rows[name] = values
        return rows


def measure_noise_curve(
    pulls: Sequence[Sequence[NDArray[np.float64]]], drop: tuple[float, float]
) -> NoiseCurve:
    """Measure the noise of boxes.

    Parameters
    ----------
    pulls : sequence of (arrays of (boxes,) float64, one for each of `SIDES`)
        From `sum_all_boxes`, for each piece of the mosaic.
    drop : (float, float)
        Side of the drop, and of the mosaic's pixel, relative to the exposures' pixel.

    Returns
    -------
    NoiseCurve

    Notes
    -----
    The scatter is half the distance between the 15.87 and 84.13 % quantiles of the
    boxes' sums over the root of their summed variances, which residuals of bright
    sources do not affect.
    """
    correlation = noise_autocorrelation(*drop)
    measured = np.full(len(SIDES), np.nan)
    n_boxes = np.zeros(len(SIDES), np.int64)
    for k in range(len(SIDES)):
        values = np.concatenate([piece[k] for piece in pulls]) if pulls else np.empty(0)
        n_boxes[k] = len(values)
        if len(values) >= LEAST_BOXES:
            low, high = np.quantile(values, QUANTILES)
            measured[k] = (high - low) / 2
    return NoiseCurve(
        side_px=np.array(SIDES, np.float64),
        predicted=np.array([box_factor(correlation, side) for side in SIDES]),
        measured=measured,
        error=SCATTER_ERROR * measured / np.sqrt(np.maximum(n_boxes, 1)),
        n_boxes=n_boxes,
    )


def sum_all_boxes(
    piece: Piece, params: NoiseCurveParams
) -> tuple[NDArray[np.float64], ...]:
    """Return `sum_boxes` for each of `SIDES`."""
    return tuple(sum_boxes(piece, side, params.least_filled) for side in SIDES)


def sum_boxes(piece: Piece, side: int, least_filled: float) -> NDArray[np.float64]:
    """Return the sums over boxes, divided by the root of their summed variances.

    Parameters
    ----------
    piece : Piece
    side : int, pixels
    least_filled : float
        Boxes with a smaller blank fraction are excluded.

    Returns
    -------
    (boxes,) float64
    """
    counts = tuple(n // side for n in piece.signal.shape)
    pulls = np.empty(counts)
    _sum_boxes(*piece, side, max(least_filled * side**2, 1.0), pulls)
    return pulls[np.isfinite(pulls)]


def box_factor(correlation: NDArray[np.float64], side: int) -> float:
    """Return the factor by which correlation raises the noise of a sum over a square box.

    Parameters
    ----------
    correlation : (k, k) float64
        See `rampline.mosaic.correlation.noise_autocorrelation`.
    side : int, pixels
    """
    reach = correlation.shape[0] // 2
    share = np.maximum(1.0 - np.abs(np.arange(-reach, reach + 1)) / side, 0.0)
    return float(np.sqrt(share @ correlation @ share))


@kernel
def compare_halves(
    first: NDArray[np.float64], both: NDArray[np.float64], out: NDArray[np.float32]
) -> None:
    """Compare a mosaic of some exposures with that of the others.

    Parameters
    ----------
    first, both : (rows, cols, 5) float64
        Sums of some and of all exposures, as in `rampline.mosaic.drizzle_kernel.Target`.
    out : (3, rows, cols) float32
        Half the difference of the two mosaics, their mean, and the error of half the
        difference; NaN where one of them has no data.
    """
    for row in range(first.shape[0]):
        for col in range(first.shape[1]):
            one, two = first[row, col], both[row, col]
            weight, other = one[1], two[1] - one[1]
            is_known = (weight > 0.0) & (other > 0.0)
            a = 0.5 / weight if is_known else np.nan
            b = 0.5 / other if is_known else np.nan
            sky, other_sky = a * one[0], b * (two[0] - one[0])
            variance = one[2] + one[3] + one[4]
            other_variance = two[2] + two[3] + two[4] - variance
            out[0, row, col] = sky - other_sky
            out[1, row, col] = sky + other_sky
            out[2, row, col] = np.sqrt(a * a * variance + b * b * other_variance)


@kernel
def _sum_boxes(
    signal: Plane,
    err: Plane,
    is_sky: NDArray[np.bool_],
    side: int,
    least: float,
    pulls: NDArray[np.float64],
) -> None:
    """Fill sums of blank pixels over the root of their summed variance; NaN if few."""
    for i in range(pulls.shape[0]):
        for j in range(pulls.shape[1]):
            total, variance, used = 0.0, 0.0, 0
            for row in range(i * side, (i + 1) * side):
                for col in range(j * side, (j + 1) * side):
                    if is_sky[row, col]:
                        total += signal[row, col]
                        variance += err[row, col] * err[row, col]
                        used += 1
            enough = (used >= least) & (variance > 0.0)
            pulls[i, j] = total / np.sqrt(variance) if enough else np.nan
