"""Files written whole or not at all, whatever is in them.

Every function raises RamplineError, one line, where the file cannot be written.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from ..errors import write_error


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give the name of a file beside ``path`` that takes its place when all went well.

    Raises
    ------
    RamplineError
        Where the file cannot be written (no permission, disk full). Nothing is left.
    """
    beside = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
    try:
        yield beside
        beside.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        if beside.exists():
            beside.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes."""
    with whole_file(path) as beside:
        beside.write_bytes(content)


def write_json(path: Path, content: Any) -> None:
    """Write what JSON can hold."""
    write_text(path, json.dumps(content, indent=1) + "\n")


def write_ecsv(path: Path, table: Any) -> None:
    """Write an `astropy.table.Table` as ECSV."""
    with whole_file(path) as beside:
        table.write(beside, format="ascii.ecsv", overwrite=True)


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays under their names (``.npz``)."""
    with whole_file(path) as beside, beside.open("wb") as stream:
        np.savez(stream, **arrays)
