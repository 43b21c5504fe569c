"""Scattered light in one exposure: what shows it, how it is found, what is noted of it.

It is fitted and sought on flat-fielded slopes that have their 1/f stripes back, because the
stripes took a share of it away. Wisps and claws have templates; light of stars beside the
detector and angled stripes are looked for where the stars lead to expect them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ..artifacts.bits import (
    DRAGONS_BREATH_1,
    DRAGONS_BREATH_2,
    GINKGO_LEAF,
    STRIPE_CORRECTED,
    WISP_CORRECTED,
)
from ..artifacts.cells import expand, trim_blocks
from ..artifacts.confirm import Confirmed, ConfirmParams, confirm_light
from ..artifacts.edge_search import Frame, search_edges
from ..artifacts.expected import Expected
from ..artifacts.stray_fit import (
    StrayFit,
    StrayLightParams,
    StrayTemplate,
)
from ..artifacts.stray_light import CELL
from ..artifacts.stripes import (
    AngledStripeParams,
    AngledStripes,
    Place,
    find_angled_stripes,
)
from ..exposure.header import Header
from ..exposure.planes import SkyPlanes
from ..exposure.records import Flags32, Plane, SlopeImage
from ..flags import DO_NOT_USE, JUMP, NON_SCIENCE, OTHER_BAD_PIXEL
from ..numerics.polygon import fill_polygon
from .slope_to_sky import ARTIFACT

STRIPES: Final = "STRIPES"
LOOKED_FOR: Final = ("dragons_breath_1", "dragons_breath_2", "ginkgo_leaf", "stripes")
"""What is looked for in single exposures; wisps and claws have templates."""
BESIDE: Final = DRAGONS_BREATH_1 | DRAGONS_BREATH_2 | GINKGO_LEAF
"""Bits of light that is masked."""
WISP_PEAK_MJY_SR: Final = 0.05
"""Wisps are hardly brighter; the level of none was ever published."""
LEVEL_STEP: Final = 5
"""Every fifth row and column suffices for the level of the sky."""
LEAST_OF_LEVEL: Final = 1000
"""Known pixels among these below which all are used."""
_UNUSABLE = DO_NOT_USE | NON_SCIENCE
_HARMLESS = DO_NOT_USE | JUMP | OTHER_BAD_PIXEL
"""Flags of a pixel that is of no use for nothing but the light on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What is known of one exposure: what shows bare sky, and what light to expect there.

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


@dataclass(slots=True)
class Findings:
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
        """Return findings of nothing but what an earlier round masked."""
        shape = image.planes.slope.shape
        light, variance = np.zeros((2, *shape), np.float32)
        before = image.extras.get(ARTIFACT, np.zeros(shape, np.uint16))
        bits, forbidden = before & np.uint16(BESIDE), np.zeros(shape, np.bool_)
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


class Sight(NamedTuple):
    """What an exposure shows of light over whole frames, in cells."""

    header: Header
    shape: tuple[int, ...]
    """Of the exposure, pixels."""
    light: Plane
    """(rows, cols) of cells, flat-fielded DN/s minus the sky, 1/f stripes included; NaN on
    sources, light beside the detector and bad pixels."""
    hidden: NDArray[np.bool_]
    """(rows, cols) of cells: where other light may be."""
    in_wisps: NDArray[np.bool_]
    """(rows, cols) of cells: where wisps may be."""
    expects_stripes: bool


class Scattered(NamedTuple):
    """Light over whole frames in one exposure."""

    stray: StrayFit | None
    """None where there was no template."""
    angled: AngledStripes | None
    """In cells; None where none were expected."""


def see_scattered(
    striped: Plane, header: Header, known: Knowledge, flags: Flags32
) -> Sight:
    """Return what an exposure shows of wisps, claws and angled stripes.

    Parameters
    ----------
    striped : (rows, cols) float32, DN/s
        As from `with_stripes`.
    header : Header
    known : Knowledge
    flags : (rows, cols) uint32
        Light that is masked in them is left out.
    """
    light = trim_blocks(sky_residual(striped, flags, known.planes, known.is_source))
    hidden, in_wisps = (
        known.outlines(kinds)[::CELL, ::CELL][: light.shape[0], : light.shape[1]]
        for kinds in (LOOKED_FOR, ("wisp",))
    )
    return Sight(header, striped.shape, light, hidden, in_wisps, known.expects_stripes)


def fit_scattered(
    sight: Sight,
    template: StrayTemplate | None,
    params: tuple[StrayLightParams, AngledStripeParams],
    angles_deg: tuple[float, ...] | None = None,
) -> Scattered:
    """Fit wisps and claws and find angled stripes, together where both are.

    Each takes a share of the other's light unless it is subtracted.

    Parameters
    ----------
    sight : Sight
    template : StrayTemplate or None
        In the same cells.
    params : (StrayLightParams, AngledStripeParams)
    angles_deg : tuple of float, optional
        Directions of the stripes, where they are known.
    """
    seen = np.where(sight.hidden, np.float32(np.nan), sight.light)
    is_striped = sight.expects_stripes and params[1].enabled
    if template is None or not params[0].enabled:
        # nothing is known of wisps yet: their window tells no stripes
        seen[sight.in_wisps] = np.nan
        angled = (
            _find_angled(sight, seen, params[1], angles_deg) if is_striped else None
        )
        return Scattered(None, angled)
    fit = template.fit(seen, params[0])
    if not is_striped:
        return Scattered(fit, None)
    if fit.is_sure:
        bare = seen - fit.light(template)[0]
        angled = _find_angled(sight, bare, params[1], angles_deg, template.light)
    else:
        angled = _find_angled(sight, seen, params[1], angles_deg)
    if angled.angles_deg:
        fit = template.fit(seen - angled.light, params[0])
    return Scattered(fit, angled)


