import numpy as np
import pytest
from astropy.io import fits

from rampline import flags
from rampline.errors import MissingReferenceError
from rampline.reference import cache
from rampline.reference.dark import measure_dark_noise
from rampline.reference.folder import FolderSource
from rampline.reference.ramp_planes import load_ramp_planes
from rampline.reference.selection import KINDS, RAMP_KINDS

from .crds_files import files_of, write_pixels, write_ramp_set
from .exposures import header_of, make_header, make_readout

WINDOW = {"SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": 8, "SUBSIZE2": 6}


@pytest.fixture
def paths(tmp_path, rng):
    return write_ramp_set(tmp_path, rng)


def rewrite(paths, kind, planes, dq_def=None, **cards):
    write_pixels(paths[kind], kind, planes, dq_def, **(WINDOW | cards))
    return load_ramp_planes(files_of(**paths), make_header())


def raw(path, extension="SCI"):
    with fits.open(path) as hdus:
        return hdus[extension].data.astype(np.float32)


def test_planes_hold_the_files_values_in_house_units(paths):
    planes = load_ramp_planes(files_of(**paths), make_header(), want_ipc=True)
    np.testing.assert_array_equal(planes.superbias_dn, raw(paths["superbias"]))
    np.testing.assert_array_equal(planes.full_well_dn, raw(paths["saturation"]))
    np.testing.assert_array_equal(planes.gain, raw(paths["gain"]))
    np.testing.assert_array_equal(planes.ipc_kernel, raw(paths["ipc"]))
    np.testing.assert_array_equal(planes.linearity, raw(paths["linearity"], "COEFFS"))
    cds = raw(paths["readnoise"])
    np.testing.assert_allclose(planes.read_noise_dn, cds / np.sqrt(2.0), rtol=1e-6)
    frames = raw(paths["dark"])[[*range(8), *range(10, 18), *range(20, 28)]]
    groups = frames.reshape(3, 8, 6, 8).mean(axis=1)
    np.testing.assert_allclose(planes.dark_dn, groups, rtol=1e-6, atol=1e-6)
    assert planes.dark_noise == measure_dark_noise(
        planes.dark_dn, planes.read_noise_dn, 8
    )
    assert planes.gain_factor == 1.0
    assert planes.average_dark_e_s == 0.0
    assert [file.kind for file in planes.files] == [*RAMP_KINDS, "ipc"]


def test_all_planes_are_native_float32_and_contiguous(paths):
    planes = load_ramp_planes(files_of(**paths), make_header())
    for name in ("full_well_dn", "superbias_dn", "linearity", "dark_dn", "gain"):
        array = getattr(planes, name)
        assert array.dtype == np.float32
        assert array.dtype.isnative
        assert array.flags.c_contiguous
    assert planes.flags["mask"].dtype == np.uint32
    assert planes.ipc_kernel is None


def test_an_unknown_full_well_is_nan_and_flagged(paths):
    limit = np.full((6, 8), 6e4, np.float32)
    limit[0, 0] = np.nan
    bits = np.zeros((6, 8), np.uint32)
    bits[0, 1] = 1
    planes = rewrite(
        paths, "saturation", {"SCI": limit, "DQ": bits}, {0: "NO_SAT_CHECK"}
    )
    unknown = np.zeros((6, 8), bool)
    unknown[0, :2] = True
    np.testing.assert_array_equal(np.isnan(planes.full_well_dn), unknown)
    expected = unknown * np.uint32(flags.NO_SATURATION_CHECK)
    np.testing.assert_array_equal(planes.flags["saturation"], expected)


