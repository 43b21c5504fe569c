import numpy as np
import pytest

from rampline.simulation.scattered.tadpoles import (
    ShellParams,
    TadpoleParams,
    head_offset,
    shells,
    tadpoles,
)
from tests.simulation.scattered.views import stars, view

ON, SHELLS = TadpoleParams(enabled=True), ShellParams(enabled=True)


def _seen(band="F322W2", grism="GRISMC", detector="NRCBLONG"):
    return view(detector, band, grism=grism)


def _at(seen, row, col, magnitude):
    v2, v3 = seen.camera.pixel_to_focal(np.array(row), np.array(col))
    return stars(seen, v2, v3, magnitude, colour=0.0)


@pytest.mark.parametrize(
    ("band", "col", "row"), [("F322W2", -40, 1385), ("F444W", 36, 1350)]
)
def test_heads_stand_where_they_were_measured(band, col, row):
    image, _ = tadpoles(_seen(band), ON, _at(_seen(band), 300.0, 700.0, 17.0))
    at = np.unravel_index(np.argmax(image), image.shape)
    assert at[0] - 300 == pytest.approx(row, abs=10)
    assert at[1] - 700 == pytest.approx(col, abs=10)


def test_offsets_of_other_filters_lie_between():
    assert head_offset(3.8)[0] == pytest.approx(-4.2, abs=1)
    assert 1350 < head_offset(3.8)[1] < 1385


@pytest.mark.parametrize(("magnitude", "peak"), [(17.0, 10.0), (19.5, 1.0)])
def test_the_head_of_a_source_has_the_measured_brightness(magnitude, peak):
    seen = _seen()
    image, causes = tadpoles(seen, ON, _at(seen, 300.0, 700.0, magnitude))
    assert image.max() == pytest.approx(peak, rel=0.1)
    assert causes[0].kind == "TADPOLES"


def test_sources_below_the_detector_count():
    seen = _seen()
    assert tadpoles(seen, ON, _at(seen, -300.0, 700.0, 17.0))[0] is not None
    assert tadpoles(seen, ON, _at(seen, 900.0, 700.0, 17.0))[0] is None


def test_tails_run_along_the_columns_with_grismc_and_slanted_with_grismr():
    seen = _seen()
    image, _ = tadpoles(seen, ON, _at(seen, 300.0, 700.0, 15.0))
    row, col = np.nonzero(image > 1e-2 * image.max())
    assert np.ptp(row) > 3 * np.ptp(col)
    seen = _seen(grism="GRISMR")
    image, _ = tadpoles(seen, ON, _at(seen, 500.0, 700.0, 15.0))
    row, col = np.nonzero(image > 1e-2 * image.max())
    assert row.min() > 1650 - 200
    assert np.ptp(col) > 0.3 * np.ptp(row)


def test_module_a_and_direct_images_have_none():
    seen = _seen(detector="NRCALONG")
    assert tadpoles(seen, ON, _at(seen, 300.0, 700.0, 15.0)) == (None, [])
    direct = _seen(grism="")
    assert tadpoles(direct, ON, _at(direct, 300.0, 700.0, 15.0)) == (None, [])
    assert shells(direct, SHELLS, _at(direct, 300.0, 700.0, 12.0)) == (None, [])


def test_only_very_bright_sources_have_shells():
    seen = _seen()
    image, _ = shells(seen, SHELLS, _at(seen, 300.0, 700.0, 14.0))
    head = tadpoles(seen, ON, _at(seen, 300.0, 700.0, 14.0))[0].max()
    assert 0 < image.max() < 0.01 * head
    assert (image > 0.3 * image.max()).sum() > 2000
    assert shells(seen, SHELLS, _at(seen, 300.0, 700.0, 17.0)) == (None, [])
