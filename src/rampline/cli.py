"""The door: words of the command line become calls; there is no logic here.

Imports stand inside the commands, because ``rampline --help`` must answer at once.
Exit status: 0 all done, 1 something failed, 2 wrong use, 130 stopped.
"""

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from . import __version__
from .errors import STOPPED, ParameterError, RamplineError
from .program.imports import importing

WRONG_USE = 2

app = App(
    name="rampline",
    help="JWST/NIRCam imaging: raw ramps to calibrated images, mosaics and catalogues.",
    version=f"rampline {__version__}",
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)


@app.command
def reduce(  # noqa: PLR0913 - the command line's own options
    *raw: Path,
    out: Path | None = None,
    config: Path | None = None,
    settings: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    references: str = "crds",
    until: Literal["rate", "cal", "mosaic", "catalog"] = "catalog",
    rounds: Literal[1, 2] = 1,
    align_to: str = "gaia",
    stars: str = "2mass",
    regions: Annotated[list[Path] | None, Parameter(negative="")] = None,
    grid: Path | None = None,
    pixel_scale: float | None = None,
    name: str = "",
    keep: str = "rate,cal",
    exclude: Annotated[list[str] | None, Parameter(negative="")] = None,
    engine: Literal["serial", "processes", "dask"] = "processes",
    scheduler: str = "",
    cluster: Path | None = None,
    workers: int = 0,
    max_memory: str = "8GB",
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    progress: bool = True,
    log_level: Literal["debug", "info", "warning", "error"] = "info",
) -> int:
    """Reduce raw exposures to calibrated images, mosaics and catalogues.

    Parameters
    ----------
    raw
        Files (_uncal, _rate, _cal) or folders of them.
    out
        Output folder, needed; a run that was stopped goes on where it was.
    config
        TOML file of parameters (see: rampline parameters).
    settings
        step.parameter=value, repeatable.
    references
        crds, or a folder of CRDS-format files.
    until
        Last stage.
    rounds
        2: measure the stripes again, the sources known from the draft mosaic.
    align_to
        gaia, none, or an ECSV table with columns RA and DEC.
    stars
        Round 2, light from outside the field: 2mass, none, or an ECSV table.
    regions
        DS9 file or folder of them: masked; with a minus: never masked. Repeatable.
    grid
        FITS mosaic whose pixel grid is used.
    pixel_scale
        Of the mosaics, arcsec (0.03).
    name
        Field name in the mosaics' file names.
    keep
        Products of single exposures to keep: rate,cal,crf or none.
    exclude
        Exposures, or parts of their names, to leave out; repeatable.
    engine
        Where exposures run.
    scheduler
        Address of the dask scheduler, such as tcp://10.0.0.1:8786.
    cluster
        TOML file of the batch jobs to submit, instead.
    workers
        Exposures at once; 0: as many as cores and memory allow.
    max_memory
        For all workers together.
    dry_run
        Only list the tasks, with time, memory and disk.
    progress
        Progress bars on a terminal.
    log_level
        What the log files hold.
    """
    with importing():
        from .program.input.options import ReduceOptions, parse_keep, parse_size
        from .program.output.run_record import missing_out
        from .program.reduce import reduce_files

    if out is None:
        raise missing_out(raw)
    if scheduler and cluster:
        raise ParameterError("--scheduler, --cluster: one of them")
    options = ReduceOptions(
        config=config,
        settings=tuple(settings or ()),
        references=references,
        until=until,
        rounds=rounds,
        align_to=align_to,
        stars=stars,
        regions=tuple(regions or ()),
        grid=grid,
        pixel_scale_arcsec=pixel_scale,
        name=name,
        keep=parse_keep(keep),
        exclude=tuple(exclude or ()),
        engine=engine,
        cluster=cluster or scheduler or None,
        workers=workers,
        max_memory_bytes=parse_size(max_memory),
    )
    if dry_run:
        from .program.dry_run import dry_run_lines

        _print_all(dry_run_lines(raw, out, options))
        return 0
    return reduce_files(raw, out, options, progress=progress, log_level=log_level)


@app.command
def demo(
    *,
    out: Path = Path("demo"),
    full: Annotated[bool, Parameter(negative="")] = False,
    seed: int = 1,
) -> int:
    """Simulate a small field with a known truth, reduce it, compare with the truth.

    Parameters
    ----------
    out
        Output folder.
    full
        Whole detectors and nine dithers instead of a small subarray.
    seed
        Of the simulated sky and noise.
    """
    from .program.demo import run_demo

    return run_demo(out, full=full, seed=seed)


