"""The path from a slope image to surface brightness with a place on the sky, in order.

Each step here only names the planes that it takes and gives; the work is in
``background/``, ``astrometry/`` and ``calibration/``. The slopes are copied first, into
buffers of the bench, so that the slope image stays as it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from ..artifacts.bits import RIPPLE, USER
from ..artifacts.ripple import RippleParams, find_ripple
from ..astrometry.geometry import GeometryParams, make_geometry
from ..background.dedicated import (
    DedicatedBackgroundParams,
    subtract_background,
)
from ..background.noise_level import (
    NoiseLevelParams,
    Variances,
    measure_noise_ratio,
    read_variance_scale,
    scale_read_variance,
)
from ..background.sky_model import SkyModelParams, evaluate_sky, model_sky
from ..calibration.flat import (
    FlatParams,
    FlatPlanes,
    SkyBuffers,
    divide_by_flat,
    leave_flat,
)
from ..calibration.flux import FluxParams, convert_to_sky
from ..exposure.drawn import DrawnRegion
from ..exposure.geometry import Geometry
from ..exposure.header import Card, put_cards
from ..exposure.planes import SkyPlanes
from ..exposure.records import (
    Flags32,
    Photometry,
    Plane,
    SkyImage,
    SkyIntegrations,
    SlopeImage,
    SlopePlanes,
)
from ..flags import BAD_FOR_MOSAIC, DO_NOT_USE
from ..numerics.workspace import Workspace
from ..params import Params
from .drawn_regions import place_regions
from .runner import Runner

ARTIFACT = "ARTIFACT"
"""Extension of the bits of ``artifacts.bits``."""
STRAY, STRAY_ERR = "STRAY", "STRAY_ERR"
"""Extensions of slopes: stray light found in a second round and its uncertainty, DN/s."""


class SlopeToSky(Params):
    """Parameters of every step on this path, in the order of the path."""

    dedicated_background: DedicatedBackgroundParams = DedicatedBackgroundParams()
    """Background exposures that belong to the target's."""
    flat: FlatParams = FlatParams()
    """Response of each pixel."""
    geometry: GeometryParams = GeometryParams()
    """Where each pixel looks."""
    flux: FluxParams = FluxParams()
    """Surface brightness."""
    sky_model: SkyModelParams = SkyModelParams()
    """Level and shape of the sky between the sources."""
    ripple: RippleParams = RippleParams()
    """Regular pattern of a parallel exposure."""
    noise_level: NoiseLevelParams = NoiseLevelParams()
    """Scatter of the sky over its errors."""


class FlatLike(Protocol):
    """Reference planes with a flat."""

    @property
    def flat(self) -> Plane:
        """Response of each pixel, (rows, cols)."""

    @property
    def flat_err(self) -> Plane:
        """Its error, (rows, cols)."""

    @property
    def flat_flags(self) -> Flags32:
        """Its flags, (rows, cols)."""


Flat = TypeVar("Flat", bound=FlatLike)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSlopes:
    """One exposure on its way from slopes to sky; its buffers are owned by the path.

    Attributes
    ----------
    source : SlopeImage
        As it came: never written into.
    exposure : SkyBuffers of (rows, cols)
    integrations : tuple of SkyBuffers of (rows, cols)
        Views, one an integration, of ``cube``.
    cube : SkyBuffers of (ints, rows, cols) or None
    """

    source: SlopeImage
    exposure: SkyBuffers
    integrations: tuple[SkyBuffers, ...] = ()
    cube: SkyBuffers | None = None

    @property
    def images(self) -> tuple[SkyBuffers, ...]:
        """The exposure and its integrations: all that a step must treat."""
        return (self.exposure, *self.integrations)


class LocatedSlopes(NamedTuple):
    """Slopes with their place on the sky."""

    slopes: OpenSlopes
    geometry: Geometry


