"""World coordinates as the ASDF trees that ``gwcs`` opens, made of plain numbers.

They are written down without the objects they stand for: the tangent projection of a
mosaic's grid; the chain of an exposure, frame by frame as JWST's; and its alignment, an
affine map in the tangent plane at (V2_REF, V3_REF). The latter has the parts and the names
of ``tweakwcs``' correction, so that ``tweakwcs`` and `jwst` know it and can go on from there.

Tags are of old versions, which all readers know.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..exposure.grid import Grid
from ..exposure.header import Pointing
from ..exposure.planes import SkyPlanes
from ..exposure.tagged import Tagged
from ..exposure.timing import Readout
from ..units import ARCSEC_PER_RAD, DEG_PER_ARCSEC
from .distortion_update import DetectorFrame, DistortionUpdate, update_polynomials

CORRECTION_NAME = "JWST tangent-plane linear correction. v1"
"""By which ``tweakwcs`` knows its own."""
UPDATE_NAME = "distortion_update"

_TRANSFORM: Final = "tag:stsci.edu:asdf/transform/"
_VERSIONS: Final = {
    "compose": "compose-1.2.0",
    "concatenate": "concatenate-1.2.0",
    "identity": "identity-1.2.0",
    "polynomial": "polynomial-1.2.0",
    "remap_axes": "remap_axes-1.3.0",
    "scale": "scale-1.2.0",
    "shift": "shift-1.2.0",
}
_PLANE = ("x0", "x1")
_SPACE = ("x0", "x1", "x2")


def correction_tree(pointing: Pointing, correction: NDArray[np.float64]) -> Tagged:
    """Return the transform of an alignment, from (V2, V3) to (V2, V3), arcsec.

    Parameters
    ----------
    pointing : Pointing
    correction : (2, 3) float64, arcsec
        As in `Geometry`.

    Returns
    -------
    Tagged
        A transform with its inverse.
    """
    matrix, shift = correction[:, :2], correction[:, 2] / ARCSEC_PER_RAD
    back = np.asarray(np.linalg.inv(matrix), np.float64)
    forward = _affine("tp_affine", matrix, shift)
    inverse = _affine("tp_affine_inv", back, -back @ shift)
    before, after = _to_tangent_plane(pointing), _from_tangent_plane(pointing)
    return _chain(
        [*before, forward, *after],
        name=CORRECTION_NAME,
        inverse=_chain([*before, inverse, *after], name=f"Inverse {CORRECTION_NAME}"),
    )


def update_tree(frame: DetectorFrame, update: DistortionUpdate) -> Tagged:
    """Return the transform of a distortion's update, from (V2, V3) to (V2, V3), arcsec.

    Parameters
    ----------
    frame : DetectorFrame
        Of the geometry before the update.
    update : DistortionUpdate

    Returns
    -------
    Tagged
        A transform with its inverse, to follow the distortion.
    """
    forward, backward = update_polynomials(update, frame.half)
    return _chain(
        _own_polynomials(frame, forward),
        name=UPDATE_NAME,
        inverse=_chain(
            _own_polynomials(frame, backward), name=f"{UPDATE_NAME}_inverse"
        ),
    )


def grid_tree(grid: Grid) -> Tagged:
    """Return the WCS of a mosaic's grid, from pixels to ICRS by a tangent projection."""
    angle = np.radians(grid.position_angle_deg)
    s, c = float(np.sin(angle)), float(np.cos(angle))
    scale = grid.scale_arcsec * DEG_PER_ARCSEC
    parts = [
        _side_by_side(
            _shift(-grid.col_ref, name="crpix1"), _shift(-grid.row_ref, name="crpix2")
        ),
        _affine("pc_rotation_matrix", np.array([[-c, s], [s, c]]), np.zeros(2)),
        _side_by_side(_scale(scale, name="cdelt1"), _scale(scale, name="cdelt2")),
        _transform("gnomonic-1.2.0", ("x", "y"), ("phi", "theta"), direction="pix2sky"),
        _transform(
            "rotate3d-1.3.0",
            ("phi_N", "theta_N"),
            ("alpha_C", "delta_C"),
            phi=grid.ra_deg,
            theta=grid.dec_deg,
            psi=180.0,
            direction="native2celestial",
        ),
    ]
    box = _bounding_box(grid.n_rows, grid.n_cols)
    steps = [
        _step(_detector_frame(), _chain(parts, bounding_box=box)),
        _step(_sky_frame(), None),
    ]
    shape = [grid.n_cols, grid.n_rows]
    return _wcs(steps, {"pixel_shape": shape})


