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
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ..artifacts.bits import CLAW_CORRECTED, STRIPE_CORRECTED, USER, WISP_CORRECTED
from ..artifacts.confirm import Confirmed, ConfirmParams, confirm_light
from ..artifacts.expected import Expected
from ..artifacts.stray_fit import (
    StrayFit,
    StrayLightParams,
    StrayTemplate,
    fit_strength,
)
from ..artifacts.stray_light import find_stray_light
from ..artifacts.stripes import (
    AngledStripeParams,
    AngledStripes,
    find_angled_stripes,
)
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
from ..exposure.records import Flags32, Plane, Scene, SlopeImage
from ..exposure.timing import Readout
from ..flags import DO_NOT_USE, NON_SCIENCE, OTHER_BAD_PIXEL
from ..numerics.polygon import fill_polygon
from ..params import Params
from .drawn_regions import DrawnMasks
from .expect_artifacts import ExpectParams
from .slope_to_sky import ARTIFACT, STRAY, STRAY_ERR

STRIPES = "STRIPES"
LOOKED_FOR = ("dragons_breath_1", "dragons_breath_2", "ginkgo_leaf", "stripes")
"""What is looked for in single exposures; wisps and claws have templates."""
_UNUSABLE = DO_NOT_USE | NON_SCIENCE
_ON_PLACE = WISP_CORRECTED | CLAW_CORRECTED
"""What stays on its place of the detector."""


