"""Exposures in memory: kept, let go, made again."""

from rampline.pipeline.exposure_cache import ExposureCache


def test_an_item_is_made_once_until_the_cache_is_cleared():
    made: list[int] = []
    cache = ExposureCache(lambda k: made.append(k) or k, 2, 2)
    for k in (0, 1, 0, 1):
        cache.take(k)
    assert made == [0, 1]
    cache.clear()
    cache.take(1)
    assert made == [0, 1, 1]
