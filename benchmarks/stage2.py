"""Slopes to written calibrated images: rampline and `jwst` on the same files.

    python benchmarks/stage2.py --references DIR --out DIR RATE...

rampline runs as the command does it (read, calibrate, write; pictures and surveys left
out), in one thread and two; `jwst` without its single-exposure mosaics. The first exposure
of each process is "cold". The products of both are compared.
"""

import argparse
import multiprocessing
import resource
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

NAMES = ("SCI", "ERR", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT")


def calibrate(rates, references, out, threads):
    """Calibrate all; return wall and CPU seconds of each, and the peak in MB."""
    from rampline.files.read import read_header
    from rampline.pipeline.slope_to_sky import SlopeToSky
    from rampline.program.tasks.make_cal import Slopes, make_cal
    from rampline.program.tasks.products import Workplace

    place = Workplace(
        folder=out, pictures=out, references=str(references), threads=threads
    )
    times = []
    for rate in rates:
        begin = time.perf_counter(), time.process_time()
        slopes = Slopes(path=rate, image=None, header=read_header(rate))
        make_cal(slopes, place, SlopeToSky())
        end = time.perf_counter(), time.process_time()
        times.append((end[0] - begin[0], end[1] - begin[1]))
    return times, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(rates, references, out, threads):
    for old in out.glob("*_cal.fits"):
        old.unlink()
    out.mkdir(parents=True, exist_ok=True)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(calibrate, rates, references, out, threads).result()


def compare(ours, theirs):
    """Print how far the planes of two calibrated images differ."""
    from astropy.io import fits

    with fits.open(ours) as one, fits.open(theirs) as other:
        for name in NAMES:
            a, b = one[name].data, other[name].data
            near = np.isclose(a, b, rtol=1e-5, atol=0, equal_nan=True)
            print(f"  {name:12} {100 * near.mean():.4f} % within 1e-5")
        same = np.mean(one["DQ"].data == other["DQ"].data)
        print(f"  {'DQ':12} {100 * same:.4f} % equal")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rates", nargs="+", type=Path)
    parser.add_argument("--references", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    from benchmarks.peer import PeerOptions, run_in_process

    walls = []
    for threads in (1, 2):
        folder = options.out / f"stage2_{threads}"
        times, peak = measure(options.rates, options.references, folder, threads)
        warm = [statistics.median(column) for column in zip(*times[1:], strict=True)]
        first, (wall, cpu) = times[0], warm or times[0]
        print(
            f"rampline, {threads} thread(s): first {first[0]:.2f} s, then {wall:.2f} s "
            f"wall, {cpu:.2f} s CPU, peak {peak:.0f} MB"
        )
        walls.append(wall)
    peer = PeerOptions(resample_each=False)
    print(f"jwst options: {peer}")
    out = options.out / "stage2_jwst"
    report = run_in_process(2, options.rates, options.references, out, peer)
    wall = statistics.median(run["wall_s"] for run in report["runs"])
    peak = max(run["peak_mb"] for run in report["runs"])
    print(f"jwst {report['jwst']}: {wall:.2f} s wall, peak {peak:.0f} MB")
    print(f"ratio of wall times: {wall / min(walls):.1f}")
    name = options.rates[0].name.replace("_rate", "_cal")
    compare(folder / name, out / name)


if __name__ == "__main__":
    main()
