"""The source catalogue: the columns of the JWST pipeline's, and additional ones.

Fluxes are in Jy, magnitudes AB and Vega, positions ICRS. Windowed positions with their
errors, Kron fluxes and flags are added to the columns of the JWST pipeline.
"""

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exposure.planes import CatalogPlanes
from ..params import Factor, Params
from ..units import JY_PER_MJY
from .apertures import ApertureFluxes
from .centroids import Centroids
from .shapes import Shapes
from .star_shape import Neighbours, StarShapes

Values = NDArray[np.float64]
JWST_AB_ZERO_MAG = 8.9
"""AB magnitude of 1 Jy, rounded as in the JWST pipeline's catalogues."""

NEAR_EDGE = 1
SATURATED_CORE = 2
BLENDED = 4
FLAG_MEANING = {
    NEAR_EDGE: "the aperture reaches beyond the data",
    SATURATED_CORE: "pixels without data in the core: saturated in all exposures",
    BLENDED: "separated from an overlapping source",
}


class CatalogParams(Params):
    """How sources are measured and classified."""

    aperture_centre: Literal["windowed", "isophotal"] = "windowed"
    """Centroid on which apertures are centred: ``windowed`` has the least noise,
    ``isophotal`` is that of the JWST pipeline."""
    exclude_neighbours: bool = True
    """Exclude pixels of other sources from the sky annulus; the JWST pipeline does not."""
    concentration_1: Factor = 2.0
    """Ratio of the second to the first aperture's flux above which a source is extended."""
    concentration_2: Factor = 1.8
    """Ratio of the third to the second aperture's flux above which a source is extended."""
    measured_noise: bool = True
    """Raise errors to the noise measured in blank pixels and blank apertures."""


class Measurements(NamedTuple):
    """All measurements on one mosaic, in the order of the labels.

    Attributes
    ----------
    shapes : Shapes
    noise_factor, kron_noise_factor : (sources,) float64
        Factors by which correlated noise raises the errors of isophotal and Kron fluxes.
    centroids : Centroids
    apertures : ApertureFluxes
    narrowing : float
        Factor on the aperture correction that accounts for the mosaic's pixel size.
    star_shapes : StarShapes
    neighbours : Neighbours
    flags : (sources,) int32
    """

    shapes: Shapes
    noise_factor: Values
    kron_noise_factor: Values
    centroids: Centroids
    apertures: ApertureFluxes
    narrowing: float
    star_shapes: StarShapes
    neighbours: Neighbours
    flags: NDArray[np.int32]


class SkyPositions(NamedTuple):
    """Positions on the sky of the sources and of the corners of their bounding boxes.

    Attributes
    ----------
    isophotal, windowed : (sources, 2) float64, deg
        Right ascension and declination of the two kinds of centroid.
    corners : (4, sources, 2) float64, deg
        Lower left, upper left, lower right, upper right corner of the bounding box.
    scale_arcsec : float, arcsec
        Pixel size.
    up_from_north_deg : float, deg
        Position angle of the direction of increasing row.
    """

    isophotal: Values
    windowed: Values
    corners: Values
    scale_arcsec: float
    up_from_north_deg: float


def build_catalog(
    measured: Measurements,
    sky: SkyPositions,
    planes: CatalogPlanes,
    pixel_area_sr: float,
    params: CatalogParams,
) -> Any:
    """Assemble the catalogue.

    Parameters
    ----------
    measured : Measurements
        Fluxes in MJy/sr pixel.
    sky : SkyPositions
    planes : CatalogPlanes
        Aperture corrections and the Vega offset.
    pixel_area_sr : float, sr
        Solid angle of a pixel of the mosaic.
    params : CatalogParams

    Returns
    -------
    astropy.table.QTable
        One row per source; first the columns of `jwst`'s ``_cat.ecsv`` with the same names
        and definitions, then the additional ones.
    """
    from astropy.table import QTable  # noqa: PLC0415 - only where a catalogue is made

    jy = JY_PER_MJY * pixel_area_sr
    table = QTable()
    _add_positions(table, measured, sky)
    _add_apertures(table, measured, planes, jy)
    _add_classes(table, measured, planes, params)
    _add_isophotal(table, measured, sky, planes.ab_minus_vega, jy)
    _add_ours(table, measured, sky, planes.ab_minus_vega, jy)
    for name in table.colnames:
        table[name].info.format = _format(name)
    table.meta["aperture_params"] = _aperture_meta(planes)
    table.meta["aperture_narrowing"] = float(measured.narrowing)
    table.meta["abvega_offset"] = planes.ab_minus_vega
    table.meta["flag_meaning"] = {str(bit): text for bit, text in FLAG_MEANING.items()}
    return table


