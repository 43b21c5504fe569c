"""Times as JWST writes them, and the cards that say which file this is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from ..exposure.header import Card

_MJD_ZERO: Final = datetime(1858, 11, 17, tzinfo=UTC)


def mjd_to_iso(mjd: float) -> str:
    """Return a modified Julian date (UTC) as ``yyyy-mm-ddThh:mm:ss.sss``."""
    # isoformat cuts off; half a millisecond more makes it round.
    return _iso(_MJD_ZERO + timedelta(days=mjd, milliseconds=0.5))


def stamp_cards(path: Path, model: str) -> tuple[Card, ...]:
    """Return DATE, FILENAME and DATAMODL of a file about to be written."""
    return (
        Card("DATE", _iso(datetime.now(UTC)), "UTC date file created"),
        Card("FILENAME", path.name, "Name of the file"),
        Card("DATAMODL", model, "Type of data model"),
    )


def _iso(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds")
