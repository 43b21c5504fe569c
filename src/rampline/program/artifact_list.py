"""The list beside an exposure: what was expected, what was found, what was done about it."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..files.fits_output import whole_file


def write_artifact_list(
    folder: Path, root: str, rows: Sequence[dict[str, Any]], **more: Any
) -> None:
    """Write ``<root>_artifacts.json``.

    Parameters
    ----------
    folder : Path
    root : str
        Of the exposure.
    rows : sequence of dict
        One for each artifact: its kind, whether it was found, the action.
    **more
        What holds for all of them.

    Raises
    ------
    RamplineError
        Where the file cannot be written.
    """
    content = {"exposure": root, **more, "artifacts": list(rows)}
    with whole_file(artifact_list_path(folder, root)) as beside:
        beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def artifact_list_path(folder: Path, root: str) -> Path:
    """Return where the list of an exposure is."""
    return folder / f"{root}_artifacts.json"


def known_number(value: float) -> float | None:
    """Return a number as JSON has it: nothing where it is not known."""
    return float(value) if math.isfinite(value) else None


def read_artifact_list(folder: Path, root: str) -> list[dict[str, Any]]:
    """Return the rows of an exposure's list; none where there is no list."""
    path = artifact_list_path(folder, root)
    if not path.is_file():
        return []
    content: dict[str, list[dict[str, Any]]] = json.loads(path.read_text("utf-8"))
    return content["artifacts"]
