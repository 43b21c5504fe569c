"""Point sources of one exposure and where they are, to a hundredth of a pixel or better.

Peaks of the lightly smoothed image are measured with a Gaussian window that follows the
source (Bertin's XWIN). The window is as wide as the diffraction image but not narrower
than 1.2 pixels: a narrower one sees the pixel grid (an Airy image of FWHM 0.7, 0.9, 1.2,
1.4, 2.1 pixels moves by at most 0.10, 0.05, 0.014, 0.003, 0.00003 pixels between its
pixel phases under that window; twice to fifty times more under its own width). What is
left over is common to the filter or enters as scatter. Stars are told from galaxies, hits
and spikes by shape; a star with a bad or saturated pixel in its core is not used at all.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import scipy
from numpy.typing import NDArray
from pydantic import Field

from ..numerics.meshes import measure_mesh
from ..params import Count, Fraction, Params, PixelsFloat, Sigma, Unit
from .point_spread import PointSpread
from .source_kernels import COLUMNS, MARGIN, find_peaks, measure_peaks, smooth_binomial

FWHM_TO_SIGMA = 0.42466090014400953
Floats = NDArray[np.float64]


class SourceParams(Params):
    """How point sources are found in an exposure."""

    threshold: Sigma = 6.0
    """Height of a peak over the sky's noise, in the image smoothed by 3 x 3 binomials."""
    min_snr: Sigma = 15.0
    """Lowest signal to noise, within 1.5 pixels, of a star that is used."""
    max_ellipticity: Fraction = 0.18
    """Highest 1 - b/a of a star; galaxies and spikes lie above."""
    min_concentration: Fraction = 0.7
    """Lowest flux(1.5 px)/flux(3.5 px) of a star, as a fraction of that of the diffraction
    image; galaxies lie below."""
    max_concentration: Fraction = 0.6
    """Highest flux(1.5 px)/flux(3.5 px) of a star, as a fraction of the way from the
    diffraction image's to 1; hits and hot pixels lie above."""
    min_window: PixelsFloat = 1.2
    """Lowest sigma of the centroid's window."""
    mesh: Annotated[int, Field(ge=16), Unit("pixel")] = 64
    """Width of the cells in which level and noise of the sky are measured."""
    most: Count = 4000
    """At most this many sources, those of highest signal to noise, are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointSources:
    """Sources of one exposure, brightest signal to noise first.

    Attributes
    ----------
    rows, cols : (n,) float64, pixels
        Centroids, 0-based.
    error_px : (n,) float64, pixels
        Standard deviation of a centroid on either axis, from the pixels' errors.
    flux : (n,) float64, image unit times pixel
        Within 3.5 pixels, over the median of a ring.
    snr : (n,) float64
        Signal to noise within 1.5 pixels.
    ellipticity : (n,) float64
        1 - b/a, the window's effect removed; 1 where the shape is wider than the window.
    concentration : (n,) float64
        Flux within 1.5 pixels over flux within 3.5.
    is_star : (n,) bool
        Passes all rules.
    is_compact : (n,) bool
        A star, or nearly: serves where there are few stars.
    """

    rows: Floats
    cols: Floats
    error_px: Floats
    flux: Floats
    snr: Floats
    ellipticity: Floats
    concentration: Floats
    is_star: NDArray[np.bool_]
    is_compact: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "PointSources":
        """Return the chosen sources."""
        return PointSources(
            **{name: getattr(self, name)[chosen] for name in self.__slots__}
        )


def find_point_sources(
    sky: NDArray[np.float32],
    err: NDArray[np.float32],
    usable: NDArray[np.bool_],
    point_spread: PointSpread,
    params: SourceParams,
) -> PointSources:
    """Find the point sources of an exposure and measure their centroids.

    Parameters
    ----------
    sky, err : (rows, cols) float32, any unit of surface brightness
    usable : (rows, cols) bool
        False on DO_NOT_USE and SATURATED pixels; NaN pixels are unusable in any case. A
        source with an unusable pixel within 3.5 pixels is left out.
    point_spread : PointSpread
        The image of a star in this filter.
    params : SourceParams

    Notes
    -----
    Centroids: Bertin's XWIN_IMAGE with its error ERRX2WIN (SExtractor manual, windowed
    parameters), the error with the measured width in place of the assumed one.
    ``jwst``'s tweakreg uses marginal fits (IRAF's starfind), which scatter 10 times more.
    """
    usable = usable & np.isfinite(sky)
    rows, cols = _find_peaks(sky, usable, params)
    window = max(point_spread.fwhm_px * FWHM_TO_SIGMA, params.min_window)
    table = np.full((len(rows), len(COLUMNS)), np.nan)
    measure_peaks(sky, err, usable, (rows, cols), window, table)
    table = table[np.isfinite(table).all(axis=1)]
    table = table[np.argsort(-table[:, COLUMNS.index("snr")], kind="stable")]
    table = table[_is_first_of_its_place(table)][: params.most]
    return _classify(table, point_spread, params)


def _find_peaks(
    sky: NDArray[np.float32], usable: NDArray[np.bool_], params: SourceParams
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the pixels of local maxima above the threshold, at least MARGIN inside."""
    if min(sky.shape) <= 2 * MARGIN:
        return np.empty(0, np.int32), np.empty(0, np.int32)
    mesh = measure_mesh(sky, usable, params.mesh, stride=max(1, params.mesh // 16))
    known = mesh.n_used > 0
    if not known.any():
        return np.empty(0, np.int32), np.empty(0, np.int32)
    level = np.where(known, mesh.level, np.median(mesh.level[known]))
    scatter = np.where(known, mesh.scatter, np.inf).astype(np.float32)
    smooth = np.empty_like(sky)
    smooth_binomial(sky, usable, level.astype(np.float32), params.mesh, smooth)
    limit = scatter * np.float32(params.threshold)
    room = np.empty((2, sky.size // 4), np.int32)
    n = find_peaks(smooth, limit, params.mesh, room)
    return room[0, :n], room[1, :n]


def _is_first_of_its_place(table: Floats) -> NDArray[np.bool_]:
    """Return which sources are the first of those whose centroids agree within a pixel."""
    first = np.ones(len(table), np.bool_)
    if len(table) > 1:
        pairs = scipy.spatial.cKDTree(table[:, :2]).query_pairs(
            1.0, output_type="ndarray"
        )
        first[pairs.max(axis=1)] = False
    return first


def _classify(
    table: Floats, point_spread: PointSpread, params: SourceParams
) -> PointSources:
    """Name the columns and apply the rules for stars."""
    column = {name: table[:, i] for i, name in enumerate(COLUMNS)}
    c, star_c = column["concentration"], point_spread.concentration
    top = star_c + params.max_concentration * (1.0 - star_c)
    is_star = (
        (column["snr"] >= params.min_snr)
        & (column["ellipticity"] <= params.max_ellipticity)
        & (c >= params.min_concentration * star_c)
        & (c <= top)
    )
    # Half the concentration and twice the ellipticity still make a centroid of some use.
    is_compact = (
        (column["snr"] >= params.min_snr)
        & (column["ellipticity"] <= 2 * params.max_ellipticity)
        & (c >= params.min_concentration * star_c / 2)
        & (c <= top)
    )
    return PointSources(**column, is_star=is_star, is_compact=is_compact)
