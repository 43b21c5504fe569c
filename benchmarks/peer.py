"""Run the imaging stages of the `jwst` package without network, measured step by step.

    python benchmarks/peer.py --stage 1 --references DIR --out DIR RAW...
    python benchmarks/peer.py --stage 2 --references DIR --out DIR RATE...
    python benchmarks/peer.py --stage 3 --references DIR --out DIR CAL...

prints one JSON document: versions, options, and for each run the wall time, CPU time and
peak memory of every step. The same as functions: `run_stage`, for use within a process,
and `run_in_process`, which starts a fresh one, so that memory is that of the run alone.

`jwst` cannot do without CRDS, not even when told every reference file: steps ask for
types that they do not use, and for the name of the context. So the two functions through
which it asks are answered here, from a folder of reference files; what the folder does
not have is N/A, as CRDS answers for a type that does not apply.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rampline.errors import MissingReferenceError
from rampline.exposure.header import Header
from rampline.files.read import read_header
from rampline.reference.folder import FolderSource
from rampline.reference.selection import KINDS

CONTEXT = "offline.pmap"

SNOWBALLS = {
    "expand_large_events": True,
    "min_sat_area": 15.0,
    "min_jump_area": 15.0,
    "expand_factor": 2.0,
    "min_jump_to_flag_neighbors": 15.0,
    "max_jump_to_flag_neighbors": 200.0,
}
"""Jump options with snowballs on, as teams publish them for NIRCam."""


@dataclass(frozen=True)
class PeerOptions:
    """What of `jwst` is run, and how. The defaults are those of `jwst`.

    Attributes
    ----------
    snowballs : bool
        Stage 1: `SNOWBALLS`.
    likelihood : bool
        Stage 1: jumps and slopes by likelihood instead of two-point and OLS.
    clean_flicker_noise : str
        Stage 1: ``median`` or ``fft``; empty for none.
    one_group : bool
        Stage 1: slopes of ramps with one good group too.
    ipc : bool
        Stage 1: IPC correction.
    resample_each : bool
        Stage 2: its resampled image of each exposure.
    abs_refcat : str
        Stage 3: catalogue for the absolute alignment.
    pixmap_stepsize : float
        Stage 3: pixels between the nodes at which geometry is evaluated.
    in_memory : bool
        Stage 3: all exposures in memory.
    product : str
        Stage 3: name of the mosaic.
    maximum_cores : str
        Stage 1: processes, ``1``, ``half``, ``all``.
    overrides : mapping of step to mapping of parameter to value
        Whatever else; it comes last.
    """

    snowballs: bool = False
    likelihood: bool = False
    clean_flicker_noise: str = ""
    one_group: bool = False
    ipc: bool = False
    resample_each: bool = True
    abs_refcat: str = ""
    pixmap_stepsize: float = 1.0
    in_memory: bool = True
    product: str = "mosaic"
    maximum_cores: str = "1"
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def run_stage(
    stage: int,
    inputs: Sequence[Path],
    references: Path,
    out: Path,
    options: PeerOptions = PeerOptions(),
) -> dict[str, Any]:
    """Run one stage of `jwst` in this process.

    Parameters
    ----------
    stage : {1, 2, 3}
    inputs : sequence of Path
        Raw, rate or cal files. Stages 1 and 2 run each by itself.
    references : Path
        Folder of CRDS-format reference files.
    out : Path
        Folder for the products.
    options : PeerOptions

    Returns
    -------
    dict
        ``jwst`` and ``stage``, ``options``, ``import_s``, ``products`` (paths) and
        ``runs``: for each its ``input``, ``wall_s``, ``cpu_s``, ``peak_mb`` and ``steps``
        in order of their end, with the same figures.
    """
    out.mkdir(parents=True, exist_ok=True)
    began, started = time.time(), time.perf_counter()
    with without_network():
        import jwst.pipeline

        import_s = time.perf_counter() - started
        source = FolderSource(references)
        if stage == 3:
            runs = [_combine(jwst.pipeline, inputs, source, out, options)]
        else:
            runs = [
                _calibrate(jwst.pipeline, stage, path, source, out, options)
                for path in inputs
            ]
    return {
        "jwst": jwst.__version__,
        "stage": stage,
        "references": str(references),
        "options": dataclasses.asdict(options),
        "import_s": import_s,
        "products": sorted(
            str(path) for path in out.iterdir() if path.stat().st_mtime >= began
        ),
        "runs": runs,
    }


def run_in_process(
    stage: int,
    inputs: Sequence[Path],
    references: Path,
    out: Path,
    options: PeerOptions = PeerOptions(),
) -> dict[str, Any]:
    """Run one stage of `jwst` in a fresh process; parameters and result as `run_stage`.

    ``process_wall_s`` and ``process_cpu_s`` of the result include the imports.
    """
    request = json.dumps(dataclasses.asdict(options))
    command = [sys.executable, str(Path(__file__).resolve()), "--stage", str(stage)]
    command += ["--references", str(references), "--out", str(out)]
    command += ["--options", request, *map(str, inputs)]
    wall, cpu = time.perf_counter(), _children_cpu()
    run = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    report: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    report["process_wall_s"] = time.perf_counter() - wall
    report["process_cpu_s"] = _children_cpu() - cpu
    return report


@contextlib.contextmanager
def without_network() -> Iterator[None]:
    """Keep `jwst` from asking CRDS for parameter files and for the context."""
    from stpipe import crds_client

    names = {
        "STPIPE_DISABLE_CRDS_STEPPARS": "true",
        "CRDS_SERVER_URL": "https://localhost:1",
    }
    kept = {name: os.environ.get(name) for name in names}
    asked = crds_client.get_context_used
    os.environ.update(names)
    crds_client.get_context_used = lambda _observatory: CONTEXT
    try:
        yield
    finally:
        crds_client.get_context_used = asked
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def answering(files: Mapping[str, Path]) -> Iterator[set[str]]:
    """Answer every question for a reference file from ``files``, else with N/A.

    This reaches steps that steps make, too, as overrides do not.

    Yields
    ------
    set of str
        The types that were answered with N/A, as they come.
    """
    from stpipe import crds_client

    absent: set[str] = set()

    def answer(
        _parameters: Any, kinds: Sequence[str], _observatory: str
    ) -> dict[str, str]:
        absent.update(kind for kind in kinds if kind not in files)
        return {kind: str(files.get(kind, "N/A")) for kind in kinds}

    asked = crds_client.get_multiple_reference_paths
    crds_client.get_multiple_reference_paths = answer
    try:
        yield absent
    finally:
        crds_client.get_multiple_reference_paths = asked


@contextlib.contextmanager
def timed_steps() -> Iterator[list[dict[str, Any]]]:
    """Time every step that runs.

    Yields
    ------
    list of dict
        A row for each step, in order of their end: name, depth of nesting, whether it was
        skipped, wall and CPU seconds, peak memory in MB (children included).
    """
    from stpipe import Step

    rows: list[dict[str, Any]] = []
    open_peaks: list[float] = []
    plain_run = Step.run

    def run(step: Any, *args: Any) -> Any:
        if open_peaks:
            open_peaks[-1] = max(open_peaks[-1], _peak_mb())
        _reset_peak()
        open_peaks.append(0.0)
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            return plain_run(step, *args)
        finally:
            peak = max(open_peaks.pop(), _peak_mb())
            if open_peaks:
                open_peaks[-1] = max(open_peaks[-1], peak)
            rows.append(
                {
                    "step": step.class_alias or step.name,
                    "depth": len(open_peaks),
                    "skipped": bool(step.skip),
                    "wall_s": time.perf_counter() - wall,
                    "cpu_s": time.process_time() - cpu,
                    "peak_mb": peak,
                }
            )

    Step.run = run
    try:
        yield rows
    finally:
        Step.run = plain_run


def stage_steps(stage: int, options: PeerOptions, header: Header) -> dict[str, Any]:
    """Return the parameters of each step of a stage that differ from `jwst`'s own."""
    steps: dict[str, dict[str, Any]]
    if stage == 1:
        steps = {
            "ipc": {"skip": not options.ipc},
            "jump": {"maximum_cores": options.maximum_cores},
            "ramp_fit": {
                "algorithm": "LIKELY" if options.likelihood else "OLS_C",
                "suppress_one_group": not options.one_group,
                "maximum_cores": options.maximum_cores,
            },
        }
        if options.snowballs:
            steps["jump"] |= SNOWBALLS
        if options.clean_flicker_noise:
            method = options.clean_flicker_noise
            steps["clean_flicker_noise"] = {"skip": False, "fit_method": method}
    elif stage == 2:
        steps = {"resample": {"skip": not options.resample_each}}
    else:
        stepsize = {"pixmap_stepsize": options.pixmap_stepsize}
        fwhm = {"kernel_fwhm": psf_fwhm_px(header)}
        steps = {
            "tweakreg": {**fwhm, "abs_refcat": options.abs_refcat},
            "skymatch": {"skymethod": "match", "subtract": True},
            "outlier_detection": dict(stepsize),
            "resample": dict(stepsize),
            "source_catalog": dict(fwhm),
        }
    for step, parameters in options.overrides.items():
        steps[step] = {**steps.get(step, {}), **parameters}
    return steps


