"""What one exposure tells about the bad pixels of its detector, its sources being known."""

import numpy as np
from numpy.typing import NDArray

from ..detector.bad_pixels import Exposed
from ..exposure.planes import SkyPlanes
from ..exposure.records import SlopeImage
from ..flags import JUMP, REFERENCE_PIXEL
from .scattered_light import sky_residual


def expose_pixels(
    image: SlopeImage,
    planes: SkyPlanes,
    hidden: NDArray[np.bool_],
    is_source: NDArray[np.bool_],
) -> Exposed:
    """Return an exposure as it is added to the stack of its detector.

    Parameters
    ----------
    image : SlopeImage
    planes : SkyPlanes
    hidden, is_source : (rows, cols) bool
        Pixels that do not show bare sky with stray light, and those that light of the
        exposure's own filter reaches; neither tells anything.
    """
    slope, flags, readout = image.planes.slope, image.planes.flags, image.header.readout
    residual = sky_residual(slope, flags, planes, hidden)
    residual[is_source | (flags & np.uint32(REFERENCE_PIXEL) != 0)] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        err = image.planes.err / planes.flat
        sky = float(np.nanmedian(slope / planes.flat - residual))
    return Exposed(
        residual=residual,
        err=err,
        sky=sky,
        chi2=image.extras.get("CHI2"),
        is_hit=flags & np.uint32(JUMP) != 0,
        # two parameters are fitted: the slope, and where it starts
        degrees=readout.n_ints * (readout.n_groups - 2),
    )
