"""Stars for the tests: pictures of Airy discs, and lists as exposures would bring them."""

import numpy as np
from scipy.special import j1

from rampline.astrometry.image_sources import ImageSources
from rampline.astrometry.matching import rotation

SIDE = 64.0


def airy(width_px, size, offset=(0.0, 0.0), over=5):
    """The image of a star of unit flux, pixel-integrated, ``offset`` off the centre."""
    fine = (np.arange(size * over) - (size * over - 1) / 2) / over
    r = np.hypot((fine - offset[0])[:, None], (fine - offset[1])[None, :])
    v = np.maximum(np.pi * r / width_px, 1e-9)
    fine_image = (2 * j1(v) / v) ** 2 * np.pi / 4 / width_px**2 / over**2
    return fine_image.reshape(size, over, size, over).sum(axis=(1, 3))


def paint(shape, rows, cols, fluxes, width_px, size=41):
    """A picture of stars away from its edges."""
    image = np.zeros(shape)
    half = size // 2
    for row, col, flux in zip(rows, cols, fluxes, strict=True):
        r, c = round(row), round(col)
        box = np.s_[r - half : r + half + 1, c - half : c + half + 1]
        image[box] += flux * airy(width_px, size, (row - r, col - c))
    return image


def spread_stars(rng, n, half):
    """Positions in a square field, arcsec."""
    return rng.uniform(-half, half, (n, 2))


def observe(
    rng, stars, centre, *, shift=(0, 0), roll=0.0, error=3e-4, n_false=20, **names
):
    """Sources of an exposure whose header is wrong: right = c + R(roll)(header - c) + shift."""
    shift, centre = np.asarray(shift, float), np.asarray(centre, float)
    seen = (np.abs(stars - centre) < SIDE / 2).all(axis=1) & (
        rng.random(len(stars)) < 0.9
    )
    right = stars[seen] + rng.normal(0, error, (seen.sum(), 2))
    false = centre + rng.uniform(-SIDE / 2, SIDE / 2, (n_false, 2))
    corners = centre + SIDE / 2 * np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]])

    def as_header_says(points):
        return (points - shift - centre) @ rotation(-roll).T + centre

    n = int(seen.sum()) + n_false
    everything = np.ones(n, bool)
    named = {"visit": "v1", "exposure": "e", "detector": "NRCB1 F200W", "band": "F200W"}
    return ImageSources(
        **named | names,
        position=np.concatenate([as_header_says(right), false]),
        error=np.full(n, error),
        snr=rng.uniform(20, 500, n),
        is_star=everything,
        is_compact=everything,
        centre=centre,
        outline=as_header_says(corners),
        jacobian=np.eye(2),
        axes=np.eye(2),
    )


def dithered(rng, stars, n=6, shift=2.5, roll_deg=0.05, **options):
    """Exposures with large random header errors, and these errors."""
    truth = [
        (rng.normal(0, shift, 2), np.radians(rng.normal(0, roll_deg))) for _ in range(n)
    ]
    images = [
        observe(
            rng,
            stars,
            rng.uniform(-6, 6, 2),
            shift=t,
            roll=w,
            exposure=f"e{k}",
            **options,
        )
        for k, (t, w) in enumerate(truth)
    ]
    return images, truth


def left_over(alignment, truth):
    """Corrected minus right position at the corners and the centre, (images, 5, 2)."""
    grid = SIDE / 2 * np.array([[-1, -1], [-1, 1], [1, 1], [1, -1], [0, 0]])
    return np.array(
        [
            grid @ image.correction[:, :2].T
            + image.correction[:, 2]
            - grid @ rotation(roll).T
            - shift
            for image, (shift, roll) in zip(alignment.images, truth, strict=True)
        ]
    )
