"""Reference files in ASDF: models, lists and tables."""

from pathlib import Path
from typing import Any

from ..errors import MissingReferenceError
from ..exposure.header import Header


def read_tree(path: Path, kind: str, header: Header, key: str) -> Any:
    """Return one entry of an ASDF reference file, whole and in memory.

    Raises
    ------
    MissingReferenceError
        If the file is damaged or has no such entry; the line names ``header``'s exposure.
    """
    # asdf and its extensions take a third of a second to import
    import asdf  # noqa: PLC0415

    try:
        with asdf.open(path, lazy_load=False, memmap=False) as file:
            return file.tree[key]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MissingReferenceError(
            f"{header.root}: {kind} reference file {path} cannot be read: {reason}"
        ) from error
