import pytest

from rampline.files.names import (
    ProductName,
    mosaic_root,
    optical_element,
    parse_product,
    product_name,
)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (
            "/data/jw02736001001_02103_00001_nrcb1_uncal.fits",
            ("jw02736001001_02103_00001_nrcb1", "uncal", ""),
        ),
        (
            "jw02736001001_02103_00001_nrcalong-seg002_rateints.fits",
            ("jw02736001001_02103_00001_nrcalong-seg002", "rateints", ""),
        ),
        (
            "jw02736001001_02103_00001_nrcb4_a3001_crf.fits",
            ("jw02736001001_02103_00001_nrcb4", "crf", "a3001"),
        ),
        (
            "jw02736-o001_t001_nircam_clear-f200w_cat.ecsv",
            ("jw02736-o001_t001_nircam_clear-f200w", "cat", ""),
        ),
        ("my_star.fits", ("my_star", "", "")),
        ("ngc346_cal_cutout100.fits", ("ngc346_cal_cutout100", "", "")),
    ],
)
def test_product_names_come_apart(name, parts):
    assert parse_product(name) == ProductName(*parts)


def test_a_name_put_together_comes_apart_again():
    root = "jw02736001001_02103_00001_nrcb1"
    assert parse_product(product_name(root, "cal")) == ProductName(root, "cal", "")


def test_a_pupil_filter_is_part_of_the_mosaic_name():
    assert optical_element("F444W", "F405N") == "f444w-f405n"
    assert optical_element("F200W", "CLEAR") == "f200w"
    assert (
        mosaic_root("02736", "SMACS", "F200W", "CLEAR") == "jw02736-smacs_nircam_f200w"
    )
    both = mosaic_root("02736", "o1", "F444W", "F405N")
    assert both == "jw02736-o1_nircam_f444w-f405n"
