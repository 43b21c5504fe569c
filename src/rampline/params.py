"""Parameters are declared once, here by type, in each step by name.

Unit and bounds stand in the type, the meaning is the docstring under the field; the
command line, the TOML file, the PARAMETERS table of a product and the docs are all
read off from there.
"""

import ast
import inspect
import linecache
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Unit:
    """The unit in which a parameter is given."""

    name: str


class Params(BaseModel):
    """Base of every step's parameters: frozen, no unknown names, documented."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class StepParams(Params):
    """Base of the parameters of a step that may be left out."""

    enabled: bool = True
    """Whether the step is run."""


Pixels = Annotated[int, Field(ge=0), Unit("pixel")]
PixelsFloat = Annotated[float, Field(ge=0), Unit("pixel")]
Sigma = Annotated[float, Field(gt=0), Unit("sigma")]
Seconds = Annotated[float, Field(ge=0), Unit("s")]
Dn = Annotated[float, Unit("DN")]
Arcsec = Annotated[float, Field(gt=0), Unit("arcsec")]
Count = Annotated[int, Field(ge=0), Unit("1")]
Fraction = Annotated[float, Field(ge=0, le=1), Unit("1")]
Factor = Annotated[float, Field(gt=0), Unit("1")]


class ParameterRow(NamedTuple):
    """One parameter as tables and help pages show it."""

    name: str
    """Dotted path, for example ``detector.saturation.grow``."""
    value: str
    unit: str
    default: str
    kind: type[Params] = Params
    """The step's parameters that it belongs to."""

    @property
    def meaning(self) -> str:
        """The docstring below its declaration."""
        return read_meanings(self.kind).get(self.name.rpartition(".")[2], "")


def walk_params(params: Params, prefix: str = "") -> Iterator[ParameterRow]:
    """Yield every parameter below ``params`` in the order of declaration."""
    for name, info in type(params).model_fields.items():
        value = getattr(params, name)
        path = f"{prefix}.{name}" if prefix else name
        if isinstance(value, Params):
            yield from walk_params(value, path)
        else:
            default = info.get_default(call_default_factory=True)
            yield ParameterRow(
                path, str(value), _unit(info), str(default), type(params)
            )


@cache
def read_meanings(kind: type[Params]) -> dict[str, str]:
    """Read the docstrings below a step's fields, those that it inherits too.

    Only who asks for a meaning pays for it: pydantic itself would read the source of every
    step whenever a process starts.
    """
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if issubclass(base, Params) and base is not Params:
            found |= _docstrings(base)
    return found


def _docstrings(kind: type[Params]) -> dict[str, str]:
    """Return the docstrings of the fields that stand in the source of a class."""
    path = sys.modules[kind.__module__].__file__
    lines = linecache.getlines(path) if path else []
    start = next(
        (
            i
            for i, line in enumerate(lines)
            if line.startswith(f"class {kind.__name__}(")
        ),
        len(lines),
    )
    (body,) = (
        node.body
        for node in ast.parse("".join(inspect.getblock(lines[start:]))).body
        if isinstance(node, ast.ClassDef)
    )
    found: dict[str, str] = {}
    for field, below in pairwise(body):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = inspect.cleandoc(text)
    return found


def _unit(info: FieldInfo) -> str:
    """Return the unit declared in the type; words and switches have none."""
    for item in info.metadata:
        if isinstance(item, Unit):
            return item.name
    return ""
