"""Files of planes that tasks of a run pass on: masks of sources, stray light."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..errors import InputError
from ..exposure.header import Card
from .fits_layout import find_hdu, read_image, scan_fits
from .fits_output import Part, write_fits
from .provenance import Provenance, provenance_cards


def write_planes(
    path: Path,
    planes: Mapping[str, NDArray[Any]],
    provenance: Provenance,
    more: Sequence[Card] = (),
) -> str:
    """Write planes as extensions of these names.

    Parameters
    ----------
    path : Path
    planes : mapping of name to (rows, cols) array
    provenance : Provenance
    more : sequence of Card
        Of the primary header.
    """
    cards = (
        Card("FILENAME", path.name, "File name"),
        *provenance_cards(provenance),
        *more,
    )
    parts = [Part(name, plane) for name, plane in planes.items()]
    return write_fits(path, cards, parts)


def read_planes(path: Path, *names: str) -> tuple[NDArray[Any], ...]:
    """Read planes back.

    Raises
    ------
    InputError
        A file without one of them.
    """
    hdus = scan_fits(path)
    found = [find_hdu(hdus, name) for name in names]
    for name, hdu in zip(names, found, strict=True):
        if hdu is None:
            raise InputError(str(path), f"no {name} extension")
    return tuple(read_image(path, hdu) for hdu in found if hdu is not None)
