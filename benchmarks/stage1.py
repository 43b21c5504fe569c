"""Raw exposures to written slopes: where the time goes, and how it compares with `jwst`.

    python benchmarks/stage1.py [--out DIR] [--threads 1 2] [--repeat 4] [--parity] [--peer]
    python benchmarks/stage1.py --references DIR RAW... [the same]

Without raw files two full-frame exposures (MEDIUM8, 9 groups) are simulated first. Each
number of threads has a process of its own, after one that leaves compiled kernels,
compiled modules and house references on disk. There the first exposure finds nothing in
memory ("cold", with the start of the process and all imports); the others find references
and buffers ("warm": the median is printed, and the least). As many processes of one thread
as there were threads reduce the exposures side by side, which is how a run of many is made.
``--cold N`` repeats the cold exposure in N processes and prints the median. Then the first
groups and the first rows of an exposure alone show how the time grows with the number of
samples. ``--parity``
sets every algorithm as `jwst` has it, with snowballs and without the 1/f step; ``--peer``
runs `jwst` on the same files with the same options, and compares the products: its time is
compared with the warm one, and with all of a process, imports included.
``--peer-likelihood`` runs `jwst` with the algorithms that do what our default ones do
(slopes and jumps by likelihood, snowballs, 1/f by medians) beside our defaults; only the
times are compared. ``--compile`` measures what a fresh install compiles.
"""

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

PARITY = {
    "saturation": {"last_read": "jwst", "bloom": False},
    "reference_pixels": {"algorithm": "jwst"},
    "linearity": {"averaged": "jwst"},
    "row_drift": {"enabled": False},
    "jumps": {"algorithm": "jwst"},
    "neighbors": {"algorithm": "jwst", "min_ratio": 15, "max_ratio": 200},
    "snowballs": {"algorithm": "jwst"},
    "slopes": {"algorithm": "jwst", "one_group_ramps": False},
    "flicker_noise": {"enabled": False},
}
"""What `jwst` does with the options of ``peer.SNOWBALLS``."""


_PLANES = ("full_well_dn", "superbias_dn", "linearity", "gain", "read_noise_dn")


def simulate_exposures(out):
    from rampline.simulation.presets import benchmark_scene
    from rampline.simulation.simulate import simulate

    simulated = simulate(benchmark_scene(points=2), out / "simulated")
    return list(simulated.raw), simulated.references


def reduce_one(raw, source, bench, params, out):
    """Reduce one exposure; return the times of its parts, its steps and its product."""
    from rampline import __version__
    from rampline.files.names import product_name
    from rampline.files.provenance import Provenance, StepRun
    from rampline.files.read import read_header, read_ramp
    from rampline.files.write import write_slope
    from rampline.params import walk_params
    from rampline.pipeline.ramp_to_slope import ramp_to_slope
    from rampline.pipeline.runner import Runner
    from rampline.reference.ramp_planes import load_ramp_planes
    from rampline.reference.selection import RAMP_KINDS

    # each is a new file, as in a run: to take the place of another costs as much again
    (out / raw.name.replace("_uncal", "_rate")).unlink(missing_ok=True)
    clock = [(time.perf_counter(), time.process_time())]
    parts = {}

    def lap(name):
        clock.append((time.perf_counter(), time.process_time()))
        (wall, cpu), (wall_before, cpu_before) = clock[-1], clock[-2]
        parts[name] = (wall - wall_before, cpu - cpu_before)

    readout = read_header(raw).readout
    shape = (readout.n_ints, readout.n_groups, readout.n_rows, readout.n_cols)
    held = [read_ramp(raw, bench.workspace.lend(shape, np.uint16))]
    lap("read")
    header = held[0].header
    files = source.select(header, RAMP_KINDS)
    run = Runner(load_ramp_planes(files, header), bench)
    lap("references")
    image = ramp_to_slope(held.pop(), run, params)
    lap("path")
    provenance = Provenance(
        version=__version__,
        steps=tuple(StepRun(foot.step, foot.seconds) for foot in run.trail),
        parameters=tuple(walk_params(params)),
        references=files.used,
    )
    product = out / product_name(header.root, "rate")
    write_slope(product, image, provenance)
    lap("write")
    parts["all"] = tuple(np.subtract(clock[-1], clock[0]).tolist())
    steps = {foot.step: foot.seconds for foot in run.trail}
    return {"parts": parts, "steps": steps, "product": str(product)}


