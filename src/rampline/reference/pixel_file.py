"""A reference file of planes, and the part of it that an exposure sees.

Planes are cut to the exposure's window in the detector by the SUBSTRT and SUBSIZE
keywords of both, as `jwst` does, and brought to native byte order. Flags come with a
table of their own (DQ_DEF) that gives each bit a name; the name counts, not the bit.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from .. import flags
from ..errors import MissingReferenceError
from ..exposure.header import Header
from ..exposure.records import Flags32, Plane
from .fits_file import open_fits
from .metadata import FULL_SIZE
from .stored_planes import StoredPlanes

if TYPE_CHECKING:
    from astropy.io import fits

BIT_OF_NAME: Final = {name: bit for bit, name in flags.NAME.items()}
DTYPE_OF_BITPIX: Final = {8: "u1", 16: ">i2", 32: ">i4", -32: ">f4", -64: ">f8"}


@dataclass(frozen=True)
class PixelFile:
    """An opened reference file of planes.

    Parameters
    ----------
    hdus : HDUList
    header : Header
        Of the exposure.
    kind : str
    path : Path
    """

    hdus: "fits.HDUList"
    header: Header
    kind: str
    path: Path

    def has(self, name: str) -> bool:
        """Tell whether there is an extension of this name."""
        return name in self.hdus

    def stored(self, name: str = "SCI") -> StoredPlanes:
        """Return the exposure's part of an extension, to be read.

        Raises
        ------
        MissingReferenceError
            No such extension, or the exposure's pixels are not all in it.
        """
        if name not in self.hdus or self.hdus[name].header["NAXIS"] < 2:
            raise MissingReferenceError(f"{self._line()} has no {name} extension")
        hdu = self.hdus[name]
        *planes, rows, cols = hdu.shape
        readout = self.header.readout
        return StoredPlanes(
            path=self.path,
            offset=hdu.fileinfo()["datLoc"],
            dtype=np.dtype(DTYPE_OF_BITPIX[hdu.header["BITPIX"]]),
            file_shape=(rows, cols),
            origin=self._origin((rows, cols)),
            shape=(math.prod(planes), readout.n_rows, readout.n_cols),
        )

    def plane(self, name: str = "SCI") -> Plane:
        """Return the exposure's part of an image, (rows, cols) float32."""
        return np.asarray(self.cube(name)[0])

    def cube(self, name: str = "SCI") -> NDArray[np.float32]:
        """Return the exposure's part of a cube, (planes, rows, cols) float32."""
        return self.stored(name).read_all()

    def flags(self) -> Flags32:
        """Return the flags in JWST's bits, (rows, cols) uint32; zero where none.

        Bits are translated by the names in DQ_DEF, and bits whose name is unknown are
        dropped, as ``stdatamodels.dynamicdq.dynamic_mask`` does. A file without DQ_DEF
        has JWST's bits already.

        Raises
        ------
        MissingReferenceError
            A mask file without flags.
        """
        if "DQ" not in self.hdus and self.kind != "mask":
            readout = self.header.readout
            return np.zeros((readout.n_rows, readout.n_cols), np.uint32)
        stored = self.stored("DQ")
        zero = int(self.hdus["DQ"].header.get("BZERO", 0))
        # a sum modulo 2**32 is right for signed, unsigned and shifted integers alike
        bits: Flags32 = stored.read_all(np.int32)[0].view(np.uint32)
        bits += np.uint32(zero % (1 << 32))
        table = self.hdus["DQ_DEF"].data if "DQ_DEF" in self.hdus else None
        return bits if table is None or len(table) == 0 else translate(bits, table)

    def number(self, keyword: str) -> float | None:
        """Return a number of the primary header, None where it says none."""
        value = self.hdus[0].header.get(keyword)
        return float(value) if isinstance(value, int | float) else None

    def _line(self) -> str:
        return f"{self.header.root}: {self.kind} reference file {self.path.name}"

    def _origin(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return the first row and column of the exposure within the file's pixels."""
        readout = self.header.readout
        wanted = (readout.n_rows, readout.n_cols)
        starts = [self.hdus[0].header.get(key) for key in ("SUBSTRT2", "SUBSTRT1")]
        if None in starts:
            if shape == wanted:
                return 0, 0
            if shape != (FULL_SIZE, FULL_SIZE):
                raise MissingReferenceError(
                    f"{self._line()} does not say which part of the detector it is "
                    "(SUBSTRT1, SUBSTRT2)"
                )
            starts = [1, 1]
        row = readout.row_start - (int(starts[0]) - 1)
        col = readout.col_start - (int(starts[1]) - 1)
        if not (0 <= row <= shape[0] - wanted[0] and 0 <= col <= shape[1] - wanted[1]):
            raise MissingReferenceError(
                f"{self._line()} ({shape[0]} x {shape[1]} pixels) does not cover the "
                f"exposure's subarray {readout.subarray} ({wanted[0]} x {wanted[1]})"
            )
        return row, col


@contextmanager
def open_pixel_file(path: Path, kind: str, header: Header) -> Iterator[PixelFile]:
    """Open a reference file of planes for one exposure.

    Raises
    ------
    MissingReferenceError
        Where the file, or what is read from it inside the ``with`` block, is damaged.
    """
    with open_fits(path, kind, header) as hdus:
        yield PixelFile(hdus, header, kind, path)


def translate(bits: Flags32, table: NDArray[Any]) -> Flags32:
    """Return flags in JWST's bits.

    Parameters
    ----------
    bits : (rows, cols) uint32
        Flags in the file's own bits.
    table : record array with VALUE and NAME
        The file's DQ_DEF.
    """
    same = 0
    moved: list[tuple[int, int]] = []
    for value, name in zip(table["VALUE"], table["NAME"], strict=True):
        ours = BIT_OF_NAME.get(str(name).strip())
        if ours == int(value):
            same |= ours
        elif ours is not None:
            moved.append((int(value), ours))
    out = bits & np.uint32(same)
    for theirs, ours in moved:
        out[(bits & np.uint32(theirs)) != 0] |= np.uint32(ours)
    return out