def psf_fwhm_px(header: Header) -> float:
    """Return the width of a star, for source finding: diffraction and half a pixel."""
    wavelength_um = float(header.filter[1:4]) / 100.0
    pixel_arcsec = 0.031 if header.channel == "SHORT" else 0.063
    diffraction = 1.03 * wavelength_um * 1e-6 / 6.5 * 206264.8 / pixel_arcsec
    return float((diffraction**2 + 0.55**2) ** 0.5)


def available(source: FolderSource, header: Header) -> dict[str, Path]:
    """Return the reference files that the folder has for the exposure."""
    found = {}
    for kind in KINDS:
        with contextlib.suppress(MissingReferenceError):  # jwst is told N/A
            found[kind] = source.select(header, [kind]).paths[kind]
    return found


def _calibrate(
    pipeline: Any,
    stage: int,
    path: Path,
    source: FolderSource,
    out: Path,
    options: PeerOptions,
) -> dict[str, Any]:
    """Run stage 1 or 2 on one exposure."""
    header = read_header(path)
    name = "Detector1Pipeline" if stage == 1 else "Image2Pipeline"
    steps = stage_steps(stage, options, header)
    return _measure(
        getattr(pipeline, name), path, available(source, header), out, {"steps": steps}
    )


def _combine(
    pipeline: Any,
    inputs: Sequence[Path],
    source: FolderSource,
    out: Path,
    options: PeerOptions,
) -> dict[str, Any]:
    """Run stage 3 on all exposures."""
    from jwst.associations.asn_from_list import asn_from_list
    from jwst.associations.lib.rules_level3_base import DMS_Level3_Base

    header = read_header(inputs[0])
    members = [str(path.resolve()) for path in inputs]
    asn = asn_from_list(members, rule=DMS_Level3_Base, product_name=options.product)
    asn["asn_pool"] = "none"
    path = out / f"{options.product}_asn.json"
    path.write_text(asn.dump()[1])
    keywords = {
        "steps": stage_steps(3, options, header),
        "in_memory": options.in_memory,
    }
    files = available(source, header)
    return _measure(pipeline.Image3Pipeline, path, files, out, keywords)