def _format(name: str) -> str | None:
    """Return the format in which a column is written, as in `jwst`'s catalogues."""
    if "flux" in name:
        return ".6e"
    if name.startswith(("xcentroid", "ycentroid", "CI_")):
        return ".4f"
    words = ("mag", "sharp", "round", "nn_dist", "sigma", "ellip", "orient", "_err")
    return ".6f" if any(word in name for word in words) else None


def _aperture_meta(planes: CatalogPlanes) -> dict[str, Any]:
    return {
        "aperture_radii": [float(radius) for radius in planes.radius_px],
        "aperture_corrections": [float(value) for value in planes.correction],
        "aperture_ee": _percent(planes),
        "bkg_aperture_inner_radius": float(planes.sky_in_px),
        "bkg_aperture_outer_radius": float(planes.sky_out_px),
    }


def _percent(planes: CatalogPlanes) -> list[int]:
    return [round(100 * float(part)) for part in planes.encircled_energy]


def _put(table: Any, name: str, values: Any, meaning: str, unit: str = "") -> None:
    from astropy.units import Unit  # noqa: PLC0415

    table[name] = values * Unit(unit) if unit else values
    table[name].info.description = meaning


def _put_sky(table: Any, name: str, radec_deg: Values, meaning: str) -> None:
    from astropy.coordinates import SkyCoord  # noqa: PLC0415

    table[name] = SkyCoord(radec_deg[:, 0], radec_deg[:, 1], unit="deg", frame="icrs")
    table[name].info.description = meaning


class Flux(NamedTuple):
    """A flux in Jy, the stem of the names of its columns, and their description."""

    stem: str
    value: Values
    err: Values
    what: str


def _put_fluxes(table: Any, fluxes: list[Flux], offset: float) -> None:
    """Add fluxes in Jy, then AB magnitudes, then Vega magnitudes, as `jwst` does."""
    for kind, word in (
        ("flux", "Flux"),
        ("abmag", "AB magnitude"),
        ("vegamag", "Vega magnitude"),
    ):
        for flux in fluxes:
            value, err = flux.value, flux.err
            if kind != "flux":
                value, err = _magnitudes(flux, offset if kind == "vegamag" else 0.0)
            unit = "Jy" if kind == "flux" else ""
            name = f"{flux.stem}_{kind}"
            _put(table, name, value, f"{word} {flux.what}", unit)
            _put(table, f"{name}_err", err, f"Error of {name}", unit)


def _magnitudes(flux: Flux, offset: float) -> tuple[Values, Values]:
    """Return magnitude and error: NaN for a negative flux, infinite for zero flux."""
    with np.errstate(divide="ignore", invalid="ignore"):
        positive = np.where(flux.value >= 0, flux.value, np.nan)
        magnitude = -2.5 * np.log10(positive) + JWST_AB_ZERO_MAG - offset
        return magnitude, 2.5 * np.log10(1.0 + flux.err / positive)


def _add_positions(table: Any, measured: Measurements, sky: SkyPositions) -> None:
    shapes = measured.shapes
    _put(table, "label", shapes.label, "Number of the source in the segmentation map")
    _put(table, "xcentroid", shapes.col, "Column of the segment's centroid, 0-based")
    _put(table, "ycentroid", shapes.row, "Row of the segment's centroid, 0-based")
    _put_sky(table, "sky_centroid", sky.isophotal, "ICRS position of that centroid")


def _add_apertures(
    table: Any, measured: Measurements, planes: CatalogPlanes, jy: float
) -> None:
    found = measured.apertures
    _put(
        table,
        "aper_bkg_flux",
        found.sky * jy,
        "Sky level in the annulus, per pixel",
        "Jy",
    )
    _put(table, "aper_bkg_flux_err", found.sky_err * jy, "Error of aper_bkg_flux", "Jy")
    fluxes = [
        Flux(
            f"aper{percent}",
            found.flux[k] * jy,
            found.flux_err[k] * jy,
            f"in the aperture of {percent} % encircled energy",
        )
        for k, percent in enumerate(_percent(planes))
    ]
    total = float(planes.correction[-1]) * measured.narrowing * jy
    what = "of a point source, corrected for the light beyond the last aperture"
    flux, err = found.flux[-1] * total, found.flux_err[-1] * total
    fluxes.append(Flux("aper_total", flux, err, what))
    _put_fluxes(table, fluxes, planes.ab_minus_vega)


