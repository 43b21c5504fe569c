"""Mosaics, segmentation maps, catalogues and associations written and read again."""

import dataclasses
import json

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import QTable

from rampline.errors import InputError
from rampline.exposure.header import Card
from rampline.files.catalogs import (
    read_association,
    read_catalog,
    write_association,
    write_catalog,
)
from rampline.files.content import content_hash
from rampline.files.read import read_header, read_sky, read_wcs_tree
from rampline.files.read_mosaic import read_image_cards, read_mosaic
from rampline.files.write import write_sky
from rampline.files.write_mosaic import MosaicWorld, write_mosaic, write_segmentation

from .making import (
    COLS,
    PROVENANCE,
    ROWS,
    make_geometry,
    make_mosaic,
    make_sky,
    make_wcs,
)

PLANES = ("sky", "err", "weight", "context", "var_poisson", "var_read", "var_flat")
CAL_CARDS = (
    Card("CTYPE1", "RA---TAN-SIP"),
    Card("A_0_2", 1e-6),
    Card("S_REGION", "POLYGON ICRS 7 8 9 10 11 12"),
)


@pytest.fixture
def inputs(tmp_path, rng):
    """Two pointings, of which the first was seen by two detectors."""
    headers = []
    for exposure, detector, start in (
        (1, "NRCB1", 0),
        (1, "NRCB2", 0),
        (2, "NRCB1", 9),
    ):
        root = f"jw02736001001_02103_0000{exposure}_{detector.lower()}"
        path = tmp_path / f"{root}_cal.fits"
        image = make_sky(rng)
        begin = 59737.4 + 0.001 * start
        primary = tuple(
            {
                "DETECTOR": Card("DETECTOR", detector),
                "EXPSTART": Card("EXPSTART", begin),
            }.get(card.keyword, card)
            for card in image.header.primary
        )
        header = dataclasses.replace(image.header, primary=primary)
        write_sky(
            path,
            dataclasses.replace(image, header=header),
            make_wcs(),
            CAL_CARDS,
            PROVENANCE,
        )
        headers.append(read_header(path))
    return headers


@pytest.fixture
def world():
    return MosaicWorld(
        gwcs=make_wcs(),
        cards=(
            Card("CTYPE1", "RA---TAN"),
            Card("S_REGION", "POLYGON ICRS 1 2 3 4 5 6"),
        ),
        association="jw02736-smacs_nircam_f200w_asn.json",
    )


@pytest.fixture
def written(tmp_path, rng, inputs, world):
    mosaic = make_mosaic(rng, inputs)
    path = tmp_path / f"{mosaic.name}_i2d.fits"
    found = write_mosaic(path, mosaic, world, PROVENANCE)
    assert content_hash(path) == found
    return path, mosaic


def test_a_mosaic_comes_back_with_its_inputs(written, inputs):
    path, mosaic = written
    back = read_mosaic(path, mosaic.grid)
    for name in (*PLANES, "exposure_s"):
        np.testing.assert_array_equal(getattr(back, name), getattr(mosaic, name))
        assert getattr(back, name).dtype == getattr(mosaic, name).dtype
    assert back.pixel_area_sr == pytest.approx(mosaic.pixel_area_sr, rel=1e-13)
    for name in ("filter", "pupil", "channel", "name", "grid"):
        assert getattr(back, name) == getattr(mosaic, name)
    for found, given in zip(back.headers, inputs, strict=True):
        bare = {"primary": (), "science": ()}
        assert dataclasses.replace(found, **bare) == dataclasses.replace(given, **bare)
        values = {(card.keyword, card.value) for card in given.science if card.keyword}
        assert values == {(card.keyword, card.value) for card in found.science}


def test_planes_that_are_not_computed_with_are_mapped(written):
    path, mosaic = written
    back = read_mosaic(path, mosaic.grid, computed=("SCI", "CON"))
    for name in (*PLANES, "exposure_s"):
        np.testing.assert_array_equal(getattr(back, name), getattr(mosaic, name))
    assert back.sky.dtype.isnative
    assert back.context.dtype.isnative
    assert isinstance(back.weight, np.memmap)


def test_mosaic_extensions_are_jwst_s(written):
    with fits.open(written[0]) as file:
        file.verify("exception")
        names = [hdu.name for hdu in file]
        assert names[:8] == [
            *("PRIMARY", "SCI", "ERR", "CON", "WHT"),
            *("VAR_POISSON", "VAR_RNOISE", "VAR_FLAT"),
        ]
        assert file["CON"].data.dtype == np.dtype(">i4")
        assert file["SCI"].header["CTYPE1"] == "RA---TAN"
        assert file["SCI"].header["S_REGION"] == "POLYGON ICRS 1 2 3 4 5 6"
        assert len(file["HDRTAB"].data) == 3
        assert file["HDRTAB"].data["DETECTOR"].tolist() == ["NRCB1", "NRCB2", "NRCB1"]


