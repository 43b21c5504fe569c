"""What is left out and options without effect, reported before the work begins."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ..errors import name_some
from ..exposure.header import card_values
from .engines.budget import exposure_bytes
from .input.inputs import Inputs
from .input.options import ReduceOptions
from .input.user_regions import RegionFile, drawn_on

_DOUBTS: Final = (
    ("ENGQLPTG", "PLANNED", "pointing as planned, not as measured"),
    ("PCS_MODE", "COARSE", "guided coarsely, stars may be drawn out"),
    ("VISITSTA", "UNSUCCESSFUL", "of a visit that failed"),
    ("DATAPROB", True, "a problem with the data was reported"),
)
"""Keyword, value and meaning of what headers say against their exposures."""


def notices(
    inputs: Inputs, options: ReduceOptions, drawn: Sequence[RegionFile]
) -> Iterator[str]:
    """Yield one line for all that is not as the user may think.

    Parameters
    ----------
    inputs : Inputs
    options : ReduceOptions
    drawn : sequence of RegionFile
        What the user masks or protects.
    """
    yield from _foreign_files(inputs)
    yield from _doubtful(inputs)
    if options.reaches("mosaic") and not options.name:
        yield from _several_observations(inputs)
    for word in inputs.idle_excludes:
        yield f"--exclude {word}: in the name of no file given, so nothing is left out"
    count = {
        suffix: sum(source.suffix == suffix for source in inputs.sources)
        for suffix in ("rate", "cal")
    }
    yield from _idle_regions(inputs, drawn, count["cal"])
    if options.until == "rate":
        for suffix, n in count.items():
            if n:
                yield f"--until rate: nothing to do for {_starting(n, suffix)}"
    if options.until == "cal" and count["cal"]:
        yield f"--until cal: nothing to do for {_starting(count['cal'], 'cal')}"
    if options.rounds == 2 and count["cal"]:
        yield (
            f"--rounds 2: {_starting(count['cal'], 'cal')} will enter the second mosaics "
            "as they are; stripes are measured again in slopes only"
        )
    raw = [s.header for s in inputs.sources if s.suffix == "uncal"]
    least = max((exposure_bytes(header) for header in raw), default=0)
    if least > options.max_memory_bytes and not options.workers:
        yield (
            f"--max-memory: one exposure alone takes about {least / 1e9:.1f} GB; "
            "they are reduced one at a time"
        )
    if "crf" in options.keep and not options.reaches("mosaic"):
        yield f"--keep crf: there are none without a mosaic (--until {options.until})"


def _foreign_files(inputs: Inputs) -> Iterator[str]:
    """Yield a line for each kind of file in a folder that is no image of the sky."""
    kinds: dict[str, list[str]] = {}
    for error in inputs.foreign:
        kinds.setdefault(error.what, []).append(Path(error.path).name)
    for what, names in kinds.items():
        yield f"left out: {name_some(names)}: {what}"


def _doubtful(inputs: Inputs) -> Iterator[str]:
    """Yield a line for each thing that headers say against their exposures."""
    headers = [source.header for source in inputs.sources]
    cards = [(header.root, card_values(header.primary)) for header in headers]
    for keyword, value, meaning in _DOUBTS:
        names = [root for root, own in cards if own.get(keyword) == value]
        if names:
            yield f"{name_some(names)}: {meaning} ({keyword})"


def _several_observations(inputs: Inputs) -> Iterator[str]:
    """Yield a line where the name of the mosaics tells only one of several observations."""
    numbers = sorted({source.header.observation for source in inputs.sources})
    if len(numbers) > 1:
        yield (
            f"{len(numbers)} observations in one field: its mosaics are named after "
            f"o{numbers[0]}; --name gives another"
        )


def _idle_regions(
    inputs: Inputs, files: Sequence[RegionFile], n_cal: int
) -> Iterator[str]:
    """Yield a line for each file of regions that is left out or masks nothing."""
    headers = [source.header for source in inputs.sources]
    for file in files:
        if file.problem:
            yield file.problem
        elif not any(drawn_on([file], header).regions for header in headers):
            yield f"--regions {file.name}.reg: on no exposure given, so nothing is masked"
    if files and n_cal:
        yield f"--regions: nothing is masked in {_starting(n_cal, 'cal')}"


def _starting(n: int, suffix: str) -> str:
    return f"{n} exposure{'s' * (n != 1)} given as _{suffix}"
