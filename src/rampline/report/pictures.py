"""Pictures of planes, for inspection by eye.

Brightness is an asinh stretch from the sky's own level and scatter, so that noise,
stripes and faint wings show and bright cores keep their shape. Rows run upwards.
"""

import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exposure.records import Plane
from ..numerics.selection import MAD_TO_SIGMA
from .legend import Legend, Shades, legend_strip

LARGEST, SMALLEST = 1024, 640
"""Longest side of a picture, pixels; smaller planes are magnified, if there is a legend."""
BANDS = 64
"""Rows of a picture after which pages of memory maps are released."""
SAMPLED = 256
"""Rows and columns that suffice for the level of the sky and its scatter."""
NO_DATA = (24, 40, 72)
"""Colour of pixels without data."""
LOW_SIGMA = 3.0
BRIGHTEST = 254
"""Shade of white; the shade above it marks missing data."""


def picture(
    image: Plane,
    *,
    high_sigma: float = 60.0,
    legend: Legend | None = None,
) -> bytes:
    """Draw a plane.

    Parameters
    ----------
    image : (rows, cols) float32
        NaN where there are no data.
    high_sigma : float
        White, in units of the sky's scatter above its level; black is `LOW_SIGMA` below.
    legend : Legend or None
        Drawn below the picture.

    Returns
    -------
    bytes
        A PNG file.
    """
    small = shrink(image)
    level, scatter = _sky(small)
    black, white = level - LOW_SIGMA * scatter, level + high_sigma * scatter
    grey = np.rint(BRIGHTEST * _stretched(small, LOW_SIGMA, high_sigma))
    pixels = _shaded(small, grey)
    shades = Shades(black, white, "asinh")
    return _grey_png(_framed(pixels, reduction(image), legend, shades))


def linear_picture(image: Plane, legend: Legend | None = None) -> bytes:
    """Draw weights, or light, from zero to the highest, but for the highest hundredth.

    Parameters
    ----------
    image : (rows, cols) float32
        Zero or NaN where there is none.
    legend : Legend or None
        Drawn below the picture.
    """
    small = shrink(image)
    small[~(small > 0)] = math.nan
    known = small[np.isfinite(small)]
    highest = float(np.quantile(known, 0.99)) if known.size else 1.0
    grey = np.rint(BRIGHTEST * np.clip(np.nan_to_num(small) / highest, 0, 1))
    pixels = _shaded(small, grey)
    shades = Shades(0.0, highest, "linear")
    return _grey_png(_framed(pixels, reduction(image), legend, shades))


def colour_picture(
    blue: Plane, green: Plane, red: Plane, legend: Legend | None = None
) -> bytes:
    """Draw three planes of one grid as a colour picture, short wavelengths blue.

    Only the part that all of them cover is drawn.
    """
    common = np.isfinite(red) & np.isfinite(green) & np.isfinite(blue)
    box = _box_of(common)
    small = [shrink(plane[box]) for plane in (red, green, blue)]
    missing = np.logical_or.reduce([~np.isfinite(plane) for plane in small])
    channels = [_stretched(plane, 2.0, 80.0) for plane in small]
    pixels = np.rint(255.0 * np.stack(channels, axis=-1)).astype(np.uint8)
    pixels[missing] = NO_DATA
    return _colour_png(_framed(pixels, reduction(red[box]), legend, None))


