"""What the last run into an output folder was asked to do: ``run.json`` beside the journal.

It lets ``rampline status`` say how to go on, and the report say which parameters differ
from the defaults; the reduction itself never reads it.
"""

import json
import shlex
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from ... import __version__
from ...errors import ParameterError
from ...files.whole_file import write_json
from ...params import ParameterRow, Params, walk_params
from ..input.options import ReduceOptions

FILE_NAME = "run.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run.

    Attributes
    ----------
    command : str
        The command line that does the same.
    version : str
        Of rampline.
    began_unix_s, ended_unix_s : float
        The end is 0 while it runs, and where it was stopped or killed.
    parameters : dict of str to str
        Every parameter by its dotted path, as the PARAMETERS tables have it.
    changed : dict of str to str
        Those that differ from the default.
    """

    command: str
    version: str
    began_unix_s: float
    ended_unix_s: float
    parameters: dict[str, str]
    changed: dict[str, str]


def begin_record(
    given: Sequence[Path], out: Path, options: ReduceOptions, parameters: Params
) -> RunRecord:
    """Record what a run is asked to do, and return the record."""
    rows = [_as_told(row, options) for row in walk_params(parameters)]
    record = RunRecord(
        command=command_line(given, out, options),
        version=__version__,
        began_unix_s=time.time(),
        ended_unix_s=0.0,
        parameters={row.name: row.value for row in rows},
        changed={row.name: row.value for row in rows if row.value != row.default},
    )
    write_json(out / FILE_NAME, asdict(record))
    return record


def end_record(out: Path, record: RunRecord) -> None:
    """Record that a run has ended."""
    ended = replace(record, ended_unix_s=time.time())
    write_json(out / FILE_NAME, asdict(ended))


def read_record(out: Path) -> RunRecord | None:
    """Return the record of the last run, None where there is none that can be read."""
    try:
        content = json.loads((out / FILE_NAME).read_text(encoding="utf-8"))
        return RunRecord(**content)
    except (OSError, ValueError, TypeError):
        # written by another version, or by nobody
        return None


def missing_out(given: Sequence[Path]) -> ParameterError:
    """Return the error for a missing --out; it tells how to resume a run, if one is given."""
    for path in given:
        record = read_record(path)
        if record is not None:
            message = f"{path} is the output of a run; to go on: {record.command}"
            return ParameterError(message)
    return ParameterError("--out is missing: the folder for the products")


def command_line(given: Sequence[Path], out: Path, options: ReduceOptions) -> str:
    """Return the command that asks for the same, options at their defaults left out."""
    words = ["rampline", "reduce", *map(str, given), "--out", str(out)]
    for field in fields(options):
        value = getattr(options, field.name)
        if value != field.default:
            words += _option_words(field.name, value)
    return shlex.join(words)


def _as_told(row: ParameterRow, options: ReduceOptions) -> ParameterRow:
    """Return a parameter, its value replaced if a command-line option sets it."""
    scale = options.pixel_scale_arcsec
    if row.name.endswith("grid.pixel_scale") and scale is not None:
        return row._replace(value=str(scale))
    return row


def _option_words(name: str, value: Any) -> list[str]:
    option = _OPTION.get(name, "--" + name.replace("_", "-"))
    if name in {"settings", "exclude"}:
        return [word for item in value for word in (option, item)]
    if name == "keep":
        return [option, ",".join(value) or "none"]
    if name == "max_memory_bytes":
        return [option, f"{value / 1e9:g}GB"]
    return [option, str(value)]


_OPTION = {
    "settings": "--set",
    "pixel_scale_arcsec": "--pixel-scale",
    "max_memory_bytes": "--max-memory",
}
"""Options whose names are not those of the fields."""
