"""The whole path against `jwst`, stage by stage, on the same simulated full frames.

    python benchmarks/field.py [--out DIR] [--points 4] [--seed 1]

Simulates dithers of one detector (MEDIUM8, 9 groups) once, then runs the benchmarks of the
three stages on them, `jwst` beside rampline in each, options printed, products compared.
Run it on a quiet machine: the ratios are of wall times.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def simulate_field(out, points, seed):
    from rampline.simulation.presets import benchmark_scene
    from rampline.simulation.simulate import simulate

    raw = sorted((out / "raw").glob("*_uncal.fits"))
    if len(raw) != points:
        scene = benchmark_scene(points=points).model_copy(update={"seed": seed})
        simulate(scene, out)
    return sorted((out / "raw").glob("*_uncal.fits"))


def run(title, script, *words):
    print(f"\n=== {title}", flush=True)
    command = [sys.executable, str(ROOT / "benchmarks" / script), *map(str, words)]
    print(" ".join(command[1:4]), "...", flush=True)
    subprocess.run(command, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("benchmark"))
    parser.add_argument("--points", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    out = options.out
    raw = simulate_field(out / "simulated", options.points, options.seed)
    references = out / "simulated" / "references"
    common = ("--references", references, "--out", out / "stage1")
    run("stage 1, the default algorithms", "stage1.py", *common, "--peer", *raw[:2])
    run("stage 1, those of jwst", "stage1.py", *common, "--peer", "--parity", *raw[:2])
    folder = out / "calibrated"
    command = [sys.executable, "-m", "rampline.cli", "reduce", *map(str, raw)]
    command += ["--references", str(references), "--out", str(folder)]
    subprocess.run([*command, "--until", "cal", "--no-progress"], check=True)
    rates = sorted((folder / "exposures").glob("*_rate.fits"))
    words = ("--references", references, "--out", out / "stage2")
    run("stage 2", "stage2.py", *words, *rates)
    cals = sorted((folder / "exposures").glob("*_cal.fits"))
    stars = out / "simulated" / "alignment_catalog.ecsv"
    words = ("--references", references, "--align-to", stars, "--out", out / "stage3")
    run("stage 3", "stage3.py", *words, "--peer", *cals)
    run(
        "stage 3, jwst with pixmap_stepsize 10",
        "stage3.py",
        *words,
        "--fast-peer",
        *cals,
    )


if __name__ == "__main__":
    main()
