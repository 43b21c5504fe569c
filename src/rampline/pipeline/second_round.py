"""The second round of an exposure: stray light and stripes, the sources known.

One exposure alone cannot tell faint wings of sources from slow drifts of its amplifiers, nor
stray light from either. The field can: the draft mosaic knows the sources, and what stays on
its place of the detector from dither to dither is not on the sky. Stray light is fitted
first, on slopes that have their stripes back, because the stripes of the first round took a
share of it away; then what is expected beside bright stars is looked for; then the stripes are
measured again with all that subtracted. Only these steps are run again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..artifacts.confirm import Confirmed, ConfirmParams, confirm_light
from ..artifacts.expected import Expected
from ..artifacts.stray_light import (
    StrayFit,
    StrayLightParams,
    StrayTemplate,
    find_stray_light,
    fit_strength,
)
from ..detector.flicker_noise import FlickerNoiseParams, remove_flicker_noise
from ..exposure.header import Header
from ..exposure.planes import SkyPlanes
from ..exposure.records import Flags32, Plane, Scene, SlopeImage
from ..flags import DO_NOT_USE, NON_SCIENCE, OTHER_BAD_PIXEL
from ..params import Params
from .expect_artifacts import ExpectParams
from .slope_to_sky import STRAY, STRAY_ERR

STRIPES, ARTIFACT = "STRIPES", "ARTIFACT"
_UNUSABLE = DO_NOT_USE | NON_SCIENCE


class SecondRound(Params):
    """Parameters of what only the second round can do; the stripes have theirs."""

    stray_light: StrayLightParams = StrayLightParams()
    """Wisps and claws, from the exposures themselves."""
    expect: ExpectParams = ExpectParams()
    """Which artifacts the stars around lead to expect."""
    confirm: ConfirmParams = ConfirmParams()
    """Masks of expected light that is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldKnowledge:
    """What the field says about one exposure.

    Attributes
    ----------
    scene : Scene
        Of the draft mosaic of its own filter.
    is_source : (rows, cols) bool
        Pixels that sources reach: of long-wavelength mosaics, where there are any, because
        stray light of the short wavelengths does not show there.
    planes : SkyPlanes
        Its flat, and the conversion of the scene to DN/s.
    template : StrayTemplate or None
        Flat-fielded DN/s.
    expected : sequence of Expected
    """

    scene: Scene
    is_source: NDArray[np.bool_]
    planes: SkyPlanes
    template: StrayTemplate | None = None
    expected: Sequence[Expected] = ()


class CleanExposure(NamedTuple):
    """An exposure after the second round."""

    image: SlopeImage
    """With new stripes; stray light in its extras, still to be subtracted after the flat."""
    stray: StrayFit | None
    """None where there was no template."""
    expected: tuple[tuple[Expected, Confirmed], ...]
    """What was expected, and whether it is there."""


def clean_exposure(
    image: SlopeImage,
    known: FieldKnowledge,
    flicker: FlickerNoiseParams,
    params: SecondRound,
) -> CleanExposure:
    """Fit stray light, look for what is expected and measure the stripes again.

    Parameters
    ----------
    image : SlopeImage
        Of the first round; the stripes that it lost are put back first.
    known : FieldKnowledge
    flicker : FlickerNoiseParams
    params : SecondRound

    Returns
    -------
    CleanExposure
        Stray light in ``extras["STRAY"]`` and its uncertainty in ``extras["STRAY_ERR"]``,
        DN/s before the flat; where it is, OTHER_BAD_PIXEL. Confirmed light is DO_NOT_USE.
        ``extras["ARTIFACT"]`` says which is which.
    """
    striped = with_stripes(image)
    extras = dict(image.extras)
    flags, bits = image.planes.flags, np.zeros(striped.shape, np.uint16)
    light: Plane = np.zeros(striped.shape, np.float32)
    fit = None
    if known.template is not None and params.stray_light.enabled:
        residual = sky_residual(striped, flags, known)
        fit = fit_strength(residual, known.template.light, params.stray_light)
        if fit.strength > 0:
            light, error = stray_planes(known, fit)
            extras |= {STRAY: light, STRAY_ERR: error}
            bits |= known.template.bits
            flags = _flagged(flags, known.template.bits > 0, OTHER_BAD_PIXEL)
    scene = scene_slope(known.scene, known.planes) + light
    stripes = image.extras.get(STRIPES, np.zeros((), np.float32))
    if flicker.enabled:
        n_outputs = image.header.readout.n_outputs
        flat = known.planes.flat
        found = remove_flicker_noise(striped, flags, n_outputs, flicker, flat, scene)
        stripes = extras[STRIPES] = found.stripes
    seen = []
    if params.confirm.enabled and known.expected:
        clean = sky_residual(striped - stripes - light, flags, known)
        for item in known.expected:
            there = confirm_light(clean, item.corners, params.confirm)
            seen.append((item, there))
            bits |= np.where(there.mask, np.uint16(item.bit), np.uint16(0))
            flags = _flagged(flags, there.mask, DO_NOT_USE)
    if bits.any():
        extras[ARTIFACT] = bits
    slope = np.asarray(striped - stripes, np.float32)
    planes = replace(image.planes, slope=slope, flags=flags)
    return CleanExposure(replace(image, planes=planes, extras=extras), fit, tuple(seen))


