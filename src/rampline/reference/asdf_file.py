"""Entries of ASDF reference files: whole models, or tables without the machinery.

To open an ASDF file is to load every extension that is installed, three seconds for three
columns of a table. Where the file is plain, as all of CRDS are, it is read from the text
and the blocks that the ASDF standard 1.6 describes; anything else is left to ``asdf``.
"""

import math
import struct
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingReferenceError
from ..exposure.header import Header
from ..exposure.tagged import Tagged

_MAGIC: Final = b"\xd3BLK"
_BLOCK: Final = struct.Struct(">I4sQQQ16s")
"""Flags, compression, bytes allocated, used, and of the data, checksum."""
_ORDER: Final[dict[str, Literal["<", ">"]]] = {"little": "<", "big": ">"}
_ARRAY: Final = "tag:stsci.edu:asdf/core/ndarray-"
_TEXT: Final = {"ascii": "S", "ucs4": "U"}


NOT_PLAIN: Final = (OSError, ValueError, LookupError, TypeError, struct.error)
"""What reading fails with where a file is damaged, or only ``asdf`` itself can read it."""


class _NotPlainError(ValueError):
    """A file that only ``asdf`` itself can read."""


def read_tree(path: Path, kind: str, header: Header, key: str) -> Any:
    """Return one entry of an ASDF reference file, whole and in memory.

    Raises
    ------
    MissingReferenceError
        If the file is damaged or has no such entry; the line names ``header``'s exposure.
    """
    # asdf and its extensions take seconds to load
    import asdf  # noqa: PLC0415

    try:
        with asdf.open(path, lazy_load=False, memmap=False) as file:
            return file.tree[key]
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MissingReferenceError(
            f"{header.root}: {kind} reference file {path} cannot be read: {reason}"
        ) from error


def read_columns(path: Path, kind: str, header: Header, key: str) -> Any:
    """Return a table of an ASDF reference file: its columns by name.

    Raises
    ------
    MissingReferenceError
        As `read_tree`.
    """
    try:
        columns = read_plain(path, key)["columns"]
        with path.open("rb") as file:
            blocks = _find_blocks(file)
            return {
                column["name"]: _read_array(file, blocks, column["data"])
                for column in columns
            }
    except NOT_PLAIN:
        # compressed, masked, or damaged: asdf reads it, or reports what is wrong
        return read_tree(path, kind, header, key)


def read_nodes(path: Path, key: str) -> Any:
    """Return one entry of an ASDF file as it stands there: tagged nodes, and arrays.

    Raises
    ------
    NOT_PLAIN
        If the file is damaged, has no such entry, or only `read_tree` can read it.
    """
    yaml: Any = import_module("yaml")
    with path.open("rb") as file:
        text = file.read(_end_of_text(file))
        blocks = _find_blocks(file)

        class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
            """Takes any tag."""

        def tagged(loader: Any, _suffix: str, node: Any) -> Any:
            if isinstance(node, yaml.MappingNode):
                fields = loader.construct_mapping(node, deep=True)
            elif isinstance(node, yaml.SequenceNode):
                fields = loader.construct_sequence(node, deep=True)
            else:
                fields = loader.construct_scalar(node)
            if not node.tag.startswith(_ARRAY):
                return Tagged(node.tag, fields)
            if isinstance(fields, list):
                return np.array(fields)
            return _read_array(file, blocks, fields)

        Loader.add_multi_constructor("tag:", tagged)
        try:
            return yaml.load(text, Loader=Loader).fields[key]
        except (yaml.YAMLError, AttributeError) as error:
            raise ValueError(str(error)) from error


def read_plain(path: Path, key: str) -> Mapping[str, Any]:
    """Return one mapping at the top of an ASDF file as text, without its tags.

    Returns
    -------
    mapping
        Every scalar is text; empty where there is no such mapping.

    Raises
    ------
    OSError, ValueError
        If the file is not ASDF, or damaged at its head.
    """
    # a tenth of a second, for the few who read ASDF
    yaml: Any = import_module("yaml")
    start = f"{key}:".encode()
    with path.open("rb") as file:
        if not file.readline().startswith(b"#ASDF"):
            raise ValueError("not an ASDF file")
        lines: list[bytes] = []
        for line in file:
            if line.startswith((b"...", _MAGIC)):
                break
            if line.startswith(start) or (lines and line[:1] in b" -"):
                lines.append(line)
            elif lines:
                break
    # the base loader takes every scalar as text and ignores ASDF's tags
    try:
        tree = yaml.load(b"".join(lines), Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    found = (tree or {}).get(key)
    return found if isinstance(found, Mapping) else {}


def _end_of_text(file: IO[bytes]) -> int:
    """Return where the text of an open file ends; the file is rewound."""
    file.seek(0)
    for line in file:
        if line.rstrip(b"\r\n") == b"...":
            break
    end = file.tell()
    file.seek(0)
    return end


def _find_blocks(file: IO[bytes]) -> list[tuple[int, int]]:
    """Return place and length of the data of each block of an open file."""
    file.seek(_end_of_text(file))
    blocks = []
    while file.read(4) == _MAGIC:
        (size,) = struct.unpack(">H", file.read(2))
        start = file.tell() + size
        flags, compression, allocated, used, _, _ = _BLOCK.unpack_from(file.read(size))
        if flags or compression.strip(b"\0"):
            raise _NotPlainError
        blocks.append((start, used))
        file.seek(start + allocated)
    return blocks


def _read_array(
    file: IO[bytes], blocks: list[tuple[int, int]], entry: Any
) -> NDArray[Any]:
    """Read what an ``ndarray`` describes."""
    if set(entry) != {"source", "datatype", "byteorder", "shape"}:
        raise _NotPlainError
    order = _ORDER[entry["byteorder"]]
    shape = tuple(map(int, entry["shape"]))
    length = math.prod(shape)
    datatype = entry["datatype"]
    if isinstance(datatype, str):
        dtype = np.dtype(datatype).newbyteorder(order)
    else:
        name, width = datatype
        dtype = np.dtype(f"{order}{_TEXT[name]}{int(width)}")
    start, used = blocks[int(entry["source"])]
    if used < length * dtype.itemsize:
        raise _NotPlainError
    file.seek(start)
    values = np.frombuffer(file.read(length * dtype.itemsize), dtype, length)
    return values.astype(dtype.newbyteorder("=")).reshape(shape)
