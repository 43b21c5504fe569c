"""Headers as the archive writes them for raw exposures."""

import numpy as np
from numpy.typing import NDArray

from ..exposure.header import Card, Header
from .geometry import focal_to_sky, roll_at
from .pointing import Exposure, velocity_aberration
from .scene import SceneParams

_SECONDS = 86400.0
_C_KM_S = 299792.458
PATTERN_TYPE = {
    "NONE": "NONE",
    "4-POINT": "INTRASCA",
    "9-POINT": "INTRASCA",
    "SMACS-9": "INTRAMODULEX",
}
"""What the archive calls patterns of the kind of each of ours."""
_DAY_ZERO_MJD = 51544.0


def exposure_header(scene: SceneParams, exposure: Exposure) -> Header:
    """Return the typed header of a raw exposure, with the archive's further cards."""
    visit, detector = exposure.visit, exposure.detector
    end = exposure.start_mjd + exposure.duration_s / _SECONDS
    return Header(
        root=exposure.root,
        program=visit.program,
        observation=visit.observation,
        visit=visit.visit,
        detector=detector.name,
        module=detector.module,
        channel=detector.channel,
        filter=exposure.band.filter,
        pupil=exposure.pupil,
        exp_type=exposure.exp_type,
        start_mjd=exposure.start_mjd,
        end_mjd=end,
        exposure_s=exposure.exposure_s,
        first_integration=1,
        is_moving_target=False,
        readout=exposure.readout,
        pointing=exposure.believed.pointing(),
        primary=(
            *_file_cards(),
            *_visit_cards(scene, exposure),
            *_exposure_cards(scene, exposure),
            *_plain_cards(exposure),
            *_aperture_cards(exposure),
        ),
        science=(*_time_cards(exposure), *_position_cards(scene, exposure)),
    )


def _file_cards() -> tuple[Card, ...]:
    return (
        Card("ORIGIN", "STSCI", "Organization responsible for creating file"),
        Card("TIMESYS", "UTC", "principal time system for time-related keywords"),
        Card("TIMEUNIT", "s", "Default unit applicable to all time values"),
        Card("SDP_VER", "simulated", "Data processing software version number"),
        Card("PRD_VER", "PRDOPSSOC-075", "S&OC PRD version number"),
    )


def _visit_cards(scene: SceneParams, exposure: Exposure) -> tuple[Card, ...]:
    visit = exposure.visit
    full = visit.program + visit.observation + visit.visit
    group = f"021{exposure.activity.activity}"
    return (
        Card("TITLE", "Simulated field", "Proposal title"),
        Card("PI_NAME", "Simulator", "Principal investigator name"),
        Card("CATEGORY", "GO", "Program category"),
        Card("SUBCAT", "NIRCAM", "Program sub-category"),
        Card(
            "OBS_ID", f"V{full}P0000000{group}", "Programmatic observation identifier"
        ),
        Card("VISIT_ID", full, "Visit identifier"),
        Card("VISITGRP", "02", "Visit group identifier"),
        Card("SEQ_ID", "1", "Parallel sequence identifier"),
        Card("ACT_ID", exposure.activity.activity, "Activity identifier"),
        Card("EXPOSURE", str(exposure.dither + 1), "Exposure request number"),
        Card("BKGDTARG", False, "Background target"),
        Card("TEMPLATE", _template(exposure), "Observation template used"),
        Card("OBSLABEL", "simulated", "Proposer label for the observation"),
        Card("ENGQLPTG", "CALCULATED", "Quality of pointing information from EngDB"),
        Card("VISITYPE", "PRIME_TARGETED_FIXED", "Visit type"),
        Card("VISITSTA", "SUCCESSFUL", "Status of a visit"),
        Card(
            "NEXPOSUR",
            _n_exposures(scene, exposure),
            "Total number of planned exposures",
        ),
        Card("INTARGET", False, "At least one exposure in visit is internal"),
        Card("TSOVISIT", False, "Time Series Observation visit indicator"),
        Card("CROWDFLD", False, "Are the FGSes in a crowded field?"),
        Card("TARGPROP", "SIMULATED-FIELD", "Proposer's name for the target"),
        Card("TARGNAME", "SIMULATED-FIELD", "Standard catalog name for target"),
        Card("TARGTYPE", "FIXED", "Type of target (fixed, moving, generic)"),
        Card("TARG_RA", scene.field.ra, "Target RA at mid time of exposure"),
        Card("TARG_DEC", scene.field.dec, "Target Dec at mid time of exposure"),
        Card("PROP_RA", scene.field.ra, "Proposer's target RA"),
        Card("PROP_DEC", scene.field.dec, "Proposer's target Dec"),
        Card("SRCTYAPT", "UNKNOWN", "Source type from APT (point/extended)"),
    )


