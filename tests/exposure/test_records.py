import numpy as np
import pytest

from ..detector.exposures import make_ramp, make_readout


def test_samples_of_another_shape_than_the_header_says_are_refused():
    readout = make_readout(shape=(1, 5, 16, 12))
    make_ramp(np.zeros((1, 5, 16, 12), np.uint16), readout)
    with pytest.raises(ValueError, match=r"\(1, 4, 16, 12\).*\(1, 5, 16, 12\)"):
        make_ramp(np.zeros((1, 4, 16, 12), np.uint16), readout)
