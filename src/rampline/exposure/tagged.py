"""A node of an ASDF tree, as it stands in a file: what it is, and its fields.

World coordinates are written and changed in this form. The objects that a tree stands for
(``gwcs``, ``astropy.modeling``) take seconds to import, and a tree made of plain numbers
says the same.
"""

from dataclasses import dataclass
from typing import Any


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