def make_template(
    residuals: Sequence[Plane], header: Header, params: StrayLightParams
) -> StrayTemplate | None:
    """Make the stray-light template of a detector and filter from its exposures.

    Parameters
    ----------
    residuals : sequence of (rows, cols) float32, DN/s
        `sky_residual` of each.
    header : Header
        Of any of them.
    params : StrayLightParams

    Returns
    -------
    StrayTemplate or None
        None where there are too few exposures.
    """
    if len(residuals) < params.least_exposures:
        return None
    first_pixel = (header.readout.row_start, header.readout.col_start)
    optics = (header.detector, header.filter)
    return find_stray_light(residuals, optics, first_pixel, params)


def sky_residual(striped: Plane, flags: Flags32, known: FieldKnowledge) -> Plane:
    """Return flat-fielded slopes less their sky, (rows, cols) float32, DN/s.

    NaN on sources and on pixels that are of no use.
    """
    hidden = known.is_source | ((flags & np.uint32(_UNUSABLE)) != 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        even = striped / known.planes.flat
    even[hidden | ~np.isfinite(even)] = np.nan
    sky = even[np.isfinite(even)]
    return even - np.float32(np.median(sky)) if sky.size else even


def stray_planes(known: FieldKnowledge, fit: StrayFit) -> tuple[Plane, Plane]:
    """Return stray light and its uncertainty as the detector saw them, DN/s."""
    template = known.template
    if template is None:
        raise ValueError("no template")
    response = np.where(np.isfinite(known.planes.flat), known.planes.flat, 1.0)
    light = fit.strength * template.light * response
    error = np.hypot(fit.strength * template.err, fit.strength_err * template.light)
    return light.astype(np.float32), (error * response).astype(np.float32)


def with_stripes(image: SlopeImage) -> Plane:
    """Return the slopes as they were before stripes were subtracted, DN/s."""
    removed = image.extras.get(STRIPES)
    slope = image.planes.slope
    return slope if removed is None else np.asarray(slope + removed, np.float32)


def scene_slope(scene: Scene, planes: SkyPlanes) -> Plane:
    """Return the light of the sources in an exposure, DN/s, and 0 on sky.

    The draft mosaic's noise is partly this exposure's own: where there are no sources,
    subtracting it would take a share of the stripes away unseen.
    """
    known = np.isfinite(scene.sky)
    is_sky = known & ~scene.is_source
    level = np.median(scene.sky[is_sky]) if is_sky.any() else np.float32(0.0)
    sources = np.where(known & scene.is_source, scene.sky - level, 0.0)
    response = np.where(np.isfinite(planes.flat), planes.flat, 1.0)
    return np.asarray(sources * response / planes.mjy_sr_per_dn_s, np.float32)


def _flagged(flags: Flags32, where: NDArray[np.bool_], bit: int) -> Flags32:
    return flags | np.where(where, np.uint32(bit), np.uint32(0))
