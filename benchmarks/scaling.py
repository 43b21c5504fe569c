"""How time and memory of a mosaic grow with its exposures and its size.

    python benchmarks/scaling.py CAL [--out DIR] [--runs 4:3600 9:5000 ...]
        [--max-memory 8] [--threads 2] [--keep]

One calibrated exposure stands for all: it is linked under as many names as a run has
exposures, and alignments spread them over a mosaic of about so many pixels along each side.
Each mosaic task runs in a process of its own: surveys and alignment to the written ``_i2d``,
imports included, exposures as they entered the mosaic (crf) not written. ``4:3600`` are four
exposures on 3600 by 3600 pixels. Stars that others do not see at their places are flagged as
outliers, which takes longer than a real field does. The plan is what ``--dry-run`` says, for
the pixels that the mosaic has. Twenty thousand pixels a side take 40 GB of disk.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from rampline.astrometry.alignment import Alignment, ImageAlignment
from rampline.astrometry.footprint import grid_from_footprints, pixel_scale
from rampline.files.read import read_header
from rampline.pipeline.sky_to_mosaic import SkyToMosaic, place_exposures
from rampline.program.estimate import mosaic_bytes
from rampline.program.tasks.alignment_table import write_alignment
from rampline.program.tasks.make_mosaic import MosaicRequest, make_mosaic
from rampline.program.tasks.make_survey import make_survey, read_survey

NAME = "jw02736-o001_nircam_f200w"
SCALE = 0.03


def link_exposures(cal, folder, n):
    """Survey one exposure, and return as many surveys of links to it."""
    folder.mkdir(parents=True, exist_ok=True)
    survey, _ = make_survey(cal, None, folder, SkyToMosaic())
    with np.load(survey) as stored:
        columns = dict(stored)
    surveys = []
    for k in range(n):
        link = folder / cal.name.replace("_00001_", f"_{k + 1:05d}_")
        link.unlink(missing_ok=True)
        link.symlink_to(cal.resolve())
        path = folder / link.name.replace(".fits", "_survey.npz")
        np.savez(path, **{**columns, "cal": str(link)})
        surveys.append(path)
    return surveys


def spread(surveys, table, side_px):
    """Write an alignment that lays the exposures over a square."""
    read = [read_survey(path)[1] for path in surveys]
    places = lay_out(len(read), side_px * SCALE, read[0])
    images = tuple(shifted(place) for place in places)
    alignment = Alignment(
        images=images,
        n_stars=0,
        n_catalog=0,
        rms_arcsec=np.nan,
        catalog_rms_arcsec=np.nan,
    )
    field = place_exposures(read, alignment, still=None)
    grid = grid_from_footprints(field.geometries, SCALE)
    write_alignment(table, field, grid, "")
    return grid


def lay_out(n, side_arcsec, survey):
    """Return where exposures go, on a square lattice with a few pixels of dither."""
    rng = np.random.default_rng(n)
    geometry = survey.geometry
    half = pixel_scale(geometry) * geometry.shape[0] / np.sqrt(2)
    per_side = int(np.ceil(np.sqrt(n)))
    line = np.linspace(-1, 1, per_side) * max(0.0, side_arcsec / 2 - half)
    places = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    return places[:n] + rng.uniform(-0.5, 0.5, (n, 2))


def shifted(place):
    return ImageAlignment(
        correction=np.column_stack([np.eye(2), place]),
        status="OK",
        reason="",
        n_sources=0,
        n_matched=0,
        n_catalog=0,
        rms_arcsec=np.nan,
        error_arcsec=np.nan,
        shift_arcsec=(float(place[0]), float(place[1])),
        roll_deg=0.0,
        scale=1.0,
        update=None,
    )


def run_task(folder, max_bytes, threads):
    """Make the mosaic in this process; print what it took.

    As the command shares memory out, half of it is for exposures.
    """
    started = time.perf_counter()
    make_mosaic(
        MosaicRequest(
            surveys=tuple(sorted(folder.glob("*_survey.npz"))),
            alignment=folder / "alignment.ecsv",
            folder=folder,
            pictures=folder,
            name=NAME,
            crf_folder=None,
            params=SkyToMosaic(),
            threads=threads,
            max_bytes=max_bytes,
        )
    )
    used = resource.getrusage(resource.RUSAGE_SELF)
    took = {
        "wall_s": time.perf_counter() - started,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mb": peak_mb(used),
    }
    print(json.dumps(took))


def peak_mb(used):
    """Return the peak of this program; what `getrusage` knows includes its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if "VmHWM" in x)
        return int(line.split()[1]) * 1024 / 1e6
    return used.ru_maxrss * (1024 if sys.platform == "linux" else 1) / 1e6


def measure(folder, asked):
    command = [sys.executable, __file__, "--task", str(folder)]
    command += ["--max-memory", str(asked.max_memory), "--threads", str(asked.threads)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cal", nargs="?", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out/scaling"))
    parser.add_argument("--runs", nargs="+", default=["2:3300", "9:5000", "18:8000"])
    parser.add_argument("--max-memory", type=float, default=8.0, help="GB")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--task", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.task:
        run_task(asked.task, int(asked.max_memory * 1e9) // 2, asked.threads)
        return
    print(
        "exposures        pixels   wall s    CPU s  CPU s/exposure"
        "  peak MB  plan MB  i2d GB"
    )
    for run in asked.runs:
        n, side = (int(part) for part in run.split(":"))
        folder = asked.out / f"{n}_{side}"
        shutil.rmtree(folder, ignore_errors=True)
        grid = spread(
            link_exposures(asked.cal, folder, n), folder / "alignment.ecsv", side
        )
        plan = mosaic_bytes(
            [read_header(asked.cal)] * n,
            grid.n_rows * grid.n_cols,
            int(asked.max_memory * 1e9) // 2,
        )
        took = measure(folder, asked)
        size = folder.joinpath(f"{NAME}_i2d.fits").stat().st_size / 1e9
        print(
            f"{n:9d}{grid.n_cols:7d}x{grid.n_rows:<6d}{took['wall_s']:9.1f}"
            f"{took['cpu_s']:9.1f}{took['cpu_s'] / n:16.2f}{took['peak_mb']:9.0f}"
            f"{plan / 1e6:9.0f}{size:8.2f}",
            flush=True,
        )
        if not asked.keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