@pytest.mark.shared
def test_the_planes_of_a_real_mosaic_are_ours_in_its_order_type_and_unit(
    shared, written
):
    (path,) = (shared / "real_i2d_layout").glob("*_i2d.fits")

    def planes(name):
        with fits.open(name) as hdus:
            return [
                (h.name, h.header["BITPIX"], h.header["NAXIS"], h.header.get("BUNIT"))
                for h in hdus[1:]
                if h.name != "ASDF"
            ]

    real = planes(path)
    assert [name for name, *_ in real] == [
        "SCI", "ERR", "CON", "WHT", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT",
    ]  # fmt: skip
    assert planes(written[0])[: len(real)] == real


def test_a_mosaic_says_how_many_exposures_contribute_and_where_none_does(written):
    path, mosaic = written
    with fits.open(path) as file:
        count, quality = file["NEXP"].data, file["DQ"].data
        names = [hdu.name for hdu in file]
    bits = [(mosaic.context[0] >> k) & 1 for k in range(32)]
    assert np.array_equal(count, np.sum(bits, axis=0))
    assert count.dtype == np.uint16
    assert np.array_equal(quality, np.where(mosaic.weight > 0, 0, 1))
    assert quality.dtype == np.uint32
    assert names.index("NEXP") > names.index("EXPOSURE")


def test_how_noise_grows_with_area_is_a_table(tmp_path, rng, inputs, world):
    curve = np.array([(1.0, 1.0), (32.0, 1.5)], [("SIDE", "f8"), ("PREDICTED", "f8")])
    path = tmp_path / "mosaic_i2d.fits"
    world = dataclasses.replace(world, tables={"NOISE": curve})
    write_mosaic(path, make_mosaic(rng, inputs), world, PROVENANCE)
    assert fits.getdata(path, "NOISE")["PREDICTED"].tolist() == [1.0, 1.5]


def test_what_holds_for_one_input_only_is_not_in_the_mosaic(written):
    primary, science = fits.getheader(written[0]), fits.getheader(written[0], "SCI")
    for keyword in ("RA_REF", "V2_REF", "A_0_2"):
        assert keyword not in science
    assert "BKGLEVEL" not in primary


def test_times_span_the_inputs_and_detectors_of_a_pointing_count_once(written):
    primary, science = fits.getheader(written[0]), fits.getheader(written[0], "SCI")
    assert primary["NDRIZ"] == 2
    assert primary["EFFEXPTM"] == pytest.approx(2 * 94.07552)
    assert science["XPOSURE"] == pytest.approx(2 * 94.07552)
    assert primary["EXPSTART"] == 59737.4
    assert primary["DETECTOR"] == "MULTIPLE"
    assert primary["MODULE"] == "B"
    assert primary["PIXFRAC"] == 1.0


def test_a_mosaic_is_no_exposure(written, rng):
    with pytest.raises(InputError, match="a mosaic, not an exposure; give the _cal"):
        read_header(written[0])
    with pytest.raises(InputError, match="a mosaic"):
        read_sky(written[0], make_geometry(rng))


def test_an_exposure_is_no_mosaic(tmp_path, written, inputs):
    cal = tmp_path / f"{inputs[0].root}_cal.fits"
    with pytest.raises(InputError, match="no CON extension"):
        read_mosaic(cal, written[1].grid)


def test_a_segmentation_may_take_over_the_world_of_its_mosaic(
    tmp_path, rng, written, world
):
    path, mosaic = written
    tree = read_wcs_tree(path)
    borrowed = dataclasses.replace(world, gwcs=tree)
    labels = rng.integers(0, 9, mosaic.sky.shape, dtype=np.int32)
    copy = tmp_path / f"{mosaic.name}_segm.fits"
    found = write_segmentation(copy, labels, mosaic, borrowed, PROVENANCE)
    assert read_wcs_tree(copy) == tree
    assert found == write_segmentation(copy, labels, mosaic, world, PROVENANCE)


def test_a_segmentation_keeps_the_labels_and_the_world(tmp_path, rng, written, world):
    _, mosaic = written
    labels = rng.integers(0, 9, (ROWS, COLS), dtype=np.int32)
    path = tmp_path / f"{mosaic.name}_segm.fits"
    found = write_segmentation(path, labels, mosaic, world, PROVENANCE, "x_cat.ecsv")
    assert found == content_hash(path)
    with fits.open(path) as file:
        assert file["SCI"].data.dtype == np.uint32
        np.testing.assert_array_equal(file["SCI"].data, labels)
        assert file[0].header["SCATFILE"] == "x_cat.ecsv"
        assert file[0].header["DATAMODL"] == "SegmentationMapModel"
        assert file["SCI"].header["CTYPE1"] == "RA---TAN"


