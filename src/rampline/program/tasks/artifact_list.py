"""The list beside an exposure: what was expected, what was found, what was done about it."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Required, TypedDict

from ...files.whole_file import write_json


class Artifact(TypedDict, total=False):
    """One line of the list; what has no meaning for a kind is left out.

    Numbers that are not known are null.
    """

    kind: Required[str]
    """What it is, or ``user`` and ``forbidden`` for regions of the user."""
    action: Required[Literal["subtracted", "masked", "flagged", "user", "none"]]
    """What was done about it."""
    cause: str
    """Where the light comes from, or how the user calls the region."""
    found: bool
    """Whether it is there."""
    predicted: float | None
    """Strength that was expected."""
    predicted_unit: str
    strength: float | None
    """Strength that was measured."""
    strength_err: float | None
    unit: str
    """Of the strength and its error."""
    further: list[float | None]
    """Strengths of further components of a template."""
    significance: float | None
    """Strength over its error, where that decides."""
    angles_deg: list[float]
    """Directions of stripes."""
    x: float | None
    """Column, 0-based."""
    y: float | None
    """Row, 0-based."""
    pixels: int
    """How many it covers."""
    pattern: str
    """Where the pattern of the sky comes from."""


def write_artifact_list(
    folder: Path, root: str, rows: Sequence[Artifact], **more: Any
) -> None:
    """Write ``<root>_artifacts.json``.

    Parameters
    ----------
    folder : Path
    root : str
        Of the exposure.
    rows : sequence of Artifact
    **more
        What holds for all of them.

    Raises
    ------
    RamplineError
        Where the file cannot be written.
    """
    content = {"exposure": root, **more, "artifacts": list(rows)}
    write_json(artifact_list_path(folder, root), content)


def artifact_list_path(folder: Path, root: str) -> Path:
    """Return where the list of an exposure is."""
    return folder / f"{root}_artifacts.json"


def known_number(value: float) -> float | None:
    """Return a number as JSON has it: nothing where it is not known."""
    return float(value) if math.isfinite(value) else None


def read_artifact_list(folder: Path, root: str) -> list[Artifact]:
    """Return the rows of an exposure's list; none where there is no list."""
    path = artifact_list_path(folder, root)
    if not path.is_file():
        return []
    content: dict[str, list[Artifact]] = json.loads(path.read_text("utf-8"))
    return content["artifacts"]
