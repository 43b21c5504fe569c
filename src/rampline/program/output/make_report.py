"""``rampline report``: one HTML page about an output folder, for people.

It carries its pictures with it and can be mailed; where the folder is beside it, a click
on a picture opens the full one.
"""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...files.catalogs import read_catalog
from ...files.names import product_name
from ...files.read_provenance import StoredProvenance
from ...files.whole_file import write_text
from ...report.page import (
    Block,
    Cell,
    Drawing,
    Facts,
    Gallery,
    Page,
    Picture,
    Section,
    Table,
    Tone,
    page_html,
)
from ...report.pictures import thumbnail
from ...report.plots import counts_svg, scatter_svg
from .overview import ExposureState, MosaicState, Overview, look_at
from .quality import Quality, measure_quality
from .status import run_words

FILE_NAME = "report.html"
THUMBNAIL_PX, PICTURE_PX = 160, 900
_TONE: dict[str, Tone] = {"OK": "good", "WEAK": "weak", "FAILED": "bad"}
_NOTHING = Quality(*[float("nan")] * 5)


def make_report(folder: Path, target: Path | None = None) -> Path:
    """Write the page of an output folder.

    Parameters
    ----------
    folder : Path
    target : Path or None
        The page; ``report.html`` in the folder where None.

    Raises
    ------
    RamplineError
        Where no run has written into the folder, or the page cannot be written.
    """
    path = target or folder / FILE_NAME
    write_text(path, page_html(_page(look_at(folder), path)))
    return path


@dataclass(frozen=True, slots=True)
class _Pictures:
    """The pictures of a folder, as thumbnails and as links from the page."""

    folder: Path
    page: Path

    def cell(self, name: str) -> Cell:
        """Return a cell with a thumbnail; a dash where there is no picture."""
        path = self.folder / f"{name}.png"
        if not path.is_file():
            return Cell("-")
        return Cell(
            name, "", thumbnail(path.read_bytes(), THUMBNAIL_PX), self.link(path)
        )

    def picture(self, name: str, title: str, words: str) -> Picture | None:
        """Return a picture for a gallery; None where there is none."""
        path = self.folder / f"{name}.png"
        if not path.is_file():
            return None
        image = thumbnail(path.read_bytes(), PICTURE_PX)
        return Picture(image, title, words, self.link(path))

    def link(self, path: Path) -> str:
        """Return the path as seen from the page."""
        return os.path.relpath(path.resolve(), self.page.resolve().parent)


def _page(seen: Overview, page: Path) -> Page:
    last = seen.second or seen
    pictures = _Pictures(last.folders.pictures, page)
    return Page(
        title=f"rampline: {seen.folders.out.resolve().name}",
        subtitle=" · ".join(_subtitle(seen)),
        tiles=list(_tiles(last, seen)),
        sections=[
            Section("What went wrong", list(_trouble(seen))),
            Section("Mosaics", list(_mosaics(last, pictures))),
            Section("Alignment", list(_alignment(last))),
            Section("Catalogues", list(_catalogs(last))),
            Section("Exposures", list(_exposures(last, pictures))),
            Section("Parameters that differ from the default", list(_changed(seen))),
            Section("Versions and reference files", list(_versions(seen))),
            Section("Where the time went", list(_times(seen))),
        ],
    )


def _subtitle(seen: Overview) -> Iterator[str]:
    stored = [e.stored.primary for e in seen.exposures if e.stored is not None]
    for keyword in ("TARGPROP", "PROGRAM"):
        names = dict.fromkeys(str(c[keyword]) for c in stored if keyword in c)
        if names:
            label = "programme " if keyword == "PROGRAM" else ""
            yield label + ", ".join(names)
    days = sorted(str(cards["DATE-OBS"]) for cards in stored if "DATE-OBS" in cards)
    if days:
        yield days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    yield run_words(seen)


def _tiles(last: Overview, seen: Overview) -> Iterator[tuple[str, str, Tone]]:
    failed = sum(entry.state == "failed" for entry in seen.entries)
    yield str(len(seen.exposures)), "exposures", ""
    yield str(failed), "failed", "bad" if failed else "good"
    for status, tone in _TONE.items():
        n = sum(
            e.verdict is not None and e.verdict.status == status for e in last.exposures
        )
        if n:
            yield str(n), f"aligned: {status}", tone
    yield str(len(last.mosaics)), "mosaics", ""
    for mosaic in last.mosaics:
        if mosaic.n_sources is not None:
            yield str(mosaic.n_sources), f"sources in {_band(mosaic)}", ""


