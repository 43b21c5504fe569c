"""The second round of an exposure: stray light and stripes, the sources known.

One exposure alone cannot tell faint wings of sources from slow drifts of its amplifiers, nor
stray light from either. The field can: the draft mosaic knows the sources, and what stays on
its place of the detector from dither to dither is not on the sky. Stray light is fitted
first, on slopes that have their stripes back, because the stripes of the first round took a
share of it away; then what is expected beside bright stars is looked for; then the stripes are
measured again with all that subtracted. Only these steps are run again.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..artifacts.bits import CLAW_CORRECTED, USER, WISP_CORRECTED
from ..artifacts.confirm import Confirmed, ConfirmParams
from ..artifacts.expected import Expected
from ..artifacts.frames import pixel_arcsec
from ..artifacts.reach import spread, widen
from ..artifacts.stray_fit import BLOCK as CELL
from ..artifacts.stray_fit import (
    StrayFit,
    StrayLightParams,
    StrayTemplate,
)
from ..artifacts.stray_light import find_stray_light
from ..artifacts.stripes import AngledStripeParams, AngledStripes
from ..astrometry.geometry import sky_vectors
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
    Knowledge,
    confirm_beside,
    find_angled,
    find_unnamed,
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
class FieldKnowledge(Knowledge):
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
    scattered = _fit_scattered(image, known, known.template, params, found)
    found, fit, angled = scattered.found, scattered.stray, scattered.angled
    unnamed: Sequence[Expected] = ()
    if known.scene is not None and (fit is not None or image.header.channel == "LONG"):
        # the field tells sources; wisps and claws are subtracted
        unnamed = find_unnamed(image, known, params.confirm, found)
    seen = confirm_beside(striped, known, params.confirm, found, unnamed)
    earlier = (STRAY, STRAY_ERR, ARTIFACT)
    extras = {name: p for name, p in image.extras.items() if name not in earlier}
    if found.light.any():
        extras |= {STRAY: found.light, STRAY_ERR: np.sqrt(found.variance)}
    stripes = image.extras.get(STRIPES, np.zeros((), np.float32))
    if flicker.enabled:
        readout = image.header.readout
        removed = _measure_stripes(striped, known, found, readout, flicker)
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
    readout: Readout,
    flicker: FlickerNoiseParams,
) -> FlickerNoise:
    """Return the stripes of 1/f noise, sources and stray light subtracted first.

    The draft mosaic shows wisps and claws, too, those of other dithers beside their places:
    there sources are left out, not subtracted. Angled stripes it lacks, because the first
    round subtracts them already. Without a scene the image tells its sources itself.
    """
    scene, planes = known.scene, known.planes
    if scene is None:
        bare = striped - found.light
        return remove_flicker_noise(bare, found.flags, readout, flicker, planes.flat)
    shift_px = 0.0 if known.template is None else known.template.shift_px
    under = scene.is_source & _shown(found.bits, shift_px)
    light = np.where(under, np.float32(0), scene_slope(scene, planes)) + found.light
    flags = np.where(under, found.flags | np.uint32(DO_NOT_USE), found.flags)
    sources = Sources(light, scene.is_source & ~under)
    args = (striped, flags, readout, flicker, planes.flat, sources)
    return remove_flicker_noise(*args)


def _shown(bits: NDArray[np.uint16], shift_px: float) -> NDArray[np.bool_]:
    """Return where a mosaic may show what stays on its place of the detector."""
    cells = (bits[::CELL, ::CELL] & np.uint16(_ON_PLACE)) != 0
    return spread(widen(cells, shift_px / CELL + 1.0), bits.shape)


def visit_template(
    exposures: Callable[[], Iterable[tuple[SlopeImage, Knowledge]]],
    params: SecondRound,
    wisps: StrayTemplate | None = None,
) -> StrayTemplate | None:
    """Make the stray-light template of a detector and filter from its exposures.

    Parameters
    ----------
    exposures : callable
        Returns the slopes of the first round and what of them shows bare sky, one by one.
        Where a star may draw angled stripes it is called twice: within wisps and claws
        stripes are told once these are known.
    params : SecondRound
    wisps : StrayTemplate, optional
        As in `make_template`.

    Returns
    -------
    StrayTemplate or None
        As from `make_template`.
    """
    template = wisps
    for _ in range(2):
        residuals, headers, is_striped = [], [], False
        for image, known in exposures():
            residuals.append(stray_residual(image, known, params, template))
            headers.append(image.header)
            is_striped |= known.expects_stripes
        template = make_template(residuals, headers, params.stray_light, wisps)
        if template is None or not (is_striped and params.angled_stripes.enabled):
            break
    return template


def make_template(
    residuals: Sequence[Plane],
    headers: Sequence[Header],
    params: StrayLightParams,
    wisps: StrayTemplate | None = None,
) -> StrayTemplate | None:
    """Make the stray-light template of a detector and filter from its exposures.

    Parameters
    ----------
    residuals : sequence of (rows, cols) float32, DN/s
        `stray_residual` of each.
    headers : sequence of Header
        One for each.
    params : StrayLightParams
    wisps : StrayTemplate, optional
        Known already, supplied or from more exposures than these: only claws come from the
        exposures.

    Returns
    -------
    StrayTemplate or None
        None where there are too few exposures and nothing is known.
    """
    shift_px = _largest_dither_px(headers)
    if wisps is not None:
        wisps = wisps._replace(shift_px=shift_px)
    if len(residuals) < params.least_exposures:
        return wisps
    header = headers[0]
    first_pixel = (header.readout.row_start, header.readout.col_start)
    optics = (header.detector, header.filter)
    if wisps is None:
        found = find_stray_light(residuals, optics, first_pixel, params)
        return found._replace(shift_px=shift_px)
    left = [r - wisps.fit(r, params).light(wisps)[0] for r in residuals]
    found = find_stray_light(left, optics, first_pixel, params)
    is_claw = found.bits == CLAW_CORRECTED
    light = found.light[: found.n_light].sum(axis=0)
    claws = np.where(is_claw, light, np.float32(0))
    if not claws.any():
        return wisps
    n = wisps.n_light
    light = np.concatenate([wisps.light[:n], claws[None], wisps.light[n:]])
    err = np.where(is_claw, found.err, wisps.err)
    bits = wisps.bits | np.where(is_claw, found.bits, np.uint16(0))
    return StrayTemplate(light, err, bits, n + 1, shift_px)


def _largest_dither_px(headers: Sequence[Header]) -> float:
    """Return the largest distance between pointings, pixels."""
    vectors = [
        sky_vectors(h.pointing.ra_ref_deg, h.pointing.dec_ref_deg) for h in headers
    ]
    apart = [np.linalg.norm(one - other) for one in vectors for other in vectors]
    return float(np.degrees(max(apart)) * 3600.0 / pixel_arcsec(headers[0].detector))


def wisps_alone(template: StrayTemplate) -> StrayTemplate:
    """Return the wisps of a template of many visits, whose claws differ."""
    is_wisp = template.bits == WISP_CORRECTED
    nothing = np.float32(0)
    light = np.where(is_wisp, template.light, nothing)
    is_lit = np.array([component.any() for component in light])
    is_lit[0] = True
    return StrayTemplate(
        light=light[is_lit],
        err=np.where(is_wisp, template.err, nothing),
        bits=np.where(is_wisp, template.bits, np.uint16(0)),
        n_light=int(is_lit[: template.n_light].sum()),
    )


def supplied_template(light: Plane) -> StrayTemplate:
    """Return supplied wisps, (components, rows, cols) DN/s, as a template without errors."""
    bits = np.where((light != 0).any(axis=0), np.uint16(WISP_CORRECTED), np.uint16(0))
    err = np.zeros(light.shape[1:], np.float32)
    return StrayTemplate(light, err, bits, n_light=len(light))


def stray_residual(
    image: SlopeImage,
    known: Knowledge,
    params: SecondRound,
    template: StrayTemplate | None = None,
) -> Plane:
    """Return what of an exposure goes into a template, (rows, cols) float32, DN/s.

    Parameters
    ----------
    image : SlopeImage
        Of the first round.
    known : Knowledge
    params : SecondRound
    template : StrayTemplate, optional
        A first one: angled stripes are then told within its light, too.

    Returns
    -------
    (rows, cols) float32, DN/s
        `sky_residual` with its 1/f stripes and without angled ones.
    """
    found = Findings.none(image)
    striped = with_stripes(image)
    if not found.bits.any():
        # slopes of others had no first look
        confirm_beside(striped, known, params.confirm, found)
    scattered = _fit_scattered(image, known, template, params, found, n_rounds=1)
    bare = striped - scattered.lines
    return sky_residual(bare, found.flags, known.planes, known.is_source)


class _Scattered(NamedTuple):
    """Light over whole frames in one exposure."""

    found: Findings
    stray: StrayFit | None
    angled: AngledStripes | None
    lines: Plane
    """(rows, cols), DN/s as the detector saw it: angled stripes."""


def _fit_scattered(
    image: SlopeImage,
    known: Knowledge,
    template: StrayTemplate | None,
    params: SecondRound,
    before: Findings,
    *,
    n_rounds: int = 2,
) -> _Scattered:
    """Fit wisps and claws and find angled stripes, ``n_rounds`` times where both are.

    Each takes a share of the other's light unless it is subtracted.
    """
    striped, hidden = with_stripes(image), known.hidden()
    found, fit, angled = before, None, None
    lines = np.zeros_like(striped)
    for _ in range(n_rounds):
        found = before.copy()
        args = striped - lines, known, template, params.stray_light, found
        fit = fit_stray(*args)
        if fit is None:
            # nothing is known of wisps yet: their window tells no stripes
            hidden |= known.outlines(("wisp",))
        stray = found.light.copy()
        angled = find_angled(image, known, hidden, params.angled_stripes, found)
        lines = found.light - stray
        if fit is None or angled is None or not angled.angles_deg:
            break
    return _Scattered(found, fit, angled, lines)


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