def _add_classes(
    table: Any, measured: Measurements, planes: CatalogPlanes, params: CatalogParams
) -> None:
    flux, percent = measured.apertures.flux, _percent(planes)
    ratios = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        for small, large in ((0, 1), (1, 2), (0, 2)):
            ratios[small, large] = flux[large] / flux[small]
            name = f"CI_{percent[large]}_{percent[small]}"
            meaning = f"Concentration aper{percent[large]} / aper{percent[small]}"
            _put(table, name, ratios[small, large], meaning)
    extended = ratios[0, 1] > params.concentration_1
    extended &= ratios[1, 2] > params.concentration_2
    _put(table, "is_extended", extended, "True if the source is extended")
    stars, near = measured.star_shapes, measured.neighbours
    _put(table, "sharpness", stars.sharpness, "DAOFind sharpness")
    _put(table, "roundness", stars.roundness, "DAOFind roundness")
    label = np.where(near.nearest >= 0, measured.shapes.label[near.nearest], -1)
    _put(table, "nn_label", label, "Label of the nearest source, -1 if there is none")
    _put(table, "nn_dist", near.distance_px, "Distance to the nearest source", "pix")


def _add_isophotal(
    table: Any, measured: Measurements, sky: SkyPositions, offset: float, jy: float
) -> None:
    shapes = measured.shapes
    err = np.sqrt(shapes.variance) * measured.noise_factor * jy
    _put_fluxes(
        table, [Flux("isophotal", shapes.flux * jy, err, "over the segment")], offset
    )
    _put(table, "isophotal_area", shapes.area, "Area of the segment", "pix2")
    sigma = "Standard deviation of the light along the"
    _put(table, "semimajor_sigma", shapes.semimajor, f"{sigma} major axis", "pix")
    _put(table, "semiminor_sigma", shapes.semiminor, f"{sigma} minor axis", "pix")
    with np.errstate(divide="ignore", invalid="ignore"):
        ellipticity = 1.0 - shapes.semiminor / shapes.semimajor
    _put(table, "ellipticity", ellipticity, "1 minus the ratio of the axes")
    angle = shapes.orientation_deg
    _put(table, "orientation", angle, "Angle from the x axis to the major axis", "deg")
    # East is left of north: north is at 90 degrees minus the roll from the x axis. An
    # axis has two ends; jwst gives the angle of the other one.
    on_sky = (angle + 90.0 + sky.up_from_north_deg) % 360.0
    _put(table, "sky_orientation", on_sky, "Position angle of the major axis", "deg")
    names = ("sky_bbox_ll", "sky_bbox_ul", "sky_bbox_lr", "sky_bbox_ur")
    places = ("Lower left", "Upper left", "Lower right", "Upper right")
    for name, place, corner in zip(names, places, sky.corners, strict=True):
        _put_sky(table, name, corner, f"{place} corner of the bounding box")


def _add_ours(
    table: Any, measured: Measurements, sky: SkyPositions, offset: float, jy: float
) -> None:
    centre, shapes = measured.centroids, measured.shapes
    _put(table, "xcentroid_win", centre.col, "Column of the windowed centroid, 0-based")
    _put(table, "ycentroid_win", centre.row, "Row of the windowed centroid, 0-based")
    _put_sky(table, "sky_centroid_win", sky.windowed, "Windowed centroid, ICRS")
    mas = 1000.0 * sky.scale_arcsec
    meaning = "Error of the windowed position along the"
    _put(table, "x_err", centre.col_err * mas, f"{meaning} columns", "mas")
    _put(table, "y_err", centre.row_err * mas, f"{meaning} rows", "mas")
    kron = shapes.kron.flux * jy
    kron_err = np.sqrt(shapes.kron.variance) * measured.kron_noise_factor * jy
    what = "in the ellipse of 2.5 Kron radii"
    _put_fluxes(table, [Flux("kron", kron, kron_err, what)], offset)
    _put(table, "flags", measured.flags, "Sum of the bits in flag_meaning")
