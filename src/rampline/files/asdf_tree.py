"""WCS trees of ASDF written and changed as YAML, without the objects they stand for.

The `asdf` library with its extensions, ``astropy.modeling`` and ``gwcs`` need three seconds
to import and a tenth of a second to take one WCS out of a file and put it back. What an
alignment does to the tree of a calibrated image is small: a transform or two more. So the tree
is read as a graph of YAML nodes, tags untouched, gets its step, and is written again;
arrays that the file keeps in binary blocks stay as they are.
"""

import re
from importlib import import_module
from typing import Any, Final

import numpy as np

from ..exposure.tagged import Tagged

_STANDARD: Final = (1, 6)
_HEAD: Final = b"#ASDF 1.0.0\n#ASDF_STANDARD %d.%d.0\n"
_BLOCK_MAGIC: Final = b"\xd3BLK"
_INDEX: Final = b"#ASDF BLOCK INDEX"
_TREE_TAG: Final = "tag:stsci.edu:asdf/core/asdf-1.1.0"
_ARRAY_TAG: Final = "tag:stsci.edu:asdf/core/ndarray-1.%d.0"
_WCS_TAG: Final = "tag:stsci.edu:gwcs/wcs-"
_ALIGNED: Final = "v2v3corr"
_TELESCOPE: Final = "v2v3"
_COMPOSE: Final = "tag:stsci.edu:asdf/transform/compose-"
_BEFORE_ALIGNMENT: Final = ("v2v3vacorr", "v2v3")


def wcs_bytes(wcs: Tagged) -> bytes:
    """Return the ASDF file that holds a WCS as ``meta.wcs``, where `jwst` looks for it."""
    return _written(_node({"meta": {"wcs": wcs}}, _STANDARD), b"", _STANDARD)


def align_bytes(
    tree: bytes, transform: Tagged, distortion: Tagged | None = None
) -> bytes | None:
    """Add an alignment to the WCS of a calibrated image.

    Parameters
    ----------
    tree : bytes
        ASDF file with a WCS as ``meta.wcs``; what else it holds is left out.
    transform : Tagged
        From the frame before to ``v2v3corr``, which is new.
    distortion : Tagged or None
        To follow what leads to ``v2v3``, from V2, V3 to V2, V3.

    Returns
    -------
    bytes or None
        None where the WCS has such a frame already, or is none that this knows: its
        transforms must then be looked into.
    """
    yaml_part, blocks = _split(tree)
    standard = _standard(yaml_part)
    try:
        root = _yaml().compose(yaml_part, Loader=_loader())
    except _yaml().YAMLError:
        return None
    wcs = _value(_value(root, "meta"), "wcs")
    steps = _value(wcs, "steps")
    if steps is None or not wcs.tag.startswith(_WCS_TAG):
        return None
    names = [_frame_name(step) for step in steps.value]
    known = [name for name in _BEFORE_ALIGNMENT if name in names]
    if _ALIGNED in names or not known:
        return None
    if distortion is not None and not _extend(
        steps.value, names, _node(distortion, standard)
    ):
        return None
    _insert(steps.value, names.index(known[0]), _node(transform, standard))
    root = _node({"meta": {}}, standard)
    _value(root, "meta").value.append((_node("wcs", standard), wcs))
    return _written(root, blocks, standard)


def _extend(steps: list[Any], names: list[str], transform: Any) -> bool:
    """Insert a transform after the one that leads to V2, V3; return whether there is one.

    The bounding box stays that of the whole.
    """
    yaml = _yaml()
    if _TELESCOPE not in names[1:]:
        return False
    step = steps[names.index(_TELESCOPE) - 1]
    first = _value(step, "transform")
    if _value(first, "inputs") is None:
        return False
    boxes = [pair for pair in first.value if pair[0].value == "bounding_box"]
    is_compound = _COMPOSE in first.tag
    if boxes and not is_compound:
        # versions of boxes go with those of transforms, and this one's is not known
        return False
    first.value = [pair for pair in first.value if pair[0].value != "bounding_box"]
    whole = yaml.MappingNode(
        first.tag if is_compound else _COMPOSE + "1.2.0",
        [
            *boxes,
            (
                _node("forward", _STANDARD),
                yaml.SequenceNode("tag:yaml.org,2002:seq", [first, transform]),
            ),
            (_node("inputs", _STANDARD), _value(first, "inputs")),
            (_node("outputs", _STANDARD), _value(transform, "outputs")),
        ],
    )
    step.value = [
        (key, whole if key.value == "transform" else value) for key, value in step.value
    ]
    return True