def exposure_tree(
    planes: SkyPlanes,
    pointing: Pointing,
    readout: Readout,
    correction: NDArray[np.float64] | None = None,
) -> Tagged:
    """Return the WCS of an exposure.

    Parameters
    ----------
    planes : SkyPlanes
        For the distortion, as a `TreeModel`, and the filter's offset.
    pointing : Pointing
    readout : Readout
        For the frame's size and the subarray's place.
    correction : (2, 3) float64, arcsec, or None
        Alignment, as in `Geometry`; adds the frame ``v2v3corr``.

    Returns
    -------
    Tagged
        What `build_gwcs` makes.
    """
    parts = [_pair(_shift, *start) for start in _starts(planes, readout) if any(start)]
    whole = _chain([*parts, _in_known_versions(planes.distortion.tree)])
    box = _bounding_box(readout.n_rows, readout.n_cols)
    bounded = Tagged(whole.tag, {**whole.fields, "bounding_box": box})
    chain = [
        ("v2v3", _aberration(pointing)),
        ("v2v3vacorr", _to_sky(pointing)),
    ]
    if correction is not None:
        chain.insert(1, ("v2v3vacorr", correction_tree(pointing, correction)))
        chain[2] = "v2v3corr", chain[2][1]
    steps = [
        _step(_detector_frame(), bounded),
        *(
            _step(_frame("frame2d-1.0.0", name, ("v2", "v3"), "arcsec"), transform)
            for name, transform in chain
        ),
        _step(_sky_frame(), None),
    ]
    return _wcs(steps, {})


def _starts(planes: SkyPlanes, readout: Readout) -> list[tuple[float, float]]:
    """Return what is added to columns and rows before the distortion."""
    return [
        (float(readout.col_start), float(readout.row_start)),
        planes.filter_offset_px,
    ]


def _aberration(pointing: Pointing) -> Tagged:
    """Return the scale about the reference point, for velocity aberration."""
    scale = pointing.va_scale
    if scale == 1.0:
        return _transform("identity-1.2.0", _PLANE, _PLANE, n_dims=2)
    v2, v3 = pointing.v2_ref_arcsec, pointing.v3_ref_arcsec
    stretch = _side_by_side(
        _scale(scale, name="dva_scale_v2"), _scale(scale, name="dva_scale_v3")
    )
    shift = _side_by_side(
        _shift((1.0 - scale) * v2, name="dva_v2_shift"),
        _shift((1.0 - scale) * v3, name="dva_v3_shift"),
    )
    return _chain([stretch, shift], name="DVA_Correction")


def _to_sky(pointing: Pointing) -> Tagged:
    """Return the rotation of the telescope's frame to ICRS."""
    angles = [*_angles(pointing), pointing.dec_ref_deg, -pointing.ra_ref_deg]
    parts = [
        _pair(_scale, DEG_PER_ARCSEC, DEG_PER_ARCSEC),
        _spherical("s2c", ("lon", "lat"), ("x", "y", "z"), "spherical_to_cartesian"),
        _rotation("RotationSequence3D", angles, "zyxyz"),
        _spherical(
            "c2s", ("x", "y", "z"), ("lon", "lat"), "cartesian_to_spherical", 360
        ),
    ]
    return _chain(parts, name="v23tosky")


def _in_known_versions(node: Any) -> Any:
    """Return a transform with the tags that are used here."""
    if isinstance(node, list):
        return [_in_known_versions(part) for part in node]
    if not isinstance(node, Tagged):
        return node
    fields = {key: _in_known_versions(value) for key, value in node.fields.items()}
    version = _VERSIONS.get(node.kind)
    return Tagged(_TRANSFORM + version if version else node.tag, fields)