def _box_of(covered: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the smallest box around all covered pixels; the whole frame if none is."""
    rows, cols = (np.flatnonzero(covered.any(axis=axis)) for axis in (1, 0))
    if rows.size == 0:
        return slice(None), slice(None)
    return slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)


def reduction(image: Plane) -> int:
    """Return how many pixels on either axis become one of the picture."""
    longest: int = max(image.shape)
    return max(1, -(-longest // LARGEST))


def shrink(image: Plane, release: Callable[[], None] | None = None) -> Plane:
    """Average blocks of pixels until the longest side fits; NaN are left out.

    Where the image is mapped, ``release`` may be called now and then to let go of its pages.
    """
    factor = reduction(image)
    rows, cols = (side // factor for side in image.shape)
    small = np.empty((rows, cols), np.float32)
    for start in range(0, rows, BANDS):
        stop = min(start + BANDS, rows)
        band = image[start * factor : stop * factor, : cols * factor]
        total = np.zeros((stop - start, cols * factor), np.float32)
        known = np.zeros(total.shape, np.float32)
        # whole rows first: to sum a few neighbours at a time takes four times as long
        for k in range(factor):
            finite = np.isfinite(band[k::factor])
            total += np.where(finite, band[k::factor], np.float32(0.0))
            known += finite
        sums, counts = (
            sum(plane[:, k::factor] for k in range(factor)) for plane in (total, known)
        )
        with np.errstate(invalid="ignore"):
            small[start:stop] = sums / counts
        if release is not None and stop - start == BANDS:
            release()
    return small


def _stretched(image: Plane, low: float, high: float) -> NDArray[np.float64]:
    """Map to 0..1: linear near the sky, logarithmic above."""
    level, scatter = _sky(image)
    scaled = (np.nan_to_num(image, nan=level) - level) / scatter
    top = np.arcsinh(high) - np.arcsinh(-low)
    return np.asarray(np.clip((np.arcsinh(scaled) - np.arcsinh(-low)) / top, 0, 1))


def _sky(image: Plane) -> tuple[float, float]:
    """Median and scatter of the darker half: sources do not matter."""
    step = max(1, min(image.shape) // SAMPLED)
    values = image[::step, ::step]
    values = values[np.isfinite(values)]
    if values.size == 0:
        return 0.0, 1.0
    level = float(np.median(values))
    below = level - values[values < level]
    scatter = MAD_TO_SIGMA * float(np.median(below)) if below.size else 0.0
    return level, scatter if scatter > 0 else 1.0


def _shaded(small: Plane, grey: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    shades = grey.astype(np.uint8)
    shades[~np.isfinite(small)] = BRIGHTEST + 1
    return shades


def _framed(
    pixels: NDArray[np.uint8], factor: int, legend: Legend | None, shades: Shades | None
) -> NDArray[np.uint8]:
    """Return a picture from its upper row on, the legend below."""
    pixels = pixels[::-1]
    if legend is None:
        return pixels
    times = max(1, SMALLEST // max(pixels.shape[:2]))
    pixels = pixels.repeat(times, axis=0).repeat(times, axis=1)
    strip = legend_strip(legend, pixels.shape[1], shades, times / factor)
    strip = np.minimum(strip, BRIGHTEST).astype(np.uint8)
    if pixels.ndim > strip.ndim:
        strip = np.repeat(strip[..., None], pixels.shape[2], axis=2)
    return np.concatenate([pixels, strip])


def _grey_png(shades: NDArray[np.uint8]) -> bytes:
    """Encode shades up to `BRIGHTEST`, one byte per pixel: ten times faster than colours."""
    from PIL import Image  # noqa: PLC0415 - only where pictures are drawn

    grey = np.rint(np.arange(BRIGHTEST + 1) * (255 / BRIGHTEST)).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(shades))
    image.putpalette(np.repeat(grey, 3).tobytes() + bytes(NO_DATA))
    return _saved(image)


def _colour_png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image  # noqa: PLC0415 - only where pictures are drawn

    return _saved(Image.fromarray(np.ascontiguousarray(pixels)))


def _saved(image: Any) -> bytes:
    """Return a PNG file; noise cannot be compressed any further."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def thumbnail(png: bytes, side: int) -> bytes:
    """Return a picture as a JPEG whose longest side is at most ``side`` pixels."""
    from PIL import Image  # noqa: PLC0415 - only where pictures are drawn

    with Image.open(io.BytesIO(png)) as image:
        small = image.convert("RGB")
    small.thumbnail((side, side))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=82)
    return buffer.getvalue()
