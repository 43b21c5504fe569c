"""What the user has drawn on an exposure, as lines of its artifact list."""

import numpy as np

from ...exposure.records import Plane
from ...pipeline.drawn_regions import DrawnMasks
from ..input.user_regions import DrawnHere
from .artifact_list import Artifact, known_number


def region_rows(
    here: DrawnHere, masks: DrawnMasks, image: Plane, unit: str
) -> list[Artifact]:
    """Return a row of the artifact list for each region that reaches an exposure.

    Parameters
    ----------
    here : DrawnHere
    masks : DrawnMasks
        Of its regions.
    image : (rows, cols) float32
        In which they are drawn: the strength is the mean within over the median of all.
    unit : str
        Of the image.
    """
    rows: list[Artifact] = []
    level = float(np.nanmedian(image)) if np.isfinite(image).any() else np.nan
    for region, mask in zip(here.regions, masks.each, strict=True):
        inside = image[mask & np.isfinite(image)]
        if mask.any():
            excess = (
                float(inside.mean(dtype=np.float64)) - level if inside.size else np.nan
            )
            rows.append(
                {
                    "kind": "forbidden" if region.is_forbidden else "user",
                    "cause": region.label or f"{region.shape} of the user",
                    "action": "user",
                    "strength": known_number(excess),
                    "unit": unit,
                    "pixels": int(mask.sum()),
                }
            )
    return rows
