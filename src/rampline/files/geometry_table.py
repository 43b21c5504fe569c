"""Our geometry as an image extension: nodes as pixels, the rest as cards.

The extension names the WCS it was made with by a hash: where another tool has since
replaced the WCS, the geometry is stale and not used.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..exposure.geometry import Geometry
from ..exposure.header import Card, Pointing
from .stored_cards import StoredCards

GEOMETRY_HDU: Final = "GEOMETRY"
_POINTING: Final = {
    "ra_ref_deg": "G_RA",
    "dec_ref_deg": "G_DEC",
    "roll_ref_deg": "G_ROLL",
    "v2_ref_arcsec": "G_V2",
    "v3_ref_arcsec": "G_V3",
    "v3i_yang_deg": "G_YANG",
    "vparity": "G_PARITY",
    "va_scale": "G_VA",
}


def geometry_cards(geometry: Geometry, sha256: str) -> tuple[Card, ...]:
    """Return a geometry as cards, without its nodes.

    Parameters
    ----------
    geometry : Geometry
    sha256 : str
        Hash of the ASDF extension with the WCS made from this geometry.
    """
    correction = geometry.correction
    return (
        Card("BUNIT", "arcsec", "V2, V3 at the nodes"),
        Card("WCSHASH", sha256, ""),
        Card("G_STEP", geometry.step, "[pixel] distance of nodes"),
        Card("G_ORIGIN", geometry.origin, "[pixel] row and column of first node"),
        Card("G_ROWS", geometry.shape[0], "rows of the exposure"),
        Card("G_COLS", geometry.shape[1], "columns of the exposure"),
        *(
            Card(f"G_C{i}{j}", float(correction[i, j]), "alignment, tangent plane")
            for i in range(2)
            for j in range(3)
        ),
        *(
            Card(keyword, getattr(geometry.pointing, name), "")
            for name, keyword in _POINTING.items()
        ),
    )


def stored_sha256(cards: StoredCards) -> str:
    """Return the hash of the WCS that the geometry belongs to."""
    return str(cards.get("WCSHASH", ""))


def geometry_from_table(nodes: NDArray[Any], cards: StoredCards) -> Geometry:
    """Return the geometry of nodes (node_rows, node_cols, 2), arcsec, and their cards."""
    correction = [[float(cards[f"G_C{i}{j}"]) for j in range(3)] for i in range(2)]
    pointing = {
        name: float(cards[keyword])
        for name, keyword in _POINTING.items()
        if name != "vparity"
    }
    return Geometry(
        v2v3_arcsec=np.asarray(nodes, np.float64),
        step=int(cards["G_STEP"]),
        origin=int(cards["G_ORIGIN"]),
        shape=(int(cards["G_ROWS"]), int(cards["G_COLS"])),
        pointing=Pointing(**pointing, vparity=int(cards[_POINTING["vparity"]])),
        correction=np.array(correction),
    )
