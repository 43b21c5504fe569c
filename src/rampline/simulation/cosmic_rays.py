"""Cosmic rays: straight tracks through the detector's thin absorbing layer.

Ions arrive at the in-flight rate from all directions, cross a layer thinner than a
pixel is wide, and leave a log-normal charge along their track, blurred by diffusion.
Rates and charges: Rauscher & Fixsen (arXiv:2602.02134) for JWST's H2RGs, 2.3 (solar
maximum) to 4.3 ions per cm2 and second and about 5200 charges in 7 pixels per hit.
"""

from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..exposure.timing import Readout
from ..params import Factor, StepParams, Unit
from .instrument import PIXEL_CM
from .photons import Events

_POINTS: Final = 32
_THICKNESS_PX: Final = 0.45
"""Absorbing layer over pixel width (8 um over 18 um)."""
_DIFFUSION_PX: Final = 0.5
_LONGEST_PX: Final = 40.0
_FAINTEST_E: Final = 20.0


class CosmicRayParams(StepParams):
    """How many cosmic rays, and how strong."""

    rate_cm2_s: Annotated[float, Field(ge=0), Unit("1/(cm2 s)")] = 3.5
    """Ions per square centimetre and second: 2.3 at solar maximum, 4.3 at minimum."""
    median_e: Annotated[float, Field(gt=0), Unit("e-")] = 2500.0
    """Median charge of a hit, electrons."""
    scatter: Factor = 1.2
    """Sigma of the natural logarithm of the charge."""


def cosmic_rays(
    readout: Readout, params: CosmicRayParams, draw: np.random.Generator
) -> Events:
    """Draw the cosmic rays of one integration.

    Returns
    -------
    Events
        Pixels that gain at least 20 electrons; ``group`` numbers the hits from 1.
    """
    n_rows, n_cols = readout.n_rows, readout.n_cols
    n_frames = frames_per_integration(readout)
    area_cm2 = n_rows * n_cols * PIXEL_CM**2
    mean = params.rate_cm2_s * area_cm2 * n_frames * readout.frame_s
    n_hits = int(draw.poisson(mean)) if params.enabled else 0
    if not n_hits:
        return Events.none()
    centre = draw.random((n_hits, 2)) * (n_rows, n_cols) - 0.5
    frame = draw.integers(0, n_frames, n_hits)
    charge = params.median_e * np.exp(params.scatter * draw.standard_normal(n_hits))
    # Isotropic flux through a flat layer: cos(theta) is the root of a uniform number.
    cosine = np.sqrt(1.0 - draw.random(n_hits))
    length = np.minimum(_THICKNESS_PX * np.sqrt(1 - cosine**2) / cosine, _LONGEST_PX)
    angle = 2.0 * np.pi * draw.random(n_hits)
    along = draw.random((n_hits, _POINTS)) - 0.5
    spread = _DIFFUSION_PX * draw.standard_normal((2, n_hits, _POINTS))
    row = centre[:, :1] + along * (length * np.sin(angle))[:, None] + spread[0]
    col = centre[:, 1:] + along * (length * np.cos(angle))[:, None] + spread[1]
    return _collect(
        np.rint(row), np.rint(col), charge / _POINTS, frame, (n_rows, n_cols)
    )


def frames_per_integration(readout: Readout) -> int:
    """Return the number of reads of an integration, dropped ones included."""
    period = readout.n_frames + readout.n_dropped
    return readout.n_groups * period - readout.n_dropped


def _collect(
    row: NDArray[np.float64],
    col: NDArray[np.float64],
    charge: NDArray[np.float64],
    frame: NDArray[np.int64],
    shape: tuple[int, int],
) -> Events:
    """Sum the points of each hit by pixel; drop what misses the detector."""
    hit = np.broadcast_to(np.arange(row.shape[0])[:, None], row.shape)
    inside = (row >= 0) & (row < shape[0]) & (col >= 0) & (col < shape[1])
    pixel = row[inside].astype(np.int64) * shape[1] + col[inside].astype(np.int64)
    key, count = np.unique(
        hit[inside] * (shape[0] * shape[1]) + pixel, return_counts=True
    )
    hit_of, pixel_of = np.divmod(key, shape[0] * shape[1])
    electrons = np.rint(count * charge[hit_of])
    kept = electrons >= _FAINTEST_E
    hit_of, pixel_of = hit_of[kept], pixel_of[kept]
    return Events(
        row=(pixel_of // shape[1]).astype(np.int32),
        col=(pixel_of % shape[1]).astype(np.int32),
        frame=frame[hit_of].astype(np.int32),
        electrons=electrons[kept].astype(np.float32),
        group=(hit_of + 1).astype(np.int32),
    )
