"""One exposure from its raw file to its calibrated image: the task that runs in parallel."""

from dataclasses import dataclass, replace
from pathlib import Path

from ...exposure.header import Header
from ...exposure.records import SkyImage, SlopeImage
from ...files.read import read_header
from ..input.options import Until
from ..input.parameter_tree import Parameters
from ..input.user_regions import DrawnHere
from .make_cal import Slopes, make_cal
from .make_rate import Finish, make_rate
from .make_survey import make_survey
from .pictures import draw_sky, draw_slope
from .products import Workplace

DISPERSED = "NRC_WFSS"
"""Exposures whose path goes on once the field is known: `make_grism`."""
LEDGER_ONLY = ("NRC_TACQ", "NRC_TACONFIRM", "NRC_FOCUS")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureRequest:
    """What the task of one exposure is to do.

    Attributes
    ----------
    path : Path
        The file to start from.
    suffix : str
        ``uncal``, ``rate`` or ``cal``.
    place : Workplace
    parameters : Parameters
    until : str
        Last stage of the run.
    backgrounds : tuple of Path
        ``_rate`` files of dedicated background exposures for this one.
    held : Path or None
        Charge of earlier exposures, from the detector's persistence ledger.
    drawn : DrawnHere or None
        What the user's regions say; None where the slopes know that already.
    finish : Finish or None
        What is done to new slopes before they are written.
    """

    path: Path
    suffix: str
    place: Workplace
    parameters: Parameters
    until: Until
    backgrounds: tuple[Path, ...] = ()
    held: Path | None = None
    drawn: DrawnHere | None = None
    finish: Finish | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureResult:
    """What became of an exposure.

    Attributes
    ----------
    root : str
    rate, cal, survey : Path or None
    made : tuple of str
        Products that were made; the others were up to date.
    note : str
        Why it goes no further, where it does not.
    """

    root: str
    rate: Path | None
    cal: Path | None
    survey: Path | None
    made: tuple[str, ...]
    note: str = ""


def calibrate_exposure(request: ExposureRequest) -> ExposureResult:
    """Make the rate and, where asked, the calibrated image of one exposure.

    Raises
    ------
    RamplineError
        One line that says why this exposure cannot be reduced.
    """
    header = read_header(request.path)
    if header.exp_type in LEDGER_ONLY:
        return _ledger_only(header, request.parameters)
    made: list[str] = []
    rate, cal, slope, sky = None, None, None, None
    if request.suffix == "uncal":
        rate, slope = _rate(request, header, made)
    elif request.suffix == "rate":
        rate = request.path
    else:
        cal = request.path
    is_done = request.until == "rate" or header.exp_type == DISPERSED
    if rate is not None and not is_done:
        # products say all that was done: from here on the header is that of the slopes
        header = read_header(rate)
        slope = None if slope is None else replace(slope, header=header)
        cal, sky = _cal(request, header, rate, slope, made)
    survey, note = None, why_no_mosaic(header)
    wanted = request.until in {"mosaic", "catalog"}
    if cal is not None and wanted and not note:
        params = request.parameters.sky_to_mosaic
        survey, is_new = make_survey(cal, sky, request.place.folder, params)
        made += ["survey"] * is_new
    return ExposureResult(
        root=header.root,
        rate=rate,
        cal=cal,
        survey=survey,
        made=tuple(made),
        note=note if wanted else "",
    )


def why_no_mosaic(header: Header) -> str:
    """Return why an exposure is in no mosaic; empty where it is."""
    if header.exp_type != "NRC_IMAGE":
        return f"{header.exp_type} exposures are not combined"
    if header.is_moving_target and header.moving_target is None:
        return "a moving target whose place is unknown (MT_RA, MT_DEC) is not combined"
    return ""


def _rate(
    request: ExposureRequest, header: Header, made: list[str]
) -> tuple[Path, SlopeImage | None]:
    result = make_rate(
        request.path,
        header,
        request.place,
        request.parameters.ramp_to_slope,
        request.held,
        request.finish,
    )
    if result.slope is not None:
        made.append("rate")
        draw_slope(request.place.pictures, header.root, result.slope)
    return result.path, result.slope


def _cal(
    request: ExposureRequest,
    header: Header,
    rate: Path,
    slope: SlopeImage | None,
    made: list[str],
) -> tuple[Path, SkyImage | None]:
    slopes = Slopes(
        path=rate,
        image=slope,
        header=header,
        backgrounds=request.backgrounds,
        drawn=request.drawn,
    )
    result = make_cal(slopes, request.place, request.parameters.slope_to_sky)
    if result.is_new:
        made.append("cal")
    if result.sky is not None:
        draw_sky(request.place.pictures, header.root, result.sky)
    return result.path, result.sky


def _ledger_only(header: Header, parameters: Parameters) -> ExposureResult:
    """Return the end of an exposure that only says what persistence to expect later."""
    note = f"{header.exp_type}: no image of the sky, for the persistence ledger only"
    if not parameters.ramp_to_slope.persistence.enabled:
        note += ", which is off (--set persistence.enabled=true)"
    return ExposureResult(
        root=header.root, rate=None, cal=None, survey=None, made=(), note=note
    )
