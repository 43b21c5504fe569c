"""Small exposures for the tests of the detector's steps."""

import numpy as np

from rampline.exposure.header import Header, Pointing
from rampline.exposure.records import Ramp
from rampline.exposure.timing import PATTERNS, Readout


def make_readout(pattern="MEDIUM8", shape=(1, 5, 16, 12), n_outputs=4, start=(0, 0)):
    n_frames, n_dropped = PATTERNS[pattern]
    n_ints, n_groups, n_rows, n_cols = shape
    return Readout(
        pattern=pattern,
        n_ints=n_ints,
        n_groups=n_groups,
        n_frames=n_frames,
        n_dropped=n_dropped,
        frame_s=10.73677,
        group_s=(n_frames + n_dropped) * 10.73677,
        subarray="FULL" if n_rows == n_cols == 2048 else "SUB",
        row_start=start[0],
        col_start=start[1],
        n_rows=n_rows,
        n_cols=n_cols,
        fast_axis=-1,
        slow_axis=2,
        n_outputs=n_outputs,
    )


def make_header(readout, cards=(), exp_type="NRC_IMAGE"):
    return Header(
        root="jw02736001001_02103_00001_nrcb1",
        program="02736",
        observation="001",
        visit="001",
        detector="NRCB1",
        module="B",
        channel="SHORT",
        filter="F200W",
        pupil="CLEAR",
        exp_type=exp_type,
        start_mjd=59737.0,
        end_mjd=59737.01,
        exposure_s=800.0,
        first_integration=1,
        is_moving_target=False,
        readout=readout,
        pointing=Pointing(
            ra_ref_deg=110.8,
            dec_ref_deg=-73.45,
            roll_ref_deg=0.0,
            v2_ref_arcsec=120.0,
            v3_ref_arcsec=-527.0,
            v3i_yang_deg=0.0,
            vparity=-1,
            va_scale=1.0,
        ),
        primary=tuple(cards),
    )


def make_ramp(samples, readout, zero_frame=None, cards=()):
    return Ramp(
        header=make_header(readout, cards),
        samples=samples,
        zero_frame=zero_frame,
    )


def every_row(array):
    """The whole frame as one band."""
    return slice(0, array.shape[-2])


def jwst_ramp(counts, readout, *, zero_frame=None, flags=None, divisor=None):
    """Build the data model that the steps of jwst take."""
    from stdatamodels.jwst.datamodels import RampModel

    model = RampModel(data=counts.astype(np.float32))
    model.groupdq = np.zeros(counts.shape, np.uint8)
    pixels = np.zeros(counts.shape[2:], np.uint32)
    model.pixeldq = pixels if flags is None else flags.copy()
    if zero_frame is not None:
        model.zeroframe = zero_frame.astype(np.float32)
    meta = model.meta
    meta.exposure.zero_frame = zero_frame is not None
    meta.instrument.name, meta.instrument.detector = "NIRCAM", "NRCB1"
    meta.exposure.nints, meta.exposure.ngroups = counts.shape[:2]
    meta.exposure.nframes = readout.n_frames
    meta.exposure.groupgap = readout.n_dropped
    meta.exposure.frame_time = readout.frame_s
    meta.exposure.group_time = readout.group_s
    meta.exposure.noutputs = readout.n_outputs
    meta.exposure.frame_divisor = divisor
    meta.exposure.type = "NRC_IMAGE"
    meta.subarray.name = "FULL" if readout.subarray == "FULL" else "SUB320"
    meta.subarray.xstart, meta.subarray.ystart = (
        readout.col_start + 1,
        readout.row_start + 1,
    )
    meta.subarray.xsize, meta.subarray.ysize = readout.n_cols, readout.n_rows
    meta.subarray.fastaxis = readout.fast_axis
    meta.subarray.slowaxis = readout.slow_axis
    return model
