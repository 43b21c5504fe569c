"""The whole tree of parameters: defaults, then a TOML file, then ``--set``.

The tree is the path: one section for each stage, in it one for each step. A step's name
is unique in the tree, so that ``--set saturation.grow=2`` needs no stage.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from ...errors import ParameterError
from ...params import ParameterRow, Params, walk_params

Tree = TypeVar("Tree", bound=Params)


def read_parameters(
    tree: type[Tree], config: Path | None, settings: Sequence[str]
) -> Tree:
    """Build the tree from a TOML file and ``step.parameter=value`` settings.

    Parameters
    ----------
    tree : type of Params
    config : Path or None
        TOML with the same sections as the tree.
    settings : sequence of str
        Each ``step.parameter=value``; they win over the file.

    Raises
    ------
    ParameterError
        One line: file or option, name, value and bound.
    """
    values = _read_toml(config) if config else {}
    if config:
        _validated(tree, values, str(config))
    for setting in settings:
        path, value = _split(setting)
        section = _place(tree, path, setting)
        _put(values, section, value)
        _validated(tree, values, f"--set {setting}")
    return _validated(tree, values, "parameters")


def toml_lines(params: Params, step: str = "") -> Iterator[str]:
    """Yield a TOML file of all values, each with its meaning and unit above it.

    A step may be named with or without its stage.
    """
    sections: dict[str, list[ParameterRow]] = {}
    for row in walk_params(params):
        head = row.name.rpartition(".")[0]
        if not step or f".{step}." in f".{head}.":
            sections.setdefault(head, []).append(row)
    for head, rows in sections.items():
        yield f"\n[{head}]"
        for row in rows:
            unit = f" [{row.unit}]" if row.unit not in {"", "1"} else ""
            yield f"# {' '.join(row.meaning.split())}{unit}"
            yield f"{row.name.rpartition('.')[2]} = {_toml_value(params, row)}"


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path}: not a TOML file ({error})") from error


def _split(setting: str) -> tuple[list[str], Any]:
    """Split ``a.b=value``; the value is TOML, or a word that needs no quotes."""
    name, equals, text = setting.partition("=")
    if not equals or "." not in name:
        raise ParameterError(f"--set {setting}: write it as step.parameter=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    return name.strip().split("."), value


def _place(tree: type[Params], path: list[str], setting: str) -> list[str]:
    """Return the full path of a parameter that is named by its step only."""
    full = list(_sections(tree))
    matches = [s for s in full if s[-len(path) :] == path]
    if len(matches) == 1:
        return matches[0]
    step = path[-2]
    siblings = [s[-1] for s in full if len(s) > 1 and s[-2] == step]
    if siblings:
        known = "it has " + ", ".join(siblings)
    else:
        steps = dict.fromkeys(s[-2] for s in full if len(s) > 1)
        known = "the steps are " + ", ".join(steps)
    raise ParameterError(f"--set {setting}: no parameter {'.'.join(path)}; {known}")


def _sections(tree: type[Params], prefix: tuple[str, ...] = ()) -> Iterator[list[str]]:
    for name, info in tree.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, Params):
            yield from _sections(kind, (*prefix, name))
        else:
            yield [*prefix, name]


def _put(values: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        values = values.setdefault(name, {})
    values[path[-1]] = value


def _validated(tree: type[Tree], values: Mapping[str, Any], source: str) -> Tree:
    try:
        return tree.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            message = f"{source}: no parameter {name}; see rampline parameters"
            raise ParameterError(message) from error
        shown = f"{source}: {name} = {first['input']!r}: {first['msg']}"
        raise ParameterError(shown) from error


def _toml_value(params: Params, row: ParameterRow) -> str:
    value: Any = params
    for name in row.name.split("."):
        value = getattr(value, name)
    return _toml(value)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return str(value)