def _measure(
    pipeline: Any,
    path: Path,
    files: Mapping[str, Path],
    out: Path,
    keywords: dict[str, Any],
) -> dict[str, Any]:
    """Run a pipeline on one input and return its figures."""
    with answering(files) as absent, timed_steps() as rows:
        _reset_peak()
        wall, cpu = time.perf_counter(), time.process_time()
        pipeline.call(str(path), output_dir=str(out), save_results=True, **keywords)
        figures = {
            "input": str(path),
            "wall_s": time.perf_counter() - wall,
            "cpu_s": time.process_time() - cpu,
        }
    peak = max([_peak_mb(), *(row["peak_mb"] for row in rows)])
    return figures | {
        "peak_mb": peak,
        "steps": rows,
        "parameters": keywords,
        "answered_na": sorted(absent),
    }


def _reset_peak() -> None:
    """Let the peak of memory count from now; only Linux can."""
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> float:
    """Return the peak of resident memory since it was reset, or ever, MB."""
    if sys.platform == "linux":
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _children_cpu() -> float:
    """Return the CPU seconds of all finished child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _arguments() -> argparse.Namespace:
    """Read the command line; every field of `PeerOptions` is an option."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stage", type=int, choices=(1, 2, 3), required=True)
    parser.add_argument("--references", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--options", type=json.loads, default={}, help="all as JSON")
    parser.add_argument("--set", nargs="*", default=[], metavar="STEP.PARAMETER=VALUE")
    for option in dataclasses.fields(PeerOptions):
        flag = "--" + option.name.replace("_", "-")
        if option.type is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction)
        elif option.name != "overrides":
            parser.add_argument(flag, type=option.type)
    parser.add_argument("inputs", nargs="+", type=Path)
    return parser.parse_args()


def _options(arguments: argparse.Namespace) -> PeerOptions:
    """Return the options: those given as JSON, then those given one by one."""
    values = dict(arguments.options)
    overrides = {
        step: dict(given) for step, given in values.get("overrides", {}).items()
    }
    for setting in arguments.set:
        name, value = setting.split("=", 1)
        step, parameter = name.split(".", 1)
        overrides.setdefault(step, {})[parameter] = value
    for option in dataclasses.fields(PeerOptions):
        given = getattr(arguments, option.name, None)
        if given is not None:
            values[option.name] = given
    return PeerOptions(**(values | {"overrides": overrides}))


def main() -> None:
    """Run from the command line; the report is the last line of standard output."""
    arguments = _arguments()
    report = run_stage(
        arguments.stage,
        arguments.inputs,
        arguments.references,
        arguments.out,
        _options(arguments),
    )
    print(json.dumps(report))


if __name__ == "__main__":
    main()
