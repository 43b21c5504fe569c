"""The sources on the sky: true positions, fluxes and shapes."""

from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.table import QTable, Table
from numpy.typing import NDArray

from ..errors import ParameterError
from ..units import AB_ZERO_JY
from .galaxies import INDEX_STEP
from .instrument import Passband, passband
from .scene import ClusterParams, FieldParams, GalaxyParams, SourceParams, StarParams
from .sources import Sources, join_sources
from .streams import stream

Array = NDArray[np.float64]

_CENTRAL_INDEX = 4.0
_LIMITS = {
    "ra": (-180.0, 360.0),
    "dec": (-90.0, 90.0),
    "half_light_arcsec": (0.0, np.inf),
    "index": (0.3, 8.0),
    "axis_ratio": (0.05, 1.0),
    "position_angle": (-np.inf, np.inf),
}
"""What the columns of a user's catalogue may hold."""


def draw_sources(field: FieldParams, seed: int) -> Sources:
    """Make the sources of a field.

    Returns
    -------
    Sources
        Those of the catalogue and those given by hand, then stars, galaxies and the
        cluster; sorted by nothing, so numbers stay the same when one kind is left out.
    """
    parts = [_given(field.sources)]
    if field.catalog:
        parts.insert(0, _user_sources(field))
    parts += [
        _stars(field, field.stars, stream(seed, "scene", 0)),
        _galaxies(field, field.galaxies, stream(seed, "scene", 1)),
        _cluster(field, field.cluster, stream(seed, "scene", 2)),
    ]
    return join_sources(parts)


def _user_sources(field: FieldParams) -> Sources:
    try:
        return read_sources(Path(field.catalog))
    except ParameterError as error:
        raise ParameterError(f"field.catalog: {error}") from error


def read_sources(path: Path) -> Sources:
    """Read a user's catalogue.

    A filter's magnitude that is missing (masked or NaN) is taken from the first column
    of magnitudes that the source has, as if it were equally bright in AB everywhere.

    Raises
    ------
    ParameterError
        The file cannot be read, lacks a column, or has a value that is none.
    """
    try:
        table = Table.read(path, format="ascii.ecsv")
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split())
        raise ParameterError(f"{path}: not a readable ECSV catalogue: {why}") from error
    for name in ("ra", "dec"):
        if name not in table.colnames:
            raise ParameterError(f"{path}: no column {name!r}")
    bands = [name for name in table.colnames if name.endswith("_abmag")]
    if not bands:
        raise ParameterError(f"{path}: no column of magnitudes such as 'f200w_abmag'")
    in_band = {
        name.removesuffix("_abmag").upper(): magnitude_to_jy(
            _numbers(path, table, name)
        )
        for name in bands
    }
    for name in in_band:
        try:
            passband(name)
        except ParameterError as error:
            raise ParameterError(
                f"{path}: column {name.lower()}_abmag: {error}"
            ) from error
    known = np.array(list(in_band.values()))
    first = np.argmax(np.isfinite(known), axis=0)
    flux_jy = np.take_along_axis(known, first[None], axis=0)[0]
    _check(path, "magnitudes", flux_jy, (0.0, np.inf))

    def column(name: str, default: float) -> Array:
        if name not in table.colnames:
            return np.full(len(table), default)
        values = _numbers(path, table, name)
        _check(path, name, values, _LIMITS[name])
        return values

    return Sources(
        ra_deg=column("ra", 0.0),
        dec_deg=column("dec", 0.0),
        flux_jy=flux_jy,
        colour=np.zeros(len(table)),
        half_light_arcsec=column("half_light_arcsec", 0.0),
        index=_round_index(column("index", 1.0)),
        axis_ratio=column("axis_ratio", 1.0),
        position_angle_deg=column("position_angle", 0.0),
        in_band={name: np.nan_to_num(flux) for name, flux in in_band.items()},
    )


def _numbers(path: Path, table: Table, name: str) -> Array:
    """Return a column as plain numbers, NaN where it is masked."""
    column = table[name]
    try:
        return np.ma.filled(np.ma.asarray(column, float), np.nan)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{path}: column {name!r} has no numbers") from error


def _check(path: Path, name: str, values: Array, limits: tuple[float, float]) -> None:
    wrong = np.flatnonzero(~((values >= limits[0]) & (values <= limits[1])))
    if wrong.size:
        row = int(wrong[0])
        raise ParameterError(
            f"{path}: row {row + 1}: {name}: {values[row]} is not from "
            f"{limits[0]:g} to {limits[1]:g}"
        )


def magnitude_to_jy(magnitude: Array) -> Array:
    """Return flux densities of AB magnitudes, Jy."""
    return np.asarray(AB_ZERO_JY * 10 ** (-0.4 * np.asarray(magnitude)))


def offset_position(
    field: FieldParams, east: Array, north: Array
) -> tuple[Array, Array]:
    """Return RA and Dec, deg, of offsets in the tangent plane, arcsec."""
    x, y = np.radians(east / 3600.0), np.radians(north / 3600.0)
    dec0 = np.radians(field.dec)
    depth = np.cos(dec0) - y * np.sin(dec0)
    ra = field.ra + np.degrees(np.arctan2(x, depth))
    dec = np.arctan2(np.sin(dec0) + y * np.cos(dec0), np.hypot(x, depth))
    return ra % 360.0, np.degrees(dec)


