"""Laws of the content hash."""

import dataclasses

import numpy as np
import pytest
from astropy.io import fits

from rampline.exposure.header import Card
from rampline.files.content import content_hash, recorded_hash
from rampline.files.fits_output import Part, write_fits
from rampline.files.provenance import StepRun
from rampline.files.write import write_slope

from .making import PROVENANCE, ROOT, make_slope_image


def hash_of(tmp_path, primary=(), parts=(), name="x.fits"):
    path = tmp_path / name
    written = write_fits(path, primary, parts)
    assert content_hash(path) == written == recorded_hash(path)
    return written


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4", "i8", "f4", "f8"])
def test_every_type_of_pixel_comes_back_and_counts(tmp_path, rng, dtype):
    plane = rng.integers(0, 100, (7, 3)).astype(dtype)
    first = hash_of(tmp_path, parts=[Part("SCI", plane)])
    with fits.open(tmp_path / "x.fits") as file:
        found = file["SCI"].data
        assert found.dtype.newbyteorder("=") == np.dtype(dtype)
        np.testing.assert_array_equal(found, plane)
    plane[3, 1] += 1
    assert hash_of(tmp_path, parts=[Part("SCI", plane)]) != first


def test_planes_longer_than_one_piece_are_written_whole(tmp_path, rng):
    plane = rng.normal(size=(700, 301)).astype(np.float32)
    hash_of(tmp_path, parts=[Part("SCI", plane), Part("ERR", plane[::-1, ::2])])
    with fits.open(tmp_path / "x.fits") as file:
        np.testing.assert_array_equal(file["SCI"].data, plane)
        np.testing.assert_array_equal(file["ERR"].data, plane[::-1, ::2])


def test_all_nan_are_one(tmp_path):
    bits = np.array([0x7FC00000, 0xFFC00000, 0x7FC00001], np.uint32).view(np.float32)
    hashes = {hash_of(tmp_path, parts=[Part("SCI", bits[i : i + 1])]) for i in range(3)}
    assert len(hashes) == 1


def test_a_nan_changed_by_another_tool_does_not_count(tmp_path):
    plane = np.array([1.0, np.nan], np.float32)
    first = hash_of(tmp_path, parts=[Part("SCI", plane)])
    plane.view(np.uint32)[1] = 0xFFC00001
    science = fits.ImageHDU(plane, name="SCI")
    fits.HDUList([fits.PrimaryHDU(), science]).writeto(tmp_path / "y.fits")
    assert content_hash(tmp_path / "y.fits") == first


def test_time_name_and_version_do_not_count(tmp_path):
    cards = (Card("TARGNAME", "SMACS"),)
    first = hash_of(tmp_path, cards)
    for keyword in ("DATE", "FILENAME", "CAL_VER", "CRDS_CTX", "ASNTABLE"):
        assert hash_of(tmp_path, (*cards, Card(keyword, "other"))) == first


def test_the_place_of_a_reference_file_does_not_count_but_its_name_does(tmp_path):
    flat = "jwst_nircam_flat_0001.fits"
    first = hash_of(tmp_path, (Card("R_FLAT", f"crds://{flat}"),))
    assert hash_of(tmp_path, (Card("R_FLAT", f"/home/me/{flat}"),)) == first
    assert hash_of(tmp_path, (Card("R_FLAT", flat.replace("1", "2")),)) != first


def test_science_cards_count_but_not_their_order_or_comments(tmp_path):
    first = hash_of(tmp_path, (Card("A", 1.5), Card("B", "x")))
    assert hash_of(tmp_path, (Card("B", "x", "why"), Card("A", 1.5))) == first
    assert hash_of(tmp_path, (Card("A", 1.25), Card("B", "x"))) != first
    assert hash_of(tmp_path, (Card("A", 1.5),)) != first


def test_the_name_of_a_plane_counts_and_the_order_of_planes_does_not(tmp_path, rng):
    a, b = rng.normal(size=(2, 3, 3))
    first = hash_of(tmp_path, parts=[Part("SCI", a), Part("ERR", b)])
    assert hash_of(tmp_path, parts=[Part("ERR", b), Part("SCI", a)]) == first
    assert hash_of(tmp_path, parts=[Part("SCI", b), Part("ERR", a)]) != first


def test_rows_of_a_table_count(tmp_path):
    table = np.array([(1, b"one"), (2, b"two")], [("n", "i4"), ("word", "S5")])
    first = hash_of(tmp_path, parts=[Part("GROUP", table)])
    with fits.open(tmp_path / "x.fits") as file:
        assert file["GROUP"].data["word"].tolist() == ["one", "two"]
    table["n"][0] = 7
    assert hash_of(tmp_path, parts=[Part("GROUP", table)]) != first


def test_seconds_and_parameters_do_not_count(tmp_path, rng):
    image = make_slope_image(rng)
    slower = dataclasses.replace(
        PROVENANCE, steps=(StepRun("saturation", 99.0), *PROVENANCE.steps[1:])
    )
    other = dataclasses.replace(slower, parameters=(), version="9.9")
    path = tmp_path / f"{ROOT}_rate.fits"
    hashes = {write_slope(path, image, p) for p in (PROVENANCE, slower, other)}
    assert len(hashes) == 1


def test_a_changed_pixel_betrays_a_card_that_other_tools_carried_along(tmp_path):
    first = hash_of(tmp_path, parts=[Part("SCI", np.zeros(4, np.float32))])
    path = tmp_path / "x.fits"
    with fits.open(path, mode="update") as file:
        file["SCI"].data[0] = 1.0
    assert recorded_hash(path) == first
    assert content_hash(path) != first


def test_a_file_without_the_card_has_no_recorded_hash(tmp_path):
    fits.writeto(tmp_path / "plain.fits", np.zeros((2, 2)))
    assert recorded_hash(tmp_path / "plain.fits") is None