def _template(exposure: Exposure) -> str:
    """Return the template; short wavelengths image while the long ones disperse."""
    if "+" in exposure.activity.long:
        return "NIRCam Wide Field Slitless Spectroscopy"
    return "NIRCam Imaging"


def _n_exposures(scene: SceneParams, exposure: Exposure) -> int:
    return exposure.visit.points * len(scene.activities)


def _exposure_cards(scene: SceneParams, exposure: Exposure) -> tuple[Card, ...]:
    readout = exposure.readout
    number = scene.activities.index(exposure.activity) * exposure.visit.points
    return (
        Card("PILIN", False, "Pupil imaging lens in the optical path?"),
        Card("EXPCOUNT", number + exposure.dither + 1, "Running count of exposures"),
        Card("EXPRIPAR", "PRIME", "Prime or parallel exposure"),
        Card("FRMDIVSR", readout.n_frames, "Divisor applied to frame-averaged groups"),
        Card("DRPFRMS1", 0, "Frames dropped prior to first integration"),
        Card("DRPFRMS3", 0, "Frames dropped between integrations"),
        Card("NSAMPLES", 1, "Number of A/D samples per pixel"),
        Card("TSAMPLE", 10.0, "[us] Time between samples"),
        Card("DURATION", exposure.duration_s, "[s] Total duration of exposure"),
        Card("NRSTSTRT", 1, "Number of resets at start of exposure"),
        Card("NRESETS", 1, "Number of resets between integrations"),
        Card("DATAPROB", False, "Science telemetry indicated a problem"),
        Card("SCA_NUM", exposure.detector.sca, "Sensor Chip Assembly number"),
        Card(
            "PATTTYPE",
            PATTERN_TYPE[exposure.visit.dither],
            "Primary dither pattern type",
        ),
        Card("PATT_NUM", exposure.dither + 1, "Position number within dither pattern"),
        Card("NUMDTHPT", exposure.visit.points, "Total number of points in pattern"),
        Card("SUBPXPTS", 1, "Number of points in subpixel dither pattern"),
        Card("XOFFSET", exposure.offset_arcsec[0], "x offset from pattern start"),
        Card("YOFFSET", exposure.offset_arcsec[1], "y offset from pattern start"),
    )


def _plain_cards(exposure: Exposure) -> tuple[Card, ...]:
    """Return what is the same in every exposure of a fixed, undisturbed target."""
    visit = exposure.visit
    start = _isot(visit.start_mjd).decode().replace("T", " ")
    return (
        Card("VSTSTART", start, "UTC visit start time"),
        Card("COMPRESS", False, "On-board data compression was used (T/F)"),
        Card("DATAMODE", 31, "post-processing method used in FPAP"),
        Card("ENG_QUAL", "OK", "Engineering data quality indicator from EngDB"),
        Card("EXP_ONLY", False, "Special commanding without SI configuration"),
        Card("HGA_MOVE", False, "High Gain Antenna moved during data collection"),
        Card("TARGOOPP", False, "Visit scheduled as target of opportunity"),
        Card("TARGURA", 0.1, "Target RA uncertainty"),
        Card("TARGUDEC", 0.1, "Target Dec uncertainty"),
        Card("MU_RA", 0.0, "Target proper motion in RA"),
        Card("MU_DEC", 0.0, "Target proper motion in Dec"),
        Card("PRIDTYPE", str(visit.points), "Primary dither points and packing"),
        Card("PRIDTPTS", visit.points, "Number of points in primary dither pattern"),
        Card("SUBPXPAT", "NONE", "Subpixel dither pattern type"),
        Card("SCTARATE", 0.0, "[ms/s] Spacecraft Clock Time Adjust RATE"),
    )


