"""The cards that say which file this is and when it was written."""

from datetime import UTC, datetime
from pathlib import Path

from ..exposure.header import Card


def stamp_cards(path: Path, model: str) -> tuple[Card, ...]:
    """Return DATE, FILENAME and DATAMODL of a file about to be written."""
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
    return (
        Card("DATE", now, "UTC date file created"),
        Card("FILENAME", path.name, "Name of the file"),
        Card("DATAMODL", model, "Type of data model"),
    )
