"""The ASDF extension of JWST's FITS files.

`stdatamodels` builds its metadata tree from the header keywords whenever the extension
does not claim, by a hash, to repeat them. So the extension needs to hold only what no
keyword can: the WCS. For all other products it is one constant.
"""

import hashlib
import io
from pathlib import Path
from typing import Any, Final

from ..errors import InputError
from ..exposure.tagged import Tagged
from .asdf_tree import wcs_bytes

ASDF_HDU: Final = "ASDF"
_EMPTY_TREE: Final = (
    b"#ASDF 1.0.0\n"
    b"#ASDF_STANDARD 1.6.0\n"
    b"%YAML 1.1\n"
    b"%TAG ! tag:stsci.edu:asdf/\n"
    b"--- !core/asdf-1.1.0\n"
    b"meta: {}\n"
    b"...\n"
)


def embedded_tree(wcs: Any = None) -> bytes:
    """Return the bytes of the ASDF extension.

    Parameters
    ----------
    wcs : gwcs.WCS, Tagged or bytes, optional
        Stored as ``meta.wcs``, where `jwst` looks for it; bytes are an extension that has
        it already.
    """
    if wcs is None:
        return _EMPTY_TREE
    if isinstance(wcs, bytes):
        return wcs
    if isinstance(wcs, Tagged):
        return wcs_bytes(wcs)
    import asdf  # noqa: PLC0415  takes 0.3 s, and slope images do not need it

    buffer = io.BytesIO()
    asdf.AsdfFile({"meta": {"wcs": wcs}}).write_to(buffer)
    return buffer.getvalue()


def embedded_sha256(tree: bytes) -> str:
    """Return the hash by which a geometry names its WCS."""
    return hashlib.sha256(tree).hexdigest()


def read_embedded_wcs(path: Path, tree: bytes) -> Any:
    """Return the WCS of an ASDF extension's bytes.

    Raises
    ------
    InputError
        Where there is none, or it cannot be opened.
    """
    import asdf  # noqa: PLC0415  as above

    try:
        # Only the WCS is built: the rest of the tree may point into the FITS file.
        file = asdf.open(io.BytesIO(tree), lazy_tree=True, memmap=False)
        wcs = file.tree.get("meta", {}).get("wcs")
    except (OSError, ValueError, asdf.exceptions.ValidationError) as error:
        what = f"its ASDF extension cannot be opened ({error})"
        raise InputError(str(path), what, "calibrate it again") from error
    if wcs is None:
        what = "no WCS in its ASDF extension"
        raise InputError(str(path), what, "calibrate it again")
    return wcs
