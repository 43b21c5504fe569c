import numpy as np
import pytest

from rampline import flags
from rampline.errors import MissingReferenceError
from rampline.reference.pixel_file import open_pixel_file

from .crds_files import write_pixels
from .exposures import make_header, make_readout


def opened(path, **window):
    return open_pixel_file(path, "gain", make_header(make_readout(**window)))


def numbered(rows, cols):
    return np.arange(rows * cols, dtype=np.float32).reshape(rows, cols)


def test_a_plane_is_cut_to_the_window_and_native(tmp_path):
    plane = numbered(20, 30)
    path = write_pixels(
        tmp_path / "a.fits", "gain", {"SCI": plane}, SUBSTRT1=101, SUBSTRT2=51
    )
    with opened(path, row_start=54, col_start=102) as file:
        cut = file.plane()
    np.testing.assert_array_equal(cut, plane[4:10, 2:10])
    assert cut.dtype == np.float32
    assert cut.dtype.isnative
    assert cut.flags.c_contiguous


def test_cubes_are_cut_in_their_last_two_axes(tmp_path):
    cube = np.stack([numbered(8, 9), -numbered(8, 9)])
    path = write_pixels(
        tmp_path / "a.fits", "gain", {"SCI": cube}, SUBSTRT1=1, SUBSTRT2=1
    )
    with opened(path, row_start=1, col_start=1) as file:
        np.testing.assert_array_equal(file.cube(), cube[:, 1:7, 1:9])


def test_without_a_window_only_a_whole_detector_or_the_same_shape_will_do(tmp_path):
    same, other = tmp_path / "same.fits", tmp_path / "other.fits"
    write_pixels(same, "gain", {"SCI": numbered(6, 8)})
    with opened(same, row_start=100) as file:
        np.testing.assert_array_equal(file.plane(), numbered(6, 8))
    full = write_pixels(tmp_path / "full.fits", "gain", {"SCI": numbered(2048, 2048)})
    with opened(full, row_start=100, col_start=7) as file:
        np.testing.assert_array_equal(file.plane(), numbered(2048, 2048)[100:106, 7:15])
    write_pixels(other, "gain", {"SCI": numbered(7, 8)})
    with (
        pytest.raises(MissingReferenceError, match="which part of the detector"),
        opened(other) as file,
    ):
        file.plane()


@pytest.mark.parametrize("window", [{"row_start": 9}, {"col_start": 3}, {"n_rows": 21}])
def test_an_exposure_outside_the_file_is_one_line(tmp_path, window):
    path = write_pixels(
        tmp_path / "a.fits", "gain", {"SCI": numbered(20, 30)}, SUBSTRT1=5, SUBSTRT2=11
    )
    with (
        pytest.raises(
            MissingReferenceError, match=r"nrcb1: gain .* does not cover"
        ) as e,
        opened(path, **({"row_start": 10, "col_start": 4} | window)) as file,
    ):
        file.plane()
    assert "\n" not in str(e.value)


def test_flags_are_translated_by_name(tmp_path):
    bits = np.zeros((6, 8), np.uint32)
    bits[0, :5] = [1, 2, 4, 8, 1 | 2 | 4 | 8]
    names = {0: "DO_NOT_USE", 1: "HOT", 2: "ODD_NAME", 3: "REFERENCE_PIXEL"}
    path = write_pixels(tmp_path / "a.fits", "mask", {"DQ": bits}, names)
    with opened(path) as file:
        found = file.flags()
    every = flags.DO_NOT_USE | flags.HOT | flags.REFERENCE_PIXEL
    expected = [flags.DO_NOT_USE, flags.HOT, 0, flags.REFERENCE_PIXEL, every]
    assert found.dtype == np.uint32
    np.testing.assert_array_equal(found[0, :5], expected)
    assert not found[0, 5:].any()


def test_flags_without_names_are_taken_as_they_are(tmp_path):
    bits = np.full((6, 8), flags.DEAD | flags.REFERENCE_PIXEL, np.uint32)
    path = write_pixels(tmp_path / "a.fits", "mask", {"DQ": bits})
    with opened(path) as file:
        np.testing.assert_array_equal(file.flags(), bits)


def test_a_file_without_flags_has_none(tmp_path):
    path = write_pixels(tmp_path / "a.fits", "gain", {"SCI": numbered(6, 8)})
    with opened(path) as file:
        found = file.flags()
    assert found.shape == (6, 8)
    assert not found.any()


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4"])
def test_flags_of_any_integer_type_are_read(tmp_path, dtype):
    bits = np.zeros((6, 8), dtype)
    bits[1, 2] = 5
    path = write_pixels(tmp_path / "a.fits", "mask", {"DQ": bits})
    with opened(path) as file:
        found = file.flags()
    assert found[1, 2] == 5
    assert np.count_nonzero(found) == 1


@pytest.mark.parametrize("kept", [100, 2880, 6000])
def test_a_truncated_file_is_one_line(tmp_path, kept):
    path = write_pixels(tmp_path / "a.fits", "gain", {"SCI": numbered(60, 80)})
    path.write_bytes(path.read_bytes()[:kept])
    with (
        pytest.raises(MissingReferenceError, match="nrcb1: gain reference file") as e,
        opened(path) as file,
    ):
        file.plane()
    assert "\n" not in str(e.value)


@pytest.mark.parity
def test_names_and_bits_are_those_of_jwst(tmp_path, rng):
    from stdatamodels.dynamicdq import dynamic_mask
    from stdatamodels.jwst.datamodels import MaskModel, dqflags

    for bit, name in flags.NAME.items():
        assert dqflags.pixel[name] == bit
    order = rng.permutation(list(flags.NAME.values()))
    names = dict(enumerate([*order[:28], "UNKNOWN"]))
    bits = rng.integers(0, 1 << 32, (6, 8), dtype=np.uint32)
    path = write_pixels(tmp_path / "a.fits", "mask", {"DQ": bits}, names)
    with opened(path) as file:
        ours = file.flags()
    with MaskModel(path) as model:
        np.testing.assert_array_equal(ours, model.dq)

    class Raw:
        dq = bits
        dq_def = model.dq_def

    np.testing.assert_array_equal(ours, dynamic_mask(Raw, dqflags.pixel))


@pytest.mark.parity
def test_the_cut_is_that_of_jwst(tmp_path):
    from jwst.lib.reffile_utils import get_subarray_model, ref_matches_sci
    from stdatamodels.jwst.datamodels import GainModel, RampModel

    path = write_pixels(
        tmp_path / "a.fits",
        "gain",
        {"SCI": numbered(2048, 2048)},
        SUBSTRT1=1,
        SUBSTRT2=1,
        SUBSIZE1=2048,
        SUBSIZE2=2048,
    )
    science = RampModel((1, 1, 6, 8))
    science.meta.instrument.name = "NIRCAM"
    science.meta.subarray.xstart, science.meta.subarray.ystart = 1025, 302
    science.meta.subarray.xsize, science.meta.subarray.ysize = 8, 6
    with GainModel(path) as model:
        assert not ref_matches_sci(science, model)
        theirs = get_subarray_model(science, model).data
    with opened(path, row_start=301, col_start=1024) as file:
        np.testing.assert_array_equal(file.plane(), theirs)
