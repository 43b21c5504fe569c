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

from ..artifacts.bits import CLAW_CORRECTED, USER, WISP_CORRECTED
from ..artifacts.confirm import Confirmed, ConfirmParams
from ..artifacts.expected import Expected
from ..artifacts.stray_fit import (
    StrayFit,
    StrayLightParams,
    StrayTemplate,
)
from ..artifacts.stray_light import find_stray_light
from ..artifacts.stripes import AngledStripeParams, AngledStripes
from ..detector.bad_pixels import BadPixelParams
from ..detector.flicker_noise import (
    FlickerNoise,
    FlickerNoiseParams,
    Sources,
    describe_rows,
    remove_flicker_noise,
)
from ..exposure.header import Header
from ..exposure.planes import SkyPlanes
from ..exposure.records import Plane, Scene, SlopeImage
from ..exposure.timing import Readout
from ..flags import DO_NOT_USE
from ..params import Params
from .draft_mosaic import mask_mosaic_cores
from .drawn_regions import DrawnMasks
from .expect_artifacts import ExpectParams
from .scattered_light import (
    STRIPES,
    Findings,
    Sight,
    confirm_beside,
    find_angled,
    fit_stray,
    sky_residual,
    with_stripes,
)
from .slope_to_sky import ARTIFACT, STRAY, STRAY_ERR

_ON_PLACE = WISP_CORRECTED | CLAW_CORRECTED
"""What stays on its place of the detector."""


class SecondRound(Params):
    """Parameters of the second round; the stripes have theirs.

    Supplied wisp templates and light of stars beside the detector serve the first, too.
    """

    stray_light: StrayLightParams = StrayLightParams()
    """Wisps and claws, from the exposures themselves."""
    bad_pixels: BadPixelParams = BadPixelParams()
    """Bad pixels, from the exposures themselves."""
    angled_stripes: AngledStripeParams = AngledStripeParams()
    """Spikes of far stars, where such stars are."""
    expect: ExpectParams = ExpectParams()
    """Which artifacts the stars around lead to expect."""
    confirm: ConfirmParams = ConfirmParams()
    """Masks of expected light that is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldKnowledge(Sight):
    """What the field says about one exposure.

    Attributes
    ----------
    scene : Scene or None
        Of the draft mosaic of its own filter; None in the first round.
    template : StrayTemplate or None
        Flat-fielded DN/s.
    drawn : DrawnMasks or None
        What the user wants masked, and where nothing may be done.
    """

    scene: Scene | None = None
    template: StrayTemplate | None = None
    drawn: DrawnMasks | None = None


def know_alone(
    image: SlopeImage, planes: SkyPlanes, expected: Sequence[Expected]
) -> FieldKnowledge:
    """Return what one exposure says about itself, in the first round.

    Parameters
    ----------
    image : SlopeImage
    planes : SkyPlanes
    expected : sequence of Expected
        Light beside the detector and angled stripes are looked for: the 1/f correction
        would take a share of them away, and the draft mosaic show the rest as sources.
    """
    nothing = np.zeros(image.planes.slope.shape, np.bool_)
    even = sky_residual(with_stripes(image), image.planes.flags, planes, nothing)
    is_source = mask_mosaic_cores(even)
    return FieldKnowledge(is_source=is_source, planes=planes, expected=expected)


class CleanExposure(NamedTuple):
    """An exposure after the second round."""

    image: SlopeImage
    """With new stripes; stray light in its extras, still to be subtracted after the flat."""
    stray: StrayFit | None
    """None where there was no template."""
    angled: AngledStripes | None
    """None where none were expected."""
    expected: tuple[tuple[Expected, Confirmed], ...]
    """What was expected beside the detector, and whether it is there."""


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
        DN/s before the flat; where it is, OTHER_BAD_PIXEL. Confirmed light is DO_NOT_USE,
        and so is what the user masks; nothing is found where the user forbids it.
        ``extras["ARTIFACT"]`` says which is which.
    """
    striped = with_stripes(image)
    found = Findings.none(image)
    if known.drawn is not None:
        found.mark(known.drawn.masked, USER, DO_NOT_USE)
        found.forbidden = known.drawn.forbidden
    fit = fit_stray(striped, known, known.template, params.stray_light, found)
    hidden = known.hidden()
    if fit is None:
        hidden |= known.outlines(("wisp",))
    angled = find_angled(image, known, hidden, params.angled_stripes, found)
    seen = confirm_beside(striped, known, params.confirm, found)
    earlier = (STRAY, STRAY_ERR, ARTIFACT)
    extras = {name: p for name, p in image.extras.items() if name not in earlier}
    if found.light.any():
        extras |= {STRAY: found.light, STRAY_ERR: np.sqrt(found.variance)}
    stripes = image.extras.get(STRIPES, np.zeros((), np.float32))
    if flicker.enabled:
        means = (image.header.readout, flicker)
        removed = _measure_stripes(striped, known, found, means)
        stripes = extras[STRIPES] = removed.stripes
        extras |= describe_rows(removed.stripe_err, removed.usable)
    if found.bits.any():
        extras[ARTIFACT] = found.bits
    slope = np.asarray(striped - stripes, np.float32)
    planes = replace(image.planes, slope=slope, flags=found.flags)
    done = replace(image, planes=planes, extras=extras)
    return CleanExposure(done, fit, angled, seen)


