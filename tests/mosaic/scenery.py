"""Small pixel maps and exposures for the tests of the mosaic."""

import numpy as np

from rampline.exposure.geometry import PixelMap
from rampline.mosaic.drizzle import DrizzleInput
from rampline.mosaic.pixel_areas import LANES, make_scratch
from rampline.mosaic.weights import NoisePlanes
from rampline.mosaic.window import lattice_of

STEP = 32


def affine_map(shape, matrix=((1.0, 0.0), (0.0, 1.0)), shift=(0.0, 0.0), bend=0.0):
    """Grid position ``matrix @ (row, col) + shift``, bent by ``bend`` pixels at a side."""
    axes = [-STEP + STEP * np.arange((n - 1 + STEP) // STEP + 3) for n in shape]
    y, x = np.meshgrid(*axes, indexing="ij")
    u, v = (y / shape[0] - 0.5) * 2, (x / shape[1] - 0.5) * 2
    nodes = np.stack([y, x], -1) @ np.array(matrix, float).T + np.array(shift)
    nodes += bend * np.stack([u * v + v * v, u * u - 0.5 * u * v], -1)
    return PixelMap(nodes=nodes, step=STEP, origin=-STEP, shape=tuple(shape))


def turned_map(shape, angle_deg, scale, grid, shift=(0.0, 0.0), bend=0.0):
    """An exposure turned and scaled about its middle, put on the middle of a grid."""
    a = np.radians(angle_deg)
    matrix = scale * np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
    middle = (np.array(shape) - 1) / 2
    to = (np.array(grid) - 1) / 2 + np.array(shift) - matrix @ middle
    return affine_map(shape, matrix, to, bend)


def exposure(sky, pixel_map, weight=1.0, variance=0.04, level=0.0, exposure_s=100.0):
    sky = np.asarray(sky, np.float32)
    weight = np.broadcast_to(np.asarray(weight, np.float32), sky.shape)
    plane = np.full(sky.shape, variance, np.float32)
    noise = NoisePlanes(plane, plane / 2, plane / 4)
    weight = np.array(weight)
    sky = np.where(weight > 0, sky, np.float32(np.nan))
    return DrizzleInput(sky, weight, noise, pixel_map, level, exposure_s)


def laid(pixel_map, pad, lay_pixels):
    """A chunk of pixels, laid onto the grid by a kernel or by its twin."""
    scratch = make_scratch(pad)
    lay_pixels(lattice_of(pixel_map), (7, 3, LANES), 0.5, scratch)
    return scratch
