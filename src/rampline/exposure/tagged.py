"""A node of an ASDF tree, as it stands in a file: what it is, and its fields.

World coordinates are written and changed in this form. The objects that a tree stands for
(``gwcs``, ``astropy.modeling``) take seconds to import, and a tree made of plain numbers
says the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Axis: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Tagged:
    """One node; the same object in two places of a tree is one node of the file.

    Attributes
    ----------
    tag : str
        In full: ``tag:stsci.edu:asdf/transform/shift-1.2.0``.
    fields : mapping of str to object, or word
        Numbers, words, lists, mappings, None, arrays, and further nodes.
    """

    tag: str
    fields: Any

    @property
    def kind(self) -> str:
        """Last word of the tag, without its version: ``shift``."""
        return self.tag.rpartition("/")[2].partition("-")[0]


@dataclass(frozen=True, slots=True)
class TreeModel:
    """A transform that is evaluated as it stands in a file.

    Attributes
    ----------
    tree : Tagged
        Of shifts, scales, polynomials and reordered axes, side by side or one after the
        other: what the distortion files of NIRCam are made of.
    """

    tree: Tagged

    def __call__(self, *axes: ArrayLike) -> tuple[Axis, ...]:
        """Return the transformed coordinates, bit for bit those of ``astropy.modeling``.

        Raises
        ------
        ValueError, LookupError, TypeError
            A transform of another kind.
        """
        return tuple(_apply(self.tree, [np.asarray(axis, float) for axis in axes]))


def _apply(node: Tagged, axes: Sequence[Axis]) -> Sequence[Axis]:
    """Return the coordinates after one transform."""
    kind, fields = node.kind, node.fields
    if len(axes) != len(fields["inputs"]):
        raise ValueError(f"{kind} of {len(axes)} axes")
    if kind == "compose":
        for part in fields["forward"]:
            axes = _apply(part, axes)
    elif kind == "concatenate":
        first, second = fields["forward"]
        n = len(first.fields["inputs"])
        axes = [*_apply(first, axes[:n]), *_apply(second, axes[n:])]
    elif kind == "remap_axes":
        axes = [axes[k] for k in fields["mapping"]]
    elif kind == "shift":
        axes = [axes[0] + float(fields["offset"])]
    elif kind == "scale":
        axes = [axes[0] * float(fields["factor"])]
    elif kind == "polynomial" and fields.get("domain") == fields.get("window"):
        axes = [_polynomial(fields["coefficients"], *axes)]
    elif kind != "identity":
        raise ValueError(f"a transform of kind {kind}")
    return axes


def _polynomial(coefficients: NDArray[np.float64], x: Axis, y: Axis) -> Axis:
    """Return the sum of ``coefficients[i, j] x**i y**j``, by Horner's rule."""
    total = np.zeros(np.broadcast(x, y).shape)
    for row in coefficients.T[::-1]:
        inner = np.zeros(x.shape)
        for coefficient in row[:0:-1]:
            inner = x * (coefficient + inner)
        total = row[0] + inner + y * total
    return total
