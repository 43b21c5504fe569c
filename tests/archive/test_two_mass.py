import io
import socket
import time

import numpy as np
import pytest
import requests
from astropy.io.votable import from_table
from astropy.table import Table

from rampline.archive.two_mass import COLUMNS, fetch_two_mass
from rampline.archive.vizier import Service
from rampline.errors import NetworkError

R_LEO = (146.890, 11.429, -0.7, -1.7, -2.3)


def answer(rows):
    """The bytes of a VOTable as VizieR sends it."""
    table = Table(np.reshape(rows, (-1, len(COLUMNS))), names=COLUMNS)
    table.meta |= {"ID": "II_246_out", "name": "II/246/out"}
    stream = io.BytesIO()
    from_table(table).to_xml(stream)
    return stream.getvalue()


def test_both_cones_are_joined(wire):
    sent = wire(content=answer([R_LEO]))
    columns = fetch_two_mass(150.1, 2.2, Service())
    assert columns["Kmag"].tolist() == [-2.3, -2.3]
    first, second = (str(body) for body in sent.bodies)
    assert "Kmag=<5" in first
    assert "-c.rd=13.5" in first
    assert "Kmag=<17" in second
    assert "-source=II/246" in first


def test_a_field_without_stars_gives_empty_columns(wire):
    wire(content=answer(np.empty((0, len(COLUMNS)))))
    columns = fetch_two_mass(150.1, 2.2, Service())
    assert {name: len(values) for name, values in columns.items()} == dict.fromkeys(
        COLUMNS, 0
    )


def test_a_server_that_fails_is_said_in_one_line_with_what_to_do(wire):
    wire(error=OSError("Network is unreachable\nsecond line"))
    with pytest.raises(NetworkError, match="--stars FILE") as raised:
        fetch_two_mass(150.1, 2.2, Service())
    assert "\n" not in str(raised.value)


def test_a_server_that_cannot_be_reached_is_said_without_the_query(wire):
    wire(error=requests.ConnectionError("HTTPSConnectionPool(host='x'): Max retries"))
    with pytest.raises(NetworkError, match=r"be reached; .*--stars FILE") as said:
        fetch_two_mass(150.1, 2.2, Service())
    assert "Max retries" not in str(said.value)


def test_a_server_that_never_answers_is_given_up_in_time():
    listening = socket.create_server(("127.0.0.1", 0))
    host = f"127.0.0.1:{listening.getsockname()[1]}"
    began = time.monotonic()
    with listening, pytest.raises(NetworkError, match="no answer within"):
        fetch_two_mass(150.1, 2.2, Service(server=host, timeout_s=1.0))
    assert time.monotonic() - began < 10.0
