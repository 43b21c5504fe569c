"""An image of the sky painted onto the detector without losing light.

Every pixel of the image is cut into small squares, each smaller than half a
detector pixel; their light is laid down on a board twice finer than the detector, shared
among the nine nearest points by a quadratic spline, so that sum, centre and width are
kept wherever the square lies. The sharing is undone in Fourier space while the effective
PSF is applied. The image is taken as the sky itself: a PSF that is in it comes on top.
"""

import math
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.interpolate import RectBivariateSpline

from ..errors import ParameterError, RamplineError
from ..files.fits_layout import Hdu, read_image, scan_fits
from ..numerics.jit import kernel
from ..units import AB_ZERO_JY
from .geometry import Camera, sky_to_focal
from .instrument import Passband
from .optics import PointSpread
from .scene import LightParams, PictureParams
from .sources import REFERENCE_UM

Array = NDArray[np.float64]
_FINE: Final = 2
"""Points of the board per detector pixel."""
_CUT: Final = 0.5
"""Largest width of a square, detector pixels."""
_MOST_CUTS: Final = 1024
_NEAR_PX: Final = 1700.0
"""From a detector's centre to what lies beyond its corner."""
_BLOCK: Final = 256
"""Rows of the picture that are cut at once."""
_NODE: Final = 16
_NODE_ARCSEC: Final = 20.0
"""The map from the image to the detector is evaluated at so many pixels, or closer."""
_JY: Final = {"JY": 1.0, "JY/PIXEL": 1.0, "JY/PIX": 1.0, "NJY": 1e-9, "UJY": 1e-6}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """An image to be painted.

    Attributes
    ----------
    flux_jy : (rows, cols) float64, Jy
        Of each pixel, in the filter that is painted.
    ra_deg, dec_deg : (m, n) float64, deg
        Places of the nodes.
    node_row, node_col : (m,), (n,) float64, pixels
        The nodes in the image, 0-based.
    colour : float
        Flux density goes as the wavelength to this power.
    """

    flux_jy: Array
    ra_deg: Array
    dec_deg: Array
    node_row: Array
    node_col: Array
    colour: float


def read_pictures(params: LightParams, band: Passband) -> tuple[Picture, ...]:
    """Read the images that are painted in a filter.

    Raises
    ------
    ParameterError
        No readable image, no celestial WCS, or a unit that is no flux.
    """
    return tuple(
        _read_picture(picture, band, f"light.pictures.{number}")
        for number, picture in enumerate(params.pictures)
        if picture.filter in {"", band.name}
    )


def _read_picture(params: PictureParams, band: Passband, entry: str) -> Picture:
    try:
        values, header = _load(params.file)
        scale = _jy_per_unit(params, header, values)
        nodes = _nodes(values.shape, _celestial(header))
        ra, dec = _sky(header, nodes)
    except (RamplineError, ValueError) as error:
        raise ParameterError(f"{entry}.file: {error}") from error
    if not params.filter:
        scale *= (band.pivot_um / REFERENCE_UM) ** params.colour
    return Picture(
        flux_jy=values * scale,
        ra_deg=ra,
        dec_deg=dec,
        node_row=nodes[0],
        node_col=nodes[1],
        colour=params.colour,
    )


@lru_cache(maxsize=4)
def _load(name: str) -> tuple[Array, Any]:
    """Return the first image of a file, unknown pixels empty, and its header."""
    path = Path(name)
    hdus = [hdu for hdu in scan_fits(path) if _is_image(hdu)]
    if not hdus:
        raise ValueError(f"{name}: no two-dimensional image")
    values = read_image(path, hdus[0]).astype(np.float64)
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0), hdus[0].header


def _is_image(hdu: Hdu) -> bool:
    return not hdu.is_table and len(hdu.shape) == 2 and 0 not in hdu.shape


def _nodes(shape: tuple[int, ...], wcs: Any) -> list[Array]:
    """Return rows and columns at which the map to the detector is evaluated."""
    # Only here: astropy.wcs is slow to import.
    from astropy.wcs.utils import proj_plane_pixel_scales  # noqa: PLC0415

    scale = 3600.0 * max(proj_plane_pixel_scales(wcs))
    spacing = min(_NODE, _NODE_ARCSEC / scale)
    return [
        np.linspace(-0.5, n - 0.5, max(4, math.ceil(n / spacing) + 1)) for n in shape
    ]


def _sky(header: Any, nodes: list[Array]) -> tuple[Array, Array]:
    """Return RA and Dec of the nodes."""
    wcs = _celestial(header)
    rows, cols = np.meshgrid(*nodes, indexing="ij")
    ra, dec = wcs.all_pix2world(cols, rows, 0)
    if not (np.isfinite(ra).all() and np.isfinite(dec).all()):
        raise ValueError("its WCS leaves the sphere")
    return np.asarray(ra), np.asarray(dec)


def _celestial(header: Any) -> Any:
    # Half a second to import, for pictures only.
    from astropy.wcs import WCS, FITSFixedWarning  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        wcs = WCS(header)
    if not wcs.has_celestial:
        raise ValueError("its header has no celestial WCS")
    return wcs.celestial