def _insert(steps: list[Any], place: int, transform: Any) -> None:
    """Insert a step after the one at ``place``: it leads to a new frame."""
    yaml = _yaml()
    step = steps[place]
    frame = _value(step, "frame")
    new_frame = yaml.MappingNode(
        frame.tag,
        [
            (key, _node(_ALIGNED, _STANDARD) if key.value == "name" else value)
            for key, value in frame.value
        ],
    )
    new_step = yaml.MappingNode(
        step.tag,
        [
            (key, new_frame if key.value == "frame" else value)
            for key, value in step.value
        ],
    )
    step.value = [
        (key, transform if key.value == "transform" else value)
        for key, value in step.value
    ]
    steps.insert(place + 1, new_step)


def _frame_name(step: Any) -> str:
    frame = _value(step, "frame")
    named = frame if isinstance(frame, _yaml().ScalarNode) else _value(frame, "name")
    return "" if named is None else str(named.value)


def _value(node: Any, key: str) -> Any:
    """Return the node at a key of a mapping; None where there is none."""
    if not isinstance(node, _yaml().MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _split(tree: bytes) -> tuple[bytes, bytes]:
    """Return the YAML of an ASDF file, and its blocks without the index of their places."""
    start = tree.find(_BLOCK_MAGIC)
    if start < 0:
        return tree, b""
    end = tree.rfind(_INDEX)
    return tree[:start], tree[start:] if end < start else tree[start:end]


def _standard(tree: bytes) -> tuple[int, int]:
    """Return the version of the ASDF standard that a file names."""
    found = re.search(rb"^#ASDF_STANDARD (\d+)\.(\d+)", tree, re.MULTILINE)
    return (int(found[1]), int(found[2])) if found else _STANDARD


def _written(root: Any, blocks: bytes, standard: tuple[int, int]) -> bytes:
    """Return an ASDF file of a YAML graph and the blocks that it refers to."""
    root.tag = _TREE_TAG
    text = _yaml().serialize(
        root,
        Dumper=_dumper(),
        encoding="utf-8",
        version=(1, 1),
        tags={"!": "tag:stsci.edu:asdf/"},
        explicit_start=True,
        explicit_end=True,
        width=1000,
    )
    return _HEAD % standard + bytes(text) + blocks


def _node(value: Any, standard: tuple[int, int]) -> Any:
    """Return the YAML graph of plain values and tagged nodes.

    Readers know of each core type the version that the file's standard has.
    """
    yaml = _yaml()
    array_tag = _ARRAY_TAG % (standard >= (1, 6))

    class Representer(yaml.representer.SafeRepresenter):  # type: ignore[misc, name-defined]
        """Knows nodes and arrays too; digits of floats are all that there are."""

    def tagged(made: Any, value: Tagged) -> Any:
        if isinstance(value.fields, str):
            return made.represent_scalar(value.tag, value.fields)
        return made.represent_mapping(value.tag, value.fields)

    def array(made: Any, value: Any) -> Any:
        return made.represent_sequence(array_tag, value.tolist(), flow_style=True)

    Representer.add_representer(Tagged, tagged)
    Representer.add_representer(np.ndarray, array)
    made = Representer(default_flow_style=None, sort_keys=False)
    return made.represent_data(value)


def _yaml() -> Any:
    # PyYAML, which asdf needs too, has no types
    return import_module("yaml")


def _loader() -> Any:
    """Return the parser in C where PyYAML was built with it."""
    yaml = _yaml()
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _dumper() -> Any:
    yaml = _yaml()
    return getattr(yaml, "CSafeDumper", yaml.SafeDumper)