def test_the_cards_of_any_image_can_be_read(tmp_path, written):
    cards, shape = read_image_cards(written[0])
    assert shape == (ROWS, COLS)
    assert cards["CTYPE1"] == "RA---TAN"
    plain = tmp_path / "grid.fits"
    fits.writeto(plain, np.zeros((3, 4)), fits.Header([("CRPIX1", 2.5)]))
    assert read_image_cards(plain)[0]["CRPIX1"] == 2.5
    assert read_image_cards(plain)[1] == (3, 4)


def test_a_file_without_image_gives_no_grid(tmp_path):
    fits.HDUList([fits.PrimaryHDU()]).writeto(tmp_path / "empty.fits")
    with pytest.raises(InputError, match="no image in this file"):
        read_image_cards(tmp_path / "empty.fits")


@pytest.fixture
def table():
    position = SkyCoord([110.1, 110.2], [-73.1, -73.2], unit="deg")
    return QTable(
        {
            "label": np.array([1, 2], np.int32),
            "sky_centroid": position,
            "isophotal_flux": [1.5e-6, np.nan] * units.Jy,
            "is_extended": [True, False],
        }
    )


def test_a_catalogue_comes_back_with_what_made_it(tmp_path, table):
    path = tmp_path / "x_cat.ecsv"
    found = write_catalog(path, table, PROVENANCE)
    back = read_catalog(path)
    assert back.colnames == table.colnames
    assert back["isophotal_flux"][0] == 1.5e-6 * units.Jy
    assert back["sky_centroid"].separation(table["sky_centroid"]).max() == 0
    assert back.meta["conthash"] == found
    assert back.meta["parameters"]["detector.saturation.grow"] == "1"
    assert "conthash" not in table.meta


def test_a_catalogue_read_and_written_again_has_the_same_hash(tmp_path, table):
    path = tmp_path / "x_cat.ecsv"
    first = write_catalog(path, table, PROVENANCE)
    assert write_catalog(path, read_catalog(path), PROVENANCE) == first
    table["isophotal_flux"][0] *= 2
    assert write_catalog(path, table, PROVENANCE) != first


def test_a_file_that_is_no_catalogue_is_one_line(tmp_path):
    path = tmp_path / "x.ecsv"
    path.write_text("no table\n")
    with pytest.raises(InputError) as caught:
        read_catalog(path)
    assert "\n" not in str(caught.value)


def test_an_association_names_its_members(tmp_path):
    path = tmp_path / "x_asn.json"
    write_association(path, "jw02736-x_nircam_f200w", ["a_cal.fits"], "02736", "0.1.0")
    assert read_association(path) == [tmp_path / "a_cal.fits"]
    assert json.loads(path.read_text())["asn_rule"] == "DMS_Level3_Base"


def test_an_association_of_stage_2_gives_its_backgrounds_too(tmp_path):
    kinds = {"a_rate.fits": "science", "b_rate.fits": "background", "c.fits": "segmap"}
    members = [{"expname": name, "exptype": kind} for name, kind in kinds.items()]
    path = tmp_path / "x_asn.json"
    path.write_text(json.dumps({"products": [{"name": "a", "members": members}] * 2}))
    assert read_association(path) == [
        tmp_path / "a_rate.fits",
        tmp_path / "b_rate.fits",
    ]


@pytest.mark.parametrize("text", ["", "[]", '{"products": [{}]}'])
def test_a_file_that_is_no_association_is_named(tmp_path, text):
    path = tmp_path / "x_asn.json"
    path.write_text(text)
    with pytest.raises(InputError, match="no association"):
        read_association(path)


@pytest.mark.parametrize(("keyword", "extension"), [("FILTER", 0), ("PIXAR_SR", "SCI")])
def test_a_keyword_missing_from_a_mosaic_is_named(written, keyword, extension):
    path, mosaic = written
    with fits.open(path, mode="update") as file:
        del file[extension].header[keyword]
    with pytest.raises(InputError, match=f"{keyword} is missing from the header"):
        read_mosaic(path, mosaic.grid)


def test_cards_say_what_the_weights_are_and_what_a_count_is(written, inputs):
    with fits.open(written[0]) as file:
        assert file[0].header["RESWHT"] == "ivm"
        assert file[0].header["WHTNOISE"] == "read+sky"
        told = [c.value for h in inputs for c in h.science if c.keyword == "PHOTMJSR"]
        assert file["SCI"].header["PHOTMJSR"] == pytest.approx(np.mean(told))
        assert file["SCI"].header["PHOTUJA2"] > 0
