"""The content hash: equal for equal data, whoever wrote the file, when and where.

It covers the pixels of all images, the rows of all science tables and the cards of their
headers, sorted; not times of writing, names of files, versions of software, nor what is
told twice or is about the run: the ASDF extension, PARAMETERS, PROVENANCE and HDRTAB. All
NaN count as one. Data are hashed by XXH3 of 128 bits: it tells what changed from what did
not at the speed of memory, where SHA-256 would take half of the time of writing a plane; it
is no seal against forgery.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import xxhash

from .card_images import read_card_image
from .fits_layout import Hdu, scan_fits
from .provenance import KEY_CARD
from .stored_cards import StoredCards

HASH_CARD: Final = "CONTHASH"
_UNCOUNTED_HDUS: Final = ("ASDF", "PARAMETERS", "PROVENANCE", "HDRTAB")
_UNCOUNTED_CARDS: Final = re.compile(
    r"DATE|CAL_VER|CAL_VCS|CRDS_VER|CRDS_CTX|SDP_VER|SDP_VCS|PRD_VER|OSS_VER|FILENAME"
    r"|ASNTABLE|ASNPOOL|CONTHASH|TASKKEY|WCSHASH|CHECKSUM|DATASUM|COMMENT|HISTORY|"
    r"|SIMPLE|XTENSION|EXTEND|PCOUNT|GCOUNT|EXTVER|NEXTEND|BSCALE|LONGSTRN"
)
_PIECE: Final = 1 << 18
_THREADS: Final = 2


class DataHash:
    """The running hash of one extension: its cards, then its data as FITS stores them."""

    def __init__(self, images: Iterable[str]) -> None:
        self._cards, self._data = _canonical(images), xxhash.xxh3_128()

    def update(self, data: bytes | memoryview) -> None:
        """Hash the next piece of data."""
        self._data.update(data)

    def digest(self) -> bytes:
        """Return the hash so far."""
        return hashlib.sha256(self._data.digest() + self._cards).digest()


def plane_hash(name: str, images: Iterable[str]) -> DataHash | None:
    """Begin the hash of an extension; None for extensions that do not count.

    Parameters
    ----------
    name : str
        EXTNAME.
    images : iterable of str
        Its cards as they stand in the file.
    """
    return None if name in _UNCOUNTED_HDUS else DataHash(images)


def combine_hashes(primary: Iterable[str], parts: Sequence[DataHash]) -> str:
    """Return the content hash of a file from its primary cards and its extensions.

    Order does not count: each extension's hash covers its name.
    """
    whole = hashlib.sha256(_canonical(primary))
    for digest in sorted(part.digest() for part in parts):
        whole.update(digest)
    return whole.hexdigest()


def content_hash(path: Path) -> str:
    """Compute the content hash of any FITS file from what is in it.

    Returns
    -------
    str
        64 hexadecimal digits; equal to CONTHASH in a file that we wrote and nobody
        changed.

    Raises
    ------
    InputError
        A file that is no whole FITS file.
    """
    hdus = scan_fits(path)
    with ThreadPoolExecutor(_THREADS) as pool:
        parts = pool.map(lambda hdu: _hash_hdu(path, hdu), hdus[1:])
        return combine_hashes(
            hdus[0].header.images, [part for part in parts if part is not None]
        )


def hash_file(path: Path) -> str:
    """Hash a file's bytes, whatever it is."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, xxhash.xxh3_128).hexdigest()


def recorded_hash(path: Path) -> str | None:
    """Return CONTHASH of the header, None where there is none.

    Other tools copy the card into what they make of our files: where that matters,
    `content_hash` knows.
    """
    value = scan_fits(path)[0].header.get(HASH_CARD)
    return value if isinstance(value, str) else None


def recorded_key(path: Path) -> str | None:
    """Return TASKKEY of the header, None where there is none."""
    value = scan_fits(path)[0].header.get(KEY_CARD)
    return value if isinstance(value, str) else None


def _hash_hdu(path: Path, hdu: Hdu) -> DataHash | None:
    """Hash one extension of a file."""
    digest = plane_hash(hdu.name, hdu.header.images)
    if digest is None or hdu.n_bytes == 0:
        return digest
    is_float = not hdu.is_table and hdu.header["BITPIX"] < 0
    dtype = np.dtype(f">f{-hdu.header['BITPIX'] // 8}" if is_float else "u1")
    mapped = np.memmap(path, dtype, "r", hdu.offset, (hdu.n_bytes // dtype.itemsize,))
    step = _PIECE // dtype.itemsize
    for start in range(0, mapped.size, step):
        piece = np.array(mapped[start : start + step])
        if is_float:
            np.copyto(piece, np.nan, where=np.isnan(piece))
        digest.update(piece.view(np.uint8).data)
    return digest


def counted_cards(header: StoredCards) -> list[tuple[str, str]]:
    """Return keyword and value of the cards that count, as they read back from a file."""
    return _counted(header.images)


def _counted(images: Iterable[str]) -> list[tuple[str, str]]:
    # A value in memory may have more digits than its card: the card counts.
    return [
        (keyword, _word(keyword, value))
        for image in images
        for keyword, value in read_card_image(image)
        if not _UNCOUNTED_CARDS.fullmatch(keyword)
    ]


def _canonical(images: Iterable[str]) -> bytes:
    """Return the cards that count, sorted."""
    lines = sorted(f"{keyword}={word}" for keyword, word in _counted(images))
    return "\n".join(lines).encode()


def _word(keyword: str, value: Any) -> str:
    """Spell a card's value; of a reference file only its name, without the folder."""
    if not isinstance(value, str):
        return repr(value)
    return value.rsplit("/", 1)[-1] if keyword.startswith("R_") else value.rstrip()
