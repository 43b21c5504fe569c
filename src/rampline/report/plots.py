"""Small plots as SVG: points in a plane, and counts in bins."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray

COLOURS = ("#3b6fe0", "#d9663b", "#2f9e6e", "#a456c9", "#c79a1e", "#3aa7b5")
"""One for each series, in turn."""
WIDTH, HEIGHT, LEFT, BOTTOM = 560, 320, 72, 44


def scatter_svg(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]], x_name: str, y_name: str
) -> str:
    """Draw points, a colour for each series.

    Parameters
    ----------
    series : mapping of name to (x, y)
        Points that are not finite are left out.
    x_name, y_name : str
        What the axes show, with unit.
    """
    kept = {name: _finite(x, y) for name, (x, y) in series.items()}
    both = np.concatenate([np.empty((2, 0)), *kept.values()], axis=1)
    x_span, y_span = _span(both[0]), _span(both[1])
    marks = []
    for k, (name, points) in enumerate(kept.items()):
        x, y = _across(points[0], x_span), _up(points[1], y_span)
        colour = COLOURS[k % len(COLOURS)]
        marks += [
            f'<circle cx="{a:.1f}" cy="{b:.1f}" r="4" fill="{colour}" '
            f'fill-opacity=".75"><title>{escape(name)}</title></circle>'
            for a, b in zip(x, y, strict=True)
        ]
    return _framed(marks, list(kept), (x_span, y_span), (x_name, y_name))


def counts_svg(series: Mapping[str, ArrayLike], x_name: str, bin_width: float) -> str:
    """Draw how many values fall into each bin, a line for each series."""
    kept = {name: _finite(x, x)[0] for name, x in series.items()}
    low, high = _span(np.concatenate([np.empty(0), *kept.values()]))
    edges = np.arange(np.floor(low), np.ceil(high) + bin_width, bin_width)
    counts = {name: np.histogram(x, edges)[0] for name, x in kept.items()}
    most = max((int(count.max()) for count in counts.values()), default=1)
    spans = (float(edges[0]), float(edges[-1])), (0.0, float(max(most, 1)))
    marks = []
    for k, count in enumerate(counts.values()):
        x = _across(np.repeat(edges, 2)[1:-1], spans[0])
        y = _up(np.repeat(count, 2).astype(float), spans[1])
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        colour = COLOURS[k % len(COLOURS)]
        marks.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" '
            'stroke-width="2"/>'
        )
    return _framed(marks, list(kept), spans, (x_name, "number"))


def _finite(x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    points = np.array([np.asarray(x, float), np.asarray(y, float)])
    return points[:, np.isfinite(points).all(axis=0)]


def _span(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the range of values with a margin; never empty."""
    if values.size == 0:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    margin = 0.06 * (high - low) or max(abs(high), 1.0) * 0.06
    return low - margin, high + margin


def _across(x: NDArray[np.float64], span: tuple[float, float]) -> NDArray[np.float64]:
    share = (x - span[0]) / (span[1] - span[0])
    return np.asarray(LEFT + share * (WIDTH - LEFT - 12))


def _up(y: NDArray[np.float64], span: tuple[float, float]) -> NDArray[np.float64]:
    share = (y - span[0]) / (span[1] - span[0])
    return np.asarray(HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - 28))


def _framed(
    marks: Sequence[str],
    names: Sequence[str],
    spans: tuple[tuple[float, float], tuple[float, float]],
    axes: tuple[str, str],
) -> str:
    """Return the drawing with axes, ticks and the names of the series."""
    floor, right = HEIGHT - BOTTOM, WIDTH - 12
    style = 'font-family="system-ui,sans-serif" font-size="12" fill="currentColor"'
    line = 'fill="none" stroke="currentColor" stroke-opacity=".6"'
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" {style}>',
        f'<path d="M{LEFT} 28V{floor}H{right}" {line}/>',
    ]
    for value in _ticks(spans[0]):
        x = _across(np.array(value), spans[0])
        parts.append(
            f'<text x="{x:.1f}" y="{floor + 17}" text-anchor="middle">{value:g}</text>'
        )
    for value in _ticks(spans[1]):
        y = _up(np.array(value), spans[1])
        parts.append(
            f'<text x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    for k, name in enumerate(names):
        place, colour = LEFT + 8 + 92 * k, COLOURS[k % len(COLOURS)]
        parts.append(
            f'<circle cx="{place}" cy="13" r="4" fill="{colour}"/>'
            f'<text x="{place + 9}" y="17">{escape(name)}</text>'
        )
    middle = (LEFT + right) // 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(axes[0])}'
        f'</text><text transform="translate(13 {floor // 2 + 14}) rotate(-90)" '
        f'text-anchor="middle">{escape(axes[1])}</text>'
    )
    return "".join([*parts, *marks, "</svg>"])


def _ticks(span: tuple[float, float]) -> list[float]:
    """Return four to eight round values within a range."""
    raw = (span[1] - span[0]) / 5
    decade = 10.0 ** np.floor(np.log10(raw))
    step = decade * min((1.0, 2.0, 5.0, 10.0), key=lambda m: abs(m * decade - raw))
    first = np.ceil(span[0] / step)
    values = step * np.arange(first, np.floor(span[1] / step) + 1)
    return [float(value) for value in np.round(values, 12)]
