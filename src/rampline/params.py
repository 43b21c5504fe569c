"""Parameters are declared once, here by type, in each step by name.

Unit and bounds stand in the type, the meaning is the docstring under the field; the
command line, the TOML file, the PARAMETERS table of a product and the docs are all
read off from there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Unit:
    """The unit in which a parameter is given."""

    name: str


class Params(BaseModel):
    """Base of every step's parameters: frozen, no unknown names, documented."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )


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
    meaning: str


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
                path, str(value), _unit(info), str(default), info.description or ""
            )


def _unit(info: FieldInfo) -> str:
    """Return the unit declared in the type; words and switches have none."""
    for item in info.metadata:
        if isinstance(item, Unit):
            return item.name
    return ""
