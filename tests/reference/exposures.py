"""Headers of made-up exposures, and of the shared ones."""

from dataclasses import replace

from astropy.io import fits

from rampline.exposure.header import Card, Header, Pointing
from rampline.exposure.timing import PATTERNS, Readout

POINTING = Pointing(
    ra_ref_deg=110.8,
    dec_ref_deg=-73.4,
    roll_ref_deg=0.0,
    v2_ref_arcsec=0.0,
    v3_ref_arcsec=-500.0,
    v3i_yang_deg=0.0,
    vparity=-1,
    va_scale=1.0,
)


def make_readout(**changes):
    pattern = changes.get("pattern", "MEDIUM8")
    n_frames, n_dropped = PATTERNS[pattern]
    values = {
        "pattern": pattern,
        "n_ints": 1,
        "n_groups": 3,
        "n_frames": n_frames,
        "n_dropped": n_dropped,
        "frame_s": 1.0,
        "group_s": float(n_frames + n_dropped),
        "subarray": "SUB8",
        "row_start": 0,
        "col_start": 0,
        "n_rows": 6,
        "n_cols": 8,
        "fast_axis": 1,
        "slow_axis": -2,
        "n_outputs": 1,
    }
    return Readout(**(values | changes))


def make_header(readout=None, **changes):
    values = {
        "root": "jw02736001001_02103_00001_nrcb1",
        "program": "02736",
        "observation": "001",
        "visit": "001",
        "detector": "NRCB1",
        "module": "B",
        "channel": "SHORT",
        "filter": "F200W",
        "pupil": "CLEAR",
        "exp_type": "NRC_IMAGE",
        "start_mjd": 59737.4,
        "end_mjd": 59737.5,
        "exposure_s": 94.0,
        "first_integration": 1,
        "is_moving_target": False,
        "readout": readout or make_readout(),
        "pointing": POINTING,
    }
    return Header(**(values | changes))


def header_of(path):
    """The header of a Level 1b file, as far as references depend on it."""
    with fits.open(path) as hdus:
        cards = hdus[0].header
    readout = Readout(
        pattern=cards["READPATT"],
        n_ints=cards["NINTS"],
        n_groups=cards["NGROUPS"],
        n_frames=cards["NFRAMES"],
        n_dropped=cards["GROUPGAP"],
        frame_s=cards["TFRAME"],
        group_s=cards["TGROUP"],
        subarray=cards["SUBARRAY"],
        row_start=cards["SUBSTRT2"] - 1,
        col_start=cards["SUBSTRT1"] - 1,
        n_rows=cards["SUBSIZE2"],
        n_cols=cards["SUBSIZE1"],
        fast_axis=cards["FASTAXIS"],
        slow_axis=cards["SLOWAXIS"],
        n_outputs=cards["NOUTPUTS"],
    )
    primary = tuple(
        Card(card.keyword, card.value, card.comment)
        for card in cards.cards
        if card.keyword and card.keyword not in {"COMMENT", "HISTORY"}
    )
    return replace(
        make_header(readout),
        root=path.name.removesuffix("_uncal.fits"),
        detector=cards["DETECTOR"],
        module=cards["MODULE"],
        channel=cards["CHANNEL"],
        filter=cards["FILTER"],
        pupil=cards["PUPIL"],
        exp_type=cards["EXP_TYPE"],
        start_mjd=cards["EXPSTART"],
        end_mjd=cards["EXPEND"],
        primary=primary,
    )
