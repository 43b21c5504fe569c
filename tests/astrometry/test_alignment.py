from dataclasses import replace

import numpy as np
import pytest

from rampline.astrometry.alignment import AlignmentParams, align_exposures
from rampline.astrometry.image_sources import ReferencePositions
from rampline.astrometry.verdict import VerdictParams

from .star_field import dithered, left_over, observe, spread_stars

PARAMS = AlignmentParams()
MAS = 1e-3


def references(positions, error=np.nan):
    return ReferencePositions(positions, np.full(len(positions), error))


def statuses(alignment):
    return [image.status for image in alignment.images]


def test_header_errors_of_arcseconds_are_removed(rng):
    stars = spread_stars(rng, 300, 40)
    images, truth = dithered(rng, stars)
    aligned = align_exposures(images, references(stars), PARAMS)
    assert statuses(aligned) == ["OK"] * len(images)
    assert np.abs(left_over(aligned, truth)).max() < 0.2 * MAS
    assert aligned.rms_arcsec == pytest.approx(3e-4, rel=0.15)


def test_a_noisy_catalogue_mostly_junk_moves_the_field_by_its_noise_only(rng):
    stars = spread_stars(rng, 300, 40)
    images, truth = dithered(rng, stars)
    real = stars[:50] + rng.normal(0, 0.010, (50, 2))
    junk = spread_stars(rng, 100, 40)
    catalog = references(np.concatenate([junk, real]))
    aligned = align_exposures(images, catalog, PARAMS)
    errors = left_over(aligned, truth)
    assert statuses(aligned) == ["OK"] * len(images)
    assert np.abs(errors.mean(axis=(0, 1))).max() < 5 * MAS
    # Centre against centre: 10 mas of noise must not come between the exposures. What the
    # distortion may have wrong is only known from it, and dithers of 6 arcsec feel that.
    assert np.abs(errors[:, 4] - errors[:, 4].mean(axis=0)).max() < 0.4 * MAS
    assert aligned.catalog_rms_arcsec == pytest.approx(0.010, rel=0.3)


def test_without_a_catalogue_exposures_agree_and_the_mean_correction_is_small(rng):
    stars = spread_stars(rng, 300, 40)
    images, truth = dithered(rng, stars, shift=0.01, roll_deg=0.0)
    aligned = align_exposures(images, None, PARAMS)
    errors = left_over(aligned, truth)
    assert statuses(aligned) == ["OK"] * len(images)
    assert np.abs(errors - errors.mean(axis=(0, 1))).max() < 0.3 * MAS
    shifts = np.array([image.shift_arcsec for image in aligned.images])
    assert np.abs(shifts.mean(axis=0)).max() < 3 * MAS


def test_one_wrong_header_does_not_move_the_others(rng):
    stars = spread_stars(rng, 300, 40)
    images = [
        observe(
            rng,
            stars,
            rng.uniform(-5, 5, 2),
            shift=(3.0, 1.0) if k == 2 else (0, 0),
            exposure=f"e{k}",
        )
        for k in range(6)
    ]
    aligned = align_exposures(images, None, PARAMS)
    shifts = np.array([image.shift_arcsec for image in aligned.images])
    assert np.abs(np.delete(shifts, 2, axis=0)).max() < 6 * MAS
    np.testing.assert_allclose(shifts[2], (3.0, 1.0), atol=6 * MAS)


def test_the_order_of_exposures_does_not_matter(rng):
    stars = spread_stars(rng, 200, 40)
    images, _ = dithered(rng, stars, n=5)
    order = rng.permutation(5)
    catalog = references(stars[:100])
    first = align_exposures(images, catalog, PARAMS)
    second = align_exposures([images[k] for k in order], catalog, PARAMS)
    for place, k in enumerate(order):
        np.testing.assert_allclose(
            second.images[place].correction, first.images[k].correction, atol=2e-6
        )


def test_a_shift_of_everything_is_a_shift_of_the_correction(rng):
    stars = spread_stars(rng, 200, 40)
    images, _ = dithered(rng, stars, n=4, shift=0.05)
    first = align_exposures(images, references(stars), PARAMS)
    further = align_exposures(images, references(stars + np.array([0.3, -0.2])), PARAMS)
    for a, b in zip(first.images, further.images, strict=True):
        apart = np.subtract(b.shift_arcsec, a.shift_arcsec)
        np.testing.assert_allclose(apart, [0.3, -0.2], atol=0.02 * MAS)


