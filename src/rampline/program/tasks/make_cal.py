"""From slopes to a calibrated image: ``_rate`` to ``_cal`` and, of series, ``_calints``."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from ...exposure.header import Header, card_values
from ...exposure.planes import SkyPlanes
from ...exposure.records import SkyImage, SlopeImage
from ...files.names import product_name
from ...files.read import read_slope
from ...files.write import write_sky
from ...pipeline.backgrounds import background_optics, with_backgrounds
from ...pipeline.drawn_regions import place_regions
from ...pipeline.exposure_geometry import product_wcs
from ...pipeline.runner import Runner
from ...pipeline.slope_to_sky import (
    SlopeToSky,
    integration_images,
    slope_to_sky,
)
from ...reference.selection import SKY_KINDS
from ...reference.sky_planes import load_sky_planes
from ..input.user_regions import DrawnHere
from .artifact_list import (
    artifact_list_path,
    read_artifact_list,
    write_artifact_list,
)
from .drawn_rows import region_rows
from .products import (
    Recipe,
    Workplace,
    bench,
    input_files,
    list_steps,
    log_findings,
    reference_source,
)

log = logging.getLogger(__name__)

MODULE = "program.tasks.make_cal"
SERIES = "NRC_TSIMAGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class CalResult:
    """A ``_cal`` file.

    Attributes
    ----------
    path : Path
    sky : SkyImage or None
        What was written; None where the file was up to date.
    is_new : bool
    """

    path: Path
    sky: SkyImage | None
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Slopes:
    """The slopes that a calibrated image is made of.

    Attributes
    ----------
    path : Path
        The ``_rate`` file.
    image : SlopeImage or None
        Its content, where it is in memory already.
    header : Header
    backgrounds : tuple of Path
        ``_rate`` files of dedicated background exposures.
    drawn : DrawnHere or None
        What the user's regions say; None where the slopes know that already.
    """

    path: Path
    image: SlopeImage | None
    header: Header
    backgrounds: tuple[Path, ...] = ()
    drawn: DrawnHere | None = None

    def read(self) -> SlopeImage:
        """Return the content, of a series with its integrations."""
        series = self.header.exp_type == SERIES
        return self.image or read_slope(self.path, integrations=series)


def make_cal(slopes: Slopes, place: Workplace, params: SlopeToSky) -> CalResult:
    """Make the calibrated image of one exposure unless it is up to date.

    Raises
    ------
    RamplineError
        One line that says why there is no calibrated image.
    """
    header = slopes.header
    recipe = Recipe(
        module=MODULE,
        params=params,
        inputs=input_files((slopes.path, *slopes.backgrounds)),
        references=reference_source(place.references).select(header, SKY_KINDS),
        words=tuple(slopes.drawn.words() if slopes.drawn else ()),
    )
    path = place.folder / product_name(header.root, "cal")
    if recipe.is_made(path):
        return CalResult(path=path, sky=None, is_new=False)
    planes = load_sky_planes(recipe.references, header)
    if slopes.backgrounds:
        planes = _with_backgrounds(planes, slopes, params)
    run = Runner(planes, bench(place.threads))
    drawn = slopes.drawn or DrawnHere()
    sky = slope_to_sky(slopes.read(), run, params, drawn.regions)
    steps = list_steps(run.trail, params)
    provenance = recipe.provenance(steps, drawn.problems)
    log_findings(header, sky.header)
    log.info("level of the sky: %.4g MJy/sr", sky.background_mjy_sr)
    world = product_wcs(sky.geometry, planes, header)
    if sky.integrations is not None:
        ints = path.with_name(product_name(header.root, "calints"))
        series = integration_images(sky)
        write_sky(ints, series, world.gwcs, world.cards, provenance)
    write_sky(path, sky, world.gwcs, world.cards, provenance)
    if slopes.drawn is not None:
        _list_drawn(path.parent, sky, slopes.drawn)
    return CalResult(path=path, sky=sky, is_new=True)


def _list_drawn(folder: Path, sky: SkyImage, drawn: DrawnHere) -> None:
    """Add what the user has drawn to the exposure's list; no list says that there is nothing."""
    root = sky.header.root
    found = read_artifact_list(folder, root)
    rows = [row for row in found if row["action"] != "user"]
    if not (rows or drawn.words()):
        artifact_list_path(folder, root).unlink(missing_ok=True)
        return
    masks = place_regions(drawn.regions, sky.geometry, sky.geometry.shape)
    rows += region_rows(drawn, masks, sky.sky, "MJy/sr")
    write_artifact_list(folder, root, rows, problems=list(drawn.problems))


def _with_backgrounds(
    planes: SkyPlanes, slopes: Slopes, params: SlopeToSky
) -> SkyPlanes:
    images = [read_slope(path) for path in slopes.backgrounds]
    try:
        step = params.dedicated_background
        return with_backgrounds(planes, slopes.header, images, step)
    except ValueError as error:
        raise InputError(str(slopes.path), str(error)) from error


def choose_backgrounds(
    header: Header, candidates: Sequence[tuple[Header, Path]]
) -> tuple[Path, ...]:
    """Return the background exposures taken with the same detector, filter and subarray.

    Parameters
    ----------
    header : Header
        Of the target.
    candidates : sequence of (Header, Path)
        Background exposures (BKGDTARG) and their ``_rate`` files.
    """
    wanted = background_optics(header)
    return tuple(
        path for other, path in candidates if background_optics(other) == wanted
    )


def is_background(header: Header) -> bool:
    """Return whether an exposure was taken as a background for others (BKGDTARG)."""
    return card_values(header.primary).get("BKGDTARG") is True