def _jy_per_unit(params: PictureParams, header: Any, values: Array) -> float:
    """Return the flux of a pixel of value 1."""
    if params.magnitude is not None:
        total = float(values.sum())
        if total <= 0.0:
            raise ValueError("its sum is not positive, so it cannot have a magnitude")
        return float(AB_ZERO_JY * 10 ** (-0.4 * params.magnitude) / total)
    unit = str(header.get("BUNIT", "")).strip().upper()
    if unit == "MJY/SR":
        # Only here: astropy.wcs is slow to import.
        from astropy.wcs.utils import proj_plane_pixel_area  # noqa: PLC0415

        degrees2 = proj_plane_pixel_area(_celestial(header))
        return float(1e6 * degrees2 * np.radians(1.0) ** 2)
    if unit not in _JY:
        raise ValueError(f"BUNIT {unit!r} is no flux; give a magnitude")
    return _JY[unit]


def paint_picture(
    canvas: Array,
    picture: Picture,
    place: tuple[Camera, PointSpread, tuple[int, int]],
    dn_s_per_jy: float,
) -> None:
    """Add a picture to a canvas, in place.

    Parameters
    ----------
    canvas : (rows, cols) float64, DN/s
        Added to.
    picture : Picture
    place : (Camera, PointSpread, (int, int))
        Camera, PSF, and the canvas' first row and column.
    dn_s_per_jy : float
        Rate of 1 Jy.
    """
    camera, spread, origin = place
    half = spread.values.shape[0] // 2 // spread.oversample
    part = _near(picture, camera, np.hypot(*canvas.shape) / 2.0 + half)
    if part is None:
        return
    path = _path(picture, part, camera, origin)
    box = _box(canvas.shape, path.ends, half)
    if box is None:
        return
    low, size = box
    board = np.zeros([_FINE * n for n in size])
    cuts = int(np.clip(np.ceil(path.pixel_width / _CUT), 1, _MOST_CUTS))
    for top in range(path.first[0], path.last[0], _BLOCK):
        bottom = min(top + _BLOCK, path.last[0])
        rows, cols = path.corners(top, bottom)
        flux = picture.flux_jy[top:bottom, path.first[1] : path.last[1]]
        fine = _FINE * (rows - low[0]), _FINE * (cols - low[1])
        _lay_down(board, flux, fine[0], fine[1], cuts)
    light = _convolve(board, spread)[::_FINE, ::_FINE]
    there, here = [], []
    for start, n, n_canvas in zip(low, size, canvas.shape, strict=True):
        first, last = max(start, 0), min(start + n, n_canvas)
        there.append(slice(first, last))
        here.append(slice(first - start, last - start))
    canvas[there[0], there[1]] += dn_s_per_jy * light[here[0], here[1]]


def _near(
    picture: Picture, camera: Camera, reach_px: float
) -> tuple[slice, slice] | None:
    """Return the nodes about the detector, None where the picture is elsewhere.

    Far from the detector its distortion means nothing.
    """
    full = camera.full
    v2, v3 = sky_to_focal(camera.attitude, picture.ra_deg, picture.dec_deg)
    v2, v3 = v2 - full.v2_ref_arcsec, v3 - full.v3_ref_arcsec
    step = max(np.hypot(np.diff(v2, axis=k), np.diff(v3, axis=k)).max() for k in (0, 1))
    # A subarray may lie in a corner of the detector.
    reach_px = max(reach_px, _NEAR_PX)
    is_near = np.hypot(v2, v3) < reach_px * full.x_scale_arcsec + step
    if not is_near.any():
        return None
    found = []
    for axis in (1, 0):
        which = np.flatnonzero(is_near.any(axis=axis))
        # A cubic spline needs four nodes.
        n = is_near.shape[1 - axis]
        first = max(0, min(which[0] - 1, n - 4))
        found.append(slice(first, max(which[-1] + 2, first + 4)))
    return found[0], found[1]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Path:
    """From a part of the picture to the canvas.

    Attributes
    ----------
    first, last : (int, int)
        Rows and columns of the picture: first ones, and first ones beyond.
    row, col : spline
        Of the place on the canvas.
    ends : ((float, float), (float, float)), pixels
        Lowest and highest row and column of the canvas.
    pixel_width : float
        Of the picture's pixels, in pixels of the canvas.
    """

    first: tuple[int, int]
    last: tuple[int, int]
    row: RectBivariateSpline
    col: RectBivariateSpline
    ends: tuple[tuple[float, float], tuple[float, float]]
    pixel_width: float

    def corners(self, top: int, bottom: int) -> tuple[Array, Array]:
        """Return row and column of the corners of pixels in some rows."""
        edges = (
            np.arange(top, bottom + 1) - 0.5,
            np.arange(self.first[1], self.last[1] + 1) - 0.5,
        )
        return np.asarray(self.row(*edges)), np.asarray(self.col(*edges))