def _trouble(seen: Overview) -> Iterator[Block]:
    rows = [
        [Cell(entry.task), Cell(entry.state, "bad"), Cell(entry.message)]
        for entry in seen.entries
        if entry.state in {"failed", "stopped", "waiting"}
    ]
    rows += [
        [Cell("file"), Cell("damaged", "bad"), Cell(line)] for line in seen.damaged
    ]
    if rows:
        yield Table(("task", "state", "why"), rows)


def _mosaics(last: Overview, pictures: _Pictures) -> Iterator[Block]:
    shown: list[Picture | None] = [
        pictures.picture(path.stem, "Colour", "blue to red: the filters by wavelength")
        for path in sorted(pictures.folder.glob("*_colour.png"))
    ]
    for mosaic in last.mosaics:
        words = ", ".join(_mosaic_words(mosaic))
        shown.append(pictures.picture(f"{mosaic.root}_i2d", _band(mosaic), words))
    found = [picture for picture in shown if picture is not None]
    if found:
        yield Gallery(found)


def _mosaic_words(mosaic: MosaicState) -> Iterator[str]:
    stored = mosaic.product.stored
    yield f"{mosaic.n_exposures} exposures"
    seconds = stored.primary.get("EFFEXPTM")
    if isinstance(seconds, float):
        yield f"{seconds:.0f} s"
    science = stored.science
    yield f"{science.get('NAXIS1')} x {science.get('NAXIS2')} pixels"
    area = science.get("PIXAR_A2")
    if isinstance(area, float):
        yield f"{area**0.5:.3f} arcsec"
    if mosaic.n_sources is not None:
        yield f"{mosaic.n_sources} sources"
    if mosaic.product.outdated:
        yield f"OUTDATED: {mosaic.product.outdated}"


def _band(mosaic: MosaicState) -> str:
    return mosaic.root.rpartition("_nircam_")[2].upper()


def _alignment(last: Overview) -> Iterator[Block]:
    table = last.folders.alignment
    if not table.is_file():
        return
    rows = read_catalog(table)
    by_detector: dict[str, list[int]] = {}
    for k, root in enumerate(rows["exposure"]):
        by_detector.setdefault(str(root).rpartition("_")[2].upper(), []).append(k)
    east = 1000.0 * np.asarray(rows["shift_east_arcsec"], float)
    north = 1000.0 * np.asarray(rows["shift_north_arcsec"], float)
    points = {name: (east[k], north[k]) for name, k in by_detector.items()}
    yield Drawing(
        scatter_svg(points, "shift to the east [mas]", "shift to the north [mas]"),
        "How far the pointing of each exposure was moved.",
    )
    said = [entry.message for entry in last.entries if entry.task == "alignment"]
    yield Facts(
        [
            ("stars", str(rows.meta["stars"])),
            ("of the reference catalogue", str(rows.meta["catalog_stars"])),
            (
                "scatter among exposures",
                _mas(rows.meta["rms_arcsec"], "no common stars"),
            ),
            (
                "scatter from the catalogue",
                _mas(rows.meta["catalog_rms_arcsec"], "no catalogue"),
            ),
            *(("verdict", message) for message in said),
        ]
    )


def _mas(arcsec: float, absent: str) -> str:
    return f"{1000 * arcsec:.2f} mas" if np.isfinite(arcsec) else absent


def _catalogs(last: Overview) -> Iterator[Block]:
    magnitudes = {}
    for mosaic in last.mosaics:
        name = product_name(mosaic.root, "cat", "ecsv")
        path = last.folders.mosaics / name
        if path.is_file():
            column = read_catalog(path)["aper_total_abmag"]
            magnitudes[_band(mosaic)] = np.asarray(
                getattr(column, "value", column), float
            )
    if magnitudes:
        svg = counts_svg(magnitudes, "AB magnitude, total aperture", 0.5)
        yield Drawing(svg, "Sources in bins of half a magnitude.")


