import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table

from rampline.errors import ParameterError
from rampline.simulation.catalog import (
    catalog_table,
    draw_sources,
    magnitude_to_jy,
    offset_position,
    read_sources,
)
from rampline.simulation.instrument import passband
from rampline.simulation.scene import (
    ClusterParams,
    FieldParams,
    GalaxyParams,
    SourceParams,
    StarParams,
)


def _field(**kwargs):
    defaults = {
        "stars": StarParams(number=500),
        "galaxies": GalaxyParams(number=300),
        "cluster": ClusterParams(members=20),
    }
    return FieldParams(**{**defaults, **kwargs})


def test_a_field_has_the_sources_asked_for():
    sources = draw_sources(_field(), 1)
    assert sources.is_star.sum() == 500
    assert (~sources.is_star).sum() == 320


def test_the_same_seed_gives_the_same_sky():
    first, again = draw_sources(_field(), 1), draw_sources(_field(), 1)
    other = draw_sources(_field(), 2)
    assert np.array_equal(first.ra_deg, again.ra_deg)
    assert not np.array_equal(first.ra_deg, other.ra_deg)


def test_leaving_out_the_stars_leaves_the_galaxies():
    with_stars = draw_sources(_field(), 1)
    without = draw_sources(_field(stars=StarParams()), 1)
    assert np.array_equal(with_stars.ra_deg[500:], without.ra_deg)
    assert np.array_equal(with_stars.flux_jy[500:], without.flux_jy)


def test_magnitudes_grow_as_asked_for():
    stars = StarParams(number=20000, brightest=20.0, faintest=26.0, slope=0.2)
    sources = draw_sources(_field(stars=stars), 1)
    magnitude = -2.5 * np.log10(sources.flux_jy[sources.is_star] / 3630.780547701014)
    assert magnitude.min() > 20
    assert magnitude.max() < 26
    counts = np.histogram(magnitude, 6, (20, 26))[0]
    assert np.allclose(np.diff(np.log10(counts)), 0.2, atol=0.06)


def test_sources_lie_in_the_square():
    field = _field(cluster=ClusterParams())
    sources = draw_sources(field, 1)
    centre = SkyCoord(field.ra, field.dec, unit="deg")
    east, north = centre.spherical_offsets_to(
        SkyCoord(sources.ra_deg, sources.dec_deg, unit="deg")
    )
    assert np.abs(east.arcsec).max() < 30.01
    assert np.abs(north.arcsec).max() < 30.01
    assert north.arcsec.std() == pytest.approx(30 / np.sqrt(3), rel=0.05)


def test_offsets_are_in_the_tangent_plane():
    field = _field()
    ra, dec = offset_position(field, np.array([12.0]), np.array([-5.0]))
    centre = SkyCoord(field.ra, field.dec, unit="deg")
    place = SkyCoord(ra, dec, unit="deg")
    assert np.isclose(place.separation(centre).arcsec, 13.0, atol=1e-6)
    angle = centre.position_angle(place).deg
    assert np.isclose(angle, np.degrees(np.arctan2(12, -5)), atol=1e-3)


def test_sources_given_by_hand_come_first_and_as_given():
    given = SourceParams(
        ra=1.0, dec=2.0, magnitude=22.0, half_light_arcsec=0.3, position_angle=40.0
    )
    sources = draw_sources(_field(sources=(given,)), 1)
    assert (sources.ra_deg[0], sources.dec_deg[0]) == (1.0, 2.0)
    assert np.isclose(sources.flux_jy[0], magnitude_to_jy(np.array(22.0)))
    assert not sources.is_star[0]


def test_colours_are_powers_of_the_wavelength():
    given = SourceParams(ra=1.0, dec=2.0, magnitude=22.0, colour=-2.0)
    sources = draw_sources(FieldParams(sources=(given,)), 1)
    ratio = sources.flux_in(passband("F444W")) / sources.flux_in(passband("F200W"))
    assert np.isclose(ratio[0], (1.990 / 4.421) ** 2)


