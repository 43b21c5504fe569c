"""Cards made from the typed header, for simulated exposures."""

from ..exposure.header import Card, Header, card_values, put_cards
from .stamp import mjd_to_iso


def exposure_cards(header: Header) -> tuple[tuple[Card, ...], tuple[Card, ...]]:
    """Return the cards of the primary and the SCI header of a raw exposure.

    Parameters
    ----------
    header : Header
        Where a typed field and a card it carries along differ, the field counts.

    Returns
    -------
    primary, science : tuple of Card
        All that `read_ramp` asks for, and what else the header carries.
    """
    primary = put_cards(header.primary, (*_programme(header), *_readout(header)))
    return primary, put_cards(header.science, (*_times(header), *_pointing(header)))


def _programme(header: Header) -> tuple[Card, ...]:
    """Return the cards of programme, time and optics."""
    begin, end = mjd_to_iso(header.start_mjd), mjd_to_iso(header.end_mjd)
    return (
        Card("TELESCOP", "JWST", "Telescope used to acquire the data"),
        Card("INSTRUME", "NIRCAM", "Instrument used to acquire the data"),
        Card("DATE-OBS", begin[:10], "[yyyy-mm-dd] UTC date at start of exposure"),
        Card("TIME-OBS", begin[11:], "[hh:mm:ss.sss] UTC time at start of exposure"),
        Card("DATE-BEG", begin, "Date-time start of exposure"),
        Card("DATE-END", end, "Date-time end of exposure"),
        Card("PROGRAM", header.program, "Program number"),
        Card("OBSERVTN", header.observation, "Observation number"),
        Card("VISIT", header.visit, "Visit number"),
        Card("DETECTOR", header.detector, "Name of detector used to acquire the data"),
        Card("MODULE", header.module, "NIRCam module: A, B or MULTIPLE"),
        Card("CHANNEL", header.channel, "Instrument channel"),
        Card("FILTER", header.filter, "Name of the filter element used"),
        Card("PUPIL", header.pupil, "Name of the pupil element used"),
        Card("EXP_TYPE", header.exp_type, "Type of data in the exposure"),
        Card(
            "TARGTYPE",
            "MOVING" if header.is_moving_target else "FIXED",
            "Type of target",
        ),
        Card("EXPSTART", header.start_mjd, "[d] exposure start time in MJD"),
        Card(
            "EXPMID", 0.5 * (header.start_mjd + header.end_mjd), "[d] mid time in MJD"
        ),
        Card("EXPEND", header.end_mjd, "[d] exposure end time in MJD"),
    )


def _readout(header: Header) -> tuple[Card, ...]:
    """Return the cards of the readout."""
    readout = header.readout
    last = header.first_integration + readout.n_ints - 1
    total = card_values(header.primary).get("NINTS")
    n_ints = max(last, total) if isinstance(total, int) else last
    return (
        Card("READPATT", readout.pattern, "Readout pattern"),
        Card("NOUTPUTS", readout.n_outputs, "Number of detector outputs used"),
        Card("NINTS", n_ints, "Number of integrations in exposure"),
        Card("INTSTART", header.first_integration, "First integration in this segment"),
        Card("INTEND", last, "Last integration in this segment"),
        Card("NGROUPS", readout.n_groups, "Number of groups in integration"),
        Card("NFRAMES", readout.n_frames, "Number of frames per group"),
        Card("GROUPGAP", readout.n_dropped, "Number of frames dropped between groups"),
        Card("TFRAME", readout.frame_s, "[s] Time between frames"),
        Card("TGROUP", readout.group_s, "[s] Time between groups"),
        Card("EFFINTTM", readout.integration_s(), "[s] Effective integration time"),
        Card("EFFEXPTM", header.exposure_s, "[s] Effective exposure time"),
        Card("SUBARRAY", readout.subarray, "Subarray used"),
        Card("SUBSTRT1", readout.col_start + 1, "Starting pixel in axis 1 direction"),
        Card("SUBSTRT2", readout.row_start + 1, "Starting pixel in axis 2 direction"),
        Card("SUBSIZE1", readout.n_cols, "Number of pixels in axis 1 direction"),
        Card("SUBSIZE2", readout.n_rows, "Number of pixels in axis 2 direction"),
        Card("FASTAXIS", readout.fast_axis, "Fast readout axis direction"),
        Card("SLOWAXIS", readout.slow_axis, "Slow readout axis direction"),
    )


def _times(header: Header) -> tuple[Card, ...]:
    """Return the times of the SCI header."""
    middle = 0.5 * (header.start_mjd + header.end_mjd)
    return (
        Card("MJD-BEG", header.start_mjd, "[d] exposure start time in MJD"),
        Card("MJD-AVG", middle, "[d] exposure mid-point in MJD"),
        Card("MJD-END", header.end_mjd, "[d] exposure end time in MJD"),
        Card("XPOSURE", header.exposure_s, "[s] Effective exposure time"),
        Card("BUNIT", "DN", "physical units of the array values"),
    )


def _pointing(header: Header) -> tuple[Card, ...]:
    """Return the cards of the pointing."""
    pointing = header.pointing
    return (
        Card("RADESYS", "ICRS", "Name of the coordinate reference frame"),
        Card("VA_SCALE", pointing.va_scale, "Velocity aberration scale factor"),
        Card("V2_REF", pointing.v2_ref_arcsec, "[arcsec] V2 of reference point"),
        Card("V3_REF", pointing.v3_ref_arcsec, "[arcsec] V3 of reference point"),
        Card("VPARITY", pointing.vparity, "Relative sense of rotation"),
        Card(
            "V3I_YANG",
            pointing.v3i_yang_deg,
            "[deg] Angle from V3 axis to Ideal y axis",
        ),
        Card("RA_REF", pointing.ra_ref_deg, "[deg] Right Ascension of reference point"),
        Card(
            "DEC_REF", pointing.dec_ref_deg, "[deg] Declination of the reference point"
        ),
        Card("ROLL_REF", pointing.roll_ref_deg, "[deg] V3 roll angle at the ref point"),
        *_moving_target(header),
    )


def _moving_target(header: Header) -> tuple[Card, ...]:
    """Return where a moving target stood; no card where there is none."""
    place = header.moving_target
    if place is None:
        return ()
    return (
        Card("MT_RA", place.ra_deg, "[deg] Moving target RA at exposure mid-point"),
        Card("MT_DEC", place.dec_deg, "[deg] Moving target Dec at exposure mid-point"),
    )
