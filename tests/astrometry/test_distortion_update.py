"""What the stars say about distortions: when it is believed, and where it is written."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.polynomial.polynomial import polyval2d
from scipy.stats import multivariate_normal

from rampline.astrometry.bending import UNKNOWNS, evaluate_shapes
from rampline.astrometry.distortion_update import (
    CURVED,
    DistortionUpdateParams,
    detector_frame,
    log_bayes_factor,
    update_geometry,
    update_polynomials,
    weigh_updates,
)
from rampline.astrometry.geometry import make_geometry, pixel_to_sky, sky_to_pixel
from rampline.astrometry.gwcs_model import build_gwcs, geometry_from_gwcs, update_gwcs
from rampline.astrometry.sip import fit_sip
from rampline.astrometry.wcs_tree import correction_tree, update_tree
from rampline.files.asdf_tree import align_bytes
from rampline.files.embedded import embedded_tree

from .fields import (
    CORRECTION,
    POINTING,
    READOUT,
    SUB640,
    offset_mas,
    open_real,
    opened,
    random_pixels,
    real_pointing,
    sky_planes,
    some_update,
    without_correction,
)

PARAMS = DistortionUpdateParams()
SIGMA = 0.002


def posterior(rng, truth, error):
    """Estimate and covariance from data of a given error on each shape, and the prior."""
    variance = 1.0 / (SIGMA**-2 + error**-2)
    seen = truth + rng.normal(0, error, CURVED)
    return variance * seen / error**2, variance * np.eye(CURVED)


def weigh(value, covariance, n_stars=500, params=PARAMS):
    bends = np.zeros((1, UNKNOWNS))
    bends[0, :CURVED] = value
    prior = np.full((1, UNKNOWNS), SIGMA)
    return weigh_updates(bends, covariance[None], prior, np.array([n_stars]), params)[0]


def test_the_bayes_factor_is_that_of_the_marginal_likelihoods(rng):
    """Of data d = b + noise: with b free (normal prior), over b = 0."""
    noise = np.diag(rng.uniform(0.5, 2.0, 3))
    sigma = np.array([1.0, 3.0, 0.4])
    data = np.array([1.5, -2.0, 0.3])
    prior = np.diag(sigma**2)
    covariance = np.linalg.inv(np.linalg.inv(prior) + np.linalg.inv(noise))
    value = covariance @ np.linalg.solve(noise, data)
    bent = multivariate_normal(np.zeros(3), prior + noise).logpdf(data)
    straight = multivariate_normal(np.zeros(3), noise).logpdf(data)
    found = log_bayes_factor(value, covariance, sigma)
    np.testing.assert_allclose(found, bent - straight, rtol=1e-12)


def test_a_right_distortion_is_left_alone_whatever_the_noise(rng):
    for error in (1e-5, 1e-4, 1e-3):
        for _ in range(100):
            assert not weigh(*posterior(rng, 0.0, error)).is_applied


def test_a_wrong_distortion_is_updated_and_its_uncertainty_recorded(rng):
    truth = rng.normal(0, SIGMA, CURVED)
    update = weigh(*posterior(rng, truth, 2e-4))
    assert update.is_applied
    np.testing.assert_allclose(update.error, 2e-4, rtol=0.02)
    pulls = (update.shapes.ravel() - truth) / update.error.ravel()
    assert np.abs(pulls).max() < 5.0


def test_without_data_there_is_no_evidence_either_way():
    update = weigh(np.zeros(CURVED), SIGMA**2 * np.eye(CURVED))
    assert abs(update.evidence) < 1e-12
    assert not update.is_applied


def test_few_stars_or_the_switch_leave_it_measured_but_not_applied(rng):
    found = posterior(rng, rng.normal(0, SIGMA, CURVED), 1e-4)
    assert weigh(*found).is_applied
    few = weigh(*found, n_stars=PARAMS.min_stars - 1)
    off = weigh(*found, params=DistortionUpdateParams(enabled=False))
    assert not few.is_applied
    assert not off.is_applied
    assert off.evidence == few.evidence > PARAMS.min_evidence


def test_polynomials_are_the_shapes_and_the_way_back_their_inverse(rng):
    update, half = some_update(rng), 32.0
    forward, backward = update_polynomials(update, half)
    u, v = rng.uniform(-1.05, 1.05, (2, 300))
    moved = [polyval2d(u, v, series) for series in forward]
    added = update.shapes @ evaluate_shapes(u, v) / half
    np.testing.assert_allclose(moved, np.add([u, v], added), atol=1e-14)
    back = [polyval2d(*moved, series) for series in backward]
    # 1e-6 mas
    np.testing.assert_allclose(back, [u, v], atol=1e-9 / half)


SUB64 = replace(READOUT, subarray="SUB64P", n_rows=64, n_cols=64)


@pytest.mark.parametrize("readout", [READOUT, SUB640, SUB64])
def test_a_written_update_looks_where_the_geometry_looks(rng, readout):
    planes = sky_planes()
    before = make_geometry(planes, POINTING, readout)
    update = some_update(rng)
    nodes = update_geometry(before, update)
    after = replace(before, v2v3_arcsec=nodes, correction=CORRECTION)
    frame = detector_frame(before)
    plain = build_gwcs(planes, POINTING, readout)
    tree = align_bytes(
        embedded_tree(plain),
        correction_tree(POINTING, CORRECTION),
        update_tree(frame, update),
    )
    written = opened(tree)
    built = update_gwcs(
        build_gwcs(planes, POINTING, readout, CORRECTION), frame, update
    )
    rows, cols = random_pixels(rng, before.shape)
    sky = pixel_to_sky(after, rows, cols)
    # 3 mas within 64 pixels are steep for cubics between nodes, and for the way back
    worst_mas, back_px = (0.01, 1e-3) if readout == SUB64 else (1e-4, 1e-5)
    moved_mas = offset_mas(*sky, *plain(cols, rows))
    assert moved_mas > 3.0
    for wcs in (written, built):
        assert wcs.available_frames == [
            *plain.available_frames[:-1],
            "v2v3corr",
            "world",
        ]
        assert repr(wcs.bounding_box) == repr(plain.bounding_box)
        assert offset_mas(*wcs(cols, rows), *sky) < worst_mas
        # as good as the way back of the distortion itself
        np.testing.assert_allclose(
            wcs.invert(*sky), plain.invert(*plain(cols, rows)), atol=back_px
        )
        again = geometry_from_gwcs(wcs, POINTING, before.shape)
        np.testing.assert_allclose(again.v2v3_arcsec, nodes, atol=1e-7)
    np.testing.assert_allclose(sky_to_pixel(after, *sky), (rows, cols), atol=1e-5)
    assert fit_sip(after).error_px < 0.001


@pytest.mark.shared
def test_real_exposures_are_updated(shared, rng):
    """In the tree as the file has it, or aligned already: to 0.01 mas where we look."""
    rows, cols = random_pixels(rng, (2048, 2048))
    identity = np.eye(2, 3)
    for path in sorted((shared / "real_gwcs").glob("*.asdf"))[::15]:
        real, wcsinfo = open_real(path)
        pointing, update = real_pointing(real, wcsinfo), some_update(rng)
        nothing, plain = correction_tree(pointing, identity), without_correction(real)
        for stored in (plain, real):
            before = geometry_from_gwcs(stored, pointing, (2048, 2048))
            after = replace(before, v2v3_arcsec=update_geometry(before, update))
            frame = detector_frame(before)
            tree = align_bytes(
                embedded_tree(stored), nothing, update_tree(frame, update)
            )
            assert (tree is None) == (stored is real), path.name
            wcs = update_gwcs(stored, frame, update) if tree is None else opened(tree)
            sky = pixel_to_sky(after, rows, cols)
            assert offset_mas(*wcs(cols, rows), *sky) < 0.01, path.name
            # the updated WCS goes back as well as the one it was
            missed = wcs.invert(*sky, with_bounding_box=False) - np.stack([cols, rows])
            before_sky = stored(cols, rows, with_bounding_box=False)
            usual = stored.invert(*before_sky, with_bounding_box=False)
            usual -= np.stack([cols, rows])
            np.testing.assert_allclose(missed, usual, atol=1e-3)


def test_an_update_without_the_frame_of_the_telescope_is_not_written():
    from ..files.test_asdf_tree import SHIFT, with_frames

    tree = embedded_tree(with_frames("v2v3", "world"))
    assert align_bytes(tree, SHIFT) is not None
    assert align_bytes(tree, SHIFT, SHIFT) is None