@app.command
def simulate(  # noqa: PLR0913 - the command line's own options
    scene: str,
    *,
    out: Path,
    workers: int = 1,
    crds_cache: Path | None = None,
    detectors: str = "",
    filters: str = "",
    dithers: str = "",
) -> int:
    """Simulate raw exposures and matching reference files, with the truth beside them.

    Parameters
    ----------
    scene
        TOML file of a scene, or one that rampline brings: demo, demo-full, benchmark,
        artifacts, smacs0723.
    out
        Output folder.
    workers
        Exposures at once.
    crds_cache
        Folder of a small CRDS cache to be written with the reference files, on which
        the crds client, and so ``--references crds`` and jwst, run without network.
    detectors
        Only these, for example ``NRCB1,NRCBLONG``. What is made of a part of a scene is
        the same as in the whole.
    filters
        Only these, for example ``F200W,F444W``.
    dithers
        Only these points of the dither pattern, for example ``1,4-6``.
    """
    from .program.simulate import run_simulation

    only = {"detectors": detectors, "filters": filters, "dithers": dithers}
    return run_simulation(scene, out, workers, crds_cache, only)


@app.command
def predict(*raw: Path, out: Path = Path("predicted"), stars: str = "2mass") -> int:
    """Say which artifacts to expect, where and how strong, before any reduction.

    Parameters
    ----------
    raw
        Files (_uncal, _rate, _cal) or folders of them.
    out
        Folder of the table, DS9 regions and pictures.
    stars
        2mass, none, or an ECSV table with columns RA, DEC, Jmag, Hmag, Kmag.
    """
    from .program.predict import run_prediction

    return run_prediction(raw, out, stars)


@app.command(name="sky-flat")
def sky_flat(
    *cals: Path, out: Path, references: str = "crds", min_exposures: int = 20
) -> int:
    """Correct flats by the sky of many exposures; each becomes a reference file.

    Parameters
    ----------
    cals
        Calibrated exposures, or folders of them, wisps taken off (second round).
    out
        Folder of the flats: one for each detector, filter and subarray.
    references
        What the exposures were calibrated with: crds, or a folder.
    min_exposures
        Fewest exposures that make a flat.
    """
    from .program.make_sky_flat import run_sky_flats

    return run_sky_flats(cals, references, out, min_exposures)


@app.command
def status(folder: Path) -> int:
    """Show how far a reduction is, what failed and how to go on.

    Parameters
    ----------
    folder
        Its output folder.
    """
    from .program.output.status import status_lines

    _print_all(status_lines(folder))
    return 0


@app.command
def report(folder: Path, *, out: Path | None = None) -> int:
    """Write one HTML page about a reduction, pictures and all, to look at without network.

    Parameters
    ----------
    folder
        Its output folder.
    out
        The page (report.html in the folder).
    """
    from .program.output.make_report import make_report

    _print_all([str(make_report(folder, out))])
    return 0


@app.command
def compare(first: Path, second: Path) -> int:
    """Show what differs between two products or two reductions, in units of the errors.

    Parameters
    ----------
    first
        A product or an output folder.
    second
        Another of its kind.
    """
    from .program.compare import compare_lines

    _print_all(compare_lines(first, second))
    return 0


@app.command
def parameters(step: str = "") -> int:
    """Print every parameter with value, unit and meaning, as a TOML file to start from.

    Parameters
    ----------
    step
        Only this step's.
    """
    from .program.input.parameter_tree import parameter_lines

    _print_all(parameter_lines(step))
    return 0


def main() -> None:
    """Run the command line and exit with its status."""
    # Threads are ours; those of linear algebra, asked for systems of a hundred unknowns,
    # take ten times the processor time of one. Read when NumPy is imported.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    sys.exit(_guarded(lambda: app(exit_on_error=False, print_error=False)))


def _guarded(call: Callable[[], int | None]) -> int:
    """Turn the errors a user can cause into one line and an exit status."""
    try:
        return call() or 0
    except CycloptsError as error:
        return _complain(_one_line(str(error)), WRONG_USE)
    except ParameterError as error:
        return _complain(str(error), WRONG_USE)
    except RamplineError as error:
        return _complain(str(error), 1)
    except KeyboardInterrupt:
        return _complain("stopped; run the same command to go on", STOPPED)
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _complain(line: str, status_code: int) -> int:
    sys.stderr.write(f"rampline: {line}\n")
    return status_code


def _print_all(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)  # noqa: T201 - the answer of the command


if __name__ == "__main__":
    main()
