"""Writing JWST's products of single exposures: slopes and sky images.

Names, extensions, units and keywords are those of `jwst` 3.0; planes of our own follow
as further extensions, then the PARAMETERS and PROVENANCE tables, the ASDF extension last.
Every function writes whole files or none, and returns the content hash; RamplineError says why
a file cannot be written.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..exposure.header import Card, Header, put_cards
from ..exposure.records import SkyImage, SlopeImage, SlopePlanes
from ..flags import DO_NOT_USE
from ..units import ARCSEC2_PER_SR
from .embedded import ASDF_HDU, embedded_sha256, embedded_tree
from .fits_output import Part, write_fits
from .geometry_table import GEOMETRY_HDU, geometry_cards
from .mosaic_headers import without_wcs
from .provenance import (
    Provenance,
    parameters_table,
    provenance_cards,
    provenance_table,
)
from .stamp import stamp_cards

_UNIT_COMMENT = "physical units of the array values"


def write_slope(path: Path, image: SlopeImage, provenance: Provenance) -> str:
    """Write ``_rate``: slopes of an exposure, DN/s.

    Parameters
    ----------
    path : Path
        Replaced where it exists.
    image : SlopeImage
    provenance : Provenance
    """
    science = put_cards(image.header.science, (unit_card("DN/s"),))
    parts = _slope_parts(image.planes, science)
    primary = _primary(path, image.header, "ImageModel", provenance)
    return write_fits(
        path, primary, [*parts, *_closing(image.extras.items(), provenance)]
    )


def write_slope_ints(path: Path, image: SlopeImage, provenance: Provenance) -> str:
    """Write ``_rateints``: slopes of each integration, DN/s.

    Parameters
    ----------
    path : Path
    image : SlopeImage
        With its ``integrations``.
    provenance : Provenance

    Raises
    ------
    ValueError
        Where the image was made without its integrations.
    RamplineError
        Where the file cannot be written.
    """
    if image.integrations is None:
        raise ValueError("slope image without its integrations")
    science = put_cards(image.header.science, (unit_card("DN/s"),))
    parts = _slope_parts(image.integrations, science)
    if image.int_times is not None:
        parts.insert(3, Part("INT_TIMES", image.int_times))
    primary = _primary(path, image.header, "CubeModel", provenance)
    return write_fits(path, primary, [*parts, *_closing((), provenance)])


def write_sky(
    path: Path,
    image: SkyImage,
    gwcs: Any,
    sip_cards: Sequence[Card],
    provenance: Provenance,
    *,
    blank_unusable: bool = False,
) -> str:
    """Write ``_cal`` or ``_crf``: surface brightness of an exposure, MJy/sr.

    Planes with the integrations as first axis make a ``_calints``.

    Parameters
    ----------
    path : Path
    image : SkyImage
    gwcs : gwcs.WCS, or what else `embedded_tree` takes
        The WCS made from ``image.geometry``.
    sip_cards : sequence of Card
        Its approximation by TAN-SIP, with S_REGION.
    provenance : Provenance
    blank_unusable : bool
        Whether sky, error and variances are written as NaN where DO_NOT_USE, as the JWST
        pipeline leaves its ``_crf``.
    """
    tree = embedded_tree(gwcs)
    science = _sky_science(image, sip_cards)
    lost = image.flags & np.uint32(DO_NOT_USE) != 0 if blank_unusable else None
    parts = [
        Part("SCI", image.sky, science, lost),
        Part("ERR", image.err, (unit_card("MJy/sr"),), lost),
        Part("DQ", image.flags),
        Part("AREA", image.area),
        Part("VAR_POISSON", image.var_poisson, (), lost),
        Part("VAR_RNOISE", image.var_read, (), lost),
        Part("VAR_FLAT", image.var_flat, (), lost),
    ]
    geometry = Part(
        GEOMETRY_HDU,
        image.geometry.v2v3_arcsec,
        geometry_cards(image.geometry, embedded_sha256(tree)),
    )
    model = "ImageModel" if image.sky.ndim == 2 else "CubeModel"
    primary = put_cards(
        _primary(path, image.header, model, provenance), _background_cards(image)
    )
    closing = _closing(image.extras.items(), provenance, tree)
    return write_fits(path, primary, [*parts, geometry, *closing])


def photometry_cards(mjy_sr_per_dn_s: float, pixel_area_sr: float) -> tuple[Card, ...]:
    """Return the flux conversion and the pixel area as SCI cards."""
    area_arcsec2 = pixel_area_sr * ARCSEC2_PER_SR
    # 1 MJy/sr is 1e12 uJy/sr.
    micro = mjy_sr_per_dn_s * 1.0e12 / ARCSEC2_PER_SR
    return (
        Card(
            "PHOTMJSR", mjy_sr_per_dn_s, "Flux density (MJy/steradian) producing 1 cps"
        ),
        Card("PHOTUJA2", micro, "Flux density (uJy/arcsec2) producing 1 cps"),
        Card("PIXAR_SR", pixel_area_sr, "Nominal pixel area in steradians"),
        Card("PIXAR_A2", area_arcsec2, "Nominal pixel area in arcsec^2"),
    )


def _slope_parts(planes: SlopePlanes, science: tuple[Card, ...]) -> list[Part]:
    """Return the extensions of slopes in JWST's order."""
    return [
        Part("SCI", planes.slope, science),
        Part("ERR", planes.err, (unit_card("DN/s"),)),
        Part("DQ", planes.flags),
        Part("VAR_POISSON", planes.var_poisson),
        Part("VAR_RNOISE", planes.var_read),
    ]


def _sky_science(image: SkyImage, sip_cards: Sequence[Card]) -> tuple[Card, ...]:
    """Return the SCI cards of a sky image, its former WCS replaced."""
    kept = without_wcs(image.header.science)
    flux = image.photometry
    return put_cards(
        kept,
        (
            unit_card("MJy/sr"),
            *photometry_cards(flux.mjy_sr_per_dn_s, flux.pixel_area_sr),
            *sip_cards,
        ),
    )


def _background_cards(image: SkyImage) -> tuple[Card, ...]:
    """Return the measured level of the sky, under keywords of our own.

    When `jwst` resamples, it subtracts a BKGLEVEL whose BKGSUB is False. Those two keywords are
    therefore used only for a level that is to be subtracted.
    """
    if not np.isfinite(image.background_mjy_sr):
        return ()
    level = Card("SKYLEVEL", image.background_mjy_sr, "[MJy/sr] level of the sky")
    return (level, Card("SKYSUB", image.background_subtracted, "is it subtracted?"))


def _primary(
    path: Path, header: Header, model: str, provenance: Provenance
) -> tuple[Card, ...]:
    """Return the primary cards of a product of one exposure."""
    fresh = (*stamp_cards(path, model), *provenance_cards(provenance))
    return put_cards(header.primary, fresh)


def _closing(
    extras: Iterable[tuple[str, Any]], provenance: Provenance, tree: bytes | None = None
) -> list[Part]:
    """Return the extensions that follow JWST's own."""
    return [
        *(Part(name, plane) for name, plane in extras),
        Part("PARAMETERS", parameters_table(provenance.parameters)),
        Part("PROVENANCE", provenance_table(provenance)),
        Part(ASDF_HDU, embedded_tree() if tree is None else tree),
    ]


def unit_card(name: str) -> Card:
    """Return BUNIT."""
    return Card("BUNIT", name, _UNIT_COMMENT)