def _path(
    picture: Picture,
    part: tuple[slice, slice],
    camera: Camera,
    origin: tuple[int, int],
) -> _Path:
    """Join the nodes of a part of the picture by splines."""
    places = camera.sky_to_pixel(picture.ra_deg[part], picture.dec_deg[part])
    row, col = (place - start for place, start in zip(places, origin, strict=True))
    nodes = picture.node_row[part[0]], picture.node_col[part[1]]
    steps = nodes[0][1] - nodes[0][0], nodes[1][1] - nodes[1][0]
    widths = [
        np.abs(np.diff(place, axis=axis)).max() / steps[axis]
        for place in (row, col)
        for axis in (0, 1)
    ]
    first = [math.ceil(node[0] + 0.5 - 1e-9) for node in nodes]
    last = [math.floor(node[-1] + 0.5 + 1e-9) for node in nodes]
    return _Path(
        first=(first[0], first[1]),
        last=(last[0], last[1]),
        row=RectBivariateSpline(*nodes, row),
        col=RectBivariateSpline(*nodes, col),
        ends=((row.min(), row.max()), (col.min(), col.max())),
        pixel_width=float(max(widths)),
    )


def _box(
    shape: tuple[int, ...],
    ends: tuple[tuple[float, float], tuple[float, float]],
    half: int,
) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return first pixel and size of a board that holds picture and PSF, or None.

    Light beyond the canvas counts as far as the PSF reaches; the board ends a PSF
    farther, so that nothing comes back in at its other side.
    """
    low, size = [], []
    for (begin, end), n in zip(ends, shape, strict=True):
        first = max(math.floor(begin), -half) - half
        last = min(math.ceil(end), n - 1 + half) + half
        if first + half > n - 1 + half or last - half < -half:
            return None
        low.append(first)
        size.append(fft.next_fast_len(last - first + 1, real=True))
    return (low[0], low[1]), (size[0], size[1])


def _convolve(board: Array, spread: PointSpread) -> Array:
    """Apply the effective PSF to what was laid down, and undo the sharing of points."""
    step = spread.oversample // _FINE
    centre = spread.values.shape[0] // 2
    values = spread.values[centre % step :: step, centre % step :: step]
    middle = centre // step
    reach = min(middle, (min(board.shape) - 1) // 2)
    cut = slice(middle - reach, middle + reach + 1)
    # Its centre lies on the first point, the rest wraps round.
    optics = np.zeros(board.shape)
    place = np.arange(-reach, reach + 1)
    optics[np.ix_(place, place)] = values[cut, cut]
    spectrum = fft.rfft2(board)
    spectrum *= fft.rfft2(optics)
    spectrum /= np.sinc(fft.fftfreq(board.shape[0]))[:, None] ** 3
    spectrum /= np.sinc(fft.rfftfreq(board.shape[1]))[None, :] ** 3
    return np.asarray(fft.irfft2(spectrum, s=board.shape))


@kernel
def _lay_down(board: Array, values: Array, rows: Array, cols: Array, cuts: int) -> None:
    """Share the light of each pixel's ``cuts`` squared squares among board points.

    ``rows`` and ``cols`` are those of the pixels' corners, in points of the board.
    """
    n_rows, n_cols = board.shape
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            share = values[i, j] / (cuts * cuts)
            if share == 0.0 or not (
                _overlaps(rows[i : i + 2, j : j + 2], n_rows)
                and _overlaps(cols[i : i + 2, j : j + 2], n_cols)
            ):
                continue
            for a in range(cuts):
                u = (a + 0.5) / cuts
                for b in range(cuts):
                    v = (b + 0.5) / cuts
                    row = (1 - u) * ((1 - v) * rows[i, j] + v * rows[i, j + 1])
                    row += u * ((1 - v) * rows[i + 1, j] + v * rows[i + 1, j + 1])
                    col = (1 - u) * ((1 - v) * cols[i, j] + v * cols[i, j + 1])
                    col += u * ((1 - v) * cols[i + 1, j] + v * cols[i + 1, j + 1])
                    if 1 <= row < n_rows - 2 and 1 <= col < n_cols - 2:
                        _share_out(board, row, col, share)


@kernel
def _overlaps(corners: Array, n: int) -> bool:
    """Tell whether a pixel's corners reach the board along one axis."""
    return bool(corners.max() >= 1.0 and corners.min() < n - 2.0)


@kernel
def _share_out(board: Array, row: float, col: float, share: float) -> None:
    """Add light to the nine points about a place."""
    near_row, near_col = int(np.rint(row)), int(np.rint(col))
    off_row, off_col = row - near_row, col - near_col
    for a in range(-1, 2):
        weight = share * _quadratic(a, off_row)
        for b in range(-1, 2):
            board[near_row + a, near_col + b] += weight * _quadratic(b, off_col)


@kernel
def _quadratic(point: int, off: float) -> float:
    """Return the quadratic B-spline of the neighbour ``point`` of a place ``off`` it."""
    if point == 0:
        return 0.75 - off * off
    side = 0.5 + point * off
    return 0.5 * side * side