def _own_polynomials(frame: DetectorFrame, series: NDArray[np.float64]) -> list[Tagged]:
    """Return polynomials in an image's own coordinates, from arcsec to arcsec."""
    v2, v3 = frame.middle
    grow, shrink = _scale(frame.half), _scale(1.0 / frame.half)
    return [
        _side_by_side(_shift(-v2), _shift(-v3)),
        _side_by_side(shrink, shrink),
        _remap("V2 and V3 for both", 2, (0, 1, 0, 1)),
        _side_by_side(*(_polynomial(coefficients) for coefficients in series)),
        _side_by_side(grow, grow),
        _side_by_side(_shift(v2), _shift(v3)),
    ]


def _to_tangent_plane(pointing: Pointing) -> list[Tagged]:
    """Return the transforms from V2, V3 to the tangent plane, radians."""
    degrees = _scale(DEG_PER_ARCSEC, name="arcsec_to_deg_1D")
    angles = _angles(pointing)
    divide = Tagged(
        _TRANSFORM + "divide-1.2.0",
        {
            "forward": [_remap("xyz", 3, (0, 1, 2)), _remap("xxx", 3, (0, 0, 0))],
            "inputs": list(_SPACE),
            "outputs": list(_SPACE),
        },
    )
    return [
        _side_by_side(degrees, degrees, name="arcsec_to_deg_2D"),
        _spherical("s2c", ("lon", "lat"), ("x", "y", "z"), "spherical_to_cartesian"),
        _rotation("det_to_optic_axis", angles, "zyx"),
        _chain([divide, _remap("xtyt", 3, (1, 2))], name="Cartesian 3D to TAN"),
    ]


def _from_tangent_plane(pointing: Pointing) -> list[Tagged]:
    """Return the transforms from the tangent plane back to V2, V3."""
    arcsec = _scale(1.0 / DEG_PER_ARCSEC, name="deg_to_arcsec_1D")
    angles = [-angle for angle in reversed(_angles(pointing))]
    one = _transform("constant-1.4.0", "x", "y", name="one", value=1.0, dimensions=1)
    same = _transform("identity-1.2.0", _PLANE, _PLANE, name="I(2D)", n_dims=2)
    lift = [_remap("xtyt2xyz", 2, (0, 0, 1)), _side_by_side(one, same)]
    return [
        _chain(lift, name="TAN to cartesian 3D"),
        _rotation("optic_axis_to_det", angles, "xyz"),
        _spherical("c2s", ("x", "y", "z"), ("lon", "lat"), "cartesian_to_spherical"),
        _side_by_side(arcsec, arcsec, name="deg_to_arcsec_2D"),
    ]


def _angles(pointing: Pointing) -> list[float]:
    return [
        pointing.v2_ref_arcsec * DEG_PER_ARCSEC,
        -pointing.v3_ref_arcsec * DEG_PER_ARCSEC,
        pointing.roll_ref_deg,
    ]


def _transform(
    kind: str, inputs: Sequence[str], outputs: Sequence[str], **fields: Any
) -> Tagged:
    named = {**fields, "inputs": list(inputs), "outputs": list(outputs)}
    return Tagged(_TRANSFORM + kind, named)


def _bounding_box(n_rows: int, n_cols: int) -> Tagged:
    intervals = {"x0": [-0.5, n_cols - 0.5], "x1": [-0.5, n_rows - 0.5]}
    return Tagged(
        _TRANSFORM + "property/bounding_box-1.0.0",
        {"intervals": intervals, "order": "F", "ignore": []},
    )


def _chain(parts: Sequence[Tagged], **fields: Any) -> Tagged:
    """Return transforms one after the other, as the pairs that ASDF wants."""
    whole = parts[0]
    for k, part in enumerate(parts[1:], 1):
        whole = _transform(
            "compose-1.2.0",
            whole.fields["inputs"],
            part.fields["outputs"],
            forward=[whole, part],
            **(fields if k == len(parts) - 1 else {}),
        )
    return whole


