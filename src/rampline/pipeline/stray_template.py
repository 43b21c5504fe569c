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
from ..artifacts.stray_light import CELL, find_stray_light
from ..artifacts.stripes import SPIKES_DEG
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
        As from `make_template`. Where a star may draw angled stripes it is made twice:
        within wisps and claws stripes are told once these are known.
    """
    sights = [_see(image, known, params) for image, known in exposures]
    fitted = params.stray_light, params.angled_stripes
    is_striped = any(s.expects_stripes for s in sights) and fitted[1].enabled
    angles: list[tuple[float, ...] | None] = [None] * len(sights)
    template = wisps
    for _ in range(2):
        small = None if template is None else template.shrunk(CELL)
        residuals = []
        for k, sight in enumerate(sights):
            angled = fit_scattered(sight, small, fitted, angles[k], n_rounds=1).angled
            lines = np.float32(0) if angled is None else angled.light
            residuals.append(sight._replace(light=sight.light - lines))
            if angled is not None and len(angled.angles_deg) == len(SPIKES_DEG):
                angles[k] = angled.angles_deg
        template = make_template(residuals, params.stray_light, wisps)
        if template is None or not is_striped:
            break
    return template


def make_template(
    sights: Sequence[Sight],
    params: StrayLightParams,
    wisps: StrayTemplate | None = None,
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
    header = headers[0]
    shape = sights[0].shape
    first_pixel = (header.readout.row_start, header.readout.col_start)
    optics = (header.detector, header.filter)
    left = [sight.light for sight in sights]
    if wisps is None:
        found = find_stray_light(left, optics, first_pixel, params).expanded(shape)
        return found._replace(shift_px=shift_px)
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
