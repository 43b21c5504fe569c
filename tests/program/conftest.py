import shutil
import signal

import pytest

from rampline.program.input.options import ReduceOptions
from rampline.program.reduce import reduce_files

from ..small_field import make_small_field


@pytest.fixture(scope="session")
def field(tmp_path_factory):
    return make_small_field(tmp_path_factory.mktemp("field"))


@pytest.fixture
def interruptible():
    """Ctrl-C as in a terminal; what a script starts in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def raw(field, tmp_path):
    """A folder of copies of two raw exposures, to be spoiled at will."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for path in field.raw[:2]:
        shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="session")
def reduced(field, tmp_path_factory):
    """The whole field reduced to catalogues; nobody writes into it."""
    out = tmp_path_factory.mktemp("reduced") / "out"
    options = ReduceOptions(
        references=str(field.references),
        align_to=str(field.alignment_catalog),
        engine="serial",
    )
    assert reduce_files(field.raw, out, options, progress=False) == 0
    return out
