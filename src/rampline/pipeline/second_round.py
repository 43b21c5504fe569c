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

from ..artifacts.bits import CLAW_CORRECTED, USER, WISP_CORRECTED
from ..artifacts.cells import spread
from ..artifacts.confirm import Confirmed, ConfirmParams
from ..artifacts.expected import Expected
from ..artifacts.reach import widen
from ..artifacts.stray_fit import (
    BLOCK,
    StrayFit,
    StrayLightParams,
    StrayTemplate,
)
from ..artifacts.stray_light import CELL
from ..artifacts.stripes import AngledStripeParams, AngledStripes
from ..detector.bad_pixels import BadPixelParams
from ..detector.flicker_noise import (
    FlickerNoise,
    FlickerNoiseParams,
    Sources,
    describe_rows,
    remove_flicker_noise,
)
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
    find_unnamed,
    fit_scattered,
    note_scattered,
    see_scattered,
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
    template = known.template
    small = None if template is None else template.shrunk(CELL)
    sight = see_scattered(striped, image.header, known, found.flags)
    fitted = params.stray_light, params.angled_stripes
    scattered = fit_scattered(sight, small, fitted)
    note_scattered(scattered, template, known.planes, found)
    unnamed: Sequence[Expected] = ()
    if known.scene is not None and (
        template is not None or image.header.channel == "LONG"
    ):
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
    return CleanExposure(done, *scattered, seen)


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
    cells = (bits[::BLOCK, ::BLOCK] & np.uint16(_ON_PLACE)) != 0
    near = widen(cells, shift_px / BLOCK + 1.0)
    return np.asarray(spread(near, BLOCK, bits.shape), np.bool_)


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