def _aperture_cards(exposure: Exposure) -> tuple[Card, ...]:
    pointing = exposure.believed.pointing()
    name = exposure.believed.used.name
    if exposure.grism:
        # It shares the reference point of the full frame.
        name = f"{exposure.detector.siaf}_{exposure.grism}_WFSS"
    return (
        Card("APERNAME", name, "PRD science aperture used"),
        Card("PPS_APER", name, "original AperName supplied by PPS"),
        Card("VA_RA", pointing.ra_ref_deg, "[deg] Velocity aberrated reference RA"),
        Card("VA_DEC", pointing.dec_ref_deg, "[deg] Velocity aberrated reference Dec"),
        Card("GS_ORDER", 1, "index of guide star within list"),
        Card("GDSTARID", "S1HP000001", "guide star identifier"),
        Card("PCS_MODE", "FINEGUIDE", "Pointing Control System mode"),
    )


def _time_cards(exposure: Exposure) -> tuple[Card, ...]:
    return (
        Card("TELAPSE", exposure.duration_s, "[s] Total elapsed exposure time"),
        Card("REFFRAME", "EME2000", "Ephemeris reference frame"),
        Card("EPH_TYPE", "Predicted", "Definitive or Predicted"),
    )


def _position_cards(scene: SceneParams, exposure: Exposure) -> tuple[Card, ...]:
    camera = exposure.believed
    _, beta = velocity_aberration(exposure.start_mjd, scene.field.ra, scene.field.dec)
    velocity = beta * _C_KM_S
    zero = np.zeros(1)
    ra_v1, dec_v1 = focal_to_sky(camera.attitude, zero, zero)
    pointing = camera.pointing()
    return (
        Card("JWST_DX", float(velocity[0]), "[km/s] barycentric JWST X velocity"),
        Card("JWST_DY", float(velocity[1]), "[km/s] barycentric JWST Y velocity"),
        Card("JWST_DZ", float(velocity[2]), "[km/s] barycentric JWST Z velocity"),
        Card("RA_V1", float(ra_v1[0]), "[deg] RA of telescope V1 axis"),
        Card("DEC_V1", float(dec_v1[0]), "[deg] Dec of telescope V1 axis"),
        Card(
            "PA_V3", roll_at(camera.attitude, 0.0, 0.0), "[deg] PA of telescope V3 axis"
        ),
        Card(
            "PA_APER",
            (pointing.roll_ref_deg + pointing.v3i_yang_deg) % 360.0,
            "[deg] Position angle of aperture used",
        ),
        *_wcs_cards(exposure),
        Card("S_REGION", _footprint(exposure), "spatial extent of the observation"),
    )


def _wcs_cards(exposure: Exposure) -> tuple[Card, ...]:
    """Return the linear TAN solution at the reference point, as the archive gives it."""
    used, pointing = exposure.believed.used, exposure.believed.pointing()
    angle = np.radians(pointing.roll_ref_deg + pointing.v3i_yang_deg)
    # The ideal x axis runs against V2 where the parity is -1.
    matrix = (
        (pointing.vparity * np.cos(angle), np.sin(angle)),
        (-pointing.vparity * np.sin(angle), np.cos(angle)),
    )
    return (
        Card("WCSAXES", 2, "number of World Coordinate System axes"),
        Card("CRPIX1", used.x_ref, "axis 1 coordinate of the reference pixel"),
        Card("CRPIX2", used.y_ref, "axis 2 coordinate of the reference pixel"),
        Card("CRVAL1", pointing.ra_ref_deg, "first axis value at the reference pixel"),
        Card(
            "CRVAL2", pointing.dec_ref_deg, "second axis value at the reference pixel"
        ),
        Card("CTYPE1", "RA---TAN", "Axis 1 type"),
        Card("CTYPE2", "DEC--TAN", "Axis 2 type"),
        Card("CUNIT1", "deg", "Axis 1 units"),
        Card("CUNIT2", "deg", "Axis 2 units"),
        Card("CDELT1", used.x_scale_arcsec / 3600.0, "axis 1 coordinate increment"),
        Card("CDELT2", used.y_scale_arcsec / 3600.0, "axis 2 coordinate increment"),
        Card("PC1_1", float(matrix[0][0]), "linear transformation matrix element"),
        Card("PC1_2", float(matrix[0][1]), "linear transformation matrix element"),
        Card("PC2_1", float(matrix[1][0]), "linear transformation matrix element"),
        Card("PC2_2", float(matrix[1][1]), "linear transformation matrix element"),
    )


