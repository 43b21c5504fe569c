"""When a product need not be made again.

A task's key is a hash of what determines its result: the content of its inputs, its
parameters, its reference files, and the source files that it imports. The key stands in
the product's header (TASKKEY), so a product says by itself whether it is up to date.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from ...exposure.planes import UsedFile
from ...params import Params

PACKAGE = Path(__file__).resolve().parents[2]
_IMPORT = re.compile(
    r"^[ \t]*from[ \t]+(\.+)([\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)", re.MULTILINE
)
"""A relative import. Matching takes a tenth of the time of parsing, in every process."""


def make_key(
    module: str,
    inputs: Iterable[str],
    params: Params,
    used: Iterable[UsedFile] = (),
) -> str:
    """Hash what determines a task's result.

    Parameters
    ----------
    module : str
        Module whose code makes the product, relative to the package: ``pipeline.ramp_to_slope``.
    inputs : iterable of str
        Content hashes of the inputs, and options that are no parameters, in a fixed order.
    params : Params
    used : iterable of UsedFile

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    parts = [
        module,
        source_hash(module),
        *inputs,
        params.model_dump_json(),
        *(f"{file.kind}={file.sha1}" for file in sorted(used)),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def hash_file(path: Path) -> str:
    """Hash a file's bytes: the content hash of a raw file, which carries none."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@cache
def source_hash(module: str) -> str:
    """Hash the source of a module and of all modules of the package that it imports."""
    digest = hashlib.sha256()
    for path in sorted(_closure(_module_file(module))):
        digest.update(path.relative_to(PACKAGE).as_posix().encode())
        digest.update(_source(path))
    return digest.hexdigest()


def _closure(start: Path) -> set[Path]:
    seen: set[Path] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting.extend(_imported(path))
    return seen


@cache
def _imported(path: Path) -> tuple[Path, ...]:
    """Return the package's files that ``path`` imports, at its top or inside functions.

    The package's ``__init__`` imports everything, but others import only its version.
    """
    return () if path == PACKAGE / "__init__.py" else tuple(_find_imports(path))


@cache
def _source(path: Path) -> bytes:
    """Return a source file as it was when the process first asked for it."""
    return path.read_bytes()


def _find_imports(path: Path) -> Iterator[Path]:
    known = _package_files(PACKAGE)
    for dots, module, names in _IMPORT.findall(_source(path).decode()):
        base = path.parents[len(dots) - 1].joinpath(*module.split(".")).as_posix()
        words = re.findall(r"\w+", names)
        for candidate in (base, *(f"{base}/{word}" for word in words)):
            for name in (f"{candidate}.py", f"{candidate}/__init__.py"):
                if name in known:
                    yield known[name]


@cache
def _package_files(package: Path) -> dict[str, Path]:
    """Return the source files by name: asking the disk for each would take 0.1 s."""
    return {path.as_posix(): path for path in package.rglob("*.py")}


def _module_file(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
