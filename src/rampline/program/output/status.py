"""How far a reduction is, what went wrong, and how to go on."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from .journal import count_states, group_failures
from .overview import ExposureState, Overview, look_at

MANY = 40
"""Up to this many exposures are all listed; of more, only the notable ones."""


def status_lines(folder: Path) -> Iterator[str]:
    """Yield the lines that describe the state of an output folder.

    Raises
    ------
    RamplineError
        Where no run has written into the folder.
    """
    seen = look_at(folder)
    counts = count_states(seen.entries)
    tasks = ", ".join(f"{count} {state}" for state, count in counts.items())
    yield f"{folder}: {run_words(seen)}; tasks: {tasks or 'none'}"
    yield from _exposure_lines(seen)
    yield from _mosaic_lines(seen)
    yield from _trouble(seen)
    if seen.second is not None:
        yield f"second round: {seen.second.folders.out}"
        yield from _mosaic_lines(seen.second)
    yield f"pictures: {seen.folders.pictures}"
    yield f"logs: {seen.folders.logs}"
    if _is_open(seen) and seen.record is not None:
        yield f"to go on: {seen.record.command}"


def run_words(seen: Overview) -> str:
    """Say whether the last run is done."""
    record = seen.record
    if record is None:
        return "running" if seen.is_running else "a run of another version"
    if record.ended_unix_s:
        return f"done {_clock(record.ended_unix_s)}"
    word = "running" if seen.is_running else "stopped"
    return f"{word}; begun {_clock(record.began_unix_s)}"


def _is_open(seen: Overview) -> bool:
    """Return whether running the same command again would do anything."""
    if seen.is_running:
        return False
    left = any(entry.state not in {"done", "reused"} for entry in seen.entries)
    return left or seen.record is None or not seen.record.ended_unix_s


def _exposure_lines(seen: Overview) -> Iterator[str]:
    by_filter: dict[str, list[ExposureState]] = {}
    for exposure in seen.exposures:
        by_filter.setdefault(exposure.optics, []).append(exposure)
    for optics, exposures in by_filter.items():
        stages = _counted(exposure.stage for exposure in exposures)
        verdicts = _counted(e.verdict.status for e in exposures if e.verdict)
        tail = f"; alignment: {verdicts}" if verdicts else ""
        label = "not read" if optics == "-" else optics.upper()
        yield f"{label}: {len(exposures)} exposures; furthest: {stages}{tail}"
        for exposure in exposures:
            if len(seen.exposures) <= MANY or _is_notable(exposure):
                yield f"  {exposure.root}  {'  '.join(_words(exposure))}"


def _is_notable(exposure: ExposureState) -> bool:
    """Return whether an exposure is not simply done."""
    entry, verdict = exposure.entry, exposure.verdict
    return (
        any(product.outdated for product in exposure.products.values())
        or (entry is not None and entry.state not in {"done", "reused"})
        or (verdict is not None and verdict.status != "OK")
    )


def _words(exposure: ExposureState) -> Iterator[str]:
    """Yield the stage, then whatever is out of the ordinary."""
    yield exposure.stage
    entry, verdict = exposure.entry, exposure.verdict
    if entry is not None and entry.state not in {"done", "reused"}:
        yield entry.state
    for product in exposure.products.values():
        if product.outdated:
            yield f"{product.suffix} outdated ({product.outdated})"
    if verdict is not None and verdict.status != "OK":
        yield f"alignment {verdict.status} ({verdict.reason})"
    elif verdict is not None:
        yield f"aligned by {verdict.n_matched} stars"
    if entry is not None and entry.state in {"done", "reused"} and entry.message:
        yield entry.message


def _mosaic_lines(seen: Overview) -> Iterator[str]:
    for mosaic in seen.mosaics:
        found = mosaic.n_sources
        sources = "no catalogue" if found is None else f"{found} sources"
        why = mosaic.product.outdated
        tail = f"; outdated ({why})" if why else ""
        if not why and mosaic.catalog_outdated:
            tail = f"; catalogue outdated ({mosaic.catalog_outdated})"
        yield f"mosaic {mosaic.root}: {mosaic.n_exposures} exposures, {sources}{tail}"


def _trouble(seen: Overview) -> Iterator[str]:
    yield from (f"damaged: {line}" for line in seen.damaged)
    failed = [e.message or e.task for e in seen.entries if e.state == "failed"]
    yield from (f"failed: {line}" for line in group_failures(failed))
    for entry in seen.entries:
        if entry.task == "alignment" and entry.message and entry.state != "failed":
            yield f"alignment: {entry.message}"


def _counted(words: Iterator[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in Counter(words).items())


def _clock(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s).astimezone().strftime("%Y-%m-%d %H:%M")
