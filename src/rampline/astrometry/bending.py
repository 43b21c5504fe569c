"""Errors of the reference distortion of a detector and filter, beyond shift, roll and scale.

Along the telescope's axes, an aspect and a skew, and products of Legendre polynomials of
second and third degree. Over the detector they average to zero and have no part in a shift,
roll or scale, so they take nothing from those; left out, they push each image to where its
stars happen to be.
"""

from typing import NamedTuple

import numpy as np
import scipy
from numpy.polynomial.legendre import legval
from numpy.typing import NDArray

Points = NDArray[np.float64]
Indices = NDArray[np.intp]
DEGREES = ((2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3))
"""Of the Legendre polynomials along V2 and V3 whose products are the shapes."""
SHAPES = len(DEGREES)
LINEAR = 2
"""Unknowns of aspect and skew."""
UNKNOWNS = 2 * SHAPES + LINEAR


class Frames(NamedTuple):
    """The images' own coordinates, -1 to 1 over each."""

    middle: Points
    """(images, 2) arcsec in the field plane"""
    half: NDArray[np.float64]
    """(images,) arcsec"""
    axes: NDArray[np.float64]
    """(images, 2, 2) the telescope's axes in the field plane"""
    detector: Indices
    """(images,) number of the detector and filter, from 0 without gaps"""


def make_frames(
    outlines: Points, axes: NDArray[np.float64], detector: Indices
) -> Frames:
    """Return the coordinates of images with given corners, (images, 4, 2) arcsec."""
    middle = outlines.mean(axis=1)
    arms = np.hypot(*np.moveaxis(outlines - middle[:, None], -1, 0))
    return Frames(middle, arms.mean(axis=1) / np.sqrt(2.0), axes, detector)


def design_bends(
    frames: Frames, image: Indices, position: Points
) -> "scipy.sparse.csr_array":
    """Return the derivatives of positions with the bends.

    Parameters
    ----------
    frames : Frames
    image : (n,) int
    position : (n, 2) float64, arcsec
        In the field plane, by the header.

    Returns
    -------
    (2 n, detectors * UNKNOWNS) sparse
        Unknowns in arcsec: for each detector the shapes along V2, then along V3, then
        aspect (V2 grows and V3 shrinks, at the edge by as much) and skew.
    """
    axes = frames.axes[image]
    arm = (position - frames.middle[image]) / frames.half[image, None]
    own = np.einsum("nab,na->bn", axes, arm)
    curved = np.einsum("nab,sn->nabs", axes, evaluate_shapes(*own))
    u, v = own
    straight = np.stack([np.stack([u, v]), np.stack([-v, u])])
    turned = np.einsum("nab,bsn->nas", axes, straight)
    entries = np.concatenate(
        [curved.reshape(len(image), 2, 2 * SHAPES), turned], axis=2
    ).reshape(-1)
    first = UNKNOWNS * frames.detector[image].astype(np.intp)
    columns = np.repeat(first, 2)[:, None] + np.arange(UNKNOWNS)
    starts = np.arange(0, len(entries) + 1, UNKNOWNS)
    count = UNKNOWNS * (int(frames.detector.max(initial=-1)) + 1)
    return scipy.sparse.csr_array(
        (entries, columns.reshape(-1), starts), shape=(2 * len(image), count)
    )


def size_bends(frames: Frames, shape: float, stretch: float) -> NDArray[np.float64]:
    """Return how large bends usually are, (detectors, UNKNOWNS), arcsec.

    Parameters
    ----------
    frames : Frames
    shape : float, arcsec
        Of each shape.
    stretch : float
        Of aspect and skew; dithers hardly tell these from the sky's.
    """
    count = int(frames.detector.max(initial=-1)) + 1
    sigmas = np.full((count, UNKNOWNS), shape)
    sigmas[frames.detector, -LINEAR:] = stretch * frames.half[:, None]
    return sigmas


def straighten(frames: Frames, bends: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what aspect and skew add to the linear motion of each image, (images, 2, 2).

    Parameters
    ----------
    frames : Frames
    bends : (detectors, UNKNOWNS) float64, arcsec
    """
    aspect, skew = bends[frames.detector, -LINEAR:].T / frames.half
    own = np.stack([np.stack([aspect, skew]), np.stack([skew, -aspect])])
    turned = np.einsum("kab,bck,kdc->kad", frames.axes, own, frames.axes)
    return np.asarray(turned)


def evaluate_shapes(
    u: NDArray[np.float64], v: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the shapes at an image's own coordinates, (SHAPES, ...)."""
    one = np.eye(4)
    along_u, along_v = (
        np.stack([legval(axis, one[d]) for d in range(4)]) for axis in (u, v)
    )
    return np.stack([along_u[i] * along_v[j] for i, j in DEGREES])
