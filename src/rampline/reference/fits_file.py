"""Opening FITS reference files: damage is one line that names the exposure."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MissingReferenceError
from ..exposure.header import Header

if TYPE_CHECKING:
    from astropy.io import fits


@contextmanager
def open_fits(path: Path, kind: str, header: Header) -> Iterator["fits.HDUList"]:
    """Open a reference file for an exposure, images mapped and unscaled.

    Raises
    ------
    MissingReferenceError
        Where the file, or what is read from it inside the ``with`` block, is damaged.
    """
    from astropy.io import fits  # noqa: PLC0415 - a quarter of a second
    from astropy.utils.exceptions import AstropyUserWarning  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            # a truncated file is refused below, in our own words
            warnings.simplefilter("ignore", AstropyUserWarning)
            with fits.open(path, memmap=True, do_not_scale_image_data=True) as hdus:
                _check_length(hdus, path)
                yield hdus
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MissingReferenceError(
            f"{header.root}: {kind} reference file {path} cannot be read: {reason}"
        ) from error


def _check_length(hdus: "fits.HDUList", path: Path) -> None:
    """Refuse a file that does not end, to the byte, where its last extension ends."""
    place, size = hdus[-1].fileinfo(), path.stat().st_size
    end = place["datLoc"] + place["datSpan"]
    if size < end:
        raise OSError(f"truncated: {size} of {end} bytes")
    if size > end:
        raise OSError("what follows the last whole extension is damaged")
