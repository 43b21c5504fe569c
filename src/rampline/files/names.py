"""JWST's file names: taken apart and put together.

An exposure is ``jw<program><observation><visit>_<group><sequence><activity>_<exposure>_
<detector>[-segNNN]_<suffix>.fits``; products of stage 3 carry an association's name between
exposure and suffix (``_a3001_crf``); mosaics are named by field and filter.
"""

import re
from pathlib import PurePath
from typing import Final, NamedTuple

SUFFIXES: Final = (
    "uncal",
    "ramp",
    "rate",
    "rateints",
    "cal",
    "calints",
    "crf",
    "crfints",
    "i2d",
    "segm",
    "cat",
    "s2d",
    "s3d",
    "x1d",
    "x1dints",
    "c1d",
    "trapsfilled",
    "dark",
)
"""Product suffixes that may end a root."""

_SUFFIX: Final = re.compile(
    rf"(?P<root>.+?)(?:_(?P<association>[aoc]\d{{3,4}}))?_(?P<suffix>{'|'.join(SUFFIXES)})"
)


class ProductName(NamedTuple):
    """A product's file name in its parts."""

    root: str
    """Without folder, association, suffix and ending."""
    suffix: str
    """``uncal``, ``rate``, ...; empty where the name has none."""
    association: str
    """For example ``a3001``; mostly empty."""


def parse_product(path: str) -> ProductName:
    """Take a product's file name apart; a name of another kind is all root."""
    stem = PurePath(path).name
    for ending in (".fits", ".ecsv", ".json", ".asdf"):
        stem = stem.removesuffix(ending)
    found = _SUFFIX.fullmatch(stem)
    if found is None:
        return ProductName(stem, "", "")
    return ProductName(found["root"], found["suffix"], found["association"] or "")


def product_name(root: str, suffix: str, ending: str = "fits") -> str:
    """Return the file name of a product."""
    return f"{root}_{suffix}.{ending}"


def optical_element(filter_name: str, pupil: str) -> str:
    """Return filter and pupil as mosaic names carry them: ``f200w``, ``f444w-f405n``."""
    parts = [filter_name] if pupil in ("", "CLEAR") else [filter_name, pupil]
    return "-".join(parts).lower()


def mosaic_root(program: str, field: str, filter_name: str, pupil: str) -> str:
    """Return ``jw<program>-<field>_nircam_<filter[-pupil]>``."""
    element = optical_element(filter_name, pupil)
    return f"jw{program}-{field.lower()}_nircam_{element}"
