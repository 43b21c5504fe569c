import numpy as np
import pytest

from rampline.exposure.timing import PATTERNS

from ..detector.exposures import make_readout


def test_a_medium8_exposure_of_nine_groups_lasts_945_seconds():
    """EFFINTTM of the Early Release images of SMACS J0723."""
    readout = make_readout("MEDIUM8", (1, 9, 16, 12))
    assert readout.integration_s() == pytest.approx(944.836, abs=1e-3)


def test_every_read_of_rapid_is_a_group():
    readout = make_readout("RAPID", (1, 3, 16, 12))
    times = readout.frame_s * np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(readout.read_times_s()[:, 0], times)
    np.testing.assert_allclose(readout.group_times_s(), times)


def test_dropped_reads_pass_between_groups():
    """SHALLOW2: reads 1 and 2 are averaged, 3 to 5 dropped, 6 and 7 averaged."""
    readout = make_readout("SHALLOW2", (1, 2, 16, 12))
    reads = readout.read_times_s() / readout.frame_s
    np.testing.assert_allclose(reads, [[1.0, 2.0], [6.0, 7.0]])
    np.testing.assert_allclose(readout.group_times_s() / readout.frame_s, [1.5, 6.5])


@pytest.mark.parametrize("pattern", PATTERNS)
def test_groups_follow_each_other_in_a_group_time_and_the_last_read_ends_it(pattern):
    readout = make_readout(pattern, (1, 4, 16, 12))
    np.testing.assert_allclose(np.diff(readout.group_times_s()), readout.group_s)
    assert readout.read_times_s()[-1, -1] == pytest.approx(readout.integration_s())
