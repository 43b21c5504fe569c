import pytest

from ..small_field import make_small_field


@pytest.fixture(scope="session")
def field(tmp_path_factory):
    return make_small_field(tmp_path_factory.mktemp("field"))
