"""Exposures of a visit: where each detector looks, truly and as its header says."""

import itertools
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import erfa
import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError
from ..exposure.timing import PATTERNS, Readout
from .geometry import Attitude, Camera, attitude_from, camera
from .instrument import DETECTORS, N_FULL, Detector, Passband, frame_time_s, passband
from .scene import ActivityParams, SceneParams, VisitParams
from .siaf import aperture
from .streams import stream

DITHERS: Final = {
    "NONE": ((0.0, 0.0),),
    "4-POINT": ((0.0, 0.0), (1.041, 0.532), (-0.627, 1.214), (-1.308, -0.719)),
    "9-POINT": (
        (0.0, 0.0), (3.127, 1.088), (6.241, 2.203), (-1.096, 3.139), (2.017, 4.238),
        (5.152, 5.361), (-2.213, 6.254), (0.913, 7.371), (4.069, 8.466),
    ),
    "SMACS-9": (
        (0.0, 0.0), (6.014, 5.233), (12.043, 10.481), (-5.263, 5.988), (0.781, 11.252),
        (6.797, 16.473), (-10.517, 12.017), (-4.489, 17.226), (1.539, 22.487),
    ),
}  # fmt: skip
"""Offsets in the ideal frame of the pointing aperture, arcsec. ``SMACS-9`` steps over the
gaps between the short-wavelength detectors, as the Early Release programme's pattern."""

