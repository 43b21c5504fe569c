"""From slopes to a calibrated image: ``_rate`` to ``_cal`` (and ``_calints``)."""

from dataclasses import dataclass
from pathlib import Path

from ..exposure.header import Header
from ..exposure.records import SkyImage, SlopeImage
from ..files.content import content_hash, recorded_hash
from ..files.names import product_name
from ..files.provenance import InputFile, StepRun
from ..files.read import read_slope
from ..files.write import write_sky, write_slope
from ..pipeline.exposure_geometry import product_wcs
from ..pipeline.runner import Runner
from ..pipeline.slope_to_sky import SlopeToSky, slope_to_flat_slope, slope_to_sky
from ..reference.planes import load_sky_planes
from ..reference.select import SKY_KINDS
from .products import Workplace, bench, is_current, list_steps, reference_source, trace
from .task_key import make_key

MODULE = "program.make_cal"
DISPERSED = "NRC_WFSS"


@dataclass(frozen=True, slots=True, kw_only=True)
class CalResult:
    """A ``_cal`` file.

    Attributes
    ----------
    path : Path
    sky : SkyImage or None
        What was written; None where the file was up to date or holds slopes.
    is_new : bool
    steps : tuple of StepRun
    """

    path: Path
    sky: SkyImage | None
    is_new: bool
    steps: tuple[StepRun, ...]


def make_cal(
    rate: Path,
    slope: SlopeImage | None,
    header: Header,
    place: Workplace,
    params: SlopeToSky,
) -> CalResult:
    """Make the calibrated image of one exposure unless it is up to date.

    Parameters
    ----------
    rate : Path
    slope : SlopeImage or None
        Its content, where it is in memory already.
    header : Header
    place : Workplace
    params : SlopeToSky

    Raises
    ------
    RamplineError
        One line that says why there is no calibrated image.
    """
    suffix = "flatfield" if header.exp_type == DISPERSED else "cal"
    path = place.folder / product_name(header.root, suffix)
    files = reference_source(place.references).select(header, SKY_KINDS)
    rate_hash = recorded_hash(rate) or content_hash(rate)
    key = make_key(MODULE, [rate_hash], params, files.used)
    if is_current(path, key):
        return CalResult(path=path, sky=None, is_new=False, steps=())
    is_series = header.exp_type == "NRC_TSIMAGE"
    source = slope or read_slope(rate, integrations=is_series)
    planes = load_sky_planes(files, header)
    run = Runner(planes, bench(place.threads))
    inputs = [InputFile(rate.name, rate_hash)]
    if header.exp_type == DISPERSED:
        flat = slope_to_flat_slope(source, run, params)
        steps = list_steps(run.trail, params)
        write_slope(path, flat, trace(steps, params, files, inputs, key))
        return CalResult(path=path, sky=None, is_new=True, steps=steps)
    sky = slope_to_sky(source, run, params)
    steps = list_steps(run.trail, params)
    provenance = trace(steps, params, files, inputs, key)
    world = product_wcs(sky.geometry, planes, header)
    write_sky(path, sky, world.gwcs, world.cards, provenance)
    return CalResult(path=path, sky=sky, is_new=True, steps=steps)
