"""The world coordinates that a product of one exposure is written with.

Inside the house an exposure carries a `Geometry`. On disk it is a GWCS for JWST's tools
and TAN-SIP cards for all others; both are made here, from the same geometry.
"""

from typing import Any, NamedTuple

import numpy as np

from ..astrometry.footprint import s_region
from ..astrometry.gwcs_model import align_gwcs, build_gwcs
from ..astrometry.sip import fit_sip
from ..exposure.geometry import Geometry
from ..exposure.header import Card, Header
from ..exposure.planes import SkyPlanes


class ProductWcs(NamedTuple):
    """World coordinates of a product, as `files.write` takes them."""

    gwcs: Any
    """gwcs.WCS: detector, v2v3, v2v3vacorr, (v2v3corr,) world."""
    cards: tuple[Card, ...]
    """TAN-SIP with its residuals, and S_REGION."""


def product_wcs(geometry: Geometry, planes: SkyPlanes, header: Header) -> ProductWcs:
    """Return the world coordinates of an exposure just calibrated.

    Parameters
    ----------
    geometry : Geometry
        Made from the same planes; may be aligned.
    planes : SkyPlanes
    header : Header

    Returns
    -------
    ProductWcs
    """
    identity = np.eye(2, 3)
    is_aligned = not np.array_equal(geometry.correction, identity)
    gwcs = build_gwcs(
        planes,
        geometry.pointing,
        header.readout,
        geometry.correction if is_aligned else None,
    )
    return ProductWcs(gwcs, wcs_cards(geometry, header))


def realigned_wcs(
    stored: Any, before: Geometry, after: Geometry, header: Header
) -> ProductWcs:
    """Return the world coordinates of a stored exposure after a further alignment.

    Parameters
    ----------
    stored : gwcs.WCS
        As read from the product.
    before, after : Geometry
        Of the stored product, and with the alignment to be written.
    header : Header

    Returns
    -------
    ProductWcs
    """
    step = after.correction[:, :2] @ np.linalg.inv(before.correction[:, :2])
    shift = after.correction[:, 2] - step @ before.correction[:, 2]
    gwcs = align_gwcs(stored, after.pointing, np.column_stack([step, shift]))
    return ProductWcs(gwcs, wcs_cards(after, header))


def wcs_cards(geometry: Geometry, header: Header) -> tuple[Card, ...]:
    """Return TAN-SIP cards about the header's reference pixel, and S_REGION."""
    values = {card.keyword: card.value for card in header.science}
    crpix1, crpix2 = values.get("CRPIX1"), values.get("CRPIX2")
    has_pixel = isinstance(crpix1, int | float) and isinstance(crpix2, int | float)
    crpix = (float(crpix1), float(crpix2)) if has_pixel else None  # type: ignore[arg-type]
    return (
        *fit_sip(geometry, crpix).cards,
        Card("S_REGION", s_region(geometry), "spatial extent of the observation"),
    )
