import io
import socket
import time

import numpy as np
import pytest
from astropy.io.votable import from_table
from astropy.table import Table

from rampline.archive.gaia import COLUMNS, fetch_gaia
from rampline.archive.vizier import Service
from rampline.astrometry.reference_catalog import read_reference_stars
from rampline.errors import NetworkError

MJD_2022 = 59737.0


def answer(rows):
    """The bytes of a VOTable as VizieR sends it."""
    table = Table(np.reshape(rows, (-1, len(COLUMNS))), names=COLUMNS)
    table.meta |= {"ID": "I_355_gaiadr3", "name": "I/355/gaiadr3"}
    stream = io.BytesIO()
    from_table(table).to_xml(stream)
    return stream.getvalue()


def row(**changes):
    star = dict.fromkeys(COLUMNS, 0.1) | {
        "RA_ICRS": 110.858,
        "DE_ICRS": -73.464,
        "pmRA": 6.8,
        "pmDE": -7.8,
        "Plx": 6.1,
        "Gmag": 19.0,
        "RUWE": 1.0,
    }
    return list((star | changes).values())


def test_the_answer_becomes_columns_that_the_alignment_reads(wire):
    sent = wire(content=answer([row(), row(Gmag=17.0, RA_ICRS=110.9)]))
    columns = fetch_gaia(110.85, -73.45, 0.05, Service())
    assert columns["ref_epoch"].tolist() == [2016.0, 2016.0]
    stars = read_reference_stars(columns, MJD_2022)
    assert stars.ra_deg[0] == pytest.approx(110.9, abs=1e-4)
    assert stars.error_arcsec[0] == pytest.approx(1e-4 * np.hypot(1, 6.43), rel=0.01)
    body = str(sent.bodies[0])
    assert "I/355/gaiadr3" in body
    assert "110.85" in body


def test_bad_fits_are_left_out_and_unknown_ones_kept(wire):
    wire(content=answer([row(RUWE=3.0), row(RUWE=np.nan), row()]))
    columns = fetch_gaia(110.85, -73.45, 0.05, Service())
    assert len(columns["RA_ICRS"]) == 2


def test_an_empty_field_gives_no_stars(wire):
    wire(content=answer(np.empty((0, len(COLUMNS)))))
    columns = fetch_gaia(0.0, 0.0, 0.01, Service())
    assert set(columns) == {*COLUMNS, "ref_epoch"}
    assert all(len(values) == 0 for values in columns.values())


@pytest.mark.parametrize(
    "options",
    [
        {"error": OSError("Network is unreachable\nsecond line")},
        {"content": b"<html>maintenance</html>"},
        {"content": b"<?xml version='1.0'?><VOTABLE><RESOURCE>"},
        {"content": b"", "status": 503},
    ],
    ids=["unreachable", "not a table", "cut off", "refused"],
)
def test_what_goes_wrong_is_said_in_one_line(wire, options):
    wire(**options)
    with pytest.raises(NetworkError) as raised:
        fetch_gaia(110.85, -73.45, 0.05, Service())
    text = str(raised.value)
    assert "\n" not in text
    assert "vizier" in text


def test_a_server_that_never_answers_is_given_up_in_time():
    listening = socket.create_server(("127.0.0.1", 0))
    host = f"127.0.0.1:{listening.getsockname()[1]}"
    began = time.monotonic()
    with listening, pytest.raises(NetworkError, match="--align-to none"):
        fetch_gaia(110.85, -73.45, 0.05, Service(server=host, timeout_s=1.0))
    assert time.monotonic() - began < 10.0
