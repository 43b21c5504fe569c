"""Sources and alignment on the pictures of an independent simulator, its truth beside them."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table

from rampline.astrometry.alignment import AlignmentParams, align_exposures
from rampline.astrometry.geometry import make_geometry, pixel_to_sky, tangent_frame
from rampline.astrometry.image_sources import place_references, place_sources
from rampline.astrometry.point_spread import predict_point_spread
from rampline.astrometry.reference_catalog import read_reference_stars
from rampline.astrometry.sources import SourceParams, find_point_sources
from rampline.files.read import read_header
from rampline.reference.folder import FolderSource
from rampline.reference.selection import SKY_KINDS
from rampline.reference.sky_planes import load_sky_planes

FRAME = tangent_frame(110.8339, -73.4543)
NOISE_DN_S = 0.02
"""Read and sky noise of an exposure of 96 s, roughly."""


def rate_with_noise(truth, rng):
    """The simulator's rate with photon noise (gain 2, 96 s) and a flat noise."""
    rate = np.load(truth)["rate"].astype(float)
    err = np.sqrt(NOISE_DN_S**2 + np.maximum(rate, 0) / (2.0 * 96.0))
    return (rate + rng.normal(size=rate.shape) * err).astype(np.float32), err


@pytest.fixture
def field(shared, rng):
    """Header, geometry and sources of the eight exposures."""
    exposures = []
    sample = shared / "sample"
    source = FolderSource(sample / "references")
    for path in sorted((sample / "raw").glob("*_uncal.fits")):
        header = read_header(path)
        planes = load_sky_planes(source.select(header, SKY_KINDS), header)
        geometry = make_geometry(planes, header.pointing, header.readout)
        image, err = rate_with_noise(sample / "truth" / f"{header.root}_truth.npz", rng)
        spread = predict_point_spread(header.filter, header.pupil, header.channel)
        # Full well within the first groups; what is brighter has no usable core.
        usable = image < 300.0
        found = find_point_sources(
            image, err.astype(np.float32), usable, spread, SourceParams()
        )
        exposures.append((header, geometry, found))
    assert len(exposures) == 8
    return exposures


def true_positions(shared, header):
    """Rows and columns, and the sky, of the sources on an exposure."""
    truth = shared / "sample" / "truth"
    pixels = Table.read(truth / f"positions_{header.root}.ecsv")
    sky = Table.read(truth / "truth_catalog.ecsv")
    number = {identity: k for k, identity in enumerate(sky["id"])}
    rows = sky[[number[identity] for identity in pixels["id"]]]
    return pixels, rows


@pytest.mark.shared
def test_stars_are_stars_and_lie_where_the_simulator_put_them(shared, field):
    for header, _, found in field:
        pixels, rows = true_positions(shared, header)
        stars = found.select(found.is_star)
        apart = np.hypot(
            stars.rows[:, None] - pixels["y"], stars.cols[:, None] - pixels["x"]
        )
        nearest = apart.argmin(axis=1)
        off_px = apart.min(axis=1)
        assert len(stars) >= 12
        assert (off_px < 0.3).mean() > 0.95
        assert (rows["type"][nearest] == "star").mean() > 0.95
        assert np.median(off_px / stars.error_px) < 2.0


@pytest.mark.shared
def test_all_exposures_meet_the_true_sky(shared, field):
    catalog = Table.read(shared / "sample" / "truth" / "refcat.ecsv")
    stars = read_reference_stars({n: catalog[n] for n in catalog.colnames}, 59737.0)
    references = place_references(
        stars.ra_deg, stars.dec_deg, stars.error_arcsec, FRAME
    )
    images = [place_sources(found, geo, head, FRAME) for head, geo, found in field]
    aligned = align_exposures(images, references, AlignmentParams())
    for (header, geometry, _), image in zip(field, aligned.images, strict=True):
        assert image.status == "OK", image.reason
        right = replace(geometry, correction=image.correction)
        pixels, rows = true_positions(shared, header)
        ra, dec = pixel_to_sky(right, pixels["y"], pixels["x"])
        east = (ra - rows["ra"]) * np.cos(np.radians(rows["dec"])) * 3.6e6
        north = (dec - rows["dec"]) * 3.6e6
        assert np.hypot(east, north).max() < 2.0  # mas; headers were off by 126
