from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from astropy.table import Table

from rampline.astrometry.geometry import (
    combine_corrections,
    make_geometry,
    pixel_to_sky,
    pixel_to_v2v3,
    plane_to_v2v3,
    sky_to_plane,
)
from rampline.exposure.header import Card
from rampline.files.asdf_tree import align_bytes
from rampline.files.embedded import embedded_tree
from rampline.files.read import read_header
from rampline.pipeline.exposure_geometry import (
    StoredWcs,
    product_wcs,
    realigned_wcs,
)
from rampline.reference.folder import FolderSource
from rampline.reference.selection import SKY_KINDS
from rampline.reference.sky_planes import load_sky_planes

from ..astrometry.fields import (
    CORRECTION,
    POINTING,
    SMALL,
    offset_mas,
    opened,
    random_pixels,
    sky_planes,
)
from .exposures import make_header

PLANES = sky_planes()


def located(correction=None):
    return make_geometry(PLANES, POINTING, SMALL, correction)


def cards_of(world):
    return {card.keyword: card.value for card in world.cards}


def test_gwcs_and_cards_are_of_the_same_geometry(rng):
    geometry = located(CORRECTION)
    world = product_wcs(geometry, PLANES, make_header())
    rows, cols = random_pixels(rng, geometry.shape)
    sky = pixel_to_sky(geometry, rows, cols)
    assert offset_mas(*world.gwcs(cols, rows), *sky) < 1e-4
    cards = cards_of(world)
    centre = pixel_to_sky(geometry, cards["CRPIX2"] - 1, cards["CRPIX1"] - 1)
    np.testing.assert_allclose((cards["CRVAL1"], cards["CRVAL2"]), centre, atol=1e-10)
    assert cards["S_REGION"].startswith("POLYGON ICRS")


def test_only_an_aligned_exposure_has_the_frame_of_the_correction():
    plain = product_wcs(located(), PLANES, make_header())
    aligned = product_wcs(located(CORRECTION), PLANES, make_header())
    assert "v2v3corr" not in plain.gwcs.available_frames
    assert "v2v3corr" in aligned.gwcs.available_frames


@pytest.mark.parametrize("stored", [np.eye(2, 3), CORRECTION])
def test_a_stored_exposure_is_aligned_anew(rng, stored):
    header = make_header()
    before = located(stored)
    shift = np.array([[1.0, 1e-4, 0.02], [-1e-4, 1.0, -0.03]])
    after = replace(before, correction=combine_corrections(stored, shift))
    gwcs = product_wcs(before, PLANES, header).gwcs
    asked = []
    tree = StoredWcs(
        add=partial(align_bytes, embedded_tree(gwcs)),
        open=lambda: asked.append(gwcs) or gwcs,
    )
    world = realigned_wcs(tree, before, after, None, header)
    # only what is aligned already is looked into
    assert bool(asked) == (stored is CORRECTION)
    rows, cols = random_pixels(rng, before.shape)
    sky = pixel_to_sky(after, rows, cols)
    aligned = opened(embedded_tree(world.gwcs))
    assert offset_mas(*aligned(cols, rows), *sky) < 1e-4


def test_the_reference_pixel_of_the_header_is_kept():
    science = (Card("CRPIX1", 12.5), Card("CRPIX2", 30.25))
    world = product_wcs(located(), PLANES, make_header(science=science))
    cards = cards_of(world)
    assert (cards["CRPIX1"], cards["CRPIX2"]) == (12.5, 30.25)


@pytest.mark.shared
def test_an_independent_simulator_puts_stars_on_the_same_pixels(shared):
    """But for the pointing error that it hid, a constant in V2 and V3."""
    sample = shared / "sample"
    catalog = Table.read(sample / "truth" / "truth_catalog.ecsv")
    catalog.add_index("id")
    raws = sorted((sample / "raw").glob("*.fits"))
    assert len(raws) == 8
    for raw in raws:
        header = read_header(raw)
        folder = "nrcb1_F200W" if header.detector == "NRCB1" else "nrcblong_F444W"
        source = FolderSource(sample / "references" / folder)
        planes = load_sky_planes(source.select(header, SKY_KINDS), header)
        geometry = make_geometry(planes, header.pointing, header.readout)
        seen = Table.read(sample / "truth" / f"positions_{header.root}.ecsv")
        star = catalog.loc[seen["id"]]
        plane = sky_to_plane(star["ra"], star["dec"], header.pointing)
        here = pixel_to_v2v3(geometry, seen["y"], seen["x"])
        off_mas = (here - plane_to_v2v3(plane, header.pointing)) * 1000
        hidden_mas = [seen.meta["err_v2"] * 1000, seen.meta["err_v3"] * 1000]
        assert off_mas.std(axis=0).max() < 1e-3
        np.testing.assert_allclose(off_mas.mean(axis=0), hidden_mas, atol=0.01)
