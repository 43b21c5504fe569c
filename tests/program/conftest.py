import shutil

import pytest

from ..small_field import make_small_field


@pytest.fixture(scope="session")
def field(tmp_path_factory):
    return make_small_field(tmp_path_factory.mktemp("field"))


@pytest.fixture
def raw(field, tmp_path):
    """A folder of copies of two raw exposures, to be spoiled at will."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for path in field.raw[:2]:
        shutil.copy(path, folder)
    return folder