def _find_angled(
    sight: Sight,
    seen: Plane,
    params: AngledStripeParams,
    angles_deg: tuple[float, ...] | None,
    light: Plane | None = None,
) -> AngledStripes:
    """Find angled stripes in what is seen of an exposure."""
    readout = sight.header.readout
    first_pixel = readout.row_start, readout.col_start
    place = Place(sight.header.detector, first_pixel, CELL, angles_deg)
    return find_angled_stripes(seen, place, params, light)


def note_scattered(
    scattered: Scattered,
    template: StrayTemplate | None,
    planes: SkyPlanes,
    found: Findings,
) -> None:
    """Add what was fitted in an exposure to what is found in it.

    Parameters
    ----------
    scattered : Scattered
    template : StrayTemplate or None
        The fitted one, in pixels.
    planes : SkyPlanes
    found : Findings
        Changed in place.
    """
    fit, angled = scattered
    if fit is not None and template is not None and fit.is_sure:
        found.subtract(*fit.light(template), planes)
        found.mark(template.bits > 0, template.bits, OTHER_BAD_PIXEL)
    if angled is not None and angled.angles_deg:
        light = expand(angled.light, CELL, found.light.shape)
        found.subtract(light, angled.err, planes)
        found.mark(np.abs(light) > angled.err, STRIPE_CORRECTED)


def find_unnamed(
    image: SlopeImage, known: Knowledge, params: ConfirmParams, found: Findings
) -> tuple[Expected, ...]:
    """Find light at the edges of the detector that no known star causes.

    Wisps, claws and angled stripes are subtracted first: they cross edges, too, and what
    is left of a wisp is no other light.
    """
    if not params.enabled:
        return ()
    bare = with_stripes(image) - found.light
    flags = np.where(_only_masked(found), np.uint32(0), found.flags)
    nothing = np.zeros_like(known.is_source)
    residual = sky_residual(bare, flags, known.planes, nothing)
    readout = image.header.readout
    frame = Frame(image.header.detector, (readout.row_start, readout.col_start))
    hidden = known.hidden() | known.outlines(("wisp",))
    places = search_edges(residual, hidden, frame, params.least_unnamed)
    scale = known.planes.mjy_sr_per_dn_s
    return tuple(replace(e, strength=scale * e.strength) for e in places)


def confirm_beside(
    striped: Plane,
    known: Knowledge,
    params: ConfirmParams,
    found: Findings,
    unnamed: Sequence[Expected] = (),
) -> tuple[tuple[Expected, Confirmed], ...]:
    """Look for light of stars beside the detector and mask it.

    What an earlier round masked of it is looked at again. Within the windows of wisps that
    are not subtracted, only light that is expected to be brighter than they is looked for.
    Light of ``unnamed`` stars, from `find_unnamed`, is masked with that of known ones.
    """
    beside = [item for item in (*known.looked_for, *unnamed) if len(item.corners)]
    if not (found.bits & np.uint16(WISP_CORRECTED)).any():
        wisps = [item for item in known.expected if item.kind == "wisp"]
        beside = [item for item in beside if not _may_be_wisp(item, wisps)]
    if not params.enabled or not beside:
        return ()
    flags = np.where(_only_masked(found), np.uint32(0), found.flags)
    nothing = np.zeros_like(known.is_source)
    residual = sky_residual(striped - found.light, flags, known.planes, nothing)
    outlines = [item.corners for item in beside]
    n_seen = sum(any(item is one for one in unnamed) for item in beside)
    args = residual, known.is_source, outlines, params
    there = confirm_light(*args, n_seen=n_seen)
    seen = []
    for item, one in zip(beside, there, strict=True):
        allowed = one._replace(mask=one.mask & ~found.forbidden)
        seen.append((item, allowed))
        found.mark(allowed.mask, item.bit, DO_NOT_USE)
    return tuple(seen)


def _only_masked(found: Findings) -> NDArray[np.bool_]:
    """Return the pixels with no other fault than that light on them was masked."""
    masked = (found.bits & np.uint16(BESIDE)) != 0
    return np.asarray(masked & ((found.flags & ~np.uint32(_HARMLESS)) == 0))


def _may_be_wisp(item: Expected, wisps: Sequence[Expected]) -> bool:
    """Return whether what is found at a place may as well be a wisp."""
    low, high = item.corners.min(axis=0), item.corners.max(axis=0)
    overlaps = any(
        (low < wisp.corners.max(axis=0)).all()
        and (high > wisp.corners.min(axis=0)).all()
        for wisp in wisps
    )
    return overlaps and item.strength < WISP_PEAK_MJY_SR


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
    sky = even[::LEVEL_STEP, ::LEVEL_STEP]
    sky = sky[np.isfinite(sky)]
    sky = sky if sky.size > LEAST_OF_LEVEL else even[np.isfinite(even)]
    return even - np.float32(np.median(sky)) if sky.size else even


def with_stripes(image: SlopeImage) -> Plane:
    """Return the slopes as they were before stripes were subtracted, DN/s."""
    removed = image.extras.get(STRIPES)
    slope = image.planes.slope
    return slope if removed is None else np.asarray(slope + removed, np.float32)
