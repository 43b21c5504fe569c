"""Which reference files belong to an exposure: CRDS' rules or a folder's own metadata."""

from pathlib import Path

from .crds_rules import CrdsSource
from .folder import FolderSource
from .selection import ReferenceSource


def open_source(where: str | Path) -> ReferenceSource:
    """Return the source that ``--references`` names: ``crds`` or a folder.

    Parameters
    ----------
    where : str or Path
        ``crds``, a context (``jwst_1322.pmap``), or a folder.
    """
    text = str(where)
    if text == "crds":
        return CrdsSource()
    if text.endswith(".pmap") and not Path(text).exists():
        return CrdsSource(context=text)
    return FolderSource(Path(where))
