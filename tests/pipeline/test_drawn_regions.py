from dataclasses import replace

import numpy as np
import pytest

from rampline.astrometry.geometry import make_geometry, pixel_to_sky
from rampline.exposure.drawn import DrawnRegion
from rampline.pipeline.drawn_regions import may_touch, outline_region, place_regions

from ..astrometry.fields import sky_planes
from .exposures import make_header

SIDE = 512


@pytest.fixture(scope="module")
def seen():
    header = make_header()
    readout = replace(header.readout, n_rows=SIDE, n_cols=SIDE)
    header = replace(header, readout=readout)
    return header, make_geometry(sky_planes((SIDE, SIDE)), header.pointing, readout)


def _sky(geometry, x, y):
    ra, dec = pixel_to_sky(geometry, np.asarray(y, float), np.asarray(x, float))
    return tuple(zip(ra.tolist(), dec.tolist(), strict=True))


def _masked(region, geometry=None):
    return place_regions([region], geometry, (SIDE, SIDE)).masked


def test_a_circle_covers_its_area_and_a_turned_box_its_own():
    circle = _masked(DrawnRegion("circle", False, ((200.3, 100.0),), (60.0,)))
    assert circle.sum() == pytest.approx(np.pi * 60.0**2, rel=2e-3)
    y, x = np.nonzero(circle)
    assert (x.mean(), y.mean()) == pytest.approx((200.3, 100.0), abs=0.05)
    box = _masked(DrawnRegion("box", False, ((200.0, 100.0),), (80.0, 4.0), 90.0))
    y, x = np.nonzero(box)
    assert np.ptp(y) == 79
    assert np.ptp(x) <= 4


def test_a_region_on_the_sky_covers_the_pixels_that_look_there(seen):
    _, geometry = seen
    x, y = [100.0, 300.0, 280.0, 120.0], [50.0, 80.0, 400.0, 350.0]
    on_sky = DrawnRegion("polygon", True, _sky(geometry, x, y))
    here = DrawnRegion("polygon", False, tuple(zip(x, y, strict=True)))
    differ = _masked(on_sky, geometry) ^ _masked(here)
    assert differ.sum() < 0.002 * _masked(here).sum()


def test_a_circle_on_the_sky_has_its_radius_there(seen):
    _, geometry = seen
    (centre,) = _sky(geometry, [256.0], [256.0])
    mask = _masked(DrawnRegion("circle", True, (centre,), (3.0,)), geometry)
    rows, cols = np.nonzero(mask)
    ra, dec = pixel_to_sky(geometry, rows, cols)
    east = (ra - centre[0]) * np.cos(np.radians(centre[1])) * 3600.0
    away = np.hypot(east, (dec - centre[1]) * 3600.0)
    assert 2.95 < away.max() <= 3.0


def test_the_angle_on_the_sky_runs_from_west_to_north():
    box = DrawnRegion("box", True, ((10.0, 0.0),), (20.0, 2.0), 30.0)
    offsets = (outline_region(box) - (10.0, 0.0)) * 3600.0
    far = offsets[1:3].mean(axis=0)
    assert far == pytest.approx((-10.0 * np.cos(np.pi / 6), 5.0), abs=1e-3)


def test_a_region_larger_than_the_sky_seen_covers_all_of_it(seen):
    header, geometry = seen
    (centre,) = _sky(geometry, [256.0], [256.0])
    large = DrawnRegion("circle", True, (centre,), (1800.0,))
    assert _masked(large, geometry).all()
    assert may_touch(large, header)


def test_the_far_side_of_the_sky_and_the_next_field_are_nothing_to_an_exposure(seen):
    header, geometry = seen
    ra, dec = header.pointing.ra_ref_deg, header.pointing.dec_ref_deg
    far = DrawnRegion("circle", True, (((ra + 180.0) % 360.0, -dec),), (100.0,))
    beside = DrawnRegion("circle", True, ((ra, dec + 0.1),), (100.0,))
    near = DrawnRegion("circle", True, ((ra, dec + 0.1),), (360.0,))
    for region in (far, beside):
        assert not may_touch(region, header)
        assert not _masked(region, geometry).any()
    assert may_touch(near, header)


def test_what_is_forbidden_is_taken_from_what_is_masked():
    outer = DrawnRegion("circle", False, ((100.0, 100.0),), (20.0,))
    inner = outer._replace(sizes=(10.0,), is_forbidden=True)
    masks = place_regions([outer, inner], None, (SIDE, SIDE))
    assert masks.forbidden[100, 100]
    assert not masks.masked[100, 100]
    assert masks.masked[100, 115]
    assert masks.each[0].sum() == masks.masked.sum() + masks.forbidden.sum()