def test_a_wrong_catalogue_leaves_the_absolute_position_open_and_says_so(rng):
    images, _ = dithered(rng, spread_stars(rng, 200, 40), n=4, shift=0.01)
    aligned = align_exposures(images, references(spread_stars(rng, 200, 40)), PARAMS)
    assert statuses(aligned) == ["WEAK"] * 4
    assert all("reference stars" in image.reason for image in aligned.images)
    assert aligned.n_catalog == 0


def test_an_exposure_of_another_field_fails_and_keeps_its_header(rng):
    stars = spread_stars(rng, 200, 40)
    images, truth = dithered(rng, stars, n=4)
    other = observe(rng, spread_stars(rng, 200, 40), (0, 0), visit="v2", exposure="x")
    aligned = align_exposures([*images, other], references(stars), PARAMS)
    assert statuses(aligned) == ["OK"] * 4 + ["FAILED"]
    np.testing.assert_array_equal(aligned.images[4].correction, np.eye(2, 3))
    assert "stars found again" in aligned.images[4].reason
    errors = left_over(replace(aligned, images=aligned.images[:4]), truth)
    assert np.abs(errors).max() < 0.3 * MAS


def test_few_stars_are_weak(rng):
    stars = spread_stars(rng, 4, 25)
    images, truth = dithered(rng, stars, n=3, shift=0.1, roll_deg=0, n_false=0)
    aligned = align_exposures(images, references(stars), PARAMS)
    for image in aligned.images:
        assert image.status == "WEAK"
        assert "matched sources" in image.reason
    centres = left_over(aligned, truth)[:, 4]
    assert np.abs(centres).max() < 2 * MAS


def test_a_detector_without_stars_follows_its_exposure(rng):
    stars = spread_stars(rng, 200, 40)
    shift = (0.7, -0.4)
    images, _ = dithered(rng, stars, n=3, shift=0.5, roll_deg=0)
    pair = [
        observe(rng, stars, (0, 0), shift=shift, exposure="e9"),
        observe(rng, stars[:0], (70.0, 0), exposure="e9", detector="NRCB2", n_false=0),
    ]
    aligned = align_exposures([*images, *pair], references(stars), PARAMS)
    blind = aligned.images[4]
    assert blind.status == "WEAK"
    assert "other detectors" in blind.reason
    np.testing.assert_allclose(blind.shift_arcsec, shift, atol=3 * MAS)


def test_one_exposure_is_tied_to_the_catalogue_or_has_nothing_to_compare_with(rng):
    stars = spread_stars(rng, 200, 40)
    images, truth = dithered(rng, stars, n=1)
    tied = align_exposures(images, references(stars[:60]), PARAMS)
    assert statuses(tied) == ["OK"]
    assert np.abs(left_over(tied, truth)).max() < 0.5 * MAS
    assert np.isnan(tied.rms_arcsec)
    assert tied.catalog_rms_arcsec > 0
    alone = align_exposures(images, None, PARAMS)
    assert statuses(alone) == ["WEAK"]
    assert "alone" in alone.images[0].reason
    np.testing.assert_allclose(alone.images[0].correction, np.eye(2, 3), atol=1e-9)


def test_an_exposure_with_too_few_sources_follows_its_visit(rng):
    stars = spread_stars(rng, 200, 40)
    shift = (0.6, -0.2)
    rich = [
        observe(rng, stars, rng.uniform(-5, 5, 2), shift=shift, exposure=f"e{k}")
        for k in range(3)
    ]
    poor = observe(rng, stars[:2], (0, 0), shift=shift, exposure="e9", n_false=0)
    aligned = align_exposures([*rich, poor], references(stars[:60]), PARAMS)
    assert aligned.images[3].status == "WEAK"
    np.testing.assert_allclose(aligned.images[3].shift_arcsec, shift, atol=2 * MAS)


def test_a_handful_of_bright_reference_stars_suffices(rng):
    stars = spread_stars(rng, 400, 40)
    images, truth = dithered(rng, stars, n=4, shift=0.1, roll_deg=0.01)
    bright = np.zeros(len(stars), bool)
    bright[:6] = True
    images = [
        replace(
            image,
            snr=np.where(_is_any(image.position, stars[bright]), 1e4, image.snr),
        )
        for image in images
    ]
    aligned = align_exposures(images, references(stars[bright]), PARAMS)
    assert statuses(aligned) == ["OK"] * 4
    assert np.abs(left_over(aligned, truth)[:, 4]).max() < 2 * MAS


