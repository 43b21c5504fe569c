"""How good an exposure came out, in the few numbers that an astronomer looks at first.

Only every eighth row is read: the fraction of flagged pixels among half a million is good to
about 1e-4, and a page about hundreds of exposures must not take longer than reducing them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...files.fits_layout import Hdu, find_hdu, read_image, scan_fits
from ...flags import DO_NOT_USE, JUMP, REFERENCE_PIXEL, SATURATED

EVERY = 8


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures of one exposure; NaN where the file does not say.

    Attributes
    ----------
    chi2 : float
        Median of the slope fits' reduced chi2.
    lost, hit, saturated : float
        Shares of the light-sensitive pixels: DO_NOT_USE, hit by a cosmic ray, saturated.
    stripes : float, DN/s
        Scatter of the 1/f noise that was removed.
    """

    chi2: float
    lost: float
    hit: float
    saturated: float
    stripes: float


def measure_quality(rate: Path) -> Quality:
    """Measure the figures of an exposure from its slopes.

    Raises
    ------
    InputError
        A file that is no whole FITS file.
    """
    hdus = scan_fits(rate)
    flags = _plane(rate, find_hdu(hdus, "DQ"))
    chi2 = _plane(rate, find_hdu(hdus, "CHI2"))
    stripes = _plane(rate, find_hdu(hdus, "STRIPES"))
    lit = flags & REFERENCE_PIXEL == 0
    return Quality(
        chi2=_median(chi2),
        lost=_share(flags, lit, DO_NOT_USE),
        hit=_share(flags, lit, JUMP),
        saturated=_share(flags, lit, SATURATED),
        stripes=float(np.std(stripes[np.isfinite(stripes)]))
        if stripes.size
        else np.nan,
    )


def _plane(path: Path, hdu: Hdu | None) -> NDArray[Any]:
    if hdu is None:
        return np.empty((0, 0), np.uint32)
    return read_image(path, hdu)[EVERY // 2 :: EVERY]


def _median(plane: NDArray[Any]) -> float:
    known = plane[np.isfinite(plane)]
    return float(np.median(known)) if known.size else np.nan


def _share(flags: NDArray[Any], lit: NDArray[np.bool_], bit: int) -> float:
    return float((flags[lit] & np.uint32(bit) != 0).mean()) if lit.any() else np.nan