def _exposures(last: Overview, pictures: _Pictures) -> Iterator[Block]:
    headings = (
        "image",
        "stripes",
        "stray light",
        "exposure",
        "detector",
        "filter",
        "state",
        "chi2",
        "lost %",
        "hit %",
        "saturated %",
        "stripes DN/s",
        "sky MJy/sr",
        "alignment",
        "stars",
        "shift mas",
        "rms mas",
    )
    rows = [_exposure_row(exposure, pictures) for exposure in last.exposures]
    # columns of which no exposure has anything would push the last ones off the screen
    kept = [k for k in range(len(headings)) if any(row[k].text != "-" for row in rows)]
    if rows:
        yield Table(
            [headings[k] for k in kept], [[row[k] for k in kept] for row in rows]
        )


def _exposure_row(exposure: ExposureState, pictures: _Pictures) -> list[Cell]:
    rate, verdict = exposure.products.get("rate"), exposure.verdict
    quality = _NOTHING if rate is None else measure_quality(rate.path)
    cards = {} if exposure.stored is None else exposure.stored.primary
    made = (s for s in ("cal", "flatfield") if s in exposure.products)
    image = pictures.cell(f"{exposure.root}_{next(made, 'rate')}")
    return [
        image,
        pictures.cell(f"{exposure.root}_stripes"),
        pictures.cell(f"{exposure.root}_stray"),
        Cell(exposure.root),
        Cell(str(cards.get("DETECTOR", "-"))),
        Cell(exposure.optics.upper()),
        _state(exposure),
        _number(quality.chi2, "{:.3f}"),
        _number(100 * quality.lost, "{:.2f}"),
        _number(100 * quality.hit, "{:.2f}"),
        _number(100 * quality.saturated, "{:.3f}"),
        _number(quality.stripes, "{:.4f}"),
        _number(float(cards.get("SKYLEVEL", "nan")), "{:.4f}"),
        *(_verdict_cells(exposure) if verdict else [Cell("-")] * 4),
    ]


def _state(exposure: ExposureState) -> Cell:
    entry = exposure.entry
    if entry is not None and entry.state == "failed":
        return Cell("failed", "bad")
    why = [
        f"{p.suffix}: {p.outdated}" for p in exposure.products.values() if p.outdated
    ]
    if why:
        return Cell(f"{exposure.stage}, outdated ({'; '.join(why)})", "weak")
    return Cell(exposure.stage)


def _verdict_cells(exposure: ExposureState) -> Sequence[Cell]:
    verdict = exposure.verdict
    if verdict is None:
        return ()
    reason = f": {verdict.reason}" if verdict.reason else ""
    return (
        Cell(f"{verdict.status}{reason}", _TONE.get(verdict.status, "")),
        Cell(f"{verdict.n_matched}"),
        _number(verdict.shift_mas, "{:.1f}"),
        _number(verdict.rms_mas, "{:.2f}"),
    )


def _number(value: float, form: str) -> Cell:
    return Cell(form.format(value) if np.isfinite(value) else "-")


def _changed(seen: Overview) -> Iterator[Block]:
    if seen.record is None:
        return
    pairs = list(seen.record.changed.items())
    yield Facts([*(pairs or [("none", "")]), ("command", seen.record.command)])


def _versions(seen: Overview) -> Iterator[Block]:
    stored = [p.stored for e in seen.exposures for p in e.products.values()]
    stored += [mosaic.product.stored for mosaic in seen.mosaics]
    versions = dict.fromkeys(s.version for s in stored if s.version)
    contexts = dict.fromkeys(
        str(s.primary["CRDS_CTX"]) for s in stored if "CRDS_CTX" in s.primary
    )
    yield Facts(
        [
            ("rampline", ", ".join(versions)),
            (
                "CRDS context",
                ", ".join(contexts) or "none: a folder of reference files",
            ),
            *_references(stored),
        ]
    )


def _references(stored: Sequence[StoredProvenance]) -> Iterator[tuple[str, str]]:
    by_kind: dict[str, dict[str, None]] = {}
    for one in stored:
        for kind, words in one.references.items():
            by_kind.setdefault(kind, {})[words.partition(" ")[0]] = None
    for kind, names in sorted(by_kind.items()):
        yield kind, ", ".join(names)


def _times(seen: Overview) -> Iterator[Block]:
    seconds: dict[str, float] = {}
    for stored in [p.stored for e in seen.exposures for p in e.products.values()]:
        for step, spent in stored.steps.items():
            if not math.isnan(spent):
                seconds[step] = seconds.get(step, 0.0) + spent
    pairs = sorted(seconds.items(), key=lambda pair: -pair[1])
    if pairs:
        yield Facts([(step, f"{spent:.2f} s") for step, spent in pairs])
