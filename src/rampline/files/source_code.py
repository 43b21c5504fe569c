"""The package's own source: what was made by other code is made again.

The hash of a module covers all modules of the package that it imports, at its top or inside
functions.
"""

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
_IMPORT = re.compile(
    r"^[ \t]*from[ \t]+(\.+)([\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)", re.MULTILINE
)
"""A relative import. Matching takes a tenth of the time of parsing, in every process."""


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
