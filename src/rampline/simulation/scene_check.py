"""What no single entry of a scene can know to be wrong.

Types and ranges of entries are checked as the scene is read; here are names that the
instrument must have, and entries that must fit each other. The first that is wrong is
named by its place in the file.
"""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Final

from ..errors import ParameterError
from ..exposure.timing import PATTERNS
from .instrument import DETECTORS, Passband, passband
from .pointing import DITHERS, GRISMS
from .scene import (
    ActivityParams,
    FieldParams,
    LightParams,
    SceneParams,
    SelectionParams,
    VisitParams,
)
from .siaf import Aperture, aperture

_MOST_SAMPLES: Final = 2**30
"""Of one exposure: 256 groups of the full frame."""
Fault = tuple[str, str]
"""An entry and what is wrong with it."""


def check_scene(scene: SceneParams) -> None:
    """Look for entries that cannot be simulated.

    Raises
    ------
    ParameterError
        One line that names the first wrong entry.
    """
    for entry, what in _faults(scene):
        raise ParameterError(f"{entry}: {what}")


def _faults(scene: SceneParams) -> Iterator[Fault]:
    yield from _field_faults(scene.field)
    yield from _light_faults(scene.light)
    yield from _visit_faults(scene.visit, "visit")
    for number, visit in enumerate(scene.further_visits):
        yield from _visit_faults(visit, f"further_visits.{number}")
    yield from _names_taken(scene.visits)
    if not scene.activities:
        yield "activities", "there are none, so nothing is exposed"
    for number, activity in enumerate(scene.activities):
        for entry, what in _activity_faults(activity):
            yield f"activities.{number}.{entry}", what
    for (first, one), (second, other) in combinations(enumerate(scene.activities), 2):
        same = set(one.detectors) & set(other.detectors)
        if same and one.activity == other.activity:
            taken = f"{other.activity!r} is that of activities.{first} too"
            what = f"{taken}: files of {min(same)} would have the same names"
            yield f"activities.{second}.activity", what
    low, high = scene.pointing_error.roll_deg
    if not 0.0 <= low <= high:
        yield "pointing_error.roll_deg", f"[{low}, {high}] is no range of sizes"
    yield from _selection_faults(scene.only)


def _names_taken(visits: tuple[VisitParams, ...]) -> Iterator[Fault]:
    for (_, one), (second, other) in combinations(enumerate(visits), 2):
        name = other.observation + other.visit
        if name == one.observation + one.visit:
            what = f"{name} is there already: files would have the same names"
            yield f"further_visits.{second - 1}.visit", what


def _field_faults(field: FieldParams) -> Iterator[Fault]:
    places = {"field": (field.ra, field.dec)}
    for number, source in enumerate(field.sources):
        places[f"field.sources.{number}"] = source.ra, source.dec
    for entry, (ra, dec) in places.items():
        if not -180.0 <= ra <= 360.0:
            yield f"{entry}.ra", f"{ra} is outside -180 to 360 degrees"
        if not -90.0 <= dec <= 90.0:
            yield f"{entry}.dec", f"{dec} is outside -90 to 90 degrees"
    for entry, law in (("stars", field.stars), ("galaxies", field.galaxies)):
        if law.brightest >= law.faintest:
            what = f"{law.faintest} is not fainter than brightest, {law.brightest}"
            yield f"field.{entry}.faintest", what
    if field.catalog and not Path(field.catalog).is_file():
        yield "field.catalog", f"no such file: {field.catalog}"


def _light_faults(light: LightParams) -> Iterator[Fault]:
    for number, picture in enumerate(light.pictures):
        entry = f"light.pictures.{number}"
        if picture.filter:
            yield from _unknown_filter(f"{entry}.filter", picture.filter)


def _selection_faults(only: SelectionParams) -> Iterator[Fault]:
    for name in only.detectors:
        if name not in DETECTORS:
            yield "only.detectors", f"{name!r} is not one of {', '.join(DETECTORS)}"
    for name in only.filters:
        yield from _unknown_filter("only.filters", name)


def _unknown_filter(entry: str, name: str) -> Iterator[Fault]:
    try:
        passband(name)
    except ParameterError as error:
        yield entry, str(error)


def _visit_faults(visit: VisitParams, entry: str) -> Iterator[Fault]:
    n_points = len(DITHERS[visit.dither])
    if not 1 <= visit.points <= n_points:
        yield f"{entry}.points", f"{visit.points}, but {visit.dither} has {n_points}"
    try:
        aperture(visit.aperture)
    except ParameterError as error:
        yield f"{entry}.aperture", str(error)


def _activity_faults(activity: ActivityParams) -> Iterator[Fault]:
    if activity.pattern not in PATTERNS:
        known = ", ".join(PATTERNS)
        yield "pattern", f"{activity.pattern!r} is not one of {known}"
    if not activity.detectors:
        yield "detectors", "there are none, so nothing is exposed"
    if len(set(activity.detectors)) < len(activity.detectors):
        yield "detectors", "one is named twice"
    for name in activity.detectors:
        if name not in DETECTORS:
            yield "detectors", f"{name!r} is not one of {', '.join(DETECTORS)}"
        detector = DETECTORS[name]
        entry = "short" if detector.channel == "SHORT" else "long"
        given, _, grism = getattr(activity, entry).partition("+")
        yield from _unknown_filter(entry, given)
        band = passband(given)
        if band.channel != detector.channel:
            yield entry, f"{given} is not a filter of {name}"
        if grism.startswith("F"):
            yield from _unknown_filter(entry, grism)
            yield entry, f"a filter in the pupil wheel is named alone: {grism}"
        if "+" in getattr(activity, entry):
            yield from _grism_faults(activity, entry, band, grism)
        try:
            used = aperture(f"{detector.siaf}_{activity.subarray}")
        except ParameterError as error:
            yield "subarray", str(error)
        yield from _size_faults(activity, used)


def _grism_faults(
    activity: ActivityParams, entry: str, band: Passband, grism: str
) -> Iterator[Fault]:
    if entry == "short":
        yield entry, f"{activity.short}: grisms are in the long-wavelength channel"
    if grism not in GRISMS:
        yield entry, f"grism {grism!r} is not one of {', '.join(GRISMS)}"
    if band.pupil != "CLEAR":
        yield entry, f"{band.name} is in the pupil wheel, which leaves no grism"
    if activity.subarray != "FULL":
        yield "subarray", f"{activity.subarray}, but grisms are simulated in FULL"


def _size_faults(activity: ActivityParams, used: Aperture) -> Iterator[Fault]:
    n_samples = activity.integrations * activity.groups * used.n_rows * used.n_cols
    if n_samples > _MOST_SAMPLES:
        size = f"{2 * n_samples / 1e9:.1f} GB of samples in one exposure"
        yield (
            "groups",
            f"{activity.groups}: {size}; {2 * _MOST_SAMPLES / 1e9:.1f} is most",
        )
