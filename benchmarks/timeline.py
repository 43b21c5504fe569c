"""What a run of one process did when, and how many of its threads had work.

    python benchmarks/timeline.py [--least 0.1] reduce CAL... --references DIR [options]

Everything after the options of its own is a command line of ``rampline``, run here with the
steps of a field wrapped. Each line is a step: seconds from the start of the process, wall
seconds, CPU seconds of the whole process meanwhile, and threads that ran or waited for a core,
on the average (Linux only): on a crowded machine this still tells what is serial. Steps that
run at the same time share CPU seconds and threads. Runs from calibrated images in one filter
stay in one process; tasks that go to others cannot be seen.
"""

import argparse
import functools
import importlib
import os
import resource
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

STEPS = {
    "rampline.program.reduce": ("plan_run", "run_first_round", "combine_field"),
    "rampline.program.tasks.make_exposure": ("make_survey",),
    "rampline.program.tasks.make_survey": ("load_sky", "survey_exposure"),
    "rampline.program.field": (
        "make_alignment",
        "make_mosaic",
        "make_catalog",
        "make_crf",
    ),
    "rampline.program.tasks.make_alignment": ("align_field", "write_alignment"),
    "rampline.program.tasks.make_mosaic": ("draw_mosaic", "write_mosaic"),
    "rampline.pipeline.find_outliers": ("measure_exposures", "median_of_dithers"),
    "rampline.pipeline.combine": ("outliers", "drizzle", "measure_mosaic_noise"),
    "rampline.program.tasks.make_catalog": (
        "read_mosaic",
        "mosaic_to_catalog",
        "write_catalog",
        "write_segmentation",
    ),
    "rampline.program.output.make_report": ("make_report",),
}
"""Functions by the modules that call them."""


class Moment(NamedTuple):
    """Where this process is."""

    wall: float
    cpu: float
    runnable: float
    """Seconds that all threads alive ran or waited for a core."""


class Span(NamedTuple):
    """One step that was run."""

    name: str
    depth: int
    start: Moment
    end: Moment


def now():
    used = resource.getrusage(resource.RUSAGE_SELF)
    runnable = 0
    for path in Path("/proc/self/task").glob("*/schedstat"):
        try:
            ran, waited, _ = path.read_text().split()
        except OSError:
            continue  # this thread has ended since
        runnable += int(ran) + int(waited)
    return Moment(time.perf_counter(), used.ru_utime + used.ru_stime, runnable / 1e9)


def watch(function, spans, depth):
    """Return a function that notes when the given one ran."""

    @functools.wraps(function)
    def watched(*args, **kwargs):
        level = getattr(depth, "value", 0)
        depth.value = level + 1
        start = now()
        try:
            return function(*args, **kwargs)
        finally:
            depth.value = level
            spans.append(Span(function.__name__.strip("_"), level, start, now()))

    return watched


def watch_steps(spans):
    depth = threading.local()
    for module_name, names in STEPS.items():
        module = importlib.import_module(module_name)
        for name in names:
            setattr(module, name, watch(getattr(module, name), spans, depth))


def print_spans(spans, begin, least):
    print("    start   wall s    CPU s  threads  step")
    for span in sorted(spans, key=lambda span: span.start.wall):
        wall = span.end.wall - span.start.wall
        if wall < least:
            continue
        busy = (span.end.runnable - span.start.runnable) / wall
        print(
            f"{span.start.wall - begin:9.2f}{wall:9.2f}"
            f"{span.end.cpu - span.start.cpu:9.2f}{max(busy, 0):9.1f}"
            f"  {'  ' * span.depth}{span.name}"
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--least", type=float, default=0.1, help="wall seconds shown")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    # as the command does, before numpy is imported
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    begin = now()
    from rampline.cli import main as run

    spans = []
    watch_steps(spans)
    spans.append(Span("imports", 0, begin, now()))
    sys.argv[1:] = asked.command
    try:
        run()
    finally:
        spans.append(Span("all", 0, begin, now()))
        print_spans(spans, begin.wall, asked.least)


if __name__ == "__main__":
    main()