class SecondRound(Params):
    """Parameters of what only the second round can do; the stripes have theirs."""

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
class Sight:
    """What of one exposure shows bare sky, with stray light.

    Attributes
    ----------
    is_source : (rows, cols) bool
        Pixels that sources reach: of long-wavelength mosaics, where there are any, because
        stray light of the short wavelengths does not show there.
    planes : SkyPlanes
        Its flat, and the conversion to DN/s.
    expected : sequence of Expected
        What the stars around lead to expect.
    """

    is_source: NDArray[np.bool_]
    planes: SkyPlanes
    expected: Sequence[Expected] = ()

    def hidden(self) -> NDArray[np.bool_]:
        """Return pixels that do not show bare sky with stray light, (rows, cols) bool.

        Light expected beside the detector is bright enough to spoil every fit.
        """
        return self.is_source | self.outlines(LOOKED_FOR)

    def outlines(self, kinds: Sequence[str]) -> NDArray[np.bool_]:
        """Return where artifacts of some kinds are expected, (rows, cols) bool."""
        shape = (self.is_source.shape[0], self.is_source.shape[1])
        inside = np.zeros(shape, np.bool_)
        for item in self.expected:
            if item.kind in kinds:
                inside |= fill_polygon(item.corners, shape)
        return inside

    @property
    def looked_for(self) -> list[Expected]:
        """What the pixels of this exposure alone can tell."""
        return [item for item in self.expected if item.kind in LOOKED_FOR]

    @property
    def expects_stripes(self) -> bool:
        """Whether a star is near enough and bright enough to draw angled stripes."""
        return any(item.kind == "stripes" for item in self.expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldKnowledge(Sight):
    """What the field says about one exposure.

    Attributes
    ----------
    scene : Scene
        Of the draft mosaic of its own filter.
    template : StrayTemplate or None
        Flat-fielded DN/s.
    drawn : DrawnMasks or None
        What the user wants masked, and where nothing may be done.
    """

    scene: Scene
    template: StrayTemplate | None = None
    drawn: DrawnMasks | None = None


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
    found = _Findings.none(image)
    if known.drawn is not None:
        found.mark(known.drawn.masked, USER, DO_NOT_USE)
        found.forbidden = known.drawn.forbidden
    hidden = known.hidden()
    fit = _fit_stray(striped, known, hidden, params, found)
    angled = _find_angled(striped, known, hidden, params, found)
    clean = image.planes.slope - found.light
    seen = _confirm(clean, known, params.confirm, found)
    extras = dict(image.extras)
    if found.light.any():
        extras |= {STRAY: found.light, STRAY_ERR: np.sqrt(found.variance)}
    stripes = image.extras.get(STRIPES, np.zeros((), np.float32))
    if flicker.enabled:
        means = (image.header.readout, flicker)
        removed = _measure_stripes(striped, known, angled, found, means)
        stripes = extras[STRIPES] = removed.stripes
        extras |= describe_rows(removed.stripe_err, removed.usable)
    if found.bits.any():
        extras[ARTIFACT] = found.bits
    slope = np.asarray(striped - stripes, np.float32)
    planes = replace(image.planes, slope=slope, flags=found.flags)
    done = replace(image, planes=planes, extras=extras)
    return CleanExposure(done, fit, angled, seen)


@dataclass(slots=True)
class _Findings:
    """What is found in an exposure, piled up: planes of its frame."""

    light: Plane
    """DN/s as the detector saw it: to be subtracted."""
    variance: Plane
    flags: Flags32
    bits: NDArray[np.uint16]
    forbidden: NDArray[np.bool_]
    """Where nothing may be found."""

    @classmethod
    def none(cls, image: SlopeImage) -> Self:
        """Return findings of nothing."""
        shape = image.planes.slope.shape
        light, variance = np.zeros((2, *shape), np.float32)
        bits, forbidden = np.zeros(shape, np.uint16), np.zeros(shape, np.bool_)
        return cls(light, variance, image.planes.flags, bits, forbidden)

    def subtract(self, light: Plane, error: Plane | float, planes: SkyPlanes) -> None:
        """Note light to be subtracted, flat-fielded DN/s, and its uncertainty."""
        response = np.where(np.isfinite(planes.flat), planes.flat, np.float32(1.0))
        response[self.forbidden] = 0.0
        self.light += light * response
        self.variance += (error * response) ** 2

    def mark(
        self,
        where: NDArray[np.bool_],
        artifact: int | NDArray[np.uint16],
        flag: int = 0,
    ) -> None:
        """Note pixels under an artifact."""
        bits = np.asarray(artifact, np.uint16)
        allowed = where & ~self.forbidden
        self.bits = self.bits | np.where(allowed, bits, np.uint16(0))
        self.flags = self.flags | np.where(allowed, np.uint32(flag), np.uint32(0))


def _fit_stray(
    striped: Plane,
    known: FieldKnowledge,
    hidden: NDArray[np.bool_],
    params: SecondRound,
    found: _Findings,
) -> StrayFit | None:
    """Fit wisps and claws."""
    template = known.template
    if template is None or not params.stray_light.enabled:
        return None
    residual = sky_residual(striped, found.flags, known.planes, hidden)
    light, is_mix = template.light, template.is_mix
    fit = fit_strength(residual, light, params.stray_light, is_mix=is_mix)
    if fit.is_sure:
        found.subtract(*fit.light(template), known.planes)
        found.mark(template.bits > 0, template.bits, OTHER_BAD_PIXEL)
    return fit


def _find_angled(
    striped: Plane,
    sight: Sight,
    hidden: NDArray[np.bool_],
    params: SecondRound,
    found: _Findings,
) -> AngledStripes | None:
    """Find angled stripes, where there is a star that may draw them."""
    if not sight.expects_stripes or not params.angled_stripes.enabled:
        return None
    bare = striped - found.light
    residual = sky_residual(bare, found.flags, sight.planes, hidden)
    angled = find_angled_stripes(residual, params.angled_stripes)
    if angled.angles_deg:
        found.subtract(angled.light, angled.err, sight.planes)
        found.mark(np.abs(angled.light) > angled.err, STRIPE_CORRECTED)
    return angled


def _measure_stripes(
    striped: Plane,
    known: FieldKnowledge,
    angled: AngledStripes | None,
    found: _Findings,
    means: tuple[Readout, FlickerNoiseParams],
) -> FlickerNoise:
    """Return the stripes of 1/f noise, sources and stray light subtracted first.

    The draft mosaic shows stray light, too. Angled stripes stay on their place of the sky, so
    they are taken off it; under wisps and claws, which do not, sources are left out.
    """
    readout, flicker = means
    scene, planes = known.scene, known.planes
    if angled is not None:
        seen = angled.light * np.float32(planes.mjy_sr_per_dn_s)
        scene = replace(scene, sky=scene.sky - seen)
    under = scene.is_source & ((found.bits & np.uint16(_ON_PLACE)) != 0)
    light = np.where(under, np.float32(0), scene_slope(scene, planes)) + found.light
    flags = np.where(under, found.flags | np.uint32(DO_NOT_USE), found.flags)
    sources = Sources(light, scene.is_source & ~under)
    args = (striped, flags, readout, flicker, planes.flat, sources)
    return remove_flicker_noise(*args)


def _confirm(
    clean: Plane, known: FieldKnowledge, params: ConfirmParams, found: _Findings
) -> tuple[tuple[Expected, Confirmed], ...]:
    """Look for light beside the detector and mask it."""
    beside = [item for item in known.looked_for if len(item.corners)]
    if not params.enabled or not beside:
        return ()
    nothing = np.zeros_like(known.is_source)
    residual = sky_residual(clean, found.flags, known.planes, nothing)
    seen = []
    for item in beside:
        there = confirm_light(residual, known.scene.is_source, item.corners, params)
        there = there._replace(mask=there.mask & ~found.forbidden)
        seen.append((item, there))
        found.mark(there.mask, item.bit, DO_NOT_USE)
    return tuple(seen)


def make_template(
    residuals: Sequence[Plane],
    header: Header,
    params: StrayLightParams,
    supplied: Plane | None = None,
) -> StrayTemplate | None:
    """Make the stray-light template of a detector and filter from its exposures.

    Parameters
    ----------
    residuals : sequence of (rows, cols) float32, DN/s
        `stray_residual` of each.
    header : Header
        Of any of them.
    params : StrayLightParams
    supplied : (components, rows, cols) float32, DN/s, optional
        Known templates of the wisp: only the rest comes from the exposures.

    Returns
    -------
    StrayTemplate or None
        None where there are too few exposures and nothing is supplied.
    """
    first_pixel = (header.readout.row_start, header.readout.col_start)
    optics = (header.detector, header.filter)
    if supplied is None:
        if len(residuals) < params.least_exposures:
            return None
        return find_stray_light(residuals, optics, first_pixel, params)
    err = np.zeros(supplied.shape[1:], np.float32)
    bits = np.where(
        (supplied != 0).any(axis=0), np.uint16(WISP_CORRECTED), np.uint16(0)
    )
    known = StrayTemplate(supplied, err, bits, is_mix=True)
    if len(residuals) < params.least_exposures:
        return known
    left = []
    for residual in residuals:
        fit = fit_strength(residual, supplied, params, is_mix=True)
        left.append(residual - fit.light(known)[0])
    found = find_stray_light(left, optics, first_pixel, params)
    # wisps are as supplied: what else stays on its place are claws
    rest = np.where(found.bits == CLAW_CORRECTED, found.light[0], np.float32(0))
    if not rest.any():
        return known
    own = np.where(rest > 0, found.err, np.float32(0))
    bits |= np.where(rest > 0, found.bits, np.uint16(0))
    light = np.concatenate([rest[None], supplied])
    return StrayTemplate(light, own, bits, is_mix=True)


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
    found = _Findings.none(image)
    striped = with_stripes(image)
    hidden = sight.hidden()
    # nothing is known of wisps yet: their window tells no stripes
    _find_angled(striped, sight, hidden | sight.outlines(("wisp",)), params, found)
    bare = striped - found.light
    return sky_residual(bare, found.flags, sight.planes, hidden)


def sky_residual(
    striped: Plane, flags: Flags32, planes: SkyPlanes, hidden: NDArray[np.bool_]
) -> Plane:
    """Return flat-fielded slopes less their sky, (rows, cols) float32, DN/s.

    NaN on hidden pixels and on those that are of no use.
    """
    unusable = (flags & np.uint32(_UNUSABLE)) != 0
    with np.errstate(divide="ignore", invalid="ignore"):
        even = striped / planes.flat
    even[hidden | unusable | ~np.isfinite(even)] = np.nan
    sky = even[np.isfinite(even)]
    return even - np.float32(np.median(sky)) if sky.size else even


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
