"""The world coordinates of products as ``gwcs`` objects, frame by frame as JWST's.

detector -> v2v3 (subarray shift, filter offset, distortion) -> v2v3vacorr (differential
velocity aberration) -> [v2v3corr (alignment)] -> world. Inside the house the same chain is
a `Geometry` in plain numpy; a ``gwcs`` is built when a product is written, and read when
one comes from elsewhere.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exposure.geometry import Geometry
from ..exposure.header import Pointing
from ..exposure.planes import SkyPlanes
from ..exposure.timing import Readout
from ..units import ARCSEC_PER_RAD
from .distortion_update import DetectorFrame, DistortionUpdate, update_polynomials
from .geometry import (
    NODE_STEP,
    node_positions,
    plane_to_v2v3,
    sky_to_plane,
    uncorrect_plane,
)


def build_gwcs(
    planes: SkyPlanes,
    pointing: Pointing,
    readout: Readout,
    correction: NDArray[np.float64] | None = None,
) -> Any:
    """Return the GWCS of an exposure.

    Parameters
    ----------
    planes : SkyPlanes
        For the distortion and the filter's offset.
    pointing : Pointing
    readout : Readout
        For the frame's size and the subarray's place.
    correction : (2, 3) float64, arcsec, or None
        Alignment, as in `Geometry`; adds the frame ``v2v3corr``.

    Returns
    -------
    gwcs.wcs.WCS
        Frames and transforms as the JWST pipeline's ``assign_wcs`` makes them for NIRCam
        imaging, with its bounding box.
    """
    # gwcs takes 0.8 s to import, and is needed only where products are written
    from astropy.modeling.models import Identity  # noqa: PLC0415
    from gwcs.wcs import WCS  # noqa: PLC0415

    frames = _frames()
    scale = pointing.va_scale
    aberration = Identity(2) if scale == 1.0 else _aberration(pointing)
    wcs = WCS(
        [
            (frames["detector"], _detector_to_v2v3(planes, readout)),
            (frames["v2v3"], aberration),
            (frames["v2v3vacorr"], _v2v3_to_sky(pointing)),
            (frames["world"], None),
        ]
    )
    return wcs if correction is None else align_gwcs(wcs, pointing, correction)


def align_gwcs(wcs: Any, pointing: Pointing, correction: NDArray[np.float64]) -> Any:
    """Return a GWCS with an alignment added to what it has.

    Parameters
    ----------
    wcs : gwcs.wcs.WCS
        With the frames of `build_gwcs`.
    pointing : Pointing
    correction : (2, 3) float64, arcsec
        In the tangent plane at (RA_REF, DEC_REF), applied after any earlier one.

    Returns
    -------
    gwcs.wcs.WCS
        A copy, with ``tweakwcs``' tangent-plane correction, so that it can go on from here.
    """
    from tweakwcs import JWSTWCSCorrector  # noqa: PLC0415  # imports gwcs

    corrector = JWSTWCSCorrector(
        wcs,
        {
            "v2_ref": pointing.v2_ref_arcsec,
            "v3_ref": pointing.v3_ref_arcsec,
            "roll_ref": pointing.roll_ref_deg,
        },
    )
    corrector.set_correction(matrix=correction[:, :2], shift=correction[:, 2])
    return corrector.wcs


def update_gwcs(wcs: Any, frame: DetectorFrame, update: DistortionUpdate) -> Any:
    """Return a GWCS whose distortion is followed by its update.

    Parameters
    ----------
    wcs : gwcs.wcs.WCS
        With a frame ``v2v3``.
    frame : DetectorFrame
        Of the geometry before the update.
    update : DistortionUpdate
    """
    from astropy.modeling import bind_bounding_box  # noqa: PLC0415  # with gwcs
    from gwcs.wcs import WCS  # noqa: PLC0415

    forward, backward = update_polynomials(update, frame.half)
    model = _own_polynomials(frame, forward)
    model.inverse = _own_polynomials(frame, backward)
    place = list(wcs.available_frames).index("v2v3") - 1
    steps = [(step.frame, step.transform) for step in wcs.pipeline]
    updated = steps[place][1] | model
    if place == 0 and wcs.bounding_box is not None:
        bind_bounding_box(updated, wcs.bounding_box, order="F")
    steps[place] = (steps[place][0], updated)
    return WCS(steps)


def _own_polynomials(frame: DetectorFrame, series: NDArray[np.float64]) -> Any:
    """Return polynomials in an image's own coordinates, from arcsec to arcsec."""
    from astropy.modeling.models import (  # noqa: PLC0415  # with gwcs
        Mapping,
        Polynomial2D,
        Scale,
        Shift,
    )

    v2, v3 = (float(angle) for angle in frame.middle)
    degree = series.shape[1] - 1
    one, other = (
        Polynomial2D(
            degree,
            **{
                f"c{i}_{j}": float(coefficients[i, j])
                for i in range(degree + 1)
                for j in range(degree + 1 - i)
            },
        )
        for coefficients in series
    )
    return (
        Shift(-v2) & Shift(-v3)
        | Scale(1.0 / frame.half) & Scale(1.0 / frame.half)
        | Mapping((0, 1, 0, 1))
        | one & other
        | Scale(frame.half) & Scale(frame.half)
        | Shift(v2) & Shift(v3)
    )