GRISMS: Final = ("GRISMR", "GRISMC")
"""Grisms that disperse along rows and along columns."""
OVERHEAD_S: Final = 60.0
"""Time between two exposures, s."""
_SECONDS: Final = 86400.0
_FIRST_VISIT: Final = 1001
_VISITS: Final = 1_000_000
_EXPOSURES: Final = 1_000_000
"""More than a visit has; its number stands above them in the key of random streams."""
_AU_DAY_IN_C: Final = 1.49597870700e11 / _SECONDS / 299792458.0
_L2: Final = 1.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One detector's part of one exposure.

    Attributes
    ----------
    root : str
        File name without product suffix.
    visit : VisitParams
    activity : ActivityParams
    dither : int
        0-based point of the pattern.
    offset_arcsec : (float, float), arcsec
        Of the dither.
    detector : Detector
    band : Passband
    grism : str
        ``GRISMR`` or ``GRISMC`` in the pupil wheel, or nothing.
    readout : Readout
    believed, true : Camera
        What the header says, and what is.
    start_mjd : float, days
    key : tuple of int
        Names the exposure's random streams: visit, activity and dither; detector.
    """

    root: str
    visit: VisitParams
    activity: ActivityParams
    dither: int
    offset_arcsec: tuple[float, float]
    detector: Detector
    band: Passband
    grism: str
    readout: Readout
    believed: Camera
    true: Camera
    start_mjd: float
    key: tuple[int, ...]

    @property
    def pupil(self) -> str:
        """Return what is in the pupil wheel."""
        return self.grism or self.band.pupil

    @property
    def exp_type(self) -> str:
        """Return the exposure type."""
        return "NRC_WFSS" if self.grism else "NRC_IMAGE"

    @property
    def exposure_s(self) -> float:
        """Return the effective exposure time, s."""
        return self.readout.integration_s() * self.readout.n_ints

    @property
    def duration_s(self) -> float:
        """Return start to end, with the reset read between integrations, s."""
        resets = (self.readout.n_ints - 1) * self.readout.frame_s
        return self.exposure_s + resets


def plan_exposures(scene: SceneParams) -> tuple[Exposure, ...]:
    """Return all exposures of the scene's visits, in the order of time.

    Raises
    ------
    ParameterError
        An unknown detector, filter, subarray or readout pattern, or more dithers than
        the pattern has.
    """
    visits = sorted(scene.visits, key=lambda visit: visit.start_mjd)
    plans = [_plan_visit(scene, visit) for visit in visits]
    for earlier, later in pairwise(plans):
        ended = earlier[-1].start_mjd + earlier[-1].duration_s / _SECONDS
        visit = later[0].visit
        if visit.start_mjd < ended:
            raise ParameterError(
                f"further_visits: {visit.observation}{visit.visit} starts at MJD "
                f"{visit.start_mjd}, before the one before ends at {ended:.5f}"
            )
    return tuple(itertools.chain.from_iterable(plans))


def _plan_visit(scene: SceneParams, visit: VisitParams) -> list[Exposure]:
    offsets = DITHERS[visit.dither]
    if not 1 <= visit.points <= len(offsets):
        raise ParameterError(
            f"visit.points: {visit.points}, but {visit.dither} has {len(offsets)}"
        )
    exposures: list[Exposure] = []
    start = visit.start_mjd
    for number, activity in enumerate(scene.activities):
        for dither in range(visit.points):
            batch = [
                _exposure(scene, visit, (number, dither), name, start)
                for name in activity.detectors
            ]
            exposures += batch
            longest = max(exposure.duration_s for exposure in batch)
            start += (longest + OVERHEAD_S) / _SECONDS
    return exposures


def pointing_errors(
    scene: SceneParams, number: int, dither: int, visit: VisitParams | None = None
) -> tuple[float, float, float]:
    """Return the true error of an exposure: east and north, arcsec; roll, deg."""
    name = _number(visit or scene.visit)
    params = scene.pointing_error
    common = stream(scene.seed, "pointing", name)
    east, north = params.visit_arcsec * common.standard_normal(2)
    roll = common.uniform(*params.roll_deg) * (1.0 if common.random() < 0.5 else -1.0)
    jitter = stream(scene.seed, "jitter", name, number, dither)
    shift = params.jitter_arcsec * jitter.standard_normal(2)
    return float(east + shift[0]), float(north + shift[1]), float(roll)


def _number(visit: VisitParams) -> int:
    """Return observation and visit as one number, which names random streams."""
    return int(visit.observation + visit.visit)


def velocity_aberration(
    mjd: float, ra_deg: float, dec_deg: float
) -> tuple[float, NDArray[np.float64]]:
    """Return the scale factor of velocity aberration and the velocity over that of light.

    Notes
    -----
    The telescope keeps to the Earth's shadow side, 1 % farther from the Sun: its
    velocity is the Earth's (epv00) times 1.01. The scale is that of angles at the
    target, ``gamma (1 + beta . u)``, inverse to the contraction of the field ahead.
    """
    _, barycentric = erfa.epv00(2400000.5, mjd)
    beta = np.asarray(barycentric["v"]) * _AU_DAY_IN_C * _L2
    lon, lat = np.radians([ra_deg, dec_deg])
    towards = np.array(
        [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
    )
    gamma = 1.0 / np.sqrt(1.0 - beta @ beta)
    return float(gamma * (1.0 + beta @ towards)), beta


def readout_of(activity: ActivityParams, detector: Detector) -> Readout:
    """Return how a detector is read in an activity."""
    if activity.pattern not in PATTERNS:
        known = ", ".join(PATTERNS)
        raise ParameterError(
            f"activities.pattern: {activity.pattern!r}; known: {known}"
        )
    used = aperture(f"{detector.siaf}_{activity.subarray}")
    n_frames, n_dropped = PATTERNS[activity.pattern]
    n_outputs = 4 if used.n_cols == N_FULL and used.n_rows == N_FULL else 1
    frame_s = frame_time_s(used.n_rows, used.n_cols, n_outputs)
    return Readout(
        pattern=activity.pattern,
        n_ints=activity.integrations,
        n_groups=activity.groups,
        n_frames=n_frames,
        n_dropped=n_dropped,
        frame_s=frame_s,
        group_s=round((n_frames + n_dropped) * frame_s, 8),
        subarray=activity.subarray,
        row_start=used.row_start,
        col_start=used.col_start,
        n_rows=used.n_rows,
        n_cols=used.n_cols,
        fast_axis=detector.fast_axis,
        slow_axis=detector.slow_axis,
        n_outputs=n_outputs,
    )


def filter_offset_px(detector: Detector, band: Passband) -> tuple[float, float]:
    """Return the filter's wedge: column and row offset before the distortion, pixels.

    Drawn once for each module, channel and filter, a tenth of a pixel in size; the same
    in every simulation, as it is glass.
    """
    module = 0 if detector.module == "A" else 1
    draw = stream(0, "flat", module, round(1000 * band.pivot_um))
    col, row = 0.1 * np.round(draw.uniform(-1.0, 1.0, 2), 3)
    return float(col), float(row)


def _exposure(
    scene: SceneParams,
    visit: VisitParams,
    place: tuple[int, int],
    name: str,
    start_mjd: float,
) -> Exposure:
    number, dither = place
    activity = scene.activities[number]
    if name not in DETECTORS:
        raise ParameterError(
            f"activities.detectors: {name!r}; known: {', '.join(DETECTORS)}"
        )
    detector = DETECTORS[name]
    band, grism = _optics(activity, detector)
    if band.channel != detector.channel:
        raise ParameterError(f"activities: {band.name} is not a filter of {name}")
    offset = DITHERS[visit.dither][dither]
    error = pointing_errors(scene, number, dither, visit)
    va_scale, _ = velocity_aberration(start_mjd, scene.field.ra, scene.field.dec)
    used = f"{detector.siaf}_{activity.subarray}"
    cameras = [
        camera(used, pointed_attitude(scene, offset, wrong, visit), va_scale)
        for wrong in ((0.0, 0.0, 0.0), error)
    ]
    shift = filter_offset_px(detector, band)
    believed, true = (replace(camera_, filter_offset_px=shift) for camera_ in cameras)
    return Exposure(
        root=(
            f"jw{visit.program}{visit.observation}{visit.visit}"
            f"_021{activity.activity}_{dither + 1:05d}_{name.lower()}"
        ),
        visit=visit,
        activity=activity,
        dither=dither,
        offset_arcsec=offset,
        detector=detector,
        band=band,
        grism=grism,
        readout=readout_of(activity, detector),
        believed=believed,
        true=true,
        start_mjd=start_mjd,
        key=(_of_visit(visit) + 100 * number + dither, detector.number),
    )


def _of_visit(visit: VisitParams) -> int:
    """Return the visit's part of the key; 0 for visit 001 of observation 001."""
    return (_number(visit) - _FIRST_VISIT) % _VISITS * _EXPOSURES


