"""The terms of the pointing error that images share, and the motions they add up to.

Every image moves by the sum of a term of its visit (guide star), one of its exposure
(dither), one of its detector and filter (distortion and filter offset) and one of its own,
each with a prior that says how large it usually is.
"""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..params import Arcsec, Factor, Params, Unit
from .bending import Frames, make_frames, size_bends

Points = NDArray[np.float64]
Indices = NDArray[np.intp]
CATALOG = -1
"""Image number of the reference catalogue's observations."""
KINDS = ("visit", "exposure", "detector", "image")
EXPOSURE, DETECTOR = 1, 2
"""The detectors' terms shift along the telescope's axes and turn about the image."""
TERMS = 4
"""Unknowns of a term: two shifts (arcsec), a roll (rad) and a scale (minus 1)."""
IMAGE_SIGMAS = (5e-4, 5e-6)
"""What usually remains of a single image's position (arcsec) and roll (rad)."""
FIXED = 1e-9
"""Prior of the scales of all terms but the detectors'."""

Milliradian = Annotated[float, Field(gt=0), Unit("mrad")]


class PriorParams(Params):
    """Usual sizes of pointing errors; larger errors are found too."""

    visit_shift: Arcsec = 0.2
    """Error of a visit's pointing (guide-star position)."""
    visit_roll: Milliradian = 0.5
    """Error of a visit's roll."""
    exposure_shift: Arcsec = 0.01
    """Error of a dither within its visit."""
    exposure_roll: Milliradian = 0.02
    """Change of the roll between the dithers of a visit."""
    detector_shift: Arcsec = 0.005
    """Error of the place of a detector and filter in the focal plane."""
    detector_roll: Milliradian = 0.1
    """Error of the orientation of a detector and filter in the focal plane."""
    detector_scale: Factor = 2e-5
    """Relative error of the pixel scale of a detector and filter; 1e-9 holds it fixed."""
    detector_bend: Arcsec = 0.002
    """Size of each error of the distortion of a detector and filter beyond shift, roll and
    scale; 1e-9 holds them fixed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Which terms move which image.

    Attributes
    ----------
    terms : (images, 4) int
        Numbers of the visit's, exposure's, detector's and image's own term.
    pivots : (terms, 2) float64, arcsec
        Centres about which the terms turn.
    centres : (images, 2) float64, arcsec
        Reference points of the images.
    axes : (images, 2, 2) float64
        Telescope axes of each image in the field plane: those of the detectors' shifts.
    sigmas : (terms, 4) float64
        Priors: shift in arcsec, twice, roll in rad, and scale.
    frames : Frames
        For the bends of the detectors and filters.
    bend_sigmas : (detectors, UNKNOWNS) float64, arcsec
        Priors of the bends.
    """

    terms: Indices
    pivots: Points
    centres: Points
    axes: NDArray[np.float64]
    sigmas: NDArray[np.float64]
    frames: Frames
    bend_sigmas: NDArray[np.float64]


class ImageMotions(NamedTuple):
    """How the images move."""

    shift: Points
    """(images, 2) arcsec"""
    roll: NDArray[np.float64]
    """(images,) rad"""
    stretch: NDArray[np.float64]
    """(images,)"""


def make_layout(
    keys: list[tuple[str, str, str]],
    centres: Points,
    axes: Points,
    outlines: Points,
    priors: PriorParams,
) -> Layout:
    """Give the terms of all images their numbers.

    Parameters
    ----------
    keys : list of (visit, exposure, detector)
        Names of each image; images share the terms whose names they share.
    centres : (images, 2) float64, arcsec
    axes : (images, 2, 2) float64
    outlines : (images, 4, 2) float64, arcsec
        Corners.
    priors : PriorParams
    """
    numbers: dict[tuple[str, str], int] = {}
    terms = np.empty((len(keys), len(KINDS)), np.intp)
    for k, key in enumerate(keys):
        for j, name in enumerate((*key, str(k))):
            terms[k, j] = numbers.setdefault((KINDS[j], name), len(numbers))
    pivots = np.array(
        [centres[(terms == n).any(axis=1)].mean(axis=0) for n in range(len(numbers))]
    ).reshape(-1, 2)
    sigmas = np.empty((len(numbers), TERMS))
    sizes = _prior_sizes(priors)
    for (kind, _), n in numbers.items():
        sigmas[n] = sizes[kind]
    _, detector = np.unique(terms[:, DETECTOR], return_inverse=True)
    frames = make_frames(outlines, axes, detector)
    return Layout(
        terms=terms,
        pivots=pivots,
        centres=centres,
        axes=axes,
        sigmas=sigmas,
        frames=frames,
        bend_sigmas=size_bends(frames, priors.detector_bend, priors.detector_scale),
    )


def _prior_sizes(priors: PriorParams) -> dict[str, tuple[float, float, float, float]]:
    """Return the usual shift, shift, roll and scale of each kind of term."""
    p = priors
    rolls = (p.visit_roll, p.exposure_roll, p.detector_roll)
    shifts = (p.visit_shift, p.exposure_shift, p.detector_shift)
    scales = (FIXED, FIXED, p.detector_scale)
    sizes = {
        kind: (shift, shift, roll * 1e-3, scale)
        for kind, shift, roll, scale in zip(
            KINDS[:3], shifts, rolls, scales, strict=True
        )
    }
    shift, roll = IMAGE_SIGMAS
    return sizes | {KINDS[3]: (shift, shift, roll, FIXED)}


def move_images(layout: Layout, values: NDArray[np.float64]) -> ImageMotions:
    """Return how each image moves: it is turned and stretched about its own centre."""
    shift = np.zeros_like(layout.centres)
    for j in range(layout.terms.shape[1]):
        term = layout.terms[:, j]
        if j == DETECTOR:
            shift += np.einsum("kab,kb->ka", layout.axes, values[term, :2])
            continue
        arm = layout.centres - layout.pivots[term]
        shift += values[term, :2] + turn(arm, values[term, 2]) - arm
    return ImageMotions(
        shift=shift,
        roll=values[layout.terms, 2].sum(axis=1),
        stretch=1.0 + values[layout.terms[:, DETECTOR], 3],
    )


def move_observations(
    layout: Layout, values: NDArray[np.float64], image: Indices, position: Points
) -> Points:
    """Return positions after the images' motions, (n, 2), arcsec; the catalogue's stay."""
    motions = move_images(layout, values)
    moved = position.copy()
    ours = image != CATALOG
    k = image[ours]
    arm = turn(position[ours] - layout.centres[k], motions.roll[k])
    arm *= motions.stretch[k, None]
    moved[ours] = arm + layout.centres[k] + motions.shift[k]
    return moved


def turn(arms: Points, rolls: NDArray[np.float64]) -> Points:
    """Return (n, 2) arms turned by (n,) angles, rad."""
    c, s = np.cos(rolls), np.sin(rolls)
    x, y = arms.T
    return np.stack([c * x - s * y, s * x + c * y], axis=1)