def slope_to_sky(
    slope: SlopeImage,
    run: Runner[SkyPlanes],
    params: SlopeToSky,
    drawn: Sequence[DrawnRegion] = (),
) -> SkyImage:
    """Walk one exposure from slopes to sky; a time series with its integrations.

    Parameters
    ----------
    slope : SlopeImage
    run : Runner of SkyPlanes
    params : SlopeToSky
    drawn : sequence of DrawnRegion
        Regions of the user. Pixels in a region, but in none that forbids masking, get
        DO_NOT_USE, and USER in ARTIFACT.

    Returns
    -------
    SkyImage
        Its arrays are lent by the runner's bench for as long as something refers to them.
    """
    slopes = subtract_stray_light(open_slopes(slope, run.bench.workspace))
    if run.planes.dedicated_background is not None:
        slopes = run.maybe(dedicated_background, slopes, params.dedicated_background)
    slopes = run.maybe(flat, slopes, params.flat)
    located = mask_drawn(run(geometry, slopes, params.geometry), drawn)
    image = run(flux, located, params.flux)
    image = run.maybe(sky_model, image, params.sky_model)
    image = run.maybe(ripple, image, params.ripple)
    return run.maybe(noise_level, image, params.noise_level)


def slope_to_flat_slope(
    slope: SlopeImage, run: Runner[Flat], params: SlopeToSky
) -> SlopeImage:
    """Walk a dispersed exposure (NRC_WFSS) as far as it goes: to flat-fielded slopes.

    Parameters
    ----------
    slope : SlopeImage
    run : Runner of planes with a flat
        Dispersed exposures need no other reference planes on this path.
    params : SlopeToSky

    Returns
    -------
    SlopeImage
        DN/s, with the variance of the flat in ``extras["VAR_FLAT"]``.
    """
    slopes = open_slopes(slope, run.bench.workspace)
    slopes = run.maybe(flat, slopes, params.flat)
    done = slopes.exposure
    planes = SlopePlanes(
        slope=done.signal,
        err=done.err,
        var_poisson=done.var_poisson,
        var_read=done.var_read,
        flags=done.flags,
    )
    return replace(
        slope, planes=planes, extras={**slope.extras, "VAR_FLAT": done.var_flat}
    )


def integration_images(image: SkyImage) -> SkyImage:
    """Return the integrations of a time series as a sky image of their own.

    Parameters
    ----------
    image : SkyImage
        Of a time series, with its integrations.

    Returns
    -------
    SkyImage
        Sky, errors, variances and flags are (ints, rows, cols): the content of a
        ``_calints``.

    Raises
    ------
    ValueError
        If the image has no integrations.
    """
    cube = image.integrations
    if cube is None:
        raise ValueError(f"{image.header.root}: no integrations")
    return replace(
        image,
        sky=cube.sky,
        err=cube.err,
        var_poisson=cube.var_poisson,
        var_read=cube.var_read,
        var_flat=cube.var_flat,
        flags=cube.flags,
        integrations=None,
    )


def open_slopes(slope: SlopeImage, workspace: Workspace) -> OpenSlopes:
    """Copy slopes into buffers; the variance of the flat is zero until it is applied."""
    exposure = _copy_planes(slope.planes, workspace)
    is_series = slope.header.exp_type == "NRC_TSIMAGE"
    if slope.integrations is None or not is_series:
        return OpenSlopes(source=slope, exposure=exposure)
    cube = _copy_planes(slope.integrations, workspace)
    n_ints = cube.signal.shape[0]
    views = tuple(SkyBuffers(*(plane[k] for plane in cube)) for k in range(n_ints))
    return OpenSlopes(source=slope, exposure=exposure, integrations=views, cube=cube)


def subtract_stray_light(slopes: OpenSlopes) -> OpenSlopes:
    """Subtract the stray light that a second round found.  DN/s in, DN/s out."""
    light = slopes.source.extras.get(STRAY)
    if light is not None:
        error = slopes.source.extras[STRAY_ERR]
        for image in slopes.images:
            np.subtract(image.signal, light, out=image.signal)
            np.add(image.var_read, error**2, out=image.var_read)
            np.hypot(image.err, error, out=image.err)
    return slopes


