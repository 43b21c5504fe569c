"""The user's DS9 region files, and which exposures each applies to.

A file named after an exposure (``<root>.reg``) applies to it alone, one named after a detector
(``nrcb1.reg``) to all exposures of that detector, any other to the whole field; the latter must
be in sky coordinates. A file that cannot be understood is left out, and every product that it
might have changed records that.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from ...errors import InputError
from ...exposure.drawn import DrawnRegion
from ...exposure.header import Header
from ...files.read_regions import read_regions
from ...pipeline.drawn_regions import may_touch

_ROOT: Final = re.compile(r"jw\d{11}_.*")
_DETECTOR: Final = re.compile(r"nrc[ab](\d|long)")


class RegionFile(NamedTuple):
    """One file of the user."""

    name: str
    """What it applies to: its name without ending, in lower case."""
    regions: tuple[DrawnRegion, ...]
    problem: str = ""
    """Why it is left out."""

    def is_for(self, header: Header) -> bool:
        """Return whether it applies to an exposure."""
        own = {header.root.lower(), header.detector.lower()}
        return self.name in own or self.is_for_all

    @property
    def is_for_all(self) -> bool:
        """Whether it applies to the whole field."""
        return not (_ROOT.fullmatch(self.name) or _DETECTOR.fullmatch(self.name))


class DrawnHere(NamedTuple):
    """The user's regions for one exposure."""

    regions: tuple[DrawnRegion, ...] = ()
    problems: tuple[str, ...] = ()
    """One line for each file that was left out."""

    def words(self) -> list[str]:
        """Return what determines a product, for its key."""
        return [*map(repr, self.regions), *self.problems]


def read_user_regions(paths: Sequence[Path]) -> tuple[RegionFile, ...]:
    """Read DS9 files and folders of them; a bad file becomes a problem, not an error."""
    found = []
    for path in paths:
        inside = sorted(path.glob("*.reg")) if path.is_dir() else [path]
        found += [_read(name) for name in inside]
    return tuple(found)


def drawn_on(files: Sequence[RegionFile], header: Header) -> DrawnHere:
    """Return the user's regions for an exposure.

    Regions of the field that it does not overlap are left out, so that they do not change the
    key of its products.
    """
    own = [file for file in files if file.is_for(header)]
    return DrawnHere(
        regions=tuple(
            region
            for file in own
            for region in file.regions
            if not region.on_sky or may_touch(region, header)
        ),
        problems=tuple(file.problem for file in own if file.problem),
    )


def _read(path: Path) -> RegionFile:
    """Read one file, or say why it is left out."""
    file = RegionFile(path.stem.lower(), ())
    try:
        file = file._replace(regions=read_regions(path))
    except InputError as error:
        return file._replace(problem=f"regions left out: {error}")
    if file.is_for_all and not all(region.on_sky for region in file.regions):
        what = "pixels of no exposure: no exposure and no detector has this name"
        remedy = (
            "name it <exposure>.reg, or save it from DS9 in fk5 or icrs coordinates"
        )
        problem = f"regions left out: {InputError(str(path), what, remedy)}"
        return RegionFile(file.name, (), problem)
    return file