def _is_any(position, stars, radius=1.0):
    apart = np.hypot(*(position[:, None] - stars).transpose(2, 0, 1))
    return (apart < radius).any(axis=1)


def test_filters_are_aligned_together_and_their_offset_is_found(rng):
    stars = spread_stars(rng, 250, 40)
    images = []
    for k in range(8):
        long = k % 2
        images.append(
            observe(
                rng,
                stars,
                rng.uniform(-5, 5, 2),
                shift=(0.004, -0.003) if long else (0, 0),
                exposure=f"e{k // 2}",
                detector="NRCBLONG F444W" if long else "NRCB1 F200W",
                band="F444W" if long else "F200W",
            )
        )
    aligned = align_exposures(images, references(stars[:80]), PARAMS)
    assert statuses(aligned) == ["OK"] * 8
    shifts = np.array([image.shift_arcsec for image in aligned.images])
    np.testing.assert_allclose(
        shifts[1::2].mean(axis=0) - shifts[::2].mean(axis=0),
        (0.004, -0.003),
        atol=0.1 * MAS,
    )


def test_corrections_are_given_in_the_plane_of_the_image(rng):
    stars = spread_stars(rng, 200, 40)
    images, _ = dithered(rng, stars, n=3, shift=0.5)
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    turned = [replace(image, jacobian=turn) for image in images]
    plain = align_exposures(images, references(stars), PARAMS)
    other = align_exposures(turned, references(stars), PARAMS)
    for a, b in zip(plain.images, other.images, strict=True):
        # u' in the plane equals p' on the field: J u' = A J u + t.
        np.testing.assert_allclose(turn @ b.correction[:, 2], a.correction[:, 2])


def test_compact_sources_help_where_stars_are_few(rng):
    stars = spread_stars(rng, 40, 40)
    images, truth = dithered(rng, stars, n=3, shift=0.1, roll_deg=0, error=2e-3)
    few = [
        replace(image, is_star=np.arange(len(image.is_star)) < 5) for image in images
    ]
    aligned = align_exposures(few, references(stars), PARAMS)
    assert min(image.n_sources for image in aligned.images) > 20
    assert np.abs(left_over(aligned, truth)).max() < 10 * MAS


def test_no_images_no_alignment():
    assert align_exposures([], None, PARAMS).images == ()


def test_thresholds_are_parameters(rng):
    stars = spread_stars(rng, 100, 40)
    images, _ = dithered(rng, stars, n=3, shift=0.1, error=3e-3)
    strict = AlignmentParams(verdict=VerdictParams(max_rms=1e-3))
    aligned = align_exposures(images, references(stars), strict)
    assert statuses(aligned) == ["WEAK"] * 3
    assert "scatter by" in aligned.images[0].reason


@pytest.mark.parametrize("seed", range(12))
def test_an_alignment_that_is_ok_is_right(seed):
    """Random fields, header errors and catalogues, most of them poor: no silent failure."""
    rng = np.random.default_rng(seed)
    n_stars, noise = int(10 ** rng.uniform(0.7, 2.5)), 10 ** rng.uniform(-4, -2)
    stars = spread_stars(rng, n_stars, 40)
    images, truth = dithered(
        rng,
        stars,
        n=int(rng.integers(2, 6)),
        shift=10 ** rng.uniform(-2, 0.4),
        error=10 ** rng.uniform(-3.7, -2.3),
        n_false=int(rng.integers(0, 60)),
    )
    known = stars[: int(10 ** rng.uniform(0.3, 2))]
    known = known + rng.normal(0, noise, known.shape)
    junk = spread_stars(rng, int(rng.choice([0, 30])), 40)
    catalog = references(np.concatenate([known, junk]))
    aligned = align_exposures(images, catalog, PARAMS)
    centres = np.hypot(*left_over(aligned, truth)[:, 4].T)
    for image, off in zip(aligned.images, centres, strict=True):
        if image.status == "OK":
            allowed = 6 * noise / np.sqrt(aligned.n_catalog) + 6 * image.error_arcsec
            assert off < allowed + 2 * MAS
        if image.status == "FAILED":
            np.testing.assert_array_equal(image.correction, np.eye(2, 3))
