"""The truth beside each exposure, and the true and the alignment catalogues."""

from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.table import QTable
from numpy.typing import NDArray

from ..exposure.header import Card
from ..files.fits_output import Part, write_fits
from ..files.whole_file import write_ecsv
from ..units import MAS_PER_ARCSEC
from .catalog import catalog_table
from .electronics import couple
from .expose import Exposed
from .grism import trace
from .instrument import Passband
from .light import flux_conversion, nominal_area_sr
from .optics import psf_model
from .pointing import Exposure, pointing_errors
from .scene import SceneParams
from .sources import Sources
from .streams import stream
from .true_wcs import true_wcs_cards

_BRIGHT_ENOUGH = 24.5
"""AB magnitude of the faintest stars of the alignment catalogue."""
_SHALLOWEST = 19.5
Plane = NDArray[np.float32]


def write_truth(
    path: Path, scene: SceneParams, exposure: Exposure, exposed: Exposed
) -> None:
    """Write what is true of one exposure.

    Parameters
    ----------
    path : Path
        ``<root>_truth.fits``.
    scene : SceneParams
    exposure : Exposure
    exposed : Exposed

    Notes
    -----
    Extensions: SOURCES, SKY, DARK, WARM and one plane for each kind of scattered light
    that there is (DN/s, with the response in them), PERSISTENCE where it is simulated
    (DN/s, mean over the exposure), and FLAT, all as the read-out passes
    them on, that is with its coupling between pixels; AREA. They have the true WCS.
    Tables: EVENTS (integration, frame
    counted over all reads from the reset, row, col, electrons, number of the ray or
    snowball, kind: 1 cosmic ray, 2 snowball, 3 persistence); POSITIONS (0-based row and
    column of each catalogue source on the detector, total rate in DN/s); CAUSES (stars
    that scattered light comes from). The primary header has the true pointing and how it
    differs from the one the raw header names.
    """
    light = exposed.light
    planes = {
        "SOURCES": light.sources,
        "SKY": light.sky,
        "DARK": light.dark,
        "WARM": light.warm,
        **light.scattered,
        **_persistence(exposure, exposed),
        "FLAT": light.flat,
    }
    if scene.electronics.coupling:
        planes = {name: plane.copy() for name, plane in planes.items()}
        for plane in planes.values():
            couple(plane, exposure.detector.name, exposure.readout)
    sky = true_wcs_cards(exposure)
    planes["AREA"] = light.area
    parts = [Part(name, plane, sky) for name, plane in planes.items()]
    parts.append(Part("EVENTS", _event_table(exposed)))
    parts.append(Part("POSITIONS", _position_table(exposure, exposed)))
    parts.append(Part("CAUSES", light.causes))
    write_fits(path, _primary_cards(scene, exposure), parts)


def write_catalog(path: Path, sources: Sources, bands: tuple[Passband, ...]) -> None:
    """Write the true catalogue as ECSV."""
    _write_table(path, catalog_table(sources, bands))


def write_alignment_catalog(path: Path, sources: Sources, scene: SceneParams) -> None:
    """Write stars with positions as an astrometric catalogue would have them.

    Columns RA, DEC (deg), RA_ERR, DEC_ERR (mas), mag (AB at 2 um): the stars of AB 19.5
    to 24.5, with the noise that the scene's references ask for.
    """
    magnitude = -2.5 * np.log10(sources.flux_jy / 3630.780547701014)
    chosen = sources.is_star & (magnitude > _SHALLOWEST) & (magnitude < _BRIGHT_ENOUGH)
    sigma = scene.references.catalog_mas
    draw = stream(scene.seed, "reference_catalog")
    noise = sigma / MAS_PER_ARCSEC / 3600.0 * draw.standard_normal((2, chosen.size))
    dec = sources.dec_deg
    table = QTable()
    table["RA"] = (sources.ra_deg + noise[0] / np.cos(np.radians(dec)))[
        chosen
    ] * units.deg
    table["DEC"] = (dec + noise[1])[chosen] * units.deg
    table["RA_ERR"] = np.full(chosen.sum(), sigma) * units.mas
    table["DEC_ERR"] = np.full(chosen.sum(), sigma) * units.mas
    table["mag"] = magnitude[chosen]
    _write_table(path, table)


def _write_table(path: Path, table: Any) -> None:
    write_ecsv(path, table)


