"""Writing FITS files whole or not at all, hashed on the way.

Each plane is turned to big-endian piece by piece in a small buffer that stays in cache,
and hashed and written from there: one pass over memory, no copy of a plane. All NaN are
made alike, so that equal planes are equal bytes. Planes are independent of each other, so
two threads share them; the hash of the file is made of the planes' own hashes and does not
depend on who wrote which.
"""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.header import Card, put_cards
from ..numerics.byte_order import blank_floats, turn_floats
from .binary_table import is_plain, table_bytes, table_cards
from .card_images import card_images
from .content import HASH_CARD, DataHash, combine_hashes, plane_hash
from .fits_layout import BLOCK, header_block, whole_blocks
from .whole_file import whole_file

_PIECE: Final = 1 << 18
"""Bytes turned at once: a quarter of a core's cache."""
_STRETCH: Final = 1 << 26
_DERIVED_STRETCH: Final = 1 << 23
"""Bytes that are written before a mapped plane is let go; of what is computed fewer, because
several planes may be read for it."""
_THREADS: Final = 2
_NO_HASH: Final = "0" * 64
"""Keeps the place of a content hash, which is as long."""
_SINGLE: Final = 4
"""Bytes of a single float."""
_BITPIX: Final = {
    "u1": 8,
    "i2": 16,
    "u2": 16,
    "i4": 32,
    "u4": 32,
    "i8": 64,
    "f4": -32,
    "f8": -64,
}


@dataclass(frozen=True, slots=True)
class Derived:
    """An image that is computed while it is written, so that it needs no room.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns.
    dtype : dtype
        Integers.
    rows : callable
        Returns the rows of a slice.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    rows: Callable[[slice], NDArray[Any]]

    @property
    def nbytes(self) -> int:
        """Bytes of the whole image."""
        return self.shape[0] * self.shape[1] * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Part:
    """One extension to be written.

    Attributes
    ----------
    name : str
        EXTNAME.
    data : array, Derived or bytes
        An image; a structured array becomes a binary table; bytes become the one cell of
        an ASDF extension. An image may be of any byte order, a memory map too.
    cards : tuple of Card
    blank : bool array of the image's shape, or None
        Pixels that are written as NaN.
    """

    name: str
    data: NDArray[Any] | Derived | bytes
    cards: tuple[Card, ...] = ()
    blank: NDArray[np.bool_] | None = None


def write_fits(
    path: Path,
    primary: tuple[Card, ...],
    parts: Sequence[Part],
    release: Callable[[], None] | None = None,
) -> str:
    """Write a FITS file with its content hash in the primary header.

    Parameters
    ----------
    path : Path
    primary : tuple of Card
    parts : sequence of Part
    release : callable, optional
        Called now and then: what is mapped may leave memory.

    Returns
    -------
    str
        CONTHASH.

    Raises
    ------
    RamplineError
        Where the file cannot be written.
    """
    cards = put_cards(primary, (Card(HASH_CARD, _NO_HASH),))
    first = card_images((*_primary_cards(), *cards))
    text = header_block(first)
    with (
        whole_file(path) as beside,
        beside.open("wb") as file,
        ThreadPoolExecutor(_THREADS) as pool,
    ):
        waiting, position = [], len(text)
        for part in parts:
            block = _encode(part)
            start = position + len(block.text)
            position = start + whole_blocks(_length(block.data))
            # the planes are on their way while the tables after them are laid out
            place = file.fileno(), start
            waiting.append(pool.submit(_write_part, place, block, part, release))
        hashes = [written.result() for written in waiting]
        os.truncate(file.fileno(), position)
        found = combine_hashes(first, [h for h in hashes if h is not None])
        os.pwrite(file.fileno(), text.replace(_NO_HASH.encode(), found.encode()), 0)
    return found


class _Block(NamedTuple):
    """An extension ready to be written."""

    images: tuple[str, ...]
    """Its cards as they stand in the file."""
    text: bytes
    """Its header's blocks."""
    data: NDArray[Any] | Derived | bytes


def _write_part(
    place: tuple[int, int],
    block: _Block,
    part: Part,
    release: Callable[[], None] | None,
) -> DataHash | None:
    """Write header and data of one extension; return the hash of what counts in it."""
    file, start = place
    images, text, data = block
    os.pwrite(file, text, start - len(text))
    digest = plane_hash(part.name, images)
    if isinstance(data, bytes):
        os.pwrite(file, data, start)
        if digest:
            digest.update(data)
        return digest
    if isinstance(data, Derived):
        pieces, stretch = _derived_pieces(data), _DERIVED_STRETCH
    else:
        pieces, stretch = _pieces(data, part.blank), _STRETCH
    for piece in pieces:
        os.pwrite(file, piece, start)
        if digest:
            digest.update(piece)
        start += len(piece)
        if release and start % stretch < len(piece):
            release()
    return digest


