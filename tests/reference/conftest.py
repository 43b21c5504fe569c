"""Every test has a cache and a memory of its own."""

import pytest

from rampline.reference import cache, checksum, sky_planes


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("RAMPLINE_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("RAMPLINE_CACHE_GB", raising=False)
    cache.forget()
    checksum._known.clear()
    sky_planes._models.clear()
    yield
    cache.settle()
