import numpy as np
import pytest

from rampline.artifacts.grism_ghosts import (
    TadpoleSearchParams,
    _take_out,
    find_tadpoles,
    running_median,
)
from rampline.artifacts.tadpoles import Head
from tests.twins import artifacts as twins

SHAPE = (600, 500)
NOISE = 0.03


def tadpole(image, x, y, peak):
    """A head three pixels wide and a tail that fades over 72 pixels below it."""
    row, col = np.ogrid[: image.shape[0], : image.shape[1]]
    below, side = y - row, col - x
    light = np.exp(-0.5 * (below**2 + side**2) / 9.0)
    tail = np.where(below > 0, np.exp(-np.maximum(below, 0) / 72.0), 0.0)
    image += peak * (light + 0.08 * tail * np.exp(-0.5 * side**2 / 9.0))


def spectrum(image, x, first, last, rate):
    col = np.arange(image.shape[1])
    image[first:last] += rate * np.exp(-0.5 * (col - x) ** 2 / 1.5)


def search(image, heads, rng, **params):
    err = np.full(image.shape, NOISE, np.float32)
    noisy = (image + rng.normal(0.0, NOISE, image.shape)).astype(np.float32)
    return find_tadpoles(noisy, err, heads, TadpoleSearchParams(**params))


def heads_at(places, rate=1.0, radius=12.0):
    return [Head(x, y, rate, radius, "") for x, y in places]


@pytest.mark.parametrize("shape", [(60, 4), (9, 3), (5, 2), (1, 1)])
def test_the_running_median_is_that_of_its_twin(rng, shape):
    values = rng.normal(size=shape).astype(np.float32)
    values[rng.random(shape) < 0.3] = 0.0
    for length in (1, 3, 7, 21):
        expected = twins.running_median(values, length)
        assert np.array_equal(running_median(values, length), expected)


def test_one_value_is_taken_out_of_the_window_as_in_its_twin(rng):
    for size in (1, 2, 7):
        window = np.sort(rng.integers(0, 4, size)).astype(np.float32)
        for value in window:
            expected = twins.take_out(window, size, value)
            cut = window.copy()
            assert _take_out(cut, size, value) == size - 1
            assert cut[: size - 1].tolist() == expected


def test_a_head_is_found_off_its_place_and_flagged_with_its_tail(rng):
    image = np.zeros(SHAPE)
    tadpole(image, 245.0, 307.0, 5.0)
    (head,) = (found := search(image, heads_at([(250.0, 300.0)], 5.0), rng)).heads
    assert (head.x, head.y) == pytest.approx((245.0, 307.0), abs=1.5)
    assert found.mask[300:314, 240:250].all()
    assert found.mask[285, 245]
    assert not found.mask[350, 245]
    assert found.mask.mean() < 0.01


def test_spectra_and_noise_are_no_tadpoles(rng):
    image = np.zeros(SHAPE)
    spectrum(image, 250.0, 0, 600, 3.0)
    spectrum(image, 100.0, 200, 600, 3.0)
    places = [(250.0, 300.0), (100.0, 200.0), (400.0, 300.0)]
    found = search(image, heads_at(places), rng)
    assert not found.mask.any()
    assert all(np.isnan(head.rate) for head in found.heads)


def test_a_head_on_a_spectrum_is_found(rng):
    image = np.zeros(SHAPE)
    spectrum(image, 250.0, 0, 600, 1.0)
    tadpole(image, 250.0, 300.0, 2.0)
    assert search(image, heads_at([(252.0, 302.0)], 2.0), rng).mask[300, 250]


def test_what_is_far_fainter_than_expected_is_something_else(rng):
    image = np.zeros(SHAPE)
    tadpole(image, 250.0, 300.0, 0.5)
    places = [(250.0, 300.0)]
    assert not search(image, heads_at(places, 40.0), rng).mask.any()
    assert search(image, heads_at(places, 0.5), rng).mask.any()


def test_a_shift_common_to_all_heads_is_found_from_their_mean(rng):
    image = np.zeros(SHAPE)
    places = rng.uniform((60.0, 150.0), (440.0, 560.0), (8, 2)).round()
    for x, y in places:
        tadpole(image, x - 15.0, y + 9.0, 1.0)
    found = search(image, heads_at(places, radius=25.0), rng)
    assert found.shift == pytest.approx((-15.0, 9.0), abs=1.5)
    assert sum(np.isfinite(head.x) for head in found.heads) == 8


def test_heads_at_the_edge_and_bad_pixels_do_no_harm(rng):
    image = np.zeros(SHAPE)
    tadpole(image, 2.0, 598.0, 5.0)
    image[300, 250] = np.nan
    places = [(0.0, 599.0), (250.0, 300.0)]
    found = search(image, heads_at(places), rng)
    assert found.mask[598, 2]
    assert not found.mask[250:350].any()


def test_nothing_expected_flags_nothing(rng):
    assert not search(np.ones(SHAPE), [], rng).mask.any()


def test_one_head_alone_is_not_moved_to_a_peak_beside_its_area(rng):
    image = np.zeros(SHAPE)
    tadpole(image, 250.0, 322.0, 1.0)
    found = search(image, heads_at([(250.0, 300.0)]), rng)
    assert found.shift == (0.0, 0.0)
    assert not found.mask.any()


def test_among_many_faint_peaks_one_more_is_no_head(rng):
    image = np.zeros(SHAPE)
    for x, y in rng.uniform((0.0, 0.0), (500.0, 600.0), (250, 2)):
        tadpole(image, x, y, rng.exponential(0.07))
    tadpole(image, 250.0, 300.0, 0.08)
    assert not search(image, heads_at([(250.0, 300.0)], 0.1), rng).mask.any()
    alone = np.zeros(SHAPE)
    tadpole(alone, 250.0, 300.0, 0.08)
    assert search(alone, heads_at([(250.0, 300.0)], 0.1), rng).mask.any()
