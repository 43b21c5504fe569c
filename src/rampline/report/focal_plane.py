"""A drawing of the focal plane with the artifacts expected on each detector; V3 is up."""

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

COLOURS = {
    "wisp": "#7a8fb5",
    "claw": "#d98a3d",
    "dragons_breath_1": "#c0453c",
    "dragons_breath_2": "#93306f",
    "ginkgo_leaf": "#4d8f4d",
    "tadpole": "#2f8f8f",
    "stripes": "#8a7a3f",
}


class Outline(NamedTuple):
    """A polygon in the telescope's frame."""

    kind: str
    """Of the artifact; empty for a detector."""
    label: str
    v2v3_arcsec: NDArray[np.float64]
    """(n, 2) arcsec."""


def draw_focal_plane(title: str, outlines: Sequence[Outline]) -> bytes:
    """Draw detectors and the artifacts expected on them.

    Parameters
    ----------
    title : str
    outlines : sequence of Outline
        Detectors first; a filled polygon for each artifact.

    Returns
    -------
    bytes
        A PNG file.
    """
    # a second to import, for this picture only; drawn without a display
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(10, 5), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    seen: set[str] = set()
    for kind, label, corners in outlines:
        x, y = corners.T
        if not kind:
            axes.fill(x, y, facecolor="none", edgecolor="0.35", linewidth=1.0)
            axes.annotate(
                label, corners.mean(axis=0), color="0.35", ha="center", va="center"
            )
            continue
        colour = COLOURS.get(kind, "0.5")
        words = "" if kind in seen else kind.replace("_", " ")
        seen.add(kind)
        axes.fill(x, y, color=colour, alpha=0.45, linewidth=1.0, label=words or None)
    axes.set(title=title, xlabel="V2 (arcsec)", ylabel="V3 (arcsec)", aspect="equal")
    axes.invert_xaxis()
    if seen:
        figure.legend(loc="outside lower center", ncols=len(seen), frameon=False)
    stream = io.BytesIO()
    # matplotlib leaves this one method without types
    canvas.print_png(stream, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return stream.getvalue()