def _optics(activity: ActivityParams, detector: Detector) -> tuple[Passband, str]:
    """Return a detector's filter and grism."""
    if detector.channel == "SHORT":
        return passband(activity.short), ""
    name, _, grism = activity.long.partition("+")
    if grism not in {"", *GRISMS}:
        raise ParameterError(
            f"activities.long: grism {grism!r} of {activity.long}; known: "
            f"{', '.join(GRISMS)}"
        )
    band = passband(name)
    if grism and band.pupil != "CLEAR":
        raise ParameterError(f"activities.long: {name} has no room for a grism")
    if grism and activity.subarray != "FULL":
        raise ParameterError(
            f"activities.subarray: {activity.subarray}; grisms are simulated in FULL"
        )
    return band, grism


def pointed_attitude(
    scene: SceneParams,
    offset: tuple[float, float] = (0.0, 0.0),
    error: tuple[float, float, float] = (0.0, 0.0, 0.0),
    visit: VisitParams | None = None,
) -> Attitude:
    """Return the attitude of a dither, with the pointing aperture off the target by it.

    Parameters
    ----------
    scene : SceneParams
    offset : (float, float), arcsec
        Of the dither.
    error : (float, float, float)
        East and north, arcsec; roll, deg: true minus planned.
    visit : VisitParams, optional
        The scene's first where it is not given.
    """
    visit = visit or scene.visit
    pointed = aperture(visit.aperture)
    angle = np.radians(pointed.v3i_yang_deg)
    x, y = pointed.vparity * offset[0], offset[1]
    # The dither moves the target over the detector: another point looks at it.
    v2 = pointed.v2_ref_arcsec + x * np.cos(angle) + y * np.sin(angle)
    v3 = pointed.v3_ref_arcsec - x * np.sin(angle) + y * np.cos(angle)
    dec = scene.field.dec + error[1] / 3600.0
    ra = scene.field.ra + error[0] / 3600.0 / np.cos(np.radians(scene.field.dec))
    roll = visit.position_angle + error[2]
    return attitude_from((float(v2), float(v3)), (ra, dec), roll)
