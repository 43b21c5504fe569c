from dataclasses import replace

import numpy as np
import pytest

from rampline.exposure.grid import Grid
from rampline.exposure.records import Mosaic
from rampline.mosaic.noise_curve import NoiseCurveParams
from rampline.pipeline.mosaic_noise import choose_pieces, measure_mosaic_noise
from rampline.pipeline.runner import Bench

INDEPENDENT = (1e-3, 1.0)
BENCH = Bench()


@pytest.fixture
def field(rng):
    """White noise on a sloping sky, with bright and faint sources."""
    shape = (1100, 700)
    rows, cols = np.indices(shape)
    err = rng.uniform(0.8, 1.2, shape)
    sky = rng.normal(0, err) + 50 + rows / 100 - (cols / 300) ** 2
    for row, col in rng.uniform((0, 0), shape, (60, 2)):
        far = np.hypot(rows - row, cols - col)
        sky += 200 * np.exp(-far / 3) * (far < 40)
    plane = sky.astype(np.float32)
    ones = np.ones(shape, np.float32)
    return Mosaic(
        grid=Grid(
            ra_deg=110.8, dec_deg=-73.5, position_angle_deg=0.0, scale_arcsec=0.03,
            n_rows=shape[0], n_cols=shape[1], row_ref=0.0, col_ref=0.0,
        ),
        filter="F200W", pupil="CLEAR", channel="SHORT", name="field",
        sky=plane, err=err.astype(np.float32), weight=ones, exposure_s=ones,
        context=np.ones((1, *shape), np.int32), var_poisson=ones, var_read=ones,
        var_flat=ones, pixel_area_sr=1e-14, headers=(),
    )  # fmt: skip


def test_neither_sources_nor_a_sloping_sky_are_noise(field):
    curve = measure_mosaic_noise(field, INDEPENDENT, BENCH, NoiseCurveParams())
    seen = curve.n_boxes > 500
    assert seen.sum() >= 5
    off = np.abs(curve.measured - 1.0)[seen]
    np.testing.assert_array_less(off, 3 * curve.error[seen] + 0.01)
    assert curve.error[seen].max() < 0.05


def test_threads_do_not_change_it(field):
    alone = measure_mosaic_noise(field, INDEPENDENT, BENCH, NoiseCurveParams())
    with Bench(3) as bench:
        both = measure_mosaic_noise(field, INDEPENDENT, bench, NoiseCurveParams())
    for first, second in zip(alone, both, strict=True):
        np.testing.assert_array_equal(first, second)


def test_left_out_it_tells_what_is_predicted(field):
    params = NoiseCurveParams(enabled=False)
    curve = measure_mosaic_noise(field, (1.0, 1.0), BENCH, params)
    assert np.isnan(curve.measured).all()
    assert curve.factor(1e6) == pytest.approx(1.5, rel=0.02)


def test_pieces_without_data_are_left_out(field):
    sky = field.sky.copy()
    sky[:600] = np.nan
    assert len(choose_pieces(field.sky, 24)) == 2
    assert choose_pieces(sky, 24) == [(slice(550, 1100), slice(0, 700))]
    empty = replace(field, sky=np.full_like(sky, np.nan))
    assert choose_pieces(empty.sky, 24) == []
    curve = measure_mosaic_noise(empty, INDEPENDENT, BENCH, NoiseCurveParams())
    assert curve.n_boxes[0] == 0


def test_of_a_large_mosaic_a_few_pieces_far_apart_are_looked_at():
    wide = np.broadcast_to(np.float32(0), (1024, 64 * 1024))
    starts = [box[1].start // 1024 for box in choose_pieces(wide, 4)]
    assert starts == [0, 21, 42, 63]
