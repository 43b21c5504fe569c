"""The path of a dispersed exposure: sky, flat, and the ghosts of bright sources.

The result is flat-fielded slopes, for other tools to extract spectra from. As in `jwst` the
sky is subtracted before the flat is divided out, because the reference files of its pattern
are not flat-fielded; a pattern made of the visit's own exposures is flat-fielded, so it is
multiplied by the flat first. Ghosts are flagged, not subtracted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from ..artifacts.bits import SHELL, TADPOLE, USER
from ..artifacts.grism_ghosts import Tadpoles, TadpoleSearchParams, find_tadpoles
from ..artifacts.grism_sky import (
    GrismSky,
    GrismSkyParams,
    SkyScale,
    scale_sky,
    stack_sky,
)
from ..artifacts.shells import ShellParams, find_shells
from ..artifacts.tadpoles import Head, TadpoleParams, expect_heads, place_sources
from ..astrometry.geometry import plane_to_v2v3, sky_to_plane, sky_vectors
from ..exposure.header import Header
from ..exposure.records import Flags32, Plane, SlopeImage
from ..flags import DO_NOT_USE, NON_SCIENCE, OTHER_BAD_PIXEL
from ..params import Params
from .draft_mosaic import mask_mosaic
from .drawn_regions import DrawnMasks, place_regions
from .runner import Runner
from .slope_to_sky import ARTIFACT, Flat, FlatLike, SlopeToSky, slope_to_flat_slope

GRISM_SKY = "GRISM_SKY"
GHOST_DETECTOR = "NRCBLONG"
"""The grisms of module B are coated on one side only."""
SAME_ARCSEC = 0.5
"""Entries of the lists nearer than this are the same source."""
_UNUSABLE = DO_NOT_USE | NON_SCIENCE
_AXIS = {"GRISMC": 0, "GRISMR": 1}

Vector = NDArray[np.float64]


class GrismParams(Params):
    """Parameters of the steps that only dispersed exposures go through."""

    grism_sky: GrismSkyParams = GrismSkyParams()
    """Scaling and subtraction of the sky's pattern."""
    tadpole_heads: TadpoleParams = TadpoleParams()
    """Which sources are bright enough to have a tadpole."""
    tadpoles: TadpoleSearchParams = TadpoleSearchParams()
    """Search for tadpoles: ghost images of bright sources, at the predicted places."""
    shells: ShellParams = ShellParams()
    """Diffuse rings of very bright sources."""


class GrismPath(Params):
    """Parameters of the whole path of a dispersed exposure."""

    grism: GrismParams = GrismParams()
    """Sky and ghosts."""
    slope_to_sky: SlopeToSky = SlopeToSky()
    """The flat."""


class SourceList(NamedTuple):
    """Sources that may have ghosts."""

    ra_deg: Vector
    """(n,) deg, ICRS."""
    dec_deg: Vector
    """(n,) deg, ICRS."""
    ab_mag: Vector
    """(n,) at the filter's wavelength; NaN where unknown."""