def _given(sources: tuple[SourceParams, ...]) -> Sources:
    def column(name: str) -> Array:
        return np.array([getattr(source, name) for source in sources], float)

    return Sources(
        ra_deg=column("ra"),
        dec_deg=column("dec"),
        flux_jy=magnitude_to_jy(column("magnitude")),
        colour=column("colour"),
        half_light_arcsec=column("half_light_arcsec"),
        index=_round_index(column("index")),
        axis_ratio=column("axis_ratio"),
        position_angle_deg=column("position_angle"),
        in_band={},
    )


def _round_index(index: Array) -> Array:
    return np.asarray(np.round(index / INDEX_STEP) * INDEX_STEP)


def _magnitudes(params: StarParams | GalaxyParams, draw: np.random.Generator) -> Array:
    """Draw magnitudes whose number grows exponentially, by inversion."""
    span = params.faintest - params.brightest
    share = draw.random(params.number)
    if abs(params.slope * span) < 1e-6:
        return params.brightest + span * share
    top = 10 ** (params.slope * span)
    return np.asarray(params.brightest + np.log10(1 + share * (top - 1)) / params.slope)


def _square(
    field: FieldParams, n: int, draw: np.random.Generator
) -> tuple[Array, Array]:
    east, north = (2.0 * draw.random((2, n)) - 1.0) * field.half_width_arcsec
    return offset_position(field, east, north)


def _stars(
    field: FieldParams, params: StarParams, draw: np.random.Generator
) -> Sources:
    n = params.number
    ra, dec = _square(field, n, draw)
    flux = magnitude_to_jy(_magnitudes(params, draw))
    zero, one = np.zeros(n), np.ones(n)
    colour = draw.uniform(-2.0, -1.0, n)
    return _sources(ra, dec, (flux, colour), (zero, one, one, zero))


def _galaxies(
    field: FieldParams, params: GalaxyParams, draw: np.random.Generator
) -> Sources:
    n = params.number
    ra, dec = _square(field, n, draw)
    magnitude = _magnitudes(params, draw)
    typical = params.half_light_arcsec * 10 ** (-0.045 * (magnitude - 24.0))
    half_light = typical * np.exp(0.35 * draw.standard_normal(n))
    is_elliptical = draw.random(n) < params.elliptical
    index = np.where(
        is_elliptical, draw.uniform(2.5, 5.0, n), draw.uniform(0.6, 1.6, n)
    )
    ratio = draw.uniform(0.3, 1.0, n)
    angle = draw.uniform(0.0, 180.0, n)
    colour = draw.normal(0.3, 0.6, n)
    light = magnitude_to_jy(magnitude), colour
    return _sources(ra, dec, light, (half_light, index, ratio, angle))


def _cluster(
    field: FieldParams, params: ClusterParams, draw: np.random.Generator
) -> Sources:
    n = params.members
    # Projected number within r grows as ln(1 + (r / core)^2); out to the field's edge.
    edge = np.log1p((field.half_width_arcsec / params.core_arcsec) ** 2)
    radius = params.core_arcsec * np.sqrt(np.expm1(edge * draw.random(n)))
    azimuth = 2.0 * np.pi * draw.random(n)
    magnitude = params.brightest + 2.0 + 5.0 * draw.random(n) ** 0.7
    if n:
        radius[0], magnitude[0] = 0.0, params.brightest
    half_light = params.half_light_arcsec * 10 ** (
        -0.15 * (magnitude - params.brightest)
    )
    ra, dec = offset_position(
        field,
        params.offset_arcsec[0] + radius * np.cos(azimuth),
        params.offset_arcsec[1] + radius * np.sin(azimuth),
    )
    index = draw.uniform(2.5, 5.0, n)
    index[:1] = _CENTRAL_INDEX
    shape = half_light, index, draw.uniform(0.5, 1.0, n), draw.uniform(0.0, 180.0, n)
    return _sources(ra, dec, (magnitude_to_jy(magnitude), np.full(n, 0.4)), shape)


def _sources(
    ra: Array, dec: Array, light: tuple[Array, Array], shape: tuple[Array, ...]
) -> Sources:
    half_light, index, ratio, angle = shape
    return Sources(
        ra_deg=ra,
        dec_deg=dec,
        flux_jy=light[0],
        colour=light[1],
        half_light_arcsec=half_light,
        index=_round_index(index),
        axis_ratio=ratio,
        position_angle_deg=angle,
        in_band={},
    )


def catalog_table(sources: Sources, bands: tuple[Passband, ...]) -> Any:
    """Return the true catalogue as an astropy table.

    Columns: id, ra, dec, kind, ``<filter>_flux_jy`` and ``<filter>_abmag`` for each
    filter, half_light_arcsec, index, axis_ratio, position_angle.
    """
    table = QTable()
    table["id"] = np.arange(1, sources.ra_deg.size + 1)
    table["ra"] = sources.ra_deg * units.deg
    table["dec"] = sources.dec_deg * units.deg
    table["kind"] = np.where(sources.is_star, "star", "galaxy")
    for band in bands:
        flux = sources.flux_in(band)
        table[f"{band.name.lower()}_flux_jy"] = flux * units.Jy
        table[f"{band.name.lower()}_abmag"] = -2.5 * np.log10(flux / AB_ZERO_JY)
    table["half_light_arcsec"] = sources.half_light_arcsec * units.arcsec
    table["index"] = sources.index
    table["axis_ratio"] = sources.axis_ratio
    table["position_angle"] = sources.position_angle_deg * units.deg
    return table