def _footprint(exposure: Exposure) -> str:
    """Return the corners of the exposure as S_REGION has them."""
    n_rows, n_cols = exposure.readout.n_rows, exposure.readout.n_cols
    rows = np.array([-0.5, -0.5, n_rows - 0.5, n_rows - 0.5])
    cols = np.array([-0.5, n_cols - 0.5, n_cols - 0.5, -0.5])
    ra, dec = exposure.believed.pixel_to_sky(rows, cols)
    corners = " ".join(f"{a:.9f} {d:.9f}" for a, d in zip(ra, dec, strict=True))
    return f"POLYGON ICRS {corners}"


def group_table(exposure: Exposure) -> NDArray[np.void]:
    """Return the GROUP table: when each group ended."""
    readout = exposure.readout
    layout = [
        ("integration_number", "i4"), ("group_number", "i2"), ("end_day", "i2"),
        ("end_milliseconds", "i4"), ("end_submilliseconds", "i2"),
        ("group_end_time", "S26"), ("number_of_columns", "i2"), ("number_of_rows", "i2"),
        ("number_of_gaps", "i2"), ("completion_code_number", "i2"),
        ("completion_code_text", "S36"), ("bary_end_time", "f8"), ("helio_end_time", "f8"),
    ]  # fmt: skip
    rows = []
    last_read_s = readout.read_times_s()[:, -1]
    for number, start in enumerate(_integration_starts(exposure)):
        for group, seconds in enumerate(last_read_s):
            end = start + seconds / _SECONDS
            of_day = end % 1.0 * _SECONDS * 1000.0
            rows.append(
                (
                    number + 1, group + 1, int(end - _DAY_ZERO_MJD), int(of_day),
                    int(of_day % 1.0 * 1000.0), _isot(end), readout.n_cols,
                    readout.n_rows, 0, 0, b"COMPLETE", end, end,
                )
            )  # fmt: skip
    return np.array(rows, layout)


def int_times_table(exposure: Exposure) -> NDArray[np.void]:
    """Return the INT_TIMES table; light travel to the barycentre is left out."""
    names = (
        "int_start_MJD_UTC", "int_mid_MJD_UTC", "int_end_MJD_UTC",
        "int_start_BJD_TDB", "int_mid_BJD_TDB", "int_end_BJD_TDB",
    )  # fmt: skip
    layout = [("integration_number", "i4"), *((name, "f8") for name in names)]
    length = exposure.readout.integration_s() / _SECONDS
    rows = [
        (number + 1, *(2 * (start, start + 0.5 * length, start + length)))
        for number, start in enumerate(_integration_starts(exposure))
    ]
    return np.array(rows, layout)


def _integration_starts(exposure: Exposure) -> NDArray[np.float64]:
    readout = exposure.readout
    step = (readout.integration_s() + readout.frame_s) / _SECONDS
    return np.asarray(exposure.start_mjd + step * np.arange(readout.n_ints), np.float64)


def _isot(mjd: float) -> bytes:
    """Return a date of the table, to the millisecond."""
    milliseconds = np.datetime64("1858-11-17T00:00:00.000") + np.timedelta64(
        round(mjd * _SECONDS * 1000.0), "ms"
    )
    return str(milliseconds).encode()
