"""Calibrated exposures to mosaic and catalogue: rampline and `jwst` on the same files.

    python benchmarks/stage3.py [--out DIR] [--points 9] [--workers 2] [--peer] [--fast-peer]
    python benchmarks/stage3.py --references DIR [--align-to CATALOG] CAL... [the same]

Without files, full-frame dithers of one detector are simulated and calibrated first. What is
timed is the command ``rampline reduce CAL...`` in a process of its own, imports included, and
with ``--peer`` the third stage of `jwst`, imports not included: both align to the catalogue,
match the sky, find outliers, write each exposure as it entered the mosaic, the mosaic and its
catalogue. ``--fast-peer`` lets `jwst` interpolate geometry between every tenth pixel; its
options are printed. Memory is that of the largest process, in 10^6 bytes; rampline runs as one.
"""

import argparse
import os
import resource
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def simulate_exposures(out, points):
    """Return calibrated files, the folder of references and the catalogue."""
    from rampline.simulation.presets import benchmark_scene
    from rampline.simulation.simulate import simulate

    made = simulate(benchmark_scene(points=points), out / "simulated")
    folder = out / "calibrated"
    reduce_files(made.raw, made.references, folder, "cal", ("--align-to", "none"))
    cals = sorted((folder / "exposures").glob("*_cal.fits"))
    return cals, made.references, out / "simulated" / "alignment_catalog.ecsv"


def reduce_files(files, references, folder, until, options):
    command = [sys.executable, "-m", "rampline.cli", "reduce", *map(str, files)]
    command += ["--references", str(references), "--out", str(folder)]
    command += ["--until", until, "--no-progress", *options]
    with (folder.parent / f"{folder.name}.log").open("w") as log:
        subprocess.run(command, stdout=log, check=True)


def measure_rampline(cals, references, catalog, folder, workers):
    """Return wall and CPU seconds, peak memory of one process in MB, and task times."""
    for old in folder.rglob("*"):
        if old.is_file():
            old.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    options = ("--align-to", str(catalog or "none"), "--keep", "crf")
    before = os.times()
    started = time.perf_counter()
    workers_option = ("--workers", str(workers))
    reduce_files(cals, references, folder, "catalog", (*options, *workers_option))
    wall = time.perf_counter() - started
    after = os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with sqlite3.connect(folder / "journal.sqlite") as journal:
        tasks = journal.execute("SELECT task, state, seconds FROM tasks").fetchall()
    return {
        "wall_s": wall,
        "cpu_s": cpu,
        "peak_mb": peak * (1024 if sys.platform == "linux" else 1) / 1e6,
        "tasks": tasks,
    }


def print_steps(folder):
    """Print what the steps of the mosaics took, as their PROVENANCE has it."""
    from astropy.io import fits

    for path in sorted((folder / "mosaics").glob("*_i2d.fits")):
        rows = fits.getdata(path, "PROVENANCE")
        taken = [(row["name"], row["seconds"]) for row in rows if row["seconds"] > 0]
        print(f"  {path.name}: " + ", ".join(f"{n} {s:.2f} s" for n, s in taken))


def measure_jwst(cals, references, catalog, out, stepsize):
    from benchmarks.peer import PeerOptions, run_in_process

    options = PeerOptions(
        abs_refcat=str(catalog or ""),
        pixmap_stepsize=stepsize,
        overrides={
            "tweakreg": {"save_results": False},
            "outlier_detection": {"save_results": True},
        },
    )
    report = run_in_process(3, cals, references, out, options)
    run = report["runs"][0]
    print(f"\njwst {report['jwst']}")
    for step, given in run["parameters"]["steps"].items():
        print(f"  {step}: " + ", ".join(f"{k}={v}" for k, v in given.items()))
    for step in run["steps"]:
        if step["depth"] == 1:
            print(
                f"  {step['step']:<22}{step['wall_s']:8.1f} s{step['peak_mb']:8.0f} MB"
            )
    return run


def read_flags(folder, cals):
    """Return the outlier bits of the written exposures, None where one is missing."""
    from astropy.io import fits

    from rampline.flags import OUTLIER

    found = []
    for cal in cals:
        root = cal.name.replace("_cal.fits", "")
        paths = sorted(folder.rglob(f"{root}*_crf.fits"))
        if not paths:
            return None
        found.append(fits.getdata(paths[0], "DQ") & OUTLIER != 0)
    return found


def compare_outliers(ours, theirs):
    both = sum((a & b).sum() for a, b in zip(ours, theirs, strict=True))
    mine, yours = (sum(plane.sum() for plane in planes) for planes in (ours, theirs))
    size = sum(plane.size for plane in ours)
    print(
        f"outliers: rampline {100 * mine / size:.4f} %, jwst {100 * yours / size:.4f} % "
        f"of the pixels; {100 * both / max(yours, 1):.1f} % of jwst's are rampline's too"
    )


def print_run(name, run):
    print(
        f"{name:<10}{run['wall_s']:8.1f} s wall{run['cpu_s']:8.1f} s CPU"
        f"{run['peak_mb']:8.0f} MB"
    )


def print_ratio(ours, theirs):
    print(
        f"ratios: wall {theirs['wall_s'] / ours['wall_s']:.1f}, "
        f"CPU {theirs['cpu_s'] / ours['cpu_s']:.1f}, "
        f"memory {theirs['peak_mb'] / ours['peak_mb']:.2f}"
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cal", nargs="*", type=Path)
    parser.add_argument("--references", type=Path)
    parser.add_argument("--align-to", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out/stage3"))
    parser.add_argument("--points", type=int, default=9)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--fast-peer", action="store_true")
    asked = parser.parse_args()
    cals, references, catalog = asked.cal, asked.references, asked.align_to
    if not cals:
        cals, references, catalog = simulate_exposures(asked.out, asked.points)
    elif references is None:
        parser.error("calibrated files need --references")
    asked.out.mkdir(parents=True, exist_ok=True)
    ours_folder = asked.out / "rampline"
    runs = []
    for k in range(asked.repeat):
        state = "first" if k == 0 else "again"
        runs.append(
            measure_rampline(cals, references, catalog, ours_folder, asked.workers)
        )
        print_run(f"rampline, {state}", runs[-1])
    for task, state, seconds in runs[-1]["tasks"]:
        print(f"  {task:<44}{state:<8}{seconds:8.2f} s")
    print_steps(ours_folder)
    for stepsize in [1.0] * asked.peer + [10.0] * asked.fast_peer:
        folder = asked.out / f"jwst_step{stepsize:g}"
        theirs = measure_jwst(cals, references, catalog, folder, stepsize)
        print_run("jwst", theirs)
        print_ratio(min(runs, key=lambda run: run["wall_s"]), theirs)
        flags = [read_flags(place, cals) for place in (ours_folder, folder)]
        if None not in flags:
            compare_outliers(*flags)


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
