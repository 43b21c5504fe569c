"""What the simulator takes, and whether it gives the same everywhere.

    python benchmarks/simulator.py [--points 3] [--workers 1] [--detector NRCB1]
    python benchmarks/simulator.py --hash [--workers 1]

The first makes full-frame exposures (MEDIUM8, 9 groups, everything switched on) and prints
the seconds and the memory of each. The second makes a small scene with every component and
errors in the reference files, and prints one hash of all its content: raw, truth,
references, catalogues. It is the same for any number of workers and any Python from 3.11.
"""

import argparse
import hashlib
import importlib.metadata
import itertools
import os
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

VERSIONS = ("numpy", "scipy", "numba", "astropy", "poppy", "pysiaf")


def small_scene():
    """Return two dithers in two detectors, seconds to make, with all there is."""
    from rampline.simulation.presets import all_scattered, artifacts_scene
    from rampline.simulation.scene import SceneParams

    activity = {
        "short": "F187N",
        "long": "F405N",
        "detectors": ["NRCB1", "NRCBLONG"],
        "subarray": "SUB160",
        "groups": 4,
        "integrations": 2,
    }
    field = {
        "half_width_arcsec": 6.0,
        "stars": {"number": 20, "brightest": 15.0, "faintest": 21.0},
        "galaxies": {"number": 6, "brightest": 17.0, "faintest": 20.0},
        "cluster": {"members": 3, "brightest": 18.0},
    }
    errors = {
        "flat_error": 0.005,
        "gain_error": 0.005,
        "dark_exposures": 10,
        "distortion_mas": 2.0,
        "offset_mas": 3.0,
    }
    return SceneParams.model_validate(
        {
            "field": field,
            "visit": {"aperture": "NRCB5_SUB160", "points": 2},
            "activities": [activity],
            "light": {
                "stars": [star.model_dump() for star in artifacts_scene().light.stars],
                "scattered": all_scattered().model_dump(),
            },
            "events": {"persistence": {"enabled": True}},
            "electronics": {"brighter_fatter": {"enabled": True}},
            "references": errors,
        }
    )


def content_hash(folder):
    """Return one hash of all that was simulated, without dates and file layout."""
    import asdf
    from astropy.io import fits

    total = hashlib.sha256()
    for path in sorted(folder.rglob("*.*")):
        name = str(path.relative_to(folder))
        if path.suffix == ".fits":
            word = fits.getval(path, "CONTHASH").encode()
        elif path.suffix == ".asdf":
            with asdf.open(path) as file:
                model = file.tree.get("model")
                word = (
                    b"" if model is None else repr(model.parameters.tolist()).encode()
                )
        elif path.suffix == ".ecsv":
            word = path.read_bytes()
        else:
            continue
        digest = hashlib.sha256(word).hexdigest()
        print(f"  {digest[:16]}  {name}")
        total.update(f"{name} {digest}\n".encode())
    return total.hexdigest()


def print_hash(workers):
    """Simulate the small scene and print its hash."""
    from rampline.simulation.simulate import simulate

    with tempfile.TemporaryDirectory() as folder:
        # PSFs are computed here, not taken from what another version kept
        os.environ["RAMPLINE_CACHE"] = str(Path(folder) / "cache")
        simulate(small_scene(), Path(folder) / "out", workers)
        found = content_hash(Path(folder) / "out")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in VERSIONS]
    print(f"Python {platform.python_version()}, {', '.join(versions)}")
    print(f"content {found}")


def print_cost(options):
    """Simulate full frames and print what each takes."""
    from rampline.simulation.presets import benchmark_scene
    from rampline.simulation.simulate import simulate

    scene = benchmark_scene(points=options.points)
    activity = scene.activities[0].model_copy(update={"detectors": (options.detector,)})
    none = scene.references.model_copy(update={"write": False})
    scene = scene.model_copy(update={"activities": (activity,), "references": none})
    marks = [("start", time.perf_counter(), _cpu_s())]

    def mark(what, _done, _total):
        marks.append((what, time.perf_counter(), _cpu_s()))

    with tempfile.TemporaryDirectory(dir=options.out) as folder:
        simulate(scene, Path(folder), options.workers, mark)
    print(
        f"{options.points} exposures of {options.detector}, {options.workers} workers"
    )
    print(f"{'':45s}{'wall s':>8s}{'CPU s':>8s}")
    for (_, wall, cpu), (what, wall_end, cpu_end) in itertools.pairwise(marks):
        print(f"{what:45s}{wall_end - wall:8.1f}{cpu_end - cpu:8.1f}")
    # the first pays for compiling, for the PSF and for the detector's planes
    steady = marks[1:] if len(marks) > 2 else marks
    wall, cpu = ((steady[-1][k] - steady[0][k]) / (len(steady) - 1) for k in (1, 2))
    print(f"{'mean of all after the first':45s}{wall:8.1f}{cpu:8.1f}")
    unit = 1024.0**2 if sys.platform == "linux" else 1024.0**3
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    print(f"peak memory {peak_gb:.2f} GB")


def _cpu_s():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hash", action="store_true")
    parser.add_argument("--points", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--detector", default="NRCB1")
    parser.add_argument("--out", type=Path, help="where temporary files lie")
    options = parser.parse_args()
    if options.hash:
        print_hash(options.workers)
    else:
        print_cost(options)


if __name__ == "__main__":
    main()
