"""Where the parts of a FITS file lie: headers parsed, data found but not read.

The file's length is held against what its headers promise, so that a truncated file is
known before a pixel is touched. Pixels are big-endian, and unsigned integers are stored
as signed ones with an offset of half the range: both are undone in one pass.
"""

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .binary_table import plain_table
from .stored_cards import CARD_LENGTH, StoredCards, read_cards

BLOCK: Final = 2880
_PIECE: Final = 1 << 18
"""Bytes read and turned at once: a quarter of a core's cache."""
_THREADS: Final = 2
_SHARE: Final = 1 << 25
"""Fewest bytes that are worth a thread of their own."""
_END: Final = b"END" + b" " * 77
_IMAGE_DTYPE: Final = {
    8: "u1",
    16: ">i2",
    32: ">i4",
    64: ">i8",
    -32: ">f4",
    -64: ">f8",
}
_PRINTABLE: Final = bytes(range(32, 127))
_GZIP: Final = b"\x1f\x8b"
AGAIN: Final = "fetch it again"
ORIGINAL: Final = "give the file as the archive or the pipeline wrote it"
"""Remedy for a file whose headers or extensions were changed."""


@dataclass(frozen=True, slots=True)
class Hdu:
    """One header with the place of its data.

    Attributes
    ----------
    name : str
        EXTNAME; ``PRIMARY`` for the first.
    version : int
        EXTVER.
    header : StoredCards
    offset, n_bytes : int
        Where the data begin, and how long they are without padding.
    """

    name: str
    version: int
    header: StoredCards
    offset: int
    n_bytes: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes, slowest first."""
        return tuple(
            int(self.header[f"NAXIS{i}"]) for i in range(self.header["NAXIS"], 0, -1)
        )

    @property
    def is_table(self) -> bool:
        """Whether this is a binary table."""
        return bool(self.header.get("XTENSION", "").strip() == "BINTABLE")

    @property
    def unsigned_offset(self) -> int:
        """The offset of unsigned integers stored as signed ones, 0 for all others."""
        bits = self.header["BITPIX"]
        zero = self.header.get("BZERO", 0)
        return 1 << (bits - 1) if bits > 8 and zero == 1 << (bits - 1) else 0


def scan_fits(path: Path) -> tuple[Hdu, ...]:
    """Find all parts of a FITS file.

    A file is scanned again only when it has changed: its headers are asked for several
    times on the way from an exposure to a mosaic, and take 8 ms each time.

    Returns
    -------
    tuple of Hdu
        In the order of the file; not to be changed.

    Raises
    ------
    InputError
        Where the file cannot be opened, is empty, compressed, no FITS file, truncated or
        corrupt.
    """
    try:
        return _scanned(path, file_stamp(path))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            str(path), f"a corrupt FITS header ({error})", AGAIN
        ) from error
    except OSError as error:
        what = f"cannot be read ({error.strerror or error})"
        raise InputError(str(path), what) from error


def read_first_cards(path: Path) -> StoredCards:
    """Read the cards of the primary header, whatever follows it.

    Raises
    ------
    InputError
        Where the file cannot be opened or does not begin as a FITS file does.
    """
    try:
        with path.open("rb") as file:
            _refuse_other_formats(file, path, path.stat().st_size)
            file.seek(0)
            header, _ = _read_header(file, path, first=True)
    except OSError as error:
        what = f"cannot be read ({error.strerror or error})"
        raise InputError(str(path), what) from error
    if header is None:
        raise InputError(str(path), "not a FITS file")
    return header


def find_hdu(hdus: tuple[Hdu, ...], name: str) -> Hdu | None:
    """Return the first part of that name, or None."""
    return next((hdu for hdu in hdus if hdu.name == name), None)


def map_image(path: Path, hdu: Hdu) -> NDArray[Any]:
    """Map an image as it is stored, big-endian: to be copied or looked into, not computed with.

    Unsigned integers, which are not stored as they are, are read.

    Raises
    ------
    InputError
        As `read_image`.
    """
    stored, flip = _stored_as(path, hdu)
    if flip or not hdu.n_bytes:
        return read_image(path, hdu)
    return np.memmap(path, stored, "r", hdu.offset, hdu.shape)


def read_image(path: Path, hdu: Hdu, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Read an image in the byte order of this machine.

    Parameters
    ----------
    path : Path
    hdu : Hdu
        Of that file.
    out : array, optional
        Contiguous; filled and returned where its shape and dtype are those of the image.
        Fresh memory costs more than the reading, so a caller with many exposures keeps one.

    Returns
    -------
    array
        Integers unsigned where the file says so.

    Raises
    ------
    InputError
        Where the pixels are compressed or scaled.
    """
    stored, flip = _stored_as(path, hdu)
    native = stored.newbyteorder("=")
    fits_out = out is not None and out.shape == hdu.shape and out.dtype == native
    pixels = out if fits_out and out is not None else np.empty(hdu.shape, native)
    # not mapped: its pages would count as memory of this process
    flat = pixels.view()
    flat.shape = (-1,)

    def fill(first: int) -> None:
        buffer = np.empty(_PIECE // stored.itemsize, stored)
        with path.open("rb") as file:
            file.seek(hdu.offset + first * stored.itemsize)
            last = min(first + share, flat.size)
            for start in range(first, last, buffer.size):
                piece = flat[start : min(start + buffer.size, last)]
                source = buffer[: piece.size]
                file.readinto(source.view(np.uint8).data)
                np.copyto(piece, source)
                if flip:
                    np.bitwise_xor(piece, native.type(flip), out=piece)

    share = max(-(-flat.size // _THREADS), _SHARE // stored.itemsize)
    if flat.size <= share:
        fill(0)
        return pixels
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(fill, range(0, flat.size, share)):
            pass
    return pixels


def _stored_as(path: Path, hdu: Hdu) -> tuple[np.dtype[Any], int]:
    """Return the type of an image's pixels in the file, and the offset of unsigned ones."""
    if hdu.is_table:
        raise InputError(
            str(path), f"{hdu.name} is tile-compressed", "run funpack on it"
        )
    stored = np.dtype(_IMAGE_DTYPE[hdu.header["BITPIX"]])
    flip = hdu.unsigned_offset
    scaled = hdu.header.get("BSCALE", 1) != 1 or hdu.header.get("BZERO", 0) != flip
    if scaled:
        raise InputError(
            str(path), f"{hdu.name} holds scaled integers, which JWST's do not"
        )
    return (np.dtype(f">u{stored.itemsize}") if flip else stored), flip


def read_table(path: Path, hdu: Hdu) -> NDArray[np.void]:
    """Read a binary table as a structured array in the byte order of this machine."""
    plain = plain_table(hdu.header, read_bytes(path, hdu))
    if plain is not None:
        return plain
    from astropy.io import fits  # noqa: PLC0415 - a quarter of a second, rarely needed

    table = fits.BinTableHDU.fromstring(
        header_block(hdu.header.images) + read_bytes(path, hdu, padded=True)
    )
    stored = np.asarray(table.data)
    fields = [(name, _native(table.data[name])) for name in stored.dtype.names or ()]
    out = np.empty(len(stored), [(name, a.dtype, a.shape[1:]) for name, a in fields])
    for name, values in fields:
        out[name] = values
    return out


def read_bytes(path: Path, hdu: Hdu, *, padded: bool = False) -> bytes:
    """Read the data of a part as they are, or with the padding to a whole block."""
    with path.open("rb") as file:
        file.seek(hdu.offset)
        return file.read(whole_blocks(hdu.n_bytes) if padded else hdu.n_bytes)


def _native(column: NDArray[Any]) -> NDArray[Any]:
    """Return a table's column, text as bytes."""
    values = np.asarray(column)
    if values.dtype.kind == "U":
        return np.char.encode(values, "ascii")
    return values.astype(values.dtype.newbyteorder("="))


FileStamp: TypeAlias = tuple[int, int, int, int]


def file_stamp(path: Path) -> FileStamp:
    """Return what changes when a file changes."""
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@lru_cache(maxsize=64)
def _scanned(path: Path, _stamp: FileStamp) -> tuple[Hdu, ...]:
    """Scan a file that is as the stamp says."""
    with path.open("rb") as file:
        return tuple(_scan(file, path))


def _scan(file: IO[bytes], path: Path) -> Iterator[Hdu]:
    """Walk from header to header."""
    size = path.stat().st_size
    _refuse_other_formats(file, path, size)
    position, first = 0, True
    while position < size:
        file.seek(position)
        header, length = _read_header(file, path, first=first)
        if header is None:
            return
        offset = position + length
        n_bytes = _data_bytes(header)
        # The padding counts too: where it is cut, later extensions may be gone.
        end = offset + whole_blocks(n_bytes)
        if end > size:
            what = f"truncated: {size} of at least {end} bytes"
            raise InputError(str(path), what, AGAIN)
        name = "PRIMARY" if first else str(header.get("EXTNAME", "")).strip().upper()
        yield Hdu(name, int(header.get("EXTVER", 1)), header, offset, n_bytes)
        position, first = end, False


def _refuse_other_formats(file: IO[bytes], path: Path, size: int) -> None:
    """Tell an empty, compressed or foreign file from a FITS file."""
    if size == 0:
        raise InputError(str(path), "an empty file", AGAIN)
    start = file.read(80)
    if start.startswith(_GZIP):
        raise InputError(str(path), "compressed by gzip", "run gunzip on it")
    if not start.startswith(b"SIMPLE  ="):
        raise InputError(str(path), "not a FITS file")


def _read_header(
    file: IO[bytes], path: Path, *, first: bool
) -> tuple[StoredCards | None, int]:
    """Read one header; None where only padding follows."""
    blocks: list[bytes] = []
    while True:
        block = file.read(BLOCK)
        if not blocks and not block.strip(b"\0 "):
            return None, 0
        starts_well = first or blocks or block.startswith(b"XTENSION")
        if not starts_well or block.translate(None, _PRINTABLE):
            raise InputError(str(path), "corrupt: no header where one should be", AGAIN)
        if len(block) < BLOCK:
            raise InputError(str(path), "truncated within a header", AGAIN)
        blocks.append(block)
        if any(block[i : i + 80] == _END for i in range(0, BLOCK, 80)):
            break
    try:
        header = read_cards(b"".join(blocks).decode("ascii"))
    except ValueError as error:
        raise InputError(str(path), str(error)) from error
    return header, BLOCK * len(blocks)


def _data_bytes(header: StoredCards) -> int:
    """Length of the data that a header announces (FITS standard 4.0, eq. 2)."""
    n_axes, bits = int(header["NAXIS"]), int(header["BITPIX"])
    axes = [int(header[f"NAXIS{axis}"]) for axis in range(1, n_axes + 1)]
    extra, groups = int(header.get("PCOUNT", 0)), int(header.get("GCOUNT", 1))
    if bits not in _IMAGE_DTYPE or min(0, n_axes, extra, groups, *axes) < 0:
        raise ValueError(f"BITPIX {bits}, axes {axes}")
    return abs(bits) // 8 * groups * (extra + math.prod(axes)) if axes else 0


def header_block(images: Iterable[str]) -> bytes:
    """Return a header's blocks from its cards' text."""
    text = "".join(images) + "END".ljust(CARD_LENGTH)
    return text.ljust(whole_blocks(len(text))).encode("ascii")


def whole_blocks(n_bytes: int) -> int:
    """Round up to whole FITS blocks."""
    return -(-n_bytes // BLOCK) * BLOCK
