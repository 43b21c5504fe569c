"""Writing mosaics and the segmentation maps made from them: whole or not at all.

Either function returns the content hash; RamplineError says why a file cannot be written.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exposure.header import Card, Header, put_cards
from ..exposure.records import Flags32, Labels, Mosaic
from ..flags import DO_NOT_USE
from .embedded import ASDF_HDU, embedded_tree
from .fits_output import Derived, Part, write_fits
from .mosaic_headers import blend_headers, header_table
from .provenance import (
    Provenance,
    parameters_table,
    provenance_cards,
    provenance_table,
)
from .stamp import stamp_cards
from .write import photometry_cards, unit_card


@dataclass(frozen=True, slots=True, kw_only=True)
class MosaicWorld:
    """What the header and the extensions of a mosaic say beside its planes.

    Attributes
    ----------
    gwcs : Tagged, gwcs.WCS or bytes
        Of the mosaic's grid; bytes are the ASDF extension of a product on the same grid
        (`read.read_wcs_tree`), which saves building it again.
    cards : tuple of Card
        The same as FITS cards, with S_REGION, the outline of the exposed area.
    pixel_fraction, scale_ratio : float
        Size of the drops over input pixels, and of output over input pixels.
    association : str
        Name of the association file; empty if none.
    weight_noise : str
        The weights are one over its variance: ``read`` noise, or ``read+sky``.
    tables : mapping of name to record array
        Further measurements, each in an extension: NOISE, ZEROPOINTS.
    """

    gwcs: Any
    cards: tuple[Card, ...]
    pixel_fraction: float = 1.0
    scale_ratio: float = 1.0
    association: str = ""
    weight_noise: str = "read+sky"
    tables: Mapping[str, NDArray[np.void]] = field(default_factory=dict)


def write_mosaic(
    path: Path,
    mosaic: Mosaic,
    world: MosaicWorld,
    provenance: Provenance,
    release: Callable[[], None] | None = None,
) -> str:
    """Write ``_i2d``: one filter on the common grid, MJy/sr.

    Parameters
    ----------
    path : Path
    mosaic : Mosaic
        Planes may be memory maps: they are read piece by piece.
    world : MosaicWorld
    provenance : Provenance
    release : callable, optional
        Called now and then, to release the pages of memory maps.
    """
    primary, science = _cards(path, mosaic, world, provenance)
    parts = [
        Part("SCI", mosaic.sky, science),
        Part("ERR", mosaic.err, (unit_card("MJy/sr"),)),
        Part("CON", mosaic.context),
        Part("WHT", mosaic.weight),
        Part("VAR_POISSON", mosaic.var_poisson),
        Part("VAR_RNOISE", mosaic.var_read),
        Part("VAR_FLAT", mosaic.var_flat),
        Part("EXPOSURE", mosaic.exposure_s, (Card("BUNIT", "s", "exposure time"),)),
        Part("NEXP", _exposure_counts(mosaic)),
        Part("DQ", _quality(mosaic)),
        Part("HDRTAB", header_table(mosaic.headers)),
    ]
    parts += [Part(name, table) for name, table in world.tables.items()]
    return write_fits(path, primary, [*parts, *_closing(provenance, world)], release)


def write_segmentation(
    path: Path,
    labels: Labels,
    mosaic: Mosaic,
    world: MosaicWorld,
    provenance: Provenance,
    catalog: str = "",
) -> str:
    """Write ``_segm``: the label of the source that each pixel of a mosaic belongs to.

    Parameters
    ----------
    path : Path
    labels : (rows, cols) integers
        0 is sky.
    mosaic : Mosaic
        From which the sources were found.
    world : MosaicWorld
    provenance : Provenance
    catalog : str
        File name of the catalogue with the same labels.
    """
    primary, _ = _cards(path, mosaic, world, provenance)
    named = (
        Card("DATAMODL", "SegmentationMapModel"),
        Card("SCATFILE", catalog, "Source catalog file"),
    )
    part = Part("SCI", labels.astype(np.uint32), world.cards)
    return write_fits(
        path, put_cards(primary, named), [part, *_closing(provenance, world)]
    )


def _exposure_counts(mosaic: Mosaic) -> Derived:
    """Return how many exposures contribute to each pixel, uint16."""

    def rows(some: slice) -> NDArray[np.uint16]:
        bits = np.bitwise_count(mosaic.context[:, some].view(np.uint32))
        return np.asarray(bits.sum(axis=0, dtype=np.uint16))

    return Derived(_shape(mosaic), np.dtype(np.uint16), rows)


def _quality(mosaic: Mosaic) -> Derived:
    """Return JWST's flags of each pixel: without any exposure it is not to be used."""

    def rows(some: slice) -> Flags32:
        return np.where(mosaic.weight[some] > 0, np.uint32(0), np.uint32(DO_NOT_USE))

    return Derived(_shape(mosaic), np.dtype(np.uint32), rows)


def _shape(mosaic: Mosaic) -> tuple[int, int]:
    n_rows, n_cols = mosaic.sky.shape
    return n_rows, n_cols


def _cards(
    path: Path, mosaic: Mosaic, world: MosaicWorld, provenance: Provenance
) -> tuple[tuple[Card, ...], tuple[Card, ...]]:
    """Return the primary and the SCI cards of a mosaic."""
    primary, science = blend_headers(mosaic.headers)
    made = (
        *stamp_cards(path, "ImageModel"),
        *provenance_cards(provenance),
        # the schema knows no other word for weights by inverse variance
        Card("RESWHT", "ivm", "Type of drizzle weighting"),
        Card("WHTNOISE", world.weight_noise, "noise whose variance makes the weights"),
        Card("PIXFRAC", world.pixel_fraction, "Size of drops over input pixels"),
        Card("PXSCLRT", world.scale_ratio, "Output over input pixel scale"),
        *((Card("ASNTABLE", world.association, ""),) if world.association else ()),
    )
    area, conversion = mosaic.pixel_area_sr, _mean_conversion(mosaic.headers)
    pixel = photometry_cards(conversion, area)[0 if conversion > 0 else 2 :]
    flux = (unit_card("MJy/sr"), *pixel, *world.cards)
    return put_cards(primary, made), put_cards(science, flux)


def _mean_conversion(headers: Sequence[Header]) -> float:
    """Return the mean of the inputs' PHOTMJSR, 0 where none says it.

    `jwst` keeps the first input's, though detectors differ.
    """
    cards = [card for header in headers for card in header.science]
    known = [card.value for card in cards if card.keyword == "PHOTMJSR"]
    values = [float(value) for value in known if isinstance(value, int | float)]
    return sum(values) / len(values) if values else 0.0


def _closing(provenance: Provenance, world: MosaicWorld) -> Sequence[Part]:
    """Return the extensions that follow JWST's own."""
    return (
        Part("PARAMETERS", parameters_table(provenance.parameters)),
        Part("PROVENANCE", provenance_table(provenance)),
        Part(ASDF_HDU, embedded_tree(world.gwcs)),
    )
