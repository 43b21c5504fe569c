"""The world coordinates that a product of one exposure is written with.

In memory an exposure has a `Geometry`. On disk it has a GWCS for JWST's tools and TAN-SIP
cards for all others; both are made here, from the same geometry.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..astrometry.distortion_update import DistortionUpdate, detector_frame
from ..astrometry.footprint import s_region
from ..astrometry.gwcs_model import align_gwcs, build_gwcs, update_gwcs
from ..astrometry.sip import fit_sip
from ..astrometry.wcs_tree import correction_tree, exposure_tree, update_tree
from ..exposure.geometry import Geometry
from ..exposure.header import Card, Header, card_values
from ..exposure.planes import SkyPlanes
from ..exposure.tagged import Tagged, TreeModel


class ProductWcs(NamedTuple):
    """World coordinates of a product, as `files.write` takes them."""

    gwcs: Any
    """WCS with the frames detector, v2v3, v2v3vacorr, (v2v3corr,) world, as `Tagged` or as
    gwcs.WCS; or the bytes of the ASDF extension of a file."""
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
    """
    is_aligned = not np.array_equal(geometry.correction, np.eye(2, 3))
    make = exposure_tree if isinstance(planes.distortion, TreeModel) else build_gwcs
    correction = geometry.correction if is_aligned else None
    gwcs = make(planes, geometry.pointing, header.readout, correction)
    return ProductWcs(gwcs, wcs_cards(geometry, header))


class StoredWcs(NamedTuple):
    """The WCS of a stored exposure, in the two forms in which it can be aligned."""

    add: Callable[[Tagged, Tagged | None], bytes | None]
    """Adds an alignment and, if given, an update of the distortion to the file's ASDF tree;
    returns None where that cannot be done."""
    open: Callable[[], Any]
    """Returns the gwcs.WCS."""


def realigned_wcs(
    stored: StoredWcs,
    before: Geometry,
    after: Geometry,
    update: DistortionUpdate | None,
    header: Header,
) -> ProductWcs:
    """Return the world coordinates of a stored exposure after a further alignment.

    Parameters
    ----------
    stored : StoredWcs
        Opened only where it is aligned already: both alignments are then combined.
    before, after : Geometry
        Of the stored product, and with the alignment to be written.
    update : DistortionUpdate or None
        Of the distortion, between the two; None where it is unchanged.
    header : Header
    """
    further = _further_correction(before.correction, after.correction)
    frame = detector_frame(before)
    follower = None if update is None else update_tree(frame, update)
    gwcs = stored.add(correction_tree(after.pointing, further), follower)
    if gwcs is None:
        opened = stored.open()
        wcs = opened if update is None else update_gwcs(opened, frame, update)
        gwcs = align_gwcs(wcs, after.pointing, further)
    return ProductWcs(gwcs, wcs_cards(after, header))


def _further_correction(
    before: NDArray[np.float64], after: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the correction that turns ``before`` into ``after``, (2, 3), arcsec."""
    step = after[:, :2] @ np.linalg.inv(before[:, :2])
    return np.column_stack([step, after[:, 2] - step @ before[:, 2]])


def wcs_cards(geometry: Geometry, header: Header) -> tuple[Card, ...]:
    """Return TAN-SIP cards about the header's reference pixel, and S_REGION."""
    values = card_values(header.science)
    column, row = values.get("CRPIX1"), values.get("CRPIX2")
    crpix = None
    if isinstance(column, int | float) and isinstance(row, int | float):
        crpix = float(column), float(row)
    return (
        *fit_sip(geometry, crpix).cards,
        Card("S_REGION", s_region(geometry), "spatial extent of the observation"),
    )