def _side_by_side(first: Tagged, second: Tagged, **fields: Any) -> Tagged:
    """Return two transforms of different axes as one; its axes need names of their own."""
    ends = [
        [*first.fields[end], *second.fields[end]]
        if set(first.fields[end]).isdisjoint(second.fields[end])
        else [f"{word}{k}" for k in range(2) for word in first.fields[end]]
        for end in ("inputs", "outputs")
    ]
    return _transform("concatenate-1.2.0", *ends, forward=[first, second], **fields)


def _pair(one: Callable[[float], Tagged], first: float, second: float) -> Tagged:
    """Return a transform of two axes, each by its own number."""
    return _side_by_side(one(first), one(second))


def _shift(offset: float, **fields: Any) -> Tagged:
    return _transform("shift-1.2.0", "x", "y", offset=float(offset), **fields)


def _scale(factor: float, **fields: Any) -> Tagged:
    return _transform("scale-1.2.0", "x", "y", factor=float(factor), **fields)


def _polynomial(coefficients: NDArray[np.float64]) -> Tagged:
    """Return the sum of ``coefficients[i, j] x**i y**j``."""
    return _transform("polynomial-1.2.0", "xy", "z", coefficients=coefficients)


def _affine(
    name: str, matrix: NDArray[np.float64], translation: NDArray[np.float64]
) -> Tagged:
    return _transform(
        "affine-1.3.0", "xy", "xy", name=name, matrix=matrix, translation=translation
    )


def _remap(name: str, n_inputs: int, mapping: Sequence[int]) -> Tagged:
    inputs = [f"x{k}" for k in range(n_inputs)]
    outputs = [f"x{k}" for k in range(len(mapping))]
    fields: dict[str, Any] = {"name": name, "mapping": list(mapping)}
    if max(mapping) + 1 != n_inputs:
        fields["n_inputs"] = n_inputs
    return _transform("remap_axes-1.3.0", inputs, outputs, **fields)


def _rotation(name: str, angles_deg: Sequence[float], axes: str) -> Tagged:
    return _transform(
        "rotate_sequence_3d-1.0.0",
        "xyz",
        "xyz",
        name=name,
        angles=[float(angle) for angle in angles_deg],
        axes_order=axes,
        rotation_type="cartesian",
    )


def _spherical(
    name: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    direction: str,
    wrap: int = 180,
) -> Tagged:
    fields = {"name": name, "transform_type": direction, "wrap_lon_at": wrap}
    ends = {"inputs": list(inputs), "outputs": list(outputs)}
    return Tagged("tag:stsci.edu:gwcs/spherical_cartesian-1.1.0", {**fields, **ends})


def _wcs(steps: list[Tagged], fields: dict[str, Any]) -> Tagged:
    named = {"name": "", **fields, "steps": steps}
    return Tagged("tag:stsci.edu:gwcs/wcs-1.2.0", named)


def _step(frame: Tagged, transform: Tagged | None) -> Tagged:
    fields = {"frame": frame, "transform": transform}
    return Tagged("tag:stsci.edu:gwcs/step-1.1.0", fields)


def _detector_frame() -> Tagged:
    return _frame("frame2d-1.0.0", "detector", ("x", "y"), "pixel")


def _sky_frame() -> Tagged:
    icrs = Tagged(
        "tag:astropy.org:astropy/coordinates/frames/icrs-1.1.0",
        {"frame_attributes": {}},
    )
    return _frame(
        "celestial_frame-1.0.0", "world", ("lon", "lat"), "deg", reference_frame=icrs
    )


def _frame(
    kind: str, name: str, axes: Sequence[str], unit: str, **fields: Any
) -> Tagged:
    physical = [f"custom:{axis}" for axis in axes]
    if name == "world":
        physical = ["pos.eq.ra", "pos.eq.dec"]
    named = {
        "name": name,
        "axes_names": list(axes),
        "axes_order": [0, 1],
        "axis_physical_types": physical,
        "unit": [Tagged("tag:stsci.edu:asdf/unit/unit-1.0.0", unit)] * 2,
    }
    return Tagged(f"tag:stsci.edu:gwcs/{kind}", {**named, **fields})
