import io

import numpy as np
from PIL import Image

from rampline.report.focal_plane import COLOURS, Outline, draw_focal_plane

SQUARE = np.array([(0.0, 0.0), (60.0, 0.0), (60.0, 60.0), (0.0, 60.0)])


def colours(outlines):
    png = draw_focal_plane("here", outlines)
    with Image.open(io.BytesIO(png)) as image:
        return {tuple(p) for p in np.asarray(image.convert("RGB")).reshape(-1, 3)}


def test_what_is_expected_is_filled_and_the_detector_is_not():
    empty = colours([Outline("", "B1", SQUARE)])
    shown = colours([Outline("", "B1", SQUARE), Outline("wisp", "", SQUARE / 2)])
    red, green, blue = (int(COLOURS["wisp"][k : k + 2], 16) for k in (1, 3, 5))
    blend = tuple(round(255 + 0.45 * (c - 255)) for c in (red, green, blue))
    near = {tuple(np.add(blend, d)) for d in np.ndindex(3, 3, 3)}
    near |= {tuple(np.subtract(blend, d)) for d in np.ndindex(3, 3, 3)}
    assert shown & near
    assert not empty & near


def test_the_same_outlines_give_the_same_bytes():
    outlines = [Outline("", "B1", SQUARE), Outline("claw", "", SQUARE / 3)]
    assert draw_focal_plane("a", outlines) == draw_focal_plane("a", outlines)
