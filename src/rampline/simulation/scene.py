"""The description of a simulation, as a TOML file holds it."""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from ..errors import ParameterError
from ..params import Arcsec, Count, Fraction, Params, Unit
from .cosmic_rays import CosmicRayParams
from .electronics import ElectronicsParams
from .persistence import PersistenceParams
from .scattered.scatter import ScatteredParams
from .snowballs import SnowballParams

Degrees = Annotated[float, Unit("deg")]
FocalPlace = Annotated[float, Field(ge=-2.0e5, le=2.0e5), Unit("arcsec")]
Magnitude = Annotated[float, Unit("mag")]
Number = Annotated[float, Unit("1")]
Positive = Annotated[float, Field(ge=0), Unit("1")]
Offset = Annotated[float, Field(ge=0), Unit("arcsec")]
Noise = Annotated[float, Field(ge=0), Unit("mas")]
AtLeastOne = Annotated[int, Field(ge=1), Unit("1")]
Sersic = Annotated[float, Field(ge=0.3, le=8.0), Unit("1")]
Ratio = Annotated[float, Field(gt=0.05, le=1.0), Unit("1")]
Days = Annotated[float, Field(gt=50000.0, lt=90000.0), Unit("d")]


class StarParams(Params):
    """Stars, drawn by number and magnitude."""

    number: Count = 0
    """Stars in the field."""
    brightest: Magnitude = 19.0
    """AB magnitude at 2 um."""
    faintest: Magnitude = 28.5
    """AB magnitude at 2 um."""
    slope: Number = 0.10
    """Number per magnitude grows as ``10**(slope * magnitude)``."""


class GalaxyParams(Params):
    """Field galaxies: Sersic profiles of random shape."""

    number: Count = 0
    """Galaxies in the field."""
    brightest: Magnitude = 20.5
    """AB magnitude at 2 um."""
    faintest: Magnitude = 28.5
    """AB magnitude at 2 um."""
    slope: Number = 0.25
    """Number per magnitude grows as ``10**(slope * magnitude)``."""
    half_light_arcsec: Arcsec = 0.25
    """Typical half-light radius at magnitude 24; it shrinks by a tenth per magnitude."""
    elliptical: Fraction = 0.2
    """Share with Sersic indices from 2.5 to 5; the others have 0.6 to 1.6."""


class ClusterParams(Params):
    """A cluster of early-type galaxies round a brightest one."""

    members: Count = 0
    """Galaxies of the cluster; the first is the brightest one, at the centre."""
    brightest: Magnitude = 18.5
    """AB magnitude of the central galaxy at 2 um."""
    half_light_arcsec: Arcsec = 1.5
    """Half-light radius of the central galaxy."""
    core_arcsec: Arcsec = 8.0
    """Core radius of the members' number density, ``(1 + (r / core)**2)**-1``."""
    offset_arcsec: tuple[float, float] = (0.0, 0.0)
    """Place of the centre, east and north of the field's."""


class SourceParams(Params):
    """One source given by hand."""

    ra: Degrees
    """Right ascension, ICRS."""
    dec: Degrees
    """Declination, ICRS."""
    magnitude: Magnitude
    """AB magnitude at 2 um."""
    colour: Number = 0.0
    """Flux density goes as the wavelength to this power."""
    half_light_arcsec: Offset = 0.0
    """Half-light radius along the major axis; 0 is a star."""
    index: Sersic = 1.0
    """Sersic index."""
    axis_ratio: Ratio = 1.0
    """Minor over major axis."""
    position_angle: Degrees = 0.0
    """Of the major axis, north through east."""


class FieldParams(Params):
    """What is on the sky."""

    ra: Degrees = 110.83
    """Right ascension of the centre."""
    dec: Degrees = -73.45
    """Declination of the centre."""
    half_width_arcsec: Arcsec = 30.0
    """Sources are drawn in a square that reaches so far from the centre."""
    stars: StarParams = StarParams()
    """Random stars."""
    galaxies: GalaxyParams = GalaxyParams()
    """Random galaxies."""
    cluster: ClusterParams = ClusterParams()
    """A cluster of galaxies."""
    sources: tuple[SourceParams, ...] = ()
    """Sources given one by one."""
    catalog: str = ""
    """ECSV table of sources: ra, dec, one ``<filter>_abmag`` column per filter, and, for
    galaxies, half_light_arcsec, index, axis_ratio, position_angle."""