def dedicated_background(
    slopes: OpenSlopes, planes: SkyPlanes, _params: DedicatedBackgroundParams
) -> OpenSlopes:
    """Subtract the mean background.  DN/s in, DN/s out."""
    if planes.dedicated_background is not None:
        for image in slopes.images:
            variances = (image.var_poisson, image.var_read)
            subtract_background(
                image.signal, variances, image.flags, planes.dedicated_background
            )
    return slopes


def flat(slopes: OpenSlopes, planes: FlatLike, _params: FlatParams) -> OpenSlopes:
    """Divide by the flat.  DN/s in, DN/s out."""
    response = FlatPlanes(planes.flat, planes.flat_err, planes.flat_flags)
    for image in slopes.images:
        divide_by_flat(image, response)
    return slopes


def geometry(
    slopes: OpenSlopes, planes: SkyPlanes, _params: GeometryParams
) -> LocatedSlopes:
    """Evaluate distortion and attitude."""
    header = slopes.source.header
    return LocatedSlopes(slopes, make_geometry(planes, header.pointing, header.readout))


def mask_drawn(located: LocatedSlopes, drawn: Sequence[DrawnRegion]) -> LocatedSlopes:
    """Flag the pixels in the user's regions: DO_NOT_USE, and USER in ARTIFACT."""
    slopes, where = located
    shape = where.shape
    masked = place_regions(drawn, where, shape).masked
    if not masked.any():
        return located
    for image in slopes.images:
        np.bitwise_or(image.flags, np.uint32(DO_NOT_USE), out=image.flags, where=masked)
    source = slopes.source
    bits = source.extras.get(ARTIFACT, np.zeros(shape, np.uint16))
    extras = {**source.extras, ARTIFACT: bits | masked * np.uint16(USER)}
    return LocatedSlopes(replace(slopes, source=replace(source, extras=extras)), where)


def flux(located: LocatedSlopes, planes: SkyPlanes, params: FluxParams) -> SkyImage:
    """Convert to surface brightness.  DN/s in, MJy/sr out."""
    slopes, source = located.slopes, located.slopes.source
    scale = params.factor(source.header.detector, source.header.filter)
    conversion = scale * planes.mjy_sr_per_dn_s
    for image in slopes.images:
        convert_to_sky(image, conversion)
    done, cube = slopes.exposure, slopes.cube
    # planes of bits stay valid; planes in DN/s do not, except the stray light subtracted
    # on this path, which is converted
    extras = {name: p for name, p in source.extras.items() if p.dtype.kind == "u"}
    if STRAY in source.extras:
        light = source.extras[STRAY] / planes.flat * conversion
        extras[STRAY] = np.asarray(light, np.float32)
    return SkyImage(
        header=source.header,
        sky=done.signal,
        err=done.err,
        var_poisson=done.var_poisson,
        var_read=done.var_read,
        var_flat=done.var_flat,
        flags=done.flags,
        area=planes.area,
        photometry=Photometry(
            mjy_sr_per_dn_s=conversion, pixel_area_sr=planes.pixel_area_sr
        ),
        geometry=located.geometry,
        integrations=None if cube is None else _integrations(cube, source),
        extras=extras,
    )


def sky_model(image: SkyImage, _planes: SkyPlanes, params: SkyModelParams) -> SkyImage:
    """Measure the sky between the sources.  MJy/sr in, MJy/sr out."""
    usable = (image.flags & np.uint32(BAD_FOR_MOSAIC)) == 0
    found = model_sky(image.sky, usable, params)
    if not params.subtract or not np.isfinite(found.level):
        return replace(image, background_mjy_sr=found.level)
    shape = (image.sky.shape[0], image.sky.shape[1])
    surface = evaluate_sky(found.coefficients, shape)
    np.subtract(image.sky, surface, out=image.sky)
    if image.integrations is not None:
        cube = image.integrations.sky
        np.subtract(cube, surface, out=cube)
    return replace(
        image,
        background_mjy_sr=found.level,
        background_subtracted=True,
        extras={**image.extras, "SKYMODEL": surface},
    )


