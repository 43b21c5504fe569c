from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import QTable, Table

from rampline.artifacts.stars import StarTable
from rampline.errors import InputError
from rampline.program.tasks.grism_sources import (
    MAGNITUDE,
    gather_sources,
    nearest_catalog,
    read_given,
    read_sources,
    write_sources,
)

NOBODY = StarTable((), *(np.empty(0),) * 5)


def test_the_catalogue_of_the_nearest_filter_is_taken():
    catalogs = [(name, Path(name)) for name in ("F115W", "F277W", "F444W")]
    assert nearest_catalog(catalogs, "F356W") == Path("F444W")
    assert nearest_catalog(catalogs, "F277W") == Path("F277W")


def test_catalogue_and_table_and_stars_come_together(tmp_path):
    catalog, given = tmp_path / "a_cat.ecsv", tmp_path / "given.ecsv"
    place = SkyCoord([150.0, 150.01] * u.deg, [2.0, 2.0] * u.deg)
    QTable({"sky_centroid": place, MAGNITUDE: [18.0, np.nan]}).write(catalog)
    Table({"RA": [150.02], "DEC": [2.0], "ABmag": [16.0]}).write(given)
    star = StarTable(("s",), *(np.array([k]) for k in (150.03, 2.0, 9.0, 9.0, 9.0)))
    found = gather_sources(catalog, star, read_given(given), "F356W")
    assert np.sort(found.ab_mag)[1:].tolist() == [16.0, 18.0]
    assert np.min(found.ab_mag) == pytest.approx(9.0 + 1.85 + 1.1, abs=0.1)
    path = tmp_path / "sources.ecsv"
    write_sources(path, found)
    assert np.array_equal(read_sources(path), found)


def test_without_a_table_nothing_is_given(tmp_path):
    assert read_given(None) is None
    path = tmp_path / "stars.ecsv"
    Table({"RA": [150.0], "DEC": [2.0], "Kmag": [9.0]}).write(path)
    assert read_given(path) is None
    assert gather_sources(None, NOBODY, None, "F356W").ab_mag.size == 0


def test_a_catalogue_that_is_none_is_refused(tmp_path):
    path = tmp_path / "a_cat.ecsv"
    path.write_text("nothing")
    with pytest.raises(InputError, match="no ECSV table"):
        gather_sources(path, NOBODY, None, "F356W")