def _measure_stripes(
    striped: Plane,
    known: FieldKnowledge,
    found: Findings,
    means: tuple[Readout, FlickerNoiseParams],
) -> FlickerNoise:
    """Return the stripes of 1/f noise, sources and stray light subtracted first.

    The draft mosaic shows wisps and claws, too: under them sources are left out, not
    subtracted. Angled stripes it lacks, because the first round subtracts them already. Without
    a scene the image tells its sources itself.
    """
    readout, flicker = means
    scene, planes = known.scene, known.planes
    if scene is None:
        bare = striped - found.light
        return remove_flicker_noise(bare, found.flags, readout, flicker, planes.flat)
    under = scene.is_source & ((found.bits & np.uint16(_ON_PLACE)) != 0)
    light = np.where(under, np.float32(0), scene_slope(scene, planes)) + found.light
    flags = np.where(under, found.flags | np.uint32(DO_NOT_USE), found.flags)
    sources = Sources(light, scene.is_source & ~under)
    args = (striped, flags, readout, flicker, planes.flat, sources)
    return remove_flicker_noise(*args)


def make_template(
    residuals: Sequence[Plane],
    header: Header,
    params: StrayLightParams,
    wisps: StrayTemplate | None = None,
) -> StrayTemplate | None:
    """Make the stray-light template of a detector and filter from its exposures.

    Parameters
    ----------
    residuals : sequence of (rows, cols) float32, DN/s
        `stray_residual` of each.
    header : Header
        Of any of them.
    params : StrayLightParams
    wisps : StrayTemplate, optional
        Known already, supplied or from more exposures than these: only claws come from the
        exposures.

    Returns
    -------
    StrayTemplate or None
        None where there are too few exposures and nothing is known.
    """
    if len(residuals) < params.least_exposures:
        return wisps
    first_pixel = (header.readout.row_start, header.readout.col_start)
    optics = (header.detector, header.filter)
    if wisps is None:
        return find_stray_light(residuals, optics, first_pixel, params)
    left = [r - wisps.fit(r, params).light(wisps)[0] for r in residuals]
    found = find_stray_light(left, optics, first_pixel, params)
    is_claw = found.bits == CLAW_CORRECTED
    claws = np.where(is_claw, found.light[0], np.float32(0))
    if not claws.any():
        return wisps
    n = wisps.n_light
    light = np.concatenate([wisps.light[:n], claws[None], wisps.light[n:]])
    bits = wisps.bits | np.where(is_claw, found.bits, np.uint16(0))
    return StrayTemplate(light, np.where(is_claw, found.err, wisps.err), bits, n + 1)


def wisps_alone(template: StrayTemplate) -> StrayTemplate:
    """Return the wisps of a template of many visits, whose claws differ."""
    is_wisp = template.bits == WISP_CORRECTED
    nothing = np.float32(0)
    return StrayTemplate(
        light=np.where(is_wisp, template.light, nothing),
        err=np.where(is_wisp, template.err, nothing),
        bits=np.where(is_wisp, template.bits, np.uint16(0)),
        n_light=template.n_light,
    )


def supplied_template(light: Plane) -> StrayTemplate:
    """Return supplied wisps, (components, rows, cols) DN/s, as a template without errors."""
    bits = np.where((light != 0).any(axis=0), np.uint16(WISP_CORRECTED), np.uint16(0))
    err = np.zeros(light.shape[1:], np.float32)
    return StrayTemplate(light, err, bits, n_light=len(light))


def stray_residual(image: SlopeImage, sight: Sight, params: SecondRound) -> Plane:
    """Return what of an exposure goes into a template, (rows, cols) float32, DN/s.

    Parameters
    ----------
    image : SlopeImage
        Of the first round.
    sight : Sight
    params : SecondRound

    Returns
    -------
    (rows, cols) float32, DN/s
        `sky_residual` with its 1/f stripes and without angled ones.
    """
    found = Findings.none(image)
    striped = with_stripes(image)
    if not found.bits.any():
        # slopes of others had no first look
        confirm_beside(striped, sight, params.confirm, found)
    hidden = sight.is_source
    # nothing is known of wisps yet: their window tells no stripes
    told = hidden | sight.outlines(("wisp",))
    find_angled(image, sight, told, params.angled_stripes, found)
    bare = striped - found.light
    return sky_residual(bare, found.flags, sight.planes, hidden)


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