def measure(begun, raws, references, out, threads, repeat, sections):
    """Reduce the exposures ``repeat`` times in this process, which began at ``begun``."""
    from rampline.program.imports import importing

    with importing():
        # as the command imports them
        import rampline.files.read
        import rampline.files.write
        import rampline.reference.ramp_planes  # noqa: F401
        from rampline.pipeline.ramp_to_slope import RampToSlope
        from rampline.pipeline.runner import Bench
        from rampline.reference.folder import FolderSource

    start = time.time() - begun, time.process_time()
    out.mkdir(parents=True, exist_ok=True)
    source = FolderSource(references)
    params = RampToSlope.model_validate(sections)
    with Bench(threads) as bench:
        runs = [
            reduce_one(raw, source, bench, params, out)
            for _ in range(repeat)
            for raw in raws
        ]
    runs[0]["parts"]["start"] = start
    runs[0]["parts"]["process"] = tuple(np.add(start, runs[0]["parts"]["all"]).tolist())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_mb = peak / 1024 if sys.platform == "linux" else peak / 1024**2
    return {"cold": runs[0], "warm": runs[1:], "peak_mb": peak_mb}


def measure_compilation(raw, references, out, sections):
    """Reduce an exposure without any compiled kernel, in this process: CPU s."""
    with tempfile.TemporaryDirectory() as fresh:
        os.environ["NUMBA_CACHE_DIR"] = fresh
        from numba.core import event

        spent, running = [], []

        class Clock(event.Listener):
            def on_start(self, _event):
                running.append(time.process_time())

            def on_end(self, _event):
                started = running.pop()
                if not running:
                    spent.append(time.process_time() - started)

        clock = Clock()
        event.register("numba:compile", clock)
        measure(time.time(), [raw], references, out, 1, 1, sections)
        event.unregister("numba:compile", clock)
        return sum(spent)


def first_part(ramp, planes, n_groups, n_rows):
    """Return the first groups and rows of an exposure, and their reference planes."""
    readout = replace(ramp.header.readout, n_groups=n_groups, n_rows=n_rows)
    zero = ramp.zero_frame
    part = replace(
        ramp,
        header=replace(ramp.header, readout=readout),
        samples=np.ascontiguousarray(ramp.samples[:, :n_groups, :n_rows]),
        zero_frame=None if zero is None else np.ascontiguousarray(zero[:, :n_rows]),
    )
    arrays = {
        name: np.ascontiguousarray(getattr(planes, name)[..., :n_rows, :])
        for name in _PLANES
    }
    dark = np.ascontiguousarray(planes.dark_dn[:n_groups, :n_rows])
    flags = {kind: bits[:n_rows].copy() for kind, bits in planes.flags.items()}
    return part, replace(planes, **arrays, dark_dn=dark, flags=flags)