def test_linearity_is_the_identity_where_it_is_unknown(paths):
    coefficients = np.full((3, 6, 8), 0.5, np.float32)
    coefficients[2, 0, 0] = np.nan
    coefficients[1, 0, 1] = 0.0
    bits = np.zeros((6, 8), np.uint32)
    bits[0, 2] = 2
    names = {1: "NO_LIN_CORR"}
    planes = rewrite(paths, "linearity", {"COEFFS": coefficients, "DQ": bits}, names)
    for col in range(3):
        np.testing.assert_array_equal(planes.linearity[:, 0, col], [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(planes.linearity[:, 0, 3], 0.5)
    found = planes.flags["linearity"]
    np.testing.assert_array_equal(found[0, :4] == flags.NO_LINEARITY, [1, 1, 1, 0])
    assert np.count_nonzero(found) == 3


def test_superbias_is_zero_where_unknown(paths):
    bias = np.ones((6, 8), np.float32)
    bias[2, 2] = np.nan
    assert rewrite(paths, "superbias", {"SCI": bias}).superbias_dn[2, 2] == 0.0


def test_an_on_board_gain_change_is_read_from_the_gain_file(paths):
    gain = np.ones((6, 8), np.float32)
    assert rewrite(paths, "gain", {"SCI": gain}, GAINFACT=2.0).gain_factor == 2.0


@pytest.mark.parametrize("kind", ["gain", "readnoise"])
def test_what_must_be_positive_is_unknown_where_it_is_not(paths, kind):
    plane = np.full((6, 8), 2.0, np.float32)
    plane[0, :3] = [0.0, -1.0, np.nan]
    found = rewrite(paths, kind, {"SCI": plane})
    read = found.gain if kind == "gain" else found.read_noise_dn
    np.testing.assert_array_equal(np.isnan(read), ~(plane > 0.0))
    for nothing in (0.0, np.nan):
        words = f"{kind} reference file .* is of no use: no value is above 0$"
        with pytest.raises(MissingReferenceError, match=words):
            rewrite(paths, kind, {"SCI": np.full((6, 8), nothing, np.float32)})


def test_flag_planes_without_a_bit_are_left_out(paths):
    planes = rewrite(paths, "mask", {"DQ": np.zeros((6, 8), np.uint32)})
    assert set(planes.flags) == {"saturation", "superbias", "linearity", "dark"}


def test_mean_dark_current_comes_from_its_plane_or_keyword(paths):
    cube = raw(paths["dark"])
    assert rewrite(paths, "dark", {"SCI": cube}, AVDRKCUR=0.25).average_dark_e_s == 0.25
    plane = np.full((6, 8), 0.5, np.float32)
    found = rewrite(paths, "dark", {"SCI": cube, "AVDRKCUR": plane})
    np.testing.assert_array_equal(found.average_dark_e_s, plane)


def test_a_dark_cut_to_a_subarray_is_scaled_to_its_shorter_frames(paths):
    cube = raw(paths["dark"])
    larger = np.pad(cube, ((0, 0), (0, 2), (0, 3)))
    same = rewrite(paths, "dark", {"SCI": cube}, TFRAME=10.0)
    cut = rewrite(paths, "dark", {"SCI": larger}, TFRAME=10.0)
    unknown = rewrite(paths, "dark", {"SCI": larger})
    np.testing.assert_allclose(cut.dark_dn, same.dark_dn / 10.0, rtol=1e-6)
    np.testing.assert_array_equal(unknown.dark_dn, same.dark_dn)


def test_a_dark_of_another_grouping_is_one_line(paths):
    with pytest.raises(MissingReferenceError, match=r"dark .* averages 4 and drops 1"):
        rewrite(paths, "dark", {"SCI": raw(paths["dark"])}, NFRAMES=4, GROUPGAP=1)


@pytest.mark.parametrize("kind", RAMP_KINDS)
def test_a_file_not_selected_is_one_line_with_exposure_and_type(paths, kind):
    del paths[kind]
    with pytest.raises(
        MissingReferenceError, match=f"_nrcb1: no {kind} reference file"
    ):
        load_ramp_planes(files_of(**paths), make_header())


@pytest.mark.parametrize("kind", RAMP_KINDS)
def test_a_damaged_file_is_one_line_with_exposure_and_type(paths, kind):
    paths[kind].write_bytes(paths[kind].read_bytes()[:4000])
    with pytest.raises(
        MissingReferenceError, match=f"_nrcb1: {kind} .* cannot be read"
    ):
        load_ramp_planes(files_of(**paths), make_header())


@pytest.mark.parametrize("kind", RAMP_KINDS)
def test_a_file_without_its_planes_is_one_line(paths, kind):
    with pytest.raises(
        MissingReferenceError, match=f"{kind} .* has no (SCI|COEFFS|DQ)"
    ):
        rewrite(paths, kind, {})


def test_a_second_process_needs_only_the_cache(paths):
    files = files_of(**paths)
    first = load_ramp_planes(files, make_header())
    cache.settle()
    cache.forget()
    for path in paths.values():
        path.unlink()
    second = load_ramp_planes(files, make_header())
    for name in ("full_well_dn", "dark_dn", "linearity", "gain", "read_noise_dn"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert first.flags.keys() == second.flags.keys()


def test_other_windows_patterns_and_files_do_not_share_an_entry(paths):
    files = files_of(**paths)
    first = load_ramp_planes(files, make_header())
    rapid = load_ramp_planes(files, make_header(make_readout(pattern="RAPID")))
    assert rapid.gain is first.gain
    assert not np.array_equal(rapid.dark_dn, first.dark_dn)
    smaller = make_header(make_readout(n_rows=5, row_start=1))
    cut = load_ramp_planes(files, smaller)
    np.testing.assert_array_equal(cut.gain, first.gain[1:])
    changed = rewrite(paths, "gain", {"SCI": np.ones((6, 8), np.float32)})
    np.testing.assert_array_equal(changed.gain, 1.0)


@pytest.mark.parity
def test_linearity_is_prepared_as_in_jwst(paths, rng):
    from stcal.linearity.linearity import prepare_coefficients

    coefficients = rng.normal(size=(4, 6, 8)).astype(np.float32)
    coefficients[rng.random(coefficients.shape) < 0.05] = np.nan
    coefficients[1, 5] = 0.0
    bits = rng.integers(0, 2, (6, 8), dtype=np.uint32) * np.uint32(flags.NO_LINEARITY)
    theirs, dq = prepare_coefficients(
        coefficients.copy(), bits, np.zeros_like(bits), {"NO_LIN_CORR": 1 << 20}
    )
    ours = rewrite(paths, "linearity", {"COEFFS": coefficients, "DQ": bits})
    np.testing.assert_array_equal(ours.linearity, theirs)
    np.testing.assert_array_equal(ours.flags["linearity"], dq)


@pytest.mark.shared
@pytest.mark.parametrize("detector", ["nrcb1", "nrcblong"])
def test_the_shared_references_become_planes(shared, detector):
    sample = shared / "sample"
    header = header_of(sample / f"raw/jw02736001001_02103_00001_{detector}_uncal.fits")
    files = FolderSource(sample / "references").select(header, KINDS)
    planes = load_ramp_planes(files, header, want_ipc=True)
    assert planes.dark_dn.shape == (9, 320, 320)
    assert planes.linearity.shape == (6, 320, 320)
    np.testing.assert_array_equal(planes.dark_dn, raw(files.paths["dark"])[:9])
    np.testing.assert_array_equal(planes.superbias_dn, raw(files.paths["superbias"]))
    cds = raw(files.paths["readnoise"])
    np.testing.assert_allclose(planes.read_noise_dn, cds / np.sqrt(2.0), rtol=1e-6)
    # instrument.md: gain about 2 e-/DN, single-read noise 5 to 6 DN, full well 5e4 DN
    assert 1.5 < np.nanmedian(planes.gain) < 2.5
    assert 3.0 < np.nanmedian(planes.read_noise_dn) < 8.0
    assert 3e4 < np.nanmedian(planes.full_well_dn) < 6.6e4
    assert (planes.flags["mask"] & flags.DO_NOT_USE).any()


@pytest.mark.shared
@pytest.mark.parity
def test_the_shared_flags_are_those_of_jwst(shared):
    from stdatamodels.jwst import datamodels

    sample = shared / "sample"
    header = header_of(sample / "raw/jw02736001001_02103_00001_nrcb1_uncal.fits")
    files = FolderSource(sample / "references").select(header, RAMP_KINDS)
    ours = load_ramp_planes(files, header)
    for kind, model_type in (
        ("mask", datamodels.MaskModel),
        ("saturation", datamodels.SaturationModel),
        ("superbias", datamodels.SuperBiasModel),
        ("linearity", datamodels.LinearityModel),
        ("dark", datamodels.DarkModel),
    ):
        with model_type(files.paths[kind]) as model:
            none = np.zeros_like(model.dq)
            np.testing.assert_array_equal(ours.flags.get(kind, none), model.dq)
