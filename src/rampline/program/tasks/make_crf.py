"""An exposure as it entered its mosaic: ``_crf``, aligned and with its outliers flagged."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ...astrometry.distortion_update import DistortionUpdate
from ...exposure.geometry import Geometry
from ...exposure.header import Card, put_cards
from ...files.asdf_tree import align_bytes
from ...files.names import product_name
from ...files.provenance import Provenance
from ...files.read import read_gwcs, read_header, read_wcs_tree
from ...files.write import write_sky
from ...pipeline.combine import mark_outliers
from ...pipeline.dither_set import PackedMask
from ...pipeline.exposure_geometry import StoredWcs, realigned_wcs
from .make_survey import load_sky
from .products import Made, is_current


@dataclass(frozen=True, slots=True, kw_only=True)
class CrfRequest:
    """What the mosaic says about one of its exposures.

    Attributes
    ----------
    name : str
        Of the task.
    cal : Path
    before, after : Geometry
        Of the calibrated image, and aligned.
    update : DistortionUpdate or None
        Of the distortion, between them.
    level_mjy_sr : float, MJy/sr
        Sky level taken off in the mosaic.
    outliers : PackedMask
    provenance : Provenance
        Of the mosaic.
    folder : Path
    """

    name: str
    cal: Path
    before: Geometry
    after: Geometry
    update: DistortionUpdate | None
    level_mjy_sr: float
    outliers: PackedMask
    provenance: Provenance
    folder: Path


def make_crf(request: CrfRequest) -> Made:
    """Write an exposure as it entered its mosaic."""
    header = read_header(request.cal)
    # pixels pass from file to file as they are stored
    image = load_sky(request.cal, request.before, computed=())
    marked = mark_outliers(image, request.outliers.open(), request.after)
    # `jwst` takes this level off when it goes on from here
    matched = (
        Card("BKGMETH", "match", "Background method"),
        Card("BKGLEVEL", request.level_mjy_sr, "Computed background level"),
        Card("BKGSUB", False, "Was background subtracted from data?"),
    )
    cards = put_cards(header.primary, matched)
    marked = replace(marked, header=replace(header, primary=cards))
    tree = read_wcs_tree(request.cal)
    wcs = StoredWcs(
        add=partial(align_bytes, tree), open=partial(read_gwcs, request.cal)
    )
    between = request.before, request.after, request.update
    world = realigned_wcs(wcs, *between, header)
    path = crf_path(request.folder, header.root)
    own = request.provenance
    write_sky(path, marked, world.gwcs, world.cards, own, blank_unusable=True)
    return Made(path=path, made=("crf",))


def crf_path(folder: Path, root: str) -> Path:
    """Return where the ``_crf`` of an exposure goes."""
    return folder / product_name(root, "crf")


def are_current(folder: Path | None, roots: list[str], key: str) -> bool:
    """Return whether all exposures were written as they entered the mosaic of a key.

    Without a folder none are to be.
    """
    if folder is None:
        return True
    return all(is_current(crf_path(folder, root), key) for root in roots)
