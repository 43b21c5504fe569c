"""Options that have no effect on these inputs, reported before the work begins."""

from collections.abc import Iterator, Sequence

from .engines.budget import exposure_bytes
from .input.inputs import Inputs
from .input.options import ReduceOptions
from .input.user_regions import RegionFile, drawn_on


def notices(
    inputs: Inputs, options: ReduceOptions, drawn: Sequence[RegionFile]
) -> Iterator[str]:
    """Yield one line for each option that has no effect on these inputs.

    Parameters
    ----------
    inputs : Inputs
    options : ReduceOptions
    drawn : sequence of RegionFile
        What the user masks or protects.
    """
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