class SkyPattern(NamedTuple):
    """The sky of a grism, filter and detector, before the flat, in any unit."""

    light: Plane
    err: Plane
    flags: Flags32
    origin: str
    """The reference file's name, or ``visit`` where made of the visit's exposures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanGrism:
    """A dispersed exposure after its path.

    Attributes
    ----------
    image : SlopeImage
        Flat-fielded, DN/s. ``extras["GRISM_SKY"]`` is what was subtracted, flat-fielded as
        well; ``extras["ARTIFACT"]`` the bits of ghosts.
    sky : SkyScale or None
        None where there was no pattern, or the step is off.
    tadpoles : Tadpoles
    n_shell : int
        Pixels of shells.
    """

    image: SlopeImage
    sky: SkyScale | None
    tadpoles: Tadpoles
    n_shell: int


def clean_grism(
    image: SlopeImage,
    run: Runner[Flat],
    pattern: SkyPattern | None,
    sources: SourceList,
    params: GrismPath,
    drawn: DrawnMasks | None = None,
) -> CleanGrism:
    """Walk a dispersed exposure from slopes to flat-fielded slopes without sky.

    Parameters
    ----------
    image : SlopeImage
    run : Runner of planes with a flat
    pattern : SkyPattern or None
        Of the sky; None where there is none.
    sources : SourceList
        In and around the field: those that may have ghosts.
    params : GrismPath
    drawn : DrawnMasks or None
        What the user wants masked (DO_NOT_USE), and where no ghost may be flagged.
    """
    sky, sky_params = None, params.grism.grism_sky
    if pattern is not None and sky_params.enabled:
        image, sky = subtract_sky(image, pattern, run.planes.flat, sky_params)
    done = slope_to_flat_slope(image, run, params.slope_to_sky)
    if GRISM_SKY in image.extras:
        even = np.asarray(image.extras[GRISM_SKY] / run.planes.flat, np.float32)
        done = replace(done, extras={**done.extras, GRISM_SKY: even})
    if drawn is None:
        drawn = place_regions((), None, image.planes.slope.shape)
    done = _mask_drawn(done, drawn)
    return _flag_ghosts(done, sources, sky, drawn.forbidden, params.grism)


def subtract_sky(
    image: SlopeImage, pattern: SkyPattern, flat: Plane, params: GrismSkyParams
) -> tuple[SlopeImage, SkyScale]:
    """Scale the sky's pattern to an exposure and subtract it.

    Parameters
    ----------
    image : SlopeImage
        Before the flat, DN/s.
    pattern : SkyPattern
    flat : (rows, cols) float32
    params : GrismSkyParams

    Returns
    -------
    image : SlopeImage
        What was subtracted is in ``extras["GRISM_SKY"]``, its uncertainty is added to
        VAR_RNOISE and ERR. Unchanged where too few pixels are free of spectra.
    fit : SkyScale
    """
    planes = image.planes
    usable = (planes.flags & np.uint32(_UNUSABLE)) == 0
    measured = planes.slope, planes.err**2
    fit = scale_sky(measured, pattern.light, usable, params)
    if np.isfinite(fit.factor):
        # only with the pattern subtracted do the spectra stand out
        rest = (planes.slope - np.float32(fit.factor) * pattern.light) / flat
        free = ~mask_mosaic(np.where(usable, rest, np.float32(np.nan)))
        fit = scale_sky(measured, pattern.light, usable & free, params)
    if not fit.factor > 0:
        return image, fit
    light = np.asarray(np.float32(fit.factor) * pattern.light, np.float32)
    variance = (fit.factor * pattern.err) ** 2 + (fit.err * pattern.light) ** 2
    unknown = np.where(np.isnan(light), np.uint32(DO_NOT_USE), np.uint32(0))
    clean = replace(
        planes,
        slope=planes.slope - light,
        var_read=np.asarray(planes.var_read + variance, np.float32),
        err=np.asarray(np.sqrt(planes.err**2 + variance), np.float32),
        flags=planes.flags | pattern.flags | unknown,
    )
    extras = {**image.extras, GRISM_SKY: light}
    return replace(image, planes=clean, extras=extras), fit


def make_pattern(
    images: Sequence[SlopeImage], flat: FlatLike, params: GrismSkyParams
) -> GrismSky | None:
    """Make the sky's pattern of the exposures of a visit, flat-fielded.

    Parameters
    ----------
    images : sequence of SlopeImage
        Same detector, filter and grism.
    flat : planes with a flat
    params : GrismSkyParams

    Returns
    -------
    GrismSky or None
        None where the exposures are too few.
    """
    even = [_even(image, flat) for image in images]
    errs = [np.asarray(image.planes.err / flat.flat) for image in images]
    found = None
    for _ in range(2):
        # in the second pass divided by the pattern, which else is masked as faint light
        shape = np.float32(1.0) if found is None else found.light
        masked = [
            np.where(mask_mosaic(v / shape, diffuse=False), np.float32(np.nan), v)
            for v in even
        ]
        found = stack_sky(list(zip(masked, errs, strict=True)), params)
        if found is None:
            return None
    return found


def with_flat(sky: GrismSky, flat: FlatLike) -> SkyPattern:
    """Return a pattern made of flat-fielded exposures, multiplied by the flat."""
    return SkyPattern(
        light=sky.light * flat.flat,
        err=sky.err * flat.flat,
        flags=np.zeros(sky.light.shape, np.uint32),
        origin="visit",
    )


def join_sources(lists: Sequence[SourceList]) -> SourceList:
    """Return the sources of all lists, the brighter entry where two are one source.

    Parameters
    ----------
    lists : sequence of SourceList
        At least one.
    """
    joined = SourceList(*(np.concatenate(parts) for parts in zip(*lists, strict=True)))
    bright = np.argsort(np.nan_to_num(joined.ab_mag, nan=np.inf), kind="stable")
    joined = SourceList(*(column[bright] for column in joined))
    known = np.isfinite(joined.ab_mag)
    joined = SourceList(*(column[known] for column in joined))
    tree = scipy.spatial.cKDTree(sky_vectors(joined.ra_deg, joined.dec_deg))
    kept = np.ones(joined.ab_mag.size, np.bool_)
    pairs = tree.query_pairs(np.radians(SAME_ARCSEC / 3600.0), output_type="ndarray")
    for first, second in sorted(map(tuple, pairs)):
        kept[second] &= not kept[first]
    return SourceList(*(column[kept] for column in joined))


def locate_sources(
    header: Header, sources: SourceList
) -> tuple[Vector, Vector, Vector]:
    """Return where an exposure would see sources without its grism.

    Returns
    -------
    x, y : (n,) float64, pixels
        Of the full detector; may lie outside of it, NaN far away.
    ab_mag : (n,) float64
    """
    plane = sky_to_plane(sources.ra_deg, sources.dec_deg, header.pointing)
    v2, v3 = plane_to_v2v3(plane, header.pointing).T
    return *place_sources(v2, v3), sources.ab_mag


def _mask_drawn(image: SlopeImage, drawn: DrawnMasks) -> SlopeImage:
    """Flag what a user has drawn."""
    if not drawn.masked.any():
        return image
    flags = image.planes.flags | drawn.masked * np.uint32(DO_NOT_USE)
    extras = {**image.extras, ARTIFACT: drawn.masked * np.uint16(USER)}
    return replace(image, planes=replace(image.planes, flags=flags), extras=extras)


def _flag_ghosts(
    image: SlopeImage,
    sources: SourceList,
    sky: SkyScale | None,
    forbidden: NDArray[np.bool_],
    params: GrismParams,
) -> CleanGrism:
    """Find tadpoles and shells and flag them, except where the user forbids it."""
    header, planes = image.header, image.planes
    shells = np.zeros(planes.slope.shape, np.bool_)
    tadpoles = Tadpoles((), (0.0, 0.0), shells)
    if header.detector != GHOST_DETECTOR or header.pupil not in _AXIS:
        return CleanGrism(image=image, sky=sky, tadpoles=tadpoles, n_shell=0)
    usable = (planes.flags & np.uint32(_UNUSABLE)) == 0
    residual = np.where(usable, planes.slope, np.float32(np.nan))
    if params.tadpoles.enabled:
        heads = _heads(header, sources, params.tadpole_heads)
        tadpoles = find_tadpoles(residual, planes.err, heads, params.tadpoles)
    if params.shells.enabled:
        axis = _AXIS[header.pupil]
        shells = find_shells(residual, tadpoles.mask, axis, params.shells)
    bits = np.where(tadpoles.mask, np.uint16(TADPOLE), np.uint16(0))
    bits |= np.where(shells, np.uint16(SHELL), np.uint16(0))
    bits[forbidden] = 0
    flag = np.where(bits > 0, np.uint32(OTHER_BAD_PIXEL), np.uint32(0))
    bits |= image.extras.get(ARTIFACT, np.uint16(0))
    flagged = replace(
        image,
        planes=replace(planes, flags=planes.flags | flag),
        extras={**image.extras, ARTIFACT: bits},
    )
    n_shell = int(shells.sum())
    return CleanGrism(image=flagged, sky=sky, tadpoles=tadpoles, n_shell=n_shell)


def _heads(
    header: Header, sources: SourceList, params: TadpoleParams
) -> tuple[Head, ...]:
    """Return where heads of tadpoles are expected, in pixels of the exposure."""
    optics, start = (header.filter, header.pupil), header.readout
    seen = locate_sources(header, sources)
    return tuple(
        head._replace(x=head.x - start.col_start, y=head.y - start.row_start)
        for head in expect_heads(seen, header.detector, optics, params)
    )


def _even(image: SlopeImage, flat: FlatLike) -> Plane:
    """Return flat-fielded slopes, NaN where unusable."""
    planes = image.planes
    hidden = ((planes.flags | flat.flat_flags) & np.uint32(_UNUSABLE)) != 0
    return np.where(hidden, np.float32(np.nan), planes.slope / flat.flat)