def _pieces(
    data: NDArray[Any], blank: NDArray[np.bool_] | None
) -> Iterator[memoryview]:
    """Turn an image to FITS bytes, a piece at a time."""
    flat = np.ascontiguousarray(data).reshape(-1)
    step = _PIECE // flat.itemsize
    if flat.dtype.kind == "f" and flat.itemsize == _SINGLE:
        unknown = np.ascontiguousarray(blank).reshape(-1) if blank is not None else None
        yield from _float_pieces(flat, unknown, step)
        return
    native = flat.dtype.newbyteorder("=")
    flip = _unsigned_offset(flat.dtype)
    for start in range(0, flat.size, step):
        source = flat[start : start + step]
        if flip:
            source = np.bitwise_xor(source, native.type(flip))
        elif flat.dtype.kind == "f":
            source = np.where(np.isnan(source), np.nan, source)
        yield source.astype(native.newbyteorder(">")).view(np.uint8).data


def _derived_pieces(image: Derived) -> Iterator[memoryview]:
    """Compute an image and turn it to FITS bytes, some rows at a time."""
    rows, cols = image.shape
    step = max(1, _PIECE // (cols * image.dtype.itemsize))
    for start in range(0, rows, step):
        yield from _pieces(image.rows(slice(start, min(start + step, rows))), None)


def _float_pieces(
    flat: NDArray[np.float32], blank: NDArray[np.bool_] | None, step: int
) -> Iterator[memoryview]:
    """Turn an image of single floats, of this machine or as a file has them."""
    is_stored = flat.dtype.newbyteorder(">") == flat.dtype
    words, out = flat.view(np.uint32), np.empty(step, np.uint32)
    nothing = np.zeros(step, np.uint8)
    for start in range(0, flat.size, step):
        piece = words[start : start + step]
        turned = out[: piece.size]
        unknown = nothing[: piece.size]
        if blank is not None:
            unknown = blank[start : start + step].view(np.uint8)
        if not is_stored:
            turn_floats(piece, turned)
            piece = turned
        if is_stored or blank is not None:
            blank_floats(piece, unknown, turned)
        yield turned.view(np.uint8).data


def _encode(part: Part) -> _Block:
    """Return an extension's cards, its header's blocks and its data."""
    data = part.data
    if isinstance(data, bytes):
        cards = _cell_cards(part.name, len(data))
    elif isinstance(data, Derived):
        cards = _image_cards(part.name, data)
    elif data.dtype.names is not None:
        if not is_plain(data):
            return _encode_table(part)
        cards, data = table_cards(part.name, data), table_bytes(data)
    else:
        data = data.view(np.uint8) if data.dtype == np.bool_ else data
        cards = _image_cards(part.name, data)
    images = card_images((*cards, *part.cards))
    return _Block(images, header_block(images), data)


def _encode_table(part: Part) -> _Block:
    """Let astropy lay out a binary table of any columns."""
    from astropy.io import fits  # noqa: PLC0415 - a quarter of a second, rarely needed

    hdu = fits.BinTableHDU(part.data, name=part.name)
    for card in part.cards:
        hdu.header.append(tuple(card))
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(buffer)
    text = hdu.header.tostring().encode("ascii")
    n_bytes = hdu.header["NAXIS1"] * hdu.header["NAXIS2"]
    start = BLOCK + len(text)
    rows = buffer.getvalue()[start : start + n_bytes]
    return _Block(tuple(card.image for card in hdu.header.cards), text, rows)


def _primary_cards() -> tuple[Card, ...]:
    return (
        Card("SIMPLE", True, "conforms to FITS standard"),
        Card("BITPIX", 8, "array data type"),
        Card("NAXIS", 0, "number of array dimensions"),
        Card("EXTEND", True),
    )


def _image_cards(name: str, data: NDArray[Any] | Derived) -> tuple[Card, ...]:
    axes = data.shape[::-1]
    flip = _unsigned_offset(data.dtype)
    return (
        Card("XTENSION", "IMAGE", "Image extension"),
        Card("BITPIX", _BITPIX[data.dtype.str[1:]], "array data type"),
        Card("NAXIS", len(axes), "number of array dimensions"),
        *(Card(f"NAXIS{i}", n) for i, n in enumerate(axes, 1)),
        Card("PCOUNT", 0, "number of parameters"),
        Card("GCOUNT", 1, "number of groups"),
        *((Card("BSCALE", 1), Card("BZERO", flip)) if flip else ()),
        Card("EXTNAME", name, "extension name"),
        Card("EXTVER", 1, "extension value"),
    )


def _cell_cards(name: str, n_bytes: int) -> tuple[Card, ...]:
    """Describe a table of one row with one column of bytes."""
    return (
        Card("XTENSION", "BINTABLE", "binary table extension"),
        Card("BITPIX", 8, "array data type"),
        Card("NAXIS", 2, "number of array dimensions"),
        Card("NAXIS1", n_bytes, "length of dimension 1"),
        Card("NAXIS2", 1, "length of dimension 2"),
        Card("PCOUNT", 0, "number of group parameters"),
        Card("GCOUNT", 1, "number of groups"),
        Card("TFIELDS", 1, "number of table fields"),
        Card("TTYPE1", f"{name}_METADATA"),
        Card("TFORM1", f"{n_bytes}B"),
        Card("EXTNAME", name, "extension name"),
    )


def _length(data: NDArray[Any] | Derived | bytes) -> int:
    return len(data) if isinstance(data, bytes) else data.nbytes


def _unsigned_offset(dtype: np.dtype[Any]) -> int:
    """Offset by which FITS stores unsigned integers as signed ones; 0 for others."""
    return (
        1 << (8 * dtype.itemsize - 1) if dtype.kind == "u" and dtype.itemsize > 1 else 0
    )
