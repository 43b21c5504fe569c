"""``rampline compare``: two products or two output folders, plane by plane.

Products with equal content hashes are the same, whatever their dates and folders. Otherwise
differences of images are given in units of the first file's ERR.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError
from ..files.catalogs import read_catalog
from ..files.content import content_hash, counted_cards
from ..files.fits_layout import Hdu, find_hdu, read_image, scan_fits
from ..report.differences import compare_catalogs, compare_flags, compare_planes

MATCH_ARCSEC = 0.1
IN_SIGMA = ("SCI", "STRIPES")
"""Planes in the unit of ERR."""
WCS = re.compile(r"(A|B|AP|BP)_.*|CD\d_\d|PC\d_\d|CRVAL\d|CRPIX\d|S_REGION|SIP.*|G_.*")
"""Cards that say where an image lies; they change together."""
NO_PLANES = ("ASDF", "PARAMETERS", "PROVENANCE", "HDRTAB", "GEOMETRY", "INT_TIMES")


def compare_lines(first: Path, second: Path) -> Iterator[str]:
    """Yield what differs between two files or two folders.

    Parameters
    ----------
    first, second : Path
        Both products, or both output folders, whose files are paired by name.

    Raises
    ------
    RamplineError
        Where one is a file and the other a folder, or one is not there.
    """
    for path in (first, second):
        if not path.exists():
            raise ParameterError(f"{path}: no such file or folder")
    if first.is_dir() != second.is_dir():
        message = f"{first}, {second}: give two files or two folders"
        raise ParameterError(message)
    if first.is_dir():
        yield from _compare_folders(first, second)
    else:
        yield from _compare_files(first, second)


def _compare_folders(first: Path, second: Path) -> Iterator[str]:
    here, there = _products(first), _products(second)
    yield from (f"only in {first}: {name}" for name in sorted(here - there))
    yield from (f"only in {second}: {name}" for name in sorted(there - here))
    n_same = 0
    for name in sorted(here & there):
        lines = list(_compare_files(first / name, second / name))
        if lines[0].endswith(": same"):
            n_same += 1
        else:
            yield from lines
    yield f"{n_same} of {len(here & there)} products are the same in both"


def _products(folder: Path) -> set[Path]:
    found = [*folder.rglob("*.fits"), *folder.rglob("*_cat.ecsv")]
    return {path.relative_to(folder) for path in found}


def _compare_files(first: Path, second: Path) -> Iterator[str]:
    """Yield a line that says whether they differ, then one for each difference."""
    if first.suffix == ".ecsv":
        yield from _compare_catalogs(first, second)
        return
    if content_hash(first) == content_hash(second):
        yield f"{first.name}: same"
        return
    yield f"{first.name}: differs"
    one, other = scan_fits(first), scan_fits(second)
    sigma = _plane(first, one, "ERR")
    names = dict.fromkeys(hdu.name for hdu in (*one, *other) if hdu.name)
    for name in names:
        yield from _compare_cards(name, find_hdu(one, name), find_hdu(other, name))
        a, b = _plane(first, one, name), _plane(second, other, name)
        if a is not None and b is not None:
            yield from _compare_arrays(name, a, b, sigma)


def _plane(path: Path, hdus: tuple[Hdu, ...], name: str) -> NDArray[Any] | None:
    hdu = find_hdu(hdus, name)
    is_plane = hdu is not None and not hdu.is_table and hdu.n_bytes > 0
    if hdu is None or not is_plane or name in NO_PLANES:
        return None
    return read_image(path, hdu)


def _compare_cards(name: str, first: Hdu | None, second: Hdu | None) -> Iterator[str]:
    if first is None or second is None:
        yield f"  {name}: only in the {'second' if first is None else 'first'}"
        return
    if name in NO_PLANES[:4]:
        return
    cards, others = (
        dict(counted_cards(first.header)),
        dict(counted_cards(second.header)),
    )
    different = [
        keyword
        for keyword in sorted(cards.keys() | others.keys())
        if cards.get(keyword) != others.get(keyword)
    ]
    of_wcs = [keyword for keyword in different if WCS.fullmatch(keyword)]
    for keyword in different:
        if keyword not in of_wcs:
            a, b = cards.get(keyword, "absent"), others.get(keyword, "absent")
            yield f"  {name} {keyword}: {a} -> {b}"
    if of_wcs:
        yield f"  {name}: another WCS ({len(of_wcs)} cards)"


def _compare_arrays(
    name: str, a: NDArray[Any], b: NDArray[Any], sigma: NDArray[Any] | None
) -> Iterator[str]:
    if a.shape != b.shape:
        yield f"  {name}: {a.shape} -> {b.shape}"
    elif a.dtype.kind != "f":
        yield from _compare_integers(name, a, b)
    else:
        fits_sigma = sigma is not None and sigma.shape == a.shape and name in IN_SIGMA
        unit = "sigma" if fits_sigma else "of the median"
        found = compare_planes(a, b, sigma if fits_sigma else None)
        if found.n_different:
            yield (
                f"  {name}: {_percent(found.n_different, found.n_pixels)} differ; median "
                f"{found.median:.2g}, 99.9 % below {found.percentile:.2g}, at most "
                f"{found.largest:.2g} {unit}; mean {found.mean:+.2g}"
            )
        if found.only_first or found.only_second:
            yield (
                f"  {name}: known only in the first {found.only_first}, only in the "
                f"second {found.only_second} pixels"
            )


def _compare_integers(name: str, a: NDArray[Any], b: NDArray[Any]) -> Iterator[str]:
    if a.dtype == np.uint32 and name == "DQ":
        for bit in compare_flags(a, b):
            yield (
                f"  {name} {bit.name}: only in the first {bit.only_first}, only in the "
                f"second {bit.only_second} pixels"
            )
    elif n_different := int((a != b).sum()):
        yield f"  {name}: {_percent(n_different, a.size)} differ"


def _compare_catalogs(first: Path, second: Path) -> Iterator[str]:
    tables = [read_catalog(path) for path in (first, second)]
    hashes = [table.meta.get("conthash") for table in tables]
    if hashes[0] and hashes[0] == hashes[1]:
        yield f"{first.name}: same"
        return
    found = compare_catalogs(_sources(tables[0]), _sources(tables[1]), MATCH_ARCSEC)
    yield f"{first.name}: differs"
    yield (
        f"  {found.n_first} and {found.n_second} sources, {found.n_matched} in both; "
        f"positions {found.offset_mas:.2f} mas apart, fluxes {found.flux_ratio:.4f} of the "
        f"first, scatter {found.flux_scatter:.4f} (medians)"
    )


def _sources(table: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    sky, flux = table["sky_centroid"], table["aper_total_flux"]
    places = np.stack([np.asarray(sky.ra.deg), np.asarray(sky.dec.deg)], axis=1)
    return places, np.asarray(getattr(flux, "value", flux), np.float64)


def _percent(n: int, total: int) -> str:
    return f"{100 * n / max(total, 1):.3g} % of {total} pixels"
