"""A scene turned into a folder of raw exposures, reference files and truth."""

import itertools
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ..errors import ParameterError, RamplineError
from ..files.write_raw import write_level1b
from .crds_cache import write_crds_cache
from .expose import Exposed, detector_planes, expose
from .optics import point_spread
from .persistence import Traps
from .pixels import pixel_planes
from .pointing import Exposure, plan_exposures
from .references import Reference, write_references
from .scene import SceneParams, SelectionParams
from .scene_check import check_scene
from .sky import draw_sky
from .sources import Sources
from .truth import write_alignment_catalog, write_catalog, write_truth

Progress = Callable[[str, int, int], None]
"""Called with what was finished, how many are done, and of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """Where everything is.

    Attributes
    ----------
    raw : tuple of Path
        ``_uncal.fits``, in the order of time.
    truth : tuple of Path
        ``_truth.fits``, one for each raw file.
    references : Path
        Folder of the reference files.
    catalog : Path
        True catalogue.
    alignment_catalog : Path
        Stars for absolute alignment.
    crds_cache : Path or None
        CRDS cache that has the reference files, where one was asked for.
    """

    raw: tuple[Path, ...]
    truth: tuple[Path, ...]
    references: Path
    catalog: Path
    alignment_catalog: Path
    crds_cache: Path | None = None


def _silent(_what: str, _done: int, _total: int) -> None:
    """Report nothing."""


def simulate(
    scene: SceneParams,
    out: Path,
    workers: int = 1,
    progress: Progress = _silent,
    *,
    crds_cache: Path | None = None,
    keep: bool = False,
) -> Simulated:
    """Simulate a scene.

    Parameters
    ----------
    scene : SceneParams
    out : Path
        Folder; gets ``raw``, ``references``, ``truth`` and two catalogues. Files of
        the same names are replaced.
    workers : int
        Exposures at once. The content does not depend on it.
    progress : callable
        Called after each file, from any thread.
    crds_cache : Path, optional
        Folder of a CRDS cache to be written (`crds_cache.write_crds_cache`).
    keep : bool
        Whether exposures that are in the folder stay: the caller knows that they are of
        this scene. An exposure is there when its truth is, which is written last.

    Raises
    ------
    ParameterError
        The scene asks for what the instrument does not have, or selects nothing.
    RamplineError
        A file cannot be written.
    """
    _check(scene, workers, crds_cache)
    planned = plan_exposures(scene)
    exposures = select(planned, scene.only)
    for name in ("raw", "truth", "references"):
        _make_folder(out / name)
    distinct = _one_of_each(exposures)
    kinds = distinct if scene.references.write else ()
    done, total = itertools.count(1), len(exposures) + len(kinds)
    task = _Task(
        scene=scene,
        sources=draw_sky(scene),
        out=out,
        threads=max(1, (os.cpu_count() or 1) // workers),
        chosen=frozenset(exposure.root for exposure in exposures),
        keep=keep,
        say=lambda what: progress(what, next(done), total),
    )
    # What all exposures of a detector share is made before threads ask for it at once.
    for exposure in distinct:
        point_spread(exposure.band, exposure.detector)
    in_order = scene.events.persistence.enabled
    series = _histories(planned, task.chosen) if in_order else [[e] for e in exposures]
    with ThreadPoolExecutor(workers) as pool:
        files = list(pool.map(partial(_make_references, task), _by_detector(kinds)))
        for _ in pool.map(partial(_make_series, task), series):
            pass
    pixel_planes.cache_clear()
    if crds_cache:
        write_crds_cache(crds_cache, list(itertools.chain.from_iterable(files)))
    return _finish(task, exposures, crds_cache)


class _Task(NamedTuple):
    """What the series of all detectors share."""

    scene: SceneParams
    sources: Sources
    out: Path
    threads: int
    chosen: frozenset[str]
    keep: bool
    say: Callable[[str], None]

    def raw(self, exposure: Exposure) -> Path:
        """Return where an exposure goes."""
        return self.out / "raw" / f"{exposure.root}_uncal.fits"

    def truth(self, exposure: Exposure) -> Path:
        """Return where its truth goes."""
        return self.out / "truth" / f"{exposure.root}_truth.fits"


def _make_references(task: _Task, series: list[Exposure]) -> list[Reference]:
    """Write the reference files of a detector."""
    files: list[Reference] = []
    for exposure in series:
        pixels = detector_planes(exposure, task.scene.seed)
        folder = task.out / "references"
        files += write_references(folder, task.scene, exposure, pixels, files)
        task.say(f"references of {exposure.detector.name}")
    return files


def _make_series(task: _Task, series: list[Exposure]) -> None:
    """Make exposures one after the other, unless all that are wanted are kept."""
    wanted = [exposure for exposure in series if exposure.root in task.chosen]
    files = [where(e) for e in wanted for where in (task.raw, task.truth)]
    if task.keep and all(path.is_file() for path in files):
        for exposure in wanted:
            task.say(f"{exposure.root} is there")
        return
    traps: Traps | None = None
    for exposure in series:
        exposed = expose(task.scene, exposure, task.sources, task.threads, traps)
        traps = exposed.traps
        if exposure.root in task.chosen:
            _write_exposure(task, exposure, exposed)
            task.say(exposure.root)


def _write_exposure(task: _Task, exposure: Exposure, exposed: Exposed) -> None:
    truth = task.truth(exposure)
    # an older truth would say that the exposure is there
    truth.unlink(missing_ok=True)
    write_level1b(task.raw(exposure), exposed.ramp)
    write_truth(truth, task.scene, exposure, exposed)


def _finish(
    task: _Task, exposures: tuple[Exposure, ...], crds_cache: Path | None
) -> Simulated:
    """Write the catalogues; return where everything is."""
    bands = tuple(dict.fromkeys(exposure.band for exposure in exposures))
    catalog = task.out / "truth_catalog.ecsv"
    alignment = task.out / "alignment_catalog.ecsv"
    write_catalog(catalog, task.sources, bands)
    write_alignment_catalog(alignment, task.sources, task.scene)
    return Simulated(
        raw=tuple(map(task.raw, exposures)),
        truth=tuple(map(task.truth, exposures)),
        references=task.out / "references",
        catalog=catalog,
        alignment_catalog=alignment,
        crds_cache=crds_cache,
    )


def _one_of_each(exposures: tuple[Exposure, ...]) -> tuple[Exposure, ...]:
    """Return one exposure of each detector, band, subarray and pattern."""
    first: dict[tuple[object, ...], Exposure] = {}
    for exposure in exposures:
        readout = exposure.readout
        shape = readout.subarray, readout.pattern
        optics = exposure.band.name, exposure.grism
        first.setdefault((exposure.detector.name, *optics, *shape), exposure)
    return tuple(first.values())


def _check(scene: SceneParams, workers: int, crds_cache: Path | None) -> None:
    check_scene(scene)
    if crds_cache and not scene.references.write:
        raise ParameterError("references.write: a CRDS cache needs reference files")
    if workers < 1:
        raise ParameterError(f"workers: {workers}, but one at least must work")


def select(
    exposures: tuple[Exposure, ...], only: SelectionParams
) -> tuple[Exposure, ...]:
    """Return the exposures that a selection allows.

    Raises
    ------
    ParameterError
        There are none; the line names the entry that leaves none.
    """
    if only.detectors:
        exposures = tuple(e for e in exposures if e.detector.name in only.detectors)
        _some(exposures, "only.detectors", only.detectors)
    if only.filters:
        exposures = tuple(e for e in exposures if e.band.name in only.filters)
        _some(exposures, "only.filters", only.filters)
    if only.dithers:
        exposures = tuple(e for e in exposures if e.dither + 1 in only.dithers)
        _some(exposures, "only.dithers", only.dithers)
    return exposures


def _some(
    exposures: tuple[Exposure, ...], entry: str, allowed: tuple[object, ...]
) -> None:
    if not exposures:
        names = ", ".join(map(str, allowed))
        raise ParameterError(f"{entry}: no exposure of the scene has {names}")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RamplineError(f"{folder}: {error.strerror or error}") from error


def _by_detector(exposures: Iterable[Exposure]) -> list[list[Exposure]]:
    """Return what one thread does after each other: a detector's exposures in time."""
    ordered = sorted(exposures, key=lambda e: (e.detector.name, e.start_mjd))
    groups = itertools.groupby(ordered, key=lambda e: e.detector.name)
    return [list(group) for _, group in groups]


def _histories(
    planned: Iterable[Exposure], chosen: frozenset[str]
) -> list[list[Exposure]]:
    """Return each detector's exposures up to the last one chosen.

    Persistence runs from exposure to exposure: those before are exposed too.
    """
    histories = []
    for series in _by_detector(planned):
        wanted = [i for i, exposure in enumerate(series) if exposure.root in chosen]
        if wanted:
            histories.append(series[: wanted[-1] + 1])
    return histories