def ripple(image: SkyImage, _planes: SkyPlanes, params: RippleParams) -> SkyImage:
    """Find a ripple of a parallel exposure, note it in the header, flag it in ARTIFACT."""
    if not image.header.is_parallel:
        return image
    usable = (image.flags & np.uint32(BAD_FOR_MOSAIC)) == 0
    # the crests of a ripple look like diffuse light
    model = model_sky(image.sky, usable, SkyModelParams(), mask_diffuse=False)
    found = find_ripple(image.sky, usable & ~model.is_source, params)
    if found is None:
        return image
    cards = (
        Card("RIPPLE", found.amplitude, "[MJy/sr] amplitude of a regular pattern"),
        Card("RIPPERIO", found.period, "[pixel] its period"),
        Card("RIPANGLE", found.angle_deg, "[deg] direction, from x towards y"),
    )
    header = replace(image.header, primary=put_cards(image.header.primary, cards))
    bits = image.extras.get(ARTIFACT, np.zeros(image.sky.shape, np.uint16))
    extras = {**image.extras, ARTIFACT: bits | np.uint16(RIPPLE)}
    return replace(image, header=header, extras=extras)


def noise_level(
    image: SkyImage, _planes: SkyPlanes, params: NoiseLevelParams
) -> SkyImage:
    """Measure the scatter of the sky over its errors, and record it."""
    usable = (image.flags & np.uint32(BAD_FOR_MOSAIC)) == 0
    ratio = measure_noise_ratio(image.sky, image.err, usable, params)
    if not np.isfinite(ratio):
        return image
    cards: tuple[Card, ...] = (Card("NOISERAT", ratio, "scatter of the sky over ERR"),)
    if params.rescale:
        noise = _variances(image)
        scale = read_variance_scale(ratio, noise, usable)
        scale_read_variance(noise, scale)
        if image.integrations is not None:
            scale_read_variance(_variances(image.integrations), scale)
        factor = Card("RNSCALE", scale, "VAR_RNOISE was multiplied by it")
        cards = (*cards, factor)
    header = replace(image.header, primary=put_cards(image.header.primary, cards))
    return replace(image, header=header)


def _variances(image: SkyImage | SkyIntegrations) -> Variances:
    """Return the errors of an exposure or of its integrations."""
    return Variances(image.err, image.var_poisson, image.var_read, image.var_flat)


def _copy_planes(planes: SlopePlanes, workspace: Workspace) -> SkyBuffers:
    """Return copies of slopes, errors, variances and flags."""

    def copy(values: Plane) -> Plane:
        buffer = workspace.lend(values.shape, np.float32)
        buffer[...] = values
        return buffer

    flags = workspace.lend(planes.flags.shape, np.uint32)
    flags[...] = planes.flags
    buffers = SkyBuffers(
        signal=copy(planes.slope),
        err=copy(planes.err),
        var_poisson=copy(planes.var_poisson),
        var_read=copy(planes.var_read),
        var_flat=workspace.lend(planes.slope.shape, np.float32),
        flags=flags,
    )
    leave_flat(buffers)
    return buffers


def _integrations(cube: SkyBuffers, source: SlopeImage) -> SkyIntegrations:
    """Return the finished integrations as a record."""
    return SkyIntegrations(
        sky=cube.signal,
        err=cube.err,
        var_poisson=cube.var_poisson,
        var_read=cube.var_read,
        var_flat=cube.var_flat,
        flags=cube.flags,
        int_times=source.int_times,
    )