def _persistence(exposure: Exposure, exposed: Exposed) -> dict[str, Plane]:
    """Return what traps gave back, DN/s, where the scene has persistence."""
    if exposed.traps is None:
        return {}
    readout = exposure.readout
    charge_e = np.zeros((readout.n_rows, readout.n_cols))
    for arrived in exposed.arrivals:
        glow = arrived.persistence
        np.add.at(charge_e, (glow.row, glow.col), glow.electrons)
    rate = charge_e / exposed.gain / exposure.exposure_s
    return {"PERSISTENCE": rate.astype(np.float32)}


def _event_table(exposed: Exposed) -> NDArray[np.void]:
    """Return all charge that is not light: pixel, read, electrons, kind."""
    layout = [
        ("integration", "i4"), ("frame", "i4"), ("row", "i4"), ("col", "i4"),
        ("electrons", "f4"), ("number", "i4"), ("kind", "i4"),
    ]  # fmt: skip
    tables = []
    for integration, arrived in enumerate(exposed.arrivals):
        parts = arrived.cosmic_rays, arrived.snowballs, arrived.persistence
        for kind, events in enumerate(parts, 1):
            table = np.zeros(events.row.size, layout)
            table["integration"], table["frame"] = integration, events.frame
            table["row"], table["col"] = events.row, events.col
            table["electrons"], table["number"] = events.electrons, events.group
            table["kind"] = kind
            tables.append(table)
    return np.concatenate(tables)


def _position_table(exposure: Exposure, exposed: Exposed) -> NDArray[np.void]:
    """Return the sources that lie on the detector."""
    position, rate = exposed.light.position, exposed.light.rate
    size = exposure.readout.n_rows, exposure.readout.n_cols
    inside = ((position > -0.5) & (position < np.array(size) - 0.5)).all(axis=1)
    table = np.zeros(
        int(inside.sum()), [("id", "i4"), ("row", "f8"), ("col", "f8"), ("rate", "f8")]
    )
    table["id"] = np.flatnonzero(inside) + 1
    table["row"], table["col"] = position[inside].T
    table["rate"] = rate[inside]
    return table


def _primary_cards(scene: SceneParams, exposure: Exposure) -> tuple[Card, ...]:
    cards = _pointing_cards(scene, exposure)
    if not exposure.grism:
        return cards
    path = trace(exposure.detector, exposure.grism)
    return (
        *cards,
        Card("GRISM", exposure.grism, "grism; POSITIONS are of the direct image"),
        Card(
            "DISPAXIS", 2 - path.axis, "1: spectra run along columns' numbers, 2: rows'"
        ),
        Card("DISPSLOP", path.slope_px_um, "[pixel/um] of the first order"),
        Card("DISPOFF", path.offset_px, "[pixel] from the direct image at 3.95 um"),
    )


def _pointing_cards(scene: SceneParams, exposure: Exposure) -> tuple[Card, ...]:
    number = scene.activities.index(exposure.activity)
    east, north, roll = pointing_errors(scene, number, exposure.dither, exposure.visit)
    true = exposure.true.pointing()
    return (
        Card("ROOT", exposure.root, "raw exposure it is the truth of"),
        Card("SEED", scene.seed, "seed of the simulation"),
        Card("RA_REF", true.ra_ref_deg, "[deg] true RA of the reference point"),
        Card("DEC_REF", true.dec_ref_deg, "[deg] true Dec of the reference point"),
        Card(
            "ROLL_REF", true.roll_ref_deg, "[deg] true V3 roll at the reference point"
        ),
        Card("V2_REF", true.v2_ref_arcsec, "[arcsec] V2 of the reference point"),
        Card("V3_REF", true.v3_ref_arcsec, "[arcsec] V3 of the reference point"),
        Card("VA_SCALE", true.va_scale, "velocity-aberration scale factor"),
        Card("ERR_EAST", east, "[arcsec] true minus header pointing, east"),
        Card("ERR_NRTH", north, "[arcsec] true minus header pointing, north"),
        Card("ERR_ROLL", roll, "[deg] true minus header roll"),
        Card("PSFMODEL", psf_model(), "what made the PSFs"),
        Card("PHOTMJSR", flux_conversion(exposure), "(MJy/sr)/(DN/s)"),
        Card("PIXAR_SR", nominal_area_sr(exposure.true), "[sr] nominal pixel area"),
    )
