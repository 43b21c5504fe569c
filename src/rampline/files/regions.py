"""DS9 region files: polygons in image coordinates, 1-based as DS9 counts."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .whole_file import write_text


class Region(NamedTuple):
    """A labelled polygon."""

    corners: NDArray[np.float64]
    """(n, 2) x and y, pixels, 0-based."""
    label: str


def write_regions(path: Path, regions: Sequence[Region]) -> None:
    """Write polygons that DS9 draws over an exposure's SCI extension."""
    lines = ["# Region file format: DS9 version 4.1", "global color=green", "image"]
    for region in regions:
        numbers = ",".join(f"{value:.1f}" for value in (region.corners + 1.0).ravel())
        label = region.label.replace("{", "(").replace("}", ")")
        lines.append(f"polygon({numbers}) # text={{{label}}}")
    write_text(path, "\n".join(lines) + "\n")