class VisitParams(Params):
    """Where the telescope points, and when."""

    program: str = Field(default="02736", pattern=r"^\d{5}$")
    """Programme."""
    observation: str = Field(default="001", pattern=r"^\d{3}$")
    """Observation."""
    visit: str = Field(default="001", pattern=r"^\d{3}$")
    """Visit."""
    start_mjd: Days = 59737.4
    """Start of the first exposure, MJD UTC."""
    aperture: str = "NRCB5_SUB640"
    """Aperture whose reference point is put on the field's centre."""
    position_angle: Degrees = 145.0
    """Position angle of V3 there."""
    dither: Literal["NONE", "4-POINT", "9-POINT", "SMACS-9"] = "4-POINT"
    """Dither pattern."""
    points: Count = 4
    """How many points of the pattern are observed."""


class ActivityParams(Params):
    """One filter pair with one readout, repeated at every dither."""

    activity: str = Field(default="03", pattern=r"^[0-9a-z]{2}$")
    """Activity, the last two characters of the second part of the file name."""
    short: str = "F200W"
    """Filter of the short-wavelength channel."""
    long: str = "F444W"
    """Filter of the long-wavelength channel; with a grism ``F444W+GRISMR``."""
    detectors: tuple[str, ...] = ("NRCB1", "NRCBLONG")
    """Detectors that are simulated."""
    subarray: str = "FULL"
    """Subarray."""
    pattern: str = "MEDIUM8"
    """Readout pattern."""
    groups: AtLeastOne = 9
    """Groups per integration."""
    integrations: AtLeastOne = 1
    """Integrations per exposure."""


class PointingErrorParams(Params):
    """How far the telescope is from where the header says it is."""

    visit_arcsec: Offset = 0.11
    """Sigma per axis, the same for all exposures of a visit."""
    roll_deg: tuple[float, float] = (0.01, 0.07)
    """Range of the size of the error in roll, of either sign."""
    jitter_arcsec: Offset = 0.004
    """Sigma per axis from exposure to exposure."""


class PictureParams(Params):
    """An image that is painted onto the sky."""

    file: str
    """FITS image with a celestial WCS."""
    magnitude: Magnitude | None = None
    """AB magnitude of all its light; without one the image's BUNIT counts (MJy/sr, Jy,
    Jy/pixel or nJy)."""
    filter: str = ""
    """Filter that it is painted in; nothing is all."""
    colour: Number = 0.0
    """Flux density goes as the wavelength to this power, where it is given at 2 um."""


class PlacedStarParams(Params):
    """A star given by its place in the focal plane."""

    v2: FocalPlace
    """V2 at the first exposure's planned pointing, arcsec."""
    v3: FocalPlace
    """V3 there, arcsec."""
    magnitude: Magnitude
    """AB magnitude at 2 um (K of Vega is 1.85 brighter)."""
    colour: Number = -2.0
    """Flux density goes as the wavelength to this power."""


class LightParams(Params):
    """Light that is not of the field's sources, and the way it is recorded."""

    sky: Positive = 1.0
    """Sky level over the one tabulated for each filter."""
    pictures: tuple[PictureParams, ...] = ()
    """Images to be painted."""
    stars: tuple[PlacedStarParams, ...] = ()
    """Stars placed in or out of the field, for scattered light above all."""
    scattered: ScatteredParams = ScatteredParams()
    """Scattered light."""
    warm_pixels: bool = True
    """Pixels with dark current that no reference file knows."""
    dark: bool = True
    """Dark current."""


class SelectionParams(Params):
    """The part of a scene that is made: an exposure that all entries allow."""

    detectors: tuple[str, ...] = ()
    """Detectors; none named is all."""
    filters: tuple[str, ...] = ()
    """Filters; none named is all."""
    dithers: tuple[AtLeastOne, ...] = ()
    """Points of the dither pattern, from 1; none named is all."""


