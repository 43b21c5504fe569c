"""The alignment of a field comes back from its table as it was."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import programme as pr
from benchmarks.alignment import FEW
from rampline.astrometry.distortion_update import DistortionUpdateParams
from rampline.exposure.grid import Grid
from rampline.exposure.header import SkyPlace
from rampline.files.catalogs import read_catalog
from rampline.pipeline.sky_to_mosaic import SkyToMosaic, align_field
from rampline.program.tasks.alignment_table import read_alignment, write_alignment
from rampline.program.tasks.make_alignment import describe_alignment
from rampline.program.tasks.make_mosaic import alignment_cards

GRID = Grid(
    ra_deg=214.98,
    dec_deg=52.98,
    col_ref=100.0,
    row_ref=100.0,
    scale_arcsec=0.03,
    position_angle_deg=0.0,
    n_rows=201,
    n_cols=201,
)
PROGRAMME = replace(FEW, detectors=("NRCB1", "NRCB2"), points=3)


@pytest.fixture(scope="module")
def observed():
    rng = np.random.default_rng(4)
    errors = replace(pr.Errors(), exposure_shift_arcsec={2: (40.0, 25.0)})
    return pr.observe(PROGRAMME, pr.random_sky(PROGRAMME, rng), errors, rng)


@pytest.mark.parametrize("enabled", [True, False])
def test_a_field_comes_back_from_its_table(observed, enabled, tmp_path):
    params = SkyToMosaic().alignment.model_copy(
        update={"distortion": DistortionUpdateParams(enabled=enabled)}
    )
    field = align_field(observed.surveys, observed.catalog, params)
    statuses = [image.status for image in field.alignment.images]
    assert statuses == ["OK"] * 4 + ["FAILED"] * 2
    path = tmp_path / "alignment.ecsv"
    write_alignment(path, field, GRID, "key", "no answer")
    assert read_catalog(path).meta["problem"] == "no answer"
    again, grid = read_alignment(path, observed.surveys)
    assert grid == GRID
    for k, (image, back) in enumerate(
        zip(field.alignment.images, again.alignment.images, strict=True)
    ):
        assert (back.update is None) == (image.status == "FAILED")
        assert (back.applied_update is not None) == (enabled and image.status == "OK")
        if image.update is not None:
            for name in ("shapes", "error", "evidence", "n_stars"):
                values = [getattr(one.update, name) for one in (image, back)]
                assert np.array_equal(*values)
        one, other = field.geometries[k], again.geometries[k]
        assert np.array_equal(one.v2v3_arcsec, other.v2v3_arcsec)
        assert np.array_equal(one.correction, other.correction)


def test_the_note_says_what_was_updated_and_whether_the_field_is_tied(observed):
    params = SkyToMosaic().alignment
    tied = align_field(observed.surveys, observed.catalog, params)
    note = describe_alignment(tied, "stars.ecsv")
    assert "distortions of 2 detectors and filters updated by up to" in note
    assert "NO ABSOLUTE ALIGNMENT" not in note
    wrong = replace(observed.catalog, dec_deg=observed.catalog.dec_deg + 0.01)
    adrift = align_field(observed.surveys[:4], wrong, params)
    assert {image.status for image in adrift.alignment.images} == {"WEAK"}
    note = describe_alignment(adrift, "stars.ecsv")
    assert (
        "WEAK: hangs on no reference stars: aligned with other exposures only" in note
    )
    assert "NO ABSOLUTE ALIGNMENT: no star of the catalogue was matched" in note
    roots = [survey.header.root for survey in observed.surveys[:4]]
    assert f"; {', '.join(roots)} WEAK: " in note
    many = replace(
        adrift,
        surveys=2 * adrift.surveys,
        alignment=replace(adrift.alignment, images=2 * adrift.alignment.images),
    )
    few = f"; {', '.join(roots[:3])} and 5 more WEAK: "
    assert few in describe_alignment(many, "stars.ecsv")
    assert "NO ABSOLUTE ALIGNMENT" not in describe_alignment(adrift, "none")
    assert "NO ABSOLUTE ALIGNMENT: no network" in describe_alignment(
        adrift, "gaia", "no network"
    )


def test_a_mosaic_counts_the_exposures_it_can_trust(observed):
    field = align_field(observed.surveys, observed.catalog, SkyToMosaic().alignment)
    cards = {card.keyword: card.value for card in alignment_cards(field)}
    assert cards["ALIGNCAT"] == field.alignment.n_catalog > 20
    counts = [cards[f"ALIGN{ending}"] for ending in ("OK", "WK", "FL")]
    assert counts == [4, 0, 2]
    assert "MT_AVRA" not in cards


def test_the_frame_of_a_moving_target_comes_back_from_the_table(observed, tmp_path):
    place = SkyPlace(214.98, 52.98)
    surveys = [
        replace(survey, header=replace(survey.header, moving_target=followed))
        for k, survey in enumerate(observed.surveys)
        for followed in [place._replace(dec_deg=place.dec_deg + 1e-3 * k)]
    ]
    field = align_field(surveys, observed.catalog, SkyToMosaic().alignment)
    assert field.still == pytest.approx((214.98, 52.98 + 1e-3 * np.arange(6).mean()))
    path = tmp_path / "alignment.ecsv"
    write_alignment(path, field, GRID, "key")
    # alone too an exposure goes where the whole field put it
    again, _ = read_alignment(path, surveys[:1])
    assert again.still == field.still
    assert np.array_equal(
        again.geometries[0].correction, field.geometries[0].correction
    )
    cards = {card.keyword: card.value for card in alignment_cards(again)}
    assert (cards["MT_AVRA"], cards["MT_AVDEC"]) == field.still


def test_a_reader_of_the_table_can_evaluate_the_update(observed, tmp_path):
    """As docs/alignment.md says it, with numpy's Legendre polynomials."""
    field = align_field(observed.surveys, observed.catalog, SkyToMosaic().alignment)
    path = tmp_path / "alignment.ecsv"
    write_alignment(path, field, GRID, "key")
    row = read_catalog(path)[0]
    nodes = observed.surveys[0].geometry.v2v3_arcsec
    u, v = (
        (nodes[..., a] - row[f"middle_{axis}_arcsec"]) / row["half_side_arcsec"]
        for a, axis in enumerate(("v2", "v3"))
    )
    degrees = ((2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3))
    for a, axis in enumerate(("v2", "v3")):
        series = np.zeros((4, 4))
        for value, place in zip(row[f"bend_{axis}_arcsec"], degrees, strict=True):
            series[place] = value
        added = np.polynomial.legendre.legval2d(u, v, series)
        np.testing.assert_allclose(
            field.geometries[0].v2v3_arcsec[..., a], nodes[..., a] + added, atol=1e-9
        )