def measure_growth(raw, references, threads, repeat, sections):
    """Time the path on parts of an exposure, in this process: wall and CPU, s."""
    from rampline.files.read import read_ramp
    from rampline.pipeline.ramp_to_slope import RampToSlope, ramp_to_slope
    from rampline.pipeline.runner import Bench, Runner
    from rampline.reference.folder import FolderSource
    from rampline.reference.ramp_planes import load_ramp_planes
    from rampline.reference.selection import RAMP_KINDS

    params = RampToSlope.model_validate(sections)
    ramp = read_ramp(raw)
    files = FolderSource(references).select(ramp.header, RAMP_KINDS)
    planes = load_ramp_planes(files, ramp.header)
    readout, found = ramp.header.readout, {}
    groups = [g for g in (3, 5, 7) if g < readout.n_groups] + [readout.n_groups]
    rows = [readout.n_rows // k for k in (8, 4, 2)]
    parts = [(g, readout.n_rows) for g in groups]
    for n_groups, n_rows in [*[(readout.n_groups, r) for r in rows], *parts]:
        part, own = first_part(ramp, planes, n_groups, n_rows)
        times = []
        with Bench(threads) as bench:
            for _ in range(repeat):
                start = time.perf_counter(), time.process_time()
                ramp_to_slope(part, Runner(own, bench), params)
                end = time.perf_counter(), time.process_time()
                times.append(np.subtract(end, start).tolist())
        found[n_groups, n_rows, readout.n_cols] = np.min(times, axis=0)
    return found


def print_growth(by_threads):
    print("\npath of the first groups and rows, ns a sample: wall (CPU)")
    print("groups rows " + "".join(f"{t:>11} threads" for t in by_threads))
    for part in next(iter(by_threads.values())):
        line = f"{part[0]:6}{part[1]:5} "
        for found in by_threads.values():
            wall, cpu = (1e9 * t / np.prod(part) for t in found[part])
            line += f"{wall:11.1f} ({cpu:5.1f})"
        print(line)


def in_fresh_process(function, *arguments):
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def measure_fresh(*arguments):
    """Measure in a fresh process, which begins now."""
    return in_fresh_process(measure, time.time(), *arguments)


def middle(runs, kind, name):
    """Return the median over runs of a step's time, or of a part's (wall, CPU)."""
    values = [run[kind][name] for run in runs]
    if kind == "steps":
        return statistics.median(values)
    return tuple(statistics.median(column) for column in zip(*values, strict=True))


def print_report(by_threads):
    reports = by_threads.values()
    parts = next(iter(reports))["cold"]["parts"]
    print("\nwall s (CPU s)     " + "".join(f"{t:>9} threads" for t in by_threads))
    for name in parts:
        is_ever = name in next(iter(reports))["warm"][0]["parts"]
        for state in ("cold", "warm", "least") if is_ever else ("cold",):
            line = f"{name:<12}{state:<7}"
            for report in reports:
                runs = [report["cold"]] if state == "cold" else report["warm"]
                kind = np.min if state == "least" else np.median
                wall, cpu = kind([run["parts"][name] for run in runs], axis=0)
                line += f"  {wall:6.3f} ({cpu:5.3f})"
            print(line)
    print("\nsteps, s summed over threads, warm")
    for step in next(iter(reports))["cold"]["steps"]:
        times = [middle(report["warm"], "steps", step) for report in reports]
        print(f"{step:<19}" + "".join(f"{t:17.4f}" for t in times))
    peaks = "".join(f"{report['peak_mb']:17.2f}" for report in reports)
    print(f"{'peak MB':<19}{peaks}")


def print_side_by_side(raws, references, out, processes, repeat, sections):
    """Reduce exposures in several processes of one thread each, as a run of many does."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        parts = references, repeat, sections
        reports = list(
            pool.map(
                _measure_beside,
                [(raws, out / str(k), *parts) for k in range(processes)],
            )
        )
    runs = [run["parts"]["all"] for report in reports for run in report["warm"]]
    wall, cpu = np.median(runs, axis=0) / (processes, 1)
    least = np.min(runs, axis=0)[0] / processes
    print(
        f"\n{processes} processes of one thread side by side: {wall:.3f} s an exposure,"
        f" warm (CPU {cpu:.3f}), least {least:.3f}"
    )


def _measure_beside(task):
    raws, out, references, repeat, sections = task
    return measure(time.time(), raws, references, out, 1, repeat, sections)


def compare_products(ours, theirs):
    """Print how far two ``_rate`` files are apart."""
    from astropy.io import fits

    with fits.open(ours) as a, fits.open(theirs) as b:
        flags = np.mean(a["DQ"].data != b["DQ"].data)
        print(f"{Path(ours).name}: DQ differs in {flags:.1e} of the pixels")
        err = b["ERR"].data
        for name in ("SCI", "ERR", "VAR_POISSON", "VAR_RNOISE"):
            x, y = a[name].data, b[name].data
            known = ~(np.isnan(x) | np.isnan(y))
            apart = np.abs(x - y)[known]
            near = (apart <= 1e-5 * np.abs(y[known])) | (apart <= 1e-3 * err[known])
            lost = np.mean(np.isnan(x) != np.isnan(y))
            print(
                f"  {name:<12} within 1e-5 or 1e-3 sigma: {100 * near.mean():.4f} %, "
                f"known in one only: {lost:.1e}"
            )


def run_peer(raws, references, out, ours, *, likelihood):
    from benchmarks.peer import PeerOptions, run_in_process

    options = PeerOptions(snowballs=True)
    if likelihood:
        best = {"likelihood": True, "clean_flicker_noise": "median", "one_group": True}
        options = PeerOptions(snowballs=True, **best)
    report = run_in_process(1, raws, references, out, options)
    print(f"\njwst {report['jwst']}, options {json.dumps(report['options'])}")
    for run in report["runs"]:
        figures = (run["wall_s"], run["cpu_s"], run["peak_mb"])
        print("{:7.2f} s wall {:7.2f} s CPU {:7.0f} MB".format(*figures))
        for step in run["steps"]:
            print(f"    {step['step']:<22}{step['wall_s']:8.3f} s")
    wall = statistics.median(run["wall_s"] for run in report["runs"])
    warm, _ = middle(ours["warm"], "parts", "all")
    cold, _ = ours["cold"]["parts"]["process"]
    peak = max(run["peak_mb"] for run in report["runs"])
    print(
        f"ratios: wall {wall / warm:.0f} warm, {wall / cold:.0f} from a cold process; "
        f"memory {peak / ours['peak_mb']:.1f}"
    )
    if likelihood:
        return
    products = {run["product"] for run in [ours["cold"], *ours["warm"]]}
    for product in sorted(products):
        compare_products(product, out / Path(product).name)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("raw", nargs="*", type=Path)
    parser.add_argument("--references", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out/stage1"))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeat", type=int, default=4)
    parser.add_argument("--cold", type=int, default=0, metavar="N")
    parser.add_argument("--parity", action="store_true")
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--peer-likelihood", action="store_true")
    parser.add_argument("--compile", action="store_true")
    asked = parser.parse_args()
    raws, references = asked.raw, asked.references
    if not raws:
        raws, references = simulate_exposures(asked.out)
    elif references is None:
        parser.error("raw files need --references")
    if asked.peer_likelihood and (asked.peer or asked.parity):
        parser.error("--peer-likelihood: beside the default algorithms only")
    sections = PARITY if asked.parity or asked.peer else {}
    print(f"options that are not the default: {json.dumps(sections)}")
    # an installed package has its modules compiled
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    measure_fresh(raws[:1], references, asked.out, 1, 1, sections)
    by_threads = {
        threads: measure_fresh(
            raws, references, asked.out, threads, asked.repeat, sections
        )
        for threads in asked.threads
    }
    print_report(by_threads)
    if asked.threads[-1] > 1:
        beside = asked.out, asked.threads[-1], asked.repeat, sections
        print_side_by_side(raws, references, *beside)
    if asked.cold:
        cold = [
            measure_fresh(
                raws[:1], references, asked.out, asked.threads[-1], 1, sections
            )["cold"]
            for _ in range(asked.cold)
        ]
        print(f"\nfrom a cold process, median of {asked.cold}, wall s (CPU s)")
        for name in cold[0]["parts"]:
            print("{:<12}{:6.3f} ({:5.3f})".format(name, *middle(cold, "parts", name)))
    print_growth(
        {
            threads: in_fresh_process(
                measure_growth, raws[0], references, threads, asked.repeat, sections
            )
            for threads in asked.threads
        }
    )
    if asked.compile:
        parts = raws[0], references, asked.out, sections
        spent = in_fresh_process(measure_compilation, *parts)
        print(f"\ncompilation on a fresh install: {spent:.1f} s CPU")
    if asked.peer or asked.peer_likelihood:
        last, likelihood = by_threads[asked.threads[-1]], asked.peer_likelihood
        run_peer(raws, references, asked.out / "jwst", last, likelihood=likelihood)


if __name__ == "__main__":
    main()
