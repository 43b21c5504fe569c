"""``rampline predict``: which artifacts raw exposures will show, before any reduction."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..artifacts.expected import Expected
from ..artifacts.frames import SIDE, pixel_to_telescope
from ..errors import InputError, write_error
from ..exposure.header import Header
from ..files.regions import Region, write_regions
from ..files.whole_file import write_bytes, write_json
from ..pipeline.expect_artifacts import ExpectParams, expect_artifacts
from ..report.focal_plane import Outline, draw_focal_plane
from .engines.progress import PlainProgress
from .input.inputs import collect_inputs
from .input.stars import find_stars


class Prediction(NamedTuple):
    """What one exposure will show."""

    header: Header
    expected: Sequence[Expected]


def run_prediction(raw: Sequence[Path], out: Path, stars: str) -> int:
    """Print and write which artifacts to expect.

    Parameters
    ----------
    raw : sequence of Path
        Files, folders or associations, as for a reduction.
    out : Path
        Folder of the table, the regions and the pictures.
    stars : str
        ``2mass``, ``none`` for the built-in brightest stars alone, or an ECSV table with
        RA, DEC and any of Jmag, Hmag, Kmag.

    Returns
    -------
    int
        0; 1 where a file was refused.

    Raises
    ------
    RamplineError
        Where there is nothing to predict for.
    """
    shown = PlainProgress()
    inputs = collect_inputs(raw, (), mixed=True)
    for refused in (*inputs.refused, *inputs.foreign):
        shown.say(str(refused))
    headers = [source.header for source in inputs.sources]
    if not headers:
        raise InputError(
            str(raw[0]),
            "no exposure to predict for",
            "give _uncal, _rate or _cal files",
        )
    table, problem = find_stars(stars, headers)
    if problem:
        shown.say(problem)
    params = ExpectParams()
    predictions = [Prediction(h, expect_artifacts(h, table, params)) for h in headers]
    _write(out, predictions)
    for line in summary_lines(predictions):
        shown.say(line)
    shown.say(f"table, regions and pictures in {out}")
    return 1 if inputs.refused else 0


def summary_lines(predictions: Sequence[Prediction]) -> Iterator[str]:
    """Yield a line for each artifact, the exposures of a detector and filter together."""
    groups: dict[tuple[str, str, str], list[Expected]] = {}
    exposures: dict[tuple[str, str], int] = {}
    for header, expected in predictions:
        optics = (header.detector, header.filter)
        exposures[optics] = exposures.get(optics, 0) + 1
        kinds = {item.kind: item for item in expected}
        for item in kinds.values():
            groups.setdefault((*optics, item.kind), []).append(item)
    if not groups:
        yield "nothing expected"
    for (detector, filter_name, kind), items in sorted(groups.items()):
        many = f"{len(items)} of {exposures[detector, filter_name]} exposures"
        strongest = max(items, key=lambda item: np.nan_to_num(item.strength))
        yield (
            f"{detector:<9} {filter_name:<7} {kind.replace('_', ' '):<17} "
            f"{_strength(strongest):<15} {many:<20} {strongest.cause}"
        )


def _strength(item: Expected) -> str:
    if math.isnan(item.strength):
        return "strength ?"
    return f"{item.strength:.2g} {item.unit}"


def _write(out: Path, predictions: Sequence[Prediction]) -> None:
    """Write table, regions and pictures."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(out, error) from error
    rows = [_row(header, item) for header, expected in predictions for item in expected]
    write_json(out / "expected.json", rows)
    for header, expected in predictions:
        regions = [Region(e.corners, e.kind) for e in expected if len(e.corners)]
        if regions:
            write_regions(out / f"{header.root}.reg", regions)
    for pointing, group in _by_pointing(predictions).items():
        title = f"{pointing} {group[0].header.filter}"
        drawn = draw_focal_plane(title, list(_outlines(group)))
        write_bytes(out / f"{pointing}.png", drawn)


def _row(header: Header, item: Expected) -> dict[str, Any]:
    """Return one artifact as JSON has it; corners in 0-based pixels of the exposure."""
    return {
        "exposure": header.root,
        "detector": header.detector,
        "filter": header.filter,
        "kind": item.kind,
        "strength": None if math.isnan(item.strength) else float(item.strength),
        "unit": item.unit,
        "cause": item.cause,
        "corners": np.round(item.corners, 1).tolist(),
    }


def _corners(
    detector: str, x: int, y: int, n_cols: int, n_rows: int
) -> NDArray[np.float64]:
    """Return the corners of an area of a detector in the telescope's frame, arcsec."""
    right, top = x + n_cols - 1, y + n_rows - 1
    frame = pixel_to_telescope(detector, (x, right, right, x), (y, y, top, top))
    return np.column_stack(frame)


def _by_pointing(predictions: Sequence[Prediction]) -> dict[str, list[Prediction]]:
    """Return the exposures of one moment together: all detectors of a channel."""
    groups: dict[str, list[Prediction]] = {}
    for prediction in predictions:
        header = prediction.header
        moment = header.root.rpartition("_")[0]
        groups.setdefault(f"{moment}_{header.channel.lower()}", []).append(prediction)
    return groups


def _outlines(group: Sequence[Prediction]) -> Iterator[Outline]:
    """Yield the detectors, then what is expected on them, in the telescope's frame.

    Of subarrays both are drawn, what was read out and the detector that it is on.
    """
    for header, _ in group:
        r = header.readout
        read = (r.col_start, r.row_start, r.n_cols, r.n_rows)
        for box in dict.fromkeys(((0, 0, SIDE, SIDE), read)):
            label = header.detector[3:] if box == read else ""
            yield Outline("", label, _corners(header.detector, *box))
    for header, expected in group:
        first = (header.readout.col_start, header.readout.row_start)
        for item in expected:
            x, y = (item.corners + first).T
            if len(x):
                place = pixel_to_telescope(header.detector, x, y)
                yield Outline(item.kind, "", np.column_stack(place))