class ReferenceParams(Params):
    """Reference files and the errors of their own that they have."""

    write: bool = True
    """Whether they are written."""
    flat_error: Positive = 0.0
    """Sigma of the flat's own noise."""
    gain_error: Number = 0.0
    """Relative error of the gain."""
    dark_exposures: Count = 0
    """Exposures that the dark is averaged from; 0 is a dark without noise."""
    distortion_mas: Noise = 0.0
    """RMS of a smooth error of the distortion."""
    offset_mas: Noise = 0.0
    """Sigma per axis of the place of the detector."""
    catalog_mas: Noise = 5.0
    """Noise per axis of the catalogue for absolute alignment."""
    rapid_dark: Count = 0
    """Reads, at least, of a dark that is stored read by read (RAPID), as the archive's
    are, with 90 and more; 0 is a dark in the exposures' own pattern."""


class EventParams(Params):
    """Charge that is not of the sky."""

    cosmic_rays: CosmicRayParams = CosmicRayParams()
    """Cosmic rays."""
    snowballs: SnowballParams = SnowballParams()
    """Snowballs."""
    persistence: PersistenceParams = PersistenceParams()
    """Afterglow of earlier exposures."""


class SceneParams(Params):
    """A whole simulation."""

    seed: Count = 1
    """Seed of all random streams."""
    field: FieldParams = FieldParams()
    """Sources."""
    visit: VisitParams = VisitParams()
    """Pointing."""
    further_visits: tuple[VisitParams, ...] = ()
    """Later or earlier visits with the same activities, each with an error of its own in
    its pointing."""
    only: SelectionParams = SelectionParams()
    """Part that is made; what is made does not depend on it."""
    activities: tuple[ActivityParams, ...] = (ActivityParams(),)
    """What is exposed at each dither."""
    pointing_error: PointingErrorParams = PointingErrorParams()
    """Difference between truth and header."""
    light: LightParams = LightParams()
    """Sky and dark current."""
    events: EventParams = EventParams()
    """Cosmic rays, snowballs, persistence."""
    electronics: ElectronicsParams = ElectronicsParams()
    """Noise of the read-out."""
    references: ReferenceParams = ReferenceParams()
    """Reference files."""

    @property
    def visits(self) -> tuple[VisitParams, ...]:
        """Return all visits, the first one first."""
        return (self.visit, *self.further_visits)


def read_scene(
    path: Path, presets: Mapping[str, Callable[[], SceneParams]] | None = None
) -> SceneParams:
    """Read a scene from TOML.

    Parameters
    ----------
    path : Path
    presets : mapping of name to function, optional
        Scenes of which the file may name one as ``preset`` and change some entries.

    Raises
    ------
    ParameterError
        One line with the file and the entry that is wrong.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        if presets and "preset" in content:
            content = _on_preset(content, presets)
        return SceneParams.model_validate(content)
    except OSError as error:
        raise ParameterError(f"{path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path}: not a TOML file: {error}") from error
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        entry = ".".join(str(part) for part in first["loc"])
        given = f" (given: {first['input']!r})" if first["type"] != "missing" else ""
        raise ParameterError(f"{path}: {entry}: {first['msg']}{given}") from error


def _on_preset(
    content: Mapping[str, Any], presets: Mapping[str, Callable[[], SceneParams]]
) -> dict[str, Any]:
    """Return the entries of a preset with those of a file in their place."""
    name = content["preset"]
    if not isinstance(name, str) or name not in presets:
        raise ParameterError(f"preset: {name!r} is not one of {', '.join(presets)}")
    changes = {key: value for key, value in content.items() if key != "preset"}
    return _merged(presets[name]().model_dump(), changes)


def _merged(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one tree of tables over another; lists are replaced as a whole."""
    merged = dict(below)
    for key, value in above.items():
        table = merged.get(key)
        if isinstance(table, dict) and isinstance(value, dict):
            merged[key] = _merged(table, value)
        else:
            merged[key] = value
    return merged