def geometry_from_gwcs(
    wcs: Any,
    pointing: Pointing,
    shape: tuple[int, int],
    corner: tuple[int, int] = (0, 0),
) -> Geometry:
    """Return the geometry of an exposure whose GWCS came with the file.

    Parameters
    ----------
    wcs : gwcs.wcs.WCS
        Of any imaging product of the JWST pipeline, aligned or not.
    pointing : Pointing
        As the file's header gives it.
    shape : (int, int)
        Rows and columns.
    corner : (int, int)
        Row and column of the WCS where the image begins: a cut-out often keeps the WCS
        of the image it was cut from.

    Returns
    -------
    Geometry
        The sky at the nodes, taken back through attitude, alignment and velocity aberration:
        it looks exactly where ``wcs`` looks, whatever steps that has.
    """
    rows, cols = node_positions(shape)
    x, y = np.meshgrid(cols + corner[1], rows + corner[0])
    ra, dec = wcs(x, y, with_bounding_box=False)
    correction = _correction_of(wcs)
    plane = uncorrect_plane(sky_to_plane(ra, dec, pointing), correction)
    return Geometry(
        v2v3_arcsec=plane_to_v2v3(plane, pointing),
        step=NODE_STEP,
        origin=-NODE_STEP,
        shape=shape,
        pointing=pointing,
        correction=correction,
    )


def _frames() -> dict[str, Any]:
    """Return the coordinate frames by name."""
    from astropy import units as u  # noqa: PLC0415  # with gwcs
    from astropy.coordinates import ICRS  # noqa: PLC0415
    from gwcs.coordinate_frames import CelestialFrame, Frame2D  # noqa: PLC0415

    telescope = {"axes_names": ("v2", "v3"), "unit": (u.arcsec, u.arcsec)}
    return {
        "detector": Frame2D(name="detector", axes_order=(0, 1), unit=(u.pix, u.pix)),
        "v2v3": Frame2D(name="v2v3", axes_order=(0, 1), **telescope),
        "v2v3vacorr": Frame2D(name="v2v3vacorr", axes_order=(0, 1), **telescope),
        "world": CelestialFrame(name="world", reference_frame=ICRS()),
    }


def _detector_to_v2v3(planes: SkyPlanes, readout: Readout) -> Any:
    """Return subarray shift, filter offset and distortion, bounded by the frame."""
    from astropy.modeling import bind_bounding_box  # noqa: PLC0415  # with gwcs
    from astropy.modeling.models import Shift  # noqa: PLC0415

    transform = planes.distortion.copy()
    col_offset, row_offset = planes.filter_offset_px
    if col_offset or row_offset:
        transform = Shift(col_offset) & Shift(row_offset) | transform
    if readout.col_start or readout.row_start:
        start = Shift(float(readout.col_start)) & Shift(float(readout.row_start))
        transform = start | transform
    box = ((-0.5, readout.n_cols - 0.5), (-0.5, readout.n_rows - 0.5))
    bind_bounding_box(transform, box, order="F")
    return transform


def _aberration(pointing: Pointing) -> Any:
    """Return the scale about the reference point."""
    from astropy.modeling.models import Scale, Shift  # noqa: PLC0415  # with gwcs

    scale = pointing.va_scale
    stretch = Scale(scale, name="dva_scale_v2") & Scale(scale, name="dva_scale_v3")
    shift_v2 = Shift((1.0 - scale) * pointing.v2_ref_arcsec, name="dva_v2_shift")
    shift_v3 = Shift((1.0 - scale) * pointing.v3_ref_arcsec, name="dva_v3_shift")
    model = stretch | shift_v2 & shift_v3
    model.name = "DVA_Correction"
    return model


def _v2v3_to_sky(pointing: Pointing) -> Any:
    """Return the rotation of the telescope's frame to ICRS."""
    from astropy.modeling.models import RotationSequence3D, Scale  # noqa: PLC0415
    from gwcs.geometry import (  # noqa: PLC0415  # with gwcs
        CartesianToSpherical,
        SphericalToCartesian,
    )

    angles = [
        pointing.v2_ref_arcsec / 3600.0,
        -pointing.v3_ref_arcsec / 3600.0,
        pointing.roll_ref_deg,
        pointing.dec_ref_deg,
        -pointing.ra_ref_deg,
    ]
    model = (
        Scale(1.0 / 3600.0) & Scale(1.0 / 3600.0)
        | SphericalToCartesian(wrap_lon_at=180)
        | RotationSequence3D(angles, axes_order="zyxyz")
        | CartesianToSpherical(wrap_lon_at=360)
    )
    model.name = "v23tosky"
    return model


def _correction_of(wcs: Any) -> NDArray[np.float64]:
    """Return the alignment that a GWCS carries, (2, 3), arcsec; identity if none.

    Identity too where it is of another kind than ``tweakwcs``' affine map: positions are
    then right, but further alignments cannot be told from the distortion.
    """
    frames = list(wcs.available_frames)
    if "v2v3corr" in frames:
        transform = wcs.pipeline[frames.index("v2v3corr") - 1].transform
        if "tp_affine" in getattr(transform, "submodel_names", ()):
            affine = transform["tp_affine"]
            shift = np.asarray(affine.translation.value) * ARCSEC_PER_RAD
            return np.column_stack([np.asarray(affine.matrix.value), shift])
    return np.eye(2, 3)
