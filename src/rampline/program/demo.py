"""``rampline demo``: simulate a field, reduce it, compare with the truth."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..astrometry.pixel_map import grid_from_cards, sky_to_grid
from ..astrometry.point_spread import PIXEL_ARCSEC
from ..files.catalogs import read_catalog
from ..files.read_mosaic import read_image_cards, read_mosaic
from ..photometry.catalog import BLENDED, NEAR_EDGE, SATURATED_CORE
from ..report.truth import Found, Score, Truth, score_catalog
from .engines.progress import PlainProgress
from .input.options import ReduceOptions
from .output.folders import Folders
from .reduce import reduce_files

MATCH_ARCSEC = 0.1
"""Less than the width of the long-wavelength PSF, far more than any position's error."""


def run_demo(out: Path, *, full: bool, seed: int) -> int:
    """Run the demonstration and print its table.

    Parameters
    ----------
    out : Path
    full : bool
        Whole detectors.
    seed : int

    Returns
    -------
    int
        0 if everything was reduced.
    """
    from ..simulation.presets import demo_scene
    from ..simulation.simulate import simulate

    shown = PlainProgress()
    begin = time.perf_counter()
    scene = demo_scene(full=full).model_copy(update={"seed": seed})
    shown.say("simulating a field near SMACS J0723")
    made = simulate(scene, out / "simulated", workers=1 if full else 2)
    shown.say(f"  {len(made.raw)} raw exposures ({time.perf_counter() - begin:.0f} s)")
    options = ReduceOptions(
        references=str(made.references),
        align_to=str(made.alignment_catalog),
        name="demo",
    )
    status = reduce_files(made.raw, out / "reduced", options, progress=False)
    folders = Folders(out / "reduced")
    for line in truth_lines(folders, made.catalog):
        shown.say(line)
    shown.say(f"pictures in {folders.pictures}")
    shown.say(f"demo done in {time.perf_counter() - begin:.0f} s")
    return status


def truth_lines(folders: Folders, truth: Path) -> Iterator[str]:
    """Yield the table that compares every catalogue with the truth."""
    true = read_catalog(truth)
    yield ""
    yield _row(("against the truth", *(name for name, _ in _COLUMNS)))
    for path in sorted(folders.mosaics.glob("*_cat.ecsv")):
        mosaic = path.with_name(path.name.replace("_cat.ecsv", "_i2d.fits"))
        score = score_mosaic(path, mosaic, true)
        band = path.name.split("_")[2]
        yield _row((band, *(text(score) for _, text in _COLUMNS)))
    yield ""


def score_mosaic(catalog: Path, mosaic: Path, true: Any) -> Score:
    """Compare one catalogue with the truth.

    Parameters
    ----------
    catalog, mosaic : Path
    true : astropy.table.Table
        As the simulator writes it.
    """
    table = read_catalog(catalog)
    cards, (n_rows, n_cols) = read_image_cards(mosaic)
    image = read_mosaic(mosaic, grid_from_cards(cards, n_rows, n_cols))
    rows, cols = sky_to_grid(image.grid, true["ra"].value, true["dec"].value)
    band = image.pupil if image.pupil.startswith("F") else image.filter
    radius_px = table.meta["aperture_params"]["aperture_radii"][-1]
    return score_catalog(
        _found(table),
        Truth(
            ra_deg=np.asarray(true["ra"].value),
            dec_deg=np.asarray(true["dec"].value),
            flux_jy=np.asarray(true[f"{band.lower()}_flux_jy"].value),
            is_star=np.asarray(true["kind"] == "star"),
            radius_arcsec=np.asarray(true["half_light_arcsec"].value),
            is_covered=_covered(image.weight, rows, cols),
        ),
        MATCH_ARCSEC,
        radius_px * PIXEL_ARCSEC[image.channel],
    )


def _found(table: Any) -> Found:
    bad = NEAR_EDGE | SATURATED_CORE | BLENDED
    return Found(
        ra_deg=np.asarray(table["sky_centroid_win"].ra.deg),
        dec_deg=np.asarray(table["sky_centroid_win"].dec.deg),
        position_err_mas=np.stack(
            [table["x_err"].to_value("mas"), table["y_err"].to_value("mas")], axis=1
        ),
        flux_jy=np.asarray(table["aper_total_flux"].value),
        flux_err_jy=np.asarray(table["aper_total_flux_err"].value),
        is_clean=np.asarray(table["flags"] & bad == 0),
    )


def _covered(
    weight: NDArray[np.float32], rows: NDArray[np.float64], cols: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether at least half the typical weight lies all around a position."""
    n_rows, n_cols = weight.shape
    typical = np.median(weight[weight > 0])
    covered = np.ones(rows.shape, bool)
    for dy in (-10, 0, 10):
        for dx in (-10, 0, 10):
            i = np.rint(np.nan_to_num(rows + dy, nan=-1)).astype(int)
            j = np.rint(np.nan_to_num(cols + dx, nan=-1)).astype(int)
            inside = (i >= 0) & (i < n_rows) & (j >= 0) & (j < n_cols)
            deep = weight[np.clip(i, 0, n_rows - 1), np.clip(j, 0, n_cols - 1)]
            covered &= inside & (deep > 0.5 * typical)
    return covered


_COLUMNS: tuple[tuple[str, Callable[[Score], str]], ...] = (
    ("found", lambda s: f"{s.n_found}"),
    ("false", lambda s: f"{100 * s.false_share:.1f} %"),
    ("complete >10s", lambda s: f"{100 * s.completeness:.1f} % of {s.n_isolated}"),
    ("flux >50s", lambda s: f"{s.flux_ratio:.4f} ({s.n_bright})"),
    ("position >50s", lambda s: f"{s.position_rms_mas:.2f} mas"),
    ("flux pull", lambda s: f"{s.flux_pull:.2f} ({s.n_middling})"),
    ("position pull", lambda s: f"{s.position_pull:.2f}"),
)
"""The columns of the table, and how each is written."""


def _row(cells: tuple[str, ...]) -> str:
    return "".join(f"{cell:<19}" for cell in cells).rstrip()
