"""Pictures of stray light, made of the exposures of a visit or a programme.

What stays on its place of the detector from dither to dither is not on the sky. Slopes have
their 1/f stripes back, because these took a share of the light away, and lose their angled
stripes, which are told from wisps and claws once there is a first picture of these.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from ..artifacts.bits import CLAW_CORRECTED, WISP_CORRECTED
from ..artifacts.frames import pixel_arcsec
from ..artifacts.stray_fit import StrayLightParams, StrayTemplate
from ..artifacts.stray_light import CELL, find_stray_light, sketch_stray_light
from ..artifacts.stripes import SPIKES_DEG, AngledStripeParams
from ..astrometry.geometry import sky_vectors
from ..exposure.header import Header
from ..exposure.records import Plane, SlopeImage
from .scattered_light import (
    Findings,
    Knowledge,
    Sight,
    confirm_beside,
    fit_scattered,
    see_scattered,
    with_stripes,
)
from .second_round import SecondRound

Angles = tuple[float, ...]


def visit_template(
    exposures: Iterable[tuple[SlopeImage, Knowledge]],
    params: SecondRound,
    wisps: StrayTemplate | None = None,
) -> StrayTemplate | None:
    """Make the stray-light template of a detector and filter from its exposures.

    Parameters
    ----------
    exposures : iterable of (SlopeImage, Knowledge)
        The slopes of the first round and what of them shows bare sky.
    params : SecondRound
    wisps : StrayTemplate, optional
        As in `make_template`.

    Returns
    -------
    StrayTemplate or None
        As from `make_template`. Where a star may draw angled stripes, they are measured again
        with a sketch of it subtracted.
    """
    sights = [_see(image, known, params) for image, known in exposures]
    fitted = params.stray_light, params.angled_stripes
    is_striped = any(s.expects_stripes for s in sights) and fitted[1].enabled
    enough = len(sights) >= params.stray_light.least_exposures
    sketch = None if wisps is None else wisps.shrunk(CELL)
    bare = sights
    if is_striped:
        bare, angles = _without_stripes(sights, sketch, fitted)
        if sketch is None and enough:
            sketch = sketch_stray_light(*_shown(bare), params.stray_light)
            bare, _ = _without_stripes(sights, sketch, fitted, angles)
    return make_template(bare, params.stray_light, wisps, sketch)


def _without_stripes(
    sights: Sequence[Sight],
    sketch: StrayTemplate | None,
    params: tuple[StrayLightParams, AngledStripeParams],
    known: Sequence[Angles | None] | None = None,
) -> tuple[list[Sight], list[Angles | None]]:
    """Return what exposures show without angled stripes, and the directions of these.

    Directions are kept, not searched again, where there were stripes in all.
    """
    bare: list[Sight] = []
    angles: list[Angles | None] = []
    for sight, own in zip(sights, known or [None] * len(sights), strict=True):
        angled = fit_scattered(sight, sketch, params, own).angled
        lines = np.float32(0) if angled is None else angled.light
        bare.append(sight._replace(light=sight.light - lines))
        whole = angled is not None and len(angled.angles_deg) == len(SPIKES_DEG)
        angles.append(angled.angles_deg if angled is not None and whole else None)
    return bare, angles


def _shown(
    sights: Sequence[Sight],
) -> tuple[list[Plane], tuple[str, str], tuple[int, int]]:
    """Return the light that exposures show, their optics and their first pixel."""
    header = sights[0].header
    first_pixel = header.readout.row_start, header.readout.col_start
    light = [sight.light for sight in sights]
    return light, (header.detector, header.filter), first_pixel


def make_template(
    sights: Sequence[Sight],
    params: StrayLightParams,
    wisps: StrayTemplate | None = None,
    sketch: StrayTemplate | None = None,
) -> StrayTemplate | None:
    """Make the stray-light template of a detector and filter from its exposures.

    Parameters
    ----------
    sights : sequence of Sight
        Without angled stripes.
    params : StrayLightParams
    wisps : StrayTemplate, optional
        Known already, supplied or from more exposures than these: only claws come from the
        exposures.
    sketch : StrayTemplate, optional
        As for `find_stray_light`; not used beside wisps that are known.

    Returns
    -------
    StrayTemplate or None
        None where there are too few exposures and nothing is known.
    """
    headers = [sight.header for sight in sights]
    shift_px = _largest_dither_px(headers)
    if wisps is not None:
        wisps = wisps._replace(shift_px=shift_px)
    if len(sights) < params.least_exposures:
        return wisps
    left, optics, first_pixel = _shown(sights)
    shape = sights[0].shape
    if wisps is None:
        found = find_stray_light(left, optics, first_pixel, params, sketch)
        return found.expanded(shape)._replace(shift_px=shift_px)
    small = wisps.shrunk(CELL)
    left = [light - small.fit(light, params).light(small)[0] for light in left]
    found = find_stray_light(left, optics, first_pixel, params).expanded(shape)
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


def _see(image: SlopeImage, known: Knowledge, params: SecondRound) -> Sight:
    """Return what of an exposure goes into a template."""
    found = Findings.none(image)
    striped = with_stripes(image)
    if not found.bits.any():
        # slopes of others had no first look
        confirm_beside(striped, known, params.confirm, found)
    return see_scattered(striped, image.header, known, found.flags)
