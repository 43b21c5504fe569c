import subprocess
import sys
import textwrap

import numpy as np
import pytest

from rampline.errors import ParameterError
from rampline.simulation.siaf import aperture


def test_no_request_is_sent_while_pysiaf_is_imported():
    code = """
        import socket
        tried = []
        def note(*args, **kwargs):
            tried.append(args)
            raise OSError("no network here")
        socket.socket.connect = note
        socket.create_connection = note
        socket.getaddrinfo = note
        import requests
        before = requests.get
        from rampline.simulation.siaf import aperture
        aperture("NRCB1_FULL")
        assert requests.get is before
        print(len(tried))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "0"
    assert "WARNING" not in done.stderr


def test_subarrays_begin_where_the_archive_says():
    assert (aperture("NRCB1_SUB640").row_start, aperture("NRCB1_SUB640").col_start) == (
        0,
        0,
    )
    long = aperture("NRCB5_SUB320")
    assert (long.row_start, long.col_start) == (860, 852)


def test_the_full_frame_begins_at_zero_on_every_detector():
    for module in "AB":
        for number in range(1, 6):
            full = aperture(f"NRC{module}{number}_FULL")
            assert (full.row_start, full.col_start) == (0, 0)
            assert (full.n_rows, full.n_cols) == (2048, 2048)


def test_an_unknown_subarray_is_one_line():
    with pytest.raises(ParameterError, match="NRCB1_SUB999"):
        aperture("NRCB1_SUB999")


def test_the_polynomial_begins_with_the_pixel_scale():
    full = aperture("NRCB1_FULL")
    assert np.isclose(full.x_ideal[1, 0], full.x_scale_arcsec, rtol=1e-3)
    assert np.isclose(full.y_ideal[0, 1], full.y_scale_arcsec, rtol=1e-3)
    assert full.x_ideal[0, 0] == full.y_ideal[0, 0] == 0.0