def test_a_users_catalogue_sets_fluxes_by_filter(tmp_path):
    path = tmp_path / "mine.ecsv"
    table = Table({"ra": [10.0, 10.1], "dec": [1.0, 1.1]})
    table["f200w_abmag"], table["f444w_abmag"] = [21.0, 22.0], [20.5, 23.0]
    table["half_light_arcsec"] = [0.0, 0.4]
    table.write(path, format="ascii.ecsv")
    sources = draw_sources(_field(catalog=str(path)), 1)
    expected = magnitude_to_jy(np.array([20.5, 23.0]))
    assert np.allclose(sources.flux_in(passband("F444W"))[:2], expected)
    assert sources.is_star[:2].tolist() == [True, False]
    # Random sources have no magnitude in the user's table: theirs is the power law.
    assert (sources.flux_in(passband("F444W"))[2:] > 0).all()


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"ra": [1.0], "f200w_abmag": [20.0]}, "dec"),
        ({"ra": [1.0], "dec": [1.0]}, "f200w"),
    ],
)
def test_a_catalogue_without_a_column_is_one_line(tmp_path, columns, what):
    path = tmp_path / "mine.ecsv"
    Table(columns).write(path, format="ascii.ecsv")
    with pytest.raises(ParameterError, match=what):
        read_sources(path)


def test_a_file_that_is_no_table_is_one_line(tmp_path):
    path = tmp_path / "mine.ecsv"
    path.write_text("nothing of the kind")
    with pytest.raises(ParameterError, match="mine"):
        read_sources(path)


def test_the_true_catalogue_lists_every_source_in_every_band():
    sources = draw_sources(_field(), 1)
    bands = passband("F200W"), passband("F405N")
    table = catalog_table(sources, bands)
    assert len(table) == sources.ra_deg.size
    for band in bands:
        flux = table[f"{band.name.lower()}_flux_jy"].value
        assert np.allclose(flux, sources.flux_in(band))
        magnitude = table[f"{band.name.lower()}_abmag"]
        assert np.allclose(magnitude_to_jy(np.asarray(magnitude)), flux)


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"f999w_abmag": [20.0, 20.0]}, "f999w_abmag: filter 'F999W'"),
        ({"f200w_abmag": ["bright", "faint"]}, "'f200w_abmag' has no numbers"),
        ({"f200w_abmag": [20.0, np.nan]}, "row 2: magnitudes"),
        ({"dec": [1.0, 95.0]}, "row 2: dec: 95.0 is not from -90 to 90"),
        ({"axis_ratio": [0.0, 1.0]}, "row 1: axis_ratio"),
        ({"half_light_arcsec": [0.1, -0.1]}, "row 2: half_light_arcsec"),
    ],
)
def test_a_value_that_is_none_is_named_by_row_and_column(tmp_path, columns, what):
    path = tmp_path / "mine.ecsv"
    good = {"ra": [1.0, 1.1], "dec": [1.0, 1.1], "f200w_abmag": [20.0, 21.0]}
    Table({**good, **columns}).write(path, format="ascii.ecsv")
    with pytest.raises(ParameterError, match=what) as caught:
        draw_sources(_field(catalog=str(path)), 1)
    assert str(caught.value).startswith("field.catalog: ")
    assert "\n" not in str(caught.value)


def test_a_magnitude_that_is_missing_is_that_of_another_filter(tmp_path):
    path = tmp_path / "mine.ecsv"
    table = Table({"ra": [10.0, 10.1], "dec": [1.0, 1.1]}, masked=True)
    table["f200w_abmag"] = np.ma.array([21.0, 0.0], mask=[False, True])
    table["f444w_abmag"] = [20.5, 23.0]
    table.write(path, format="ascii.ecsv")
    sources = read_sources(path)
    expected = magnitude_to_jy(np.array([21.0, 23.0]))
    assert np.allclose(sources.flux_in(passband("F200W")), expected)
