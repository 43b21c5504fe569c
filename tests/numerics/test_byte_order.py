import numpy as np
import pytest

from rampline.numerics.byte_order import blank_floats, turn_floats

from ..twins import numerics as twins

NASTY = np.array(
    [
        0x00000000,
        0x80000000,  # -0
        0x00000001,  # the smallest
        0x7F7FFFFF,  # the largest
        0x7F800000,  # infinities
        0xFF800000,
        0x7F800001,  # NaN, signalling, of either sign, with payload
        0xFF800001,
        0x7FC00000,
        0xFFC00000,
        0x7FFFFFFF,
        0xFFFFFFFF,
        0x007F8000,  # a NaN, were it read the other way round
        0x0000C07F,
    ],
    np.uint32,
)


@pytest.fixture
def words(rng):
    random = rng.integers(0, 1 << 32, 997, dtype=np.uint32)
    return np.concatenate([NASTY, random, NASTY])


def test_bytes_are_turned_as_the_twin_turns_them(words):
    out, plain = np.zeros((2, words.size), np.uint32)
    turn_floats(words, out)
    twins.turn_floats(words, plain)
    assert np.array_equal(out, plain)


def test_floats_are_blanked_as_the_twin_blanks_them(words, rng):
    blank = rng.integers(0, 2, words.size, dtype=np.uint8)
    out, plain = np.zeros((2, words.size), np.uint32)
    blank_floats(words, blank, out)
    twins.blank_floats(words, blank, plain)
    assert np.array_equal(out, plain)
    blank_floats(words, blank, words)
    assert np.array_equal(words, plain)


def test_there_is_one_nan_in_a_file(words):
    out = np.empty_like(words)
    turn_floats(words, out)
    found = out.view(">f4")
    assert set(out[np.isnan(found)]) == {out[NASTY.tolist().index(0x7FC00000)]}
    assert out.view(np.uint8)[32:36].tolist() == [0x7F, 0xC0, 0, 0]
    same = ~np.isnan(words.view(np.float32))
    assert np.array_equal(found[same], words.view(np.float32)[same])
