"""Source lists of a programme whose every error is known; no pixels.

Stars have places on the sky; the simulator's camera, which shares no code with the
reduction, says on which pixels they fall. What the reduction gets are headers with the
measured errors of pointing and reference distortions that are wrong.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.readouts import make_readout
from rampline.astrometry.geometry import make_geometry, pixel_to_sky
from rampline.astrometry.reference_catalog import ReferenceStars
from rampline.astrometry.sources import PointSources
from rampline.background.level_matching import SkyCells
from rampline.exposure.header import Header
from rampline.exposure.planes import SkyPlanes
from rampline.pipeline.sky_to_mosaic import Survey
from rampline.simulation.distortion import distortion_model
from rampline.simulation.geometry import attitude_from, camera
from rampline.simulation.instrument import DETECTORS, passband
from rampline.simulation.pointing import DITHERS, filter_offset_px

TARGET = (214.98, 52.98)
ROLL_DEG = 49.7
FOCUS_ARCSEC = (-0.3, -492.6)
"""Middle of NIRCam's two modules in V2 and V3."""
SHORT = tuple(f"NRC{module}{k}" for module in "AB" for k in (1, 2, 3, 4))
LONG = ("NRCALONG", "NRCBLONG")
FILTERS = (("F115W", "F277W"), ("F150W", "F356W"), ("F200W", "F444W"))
READOUT = make_readout("MEDIUM8", 9, frame_s=10.74, group_s=107.4)


@dataclass(frozen=True, kw_only=True)
class Errors:
    """What is wrong with headers, reference files and the catalogue."""

    visit_arcsec: float = 0.11
    roll_deg: float = 0.07
    dither_arcsec: float = 0.004
    distortion_mas: float = 2.0
    """Smooth error over a detector, rms."""
    ripple_mas: float = 0.0
    """Further error of the distortion that polynomials of third degree do not hold, rms."""
    detector_mas: float = 3.0
    """Place of a detector and filter, on either axis."""
    catalog_mas: float = 2.0
    catalog_shift_arcsec: tuple[float, float] = (0.0, 0.0)
    exposure_shift_arcsec: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Gross errors of the headers of single exposures, by number."""


PERFECT = Errors(distortion_mas=0.0, detector_mas=0.0, catalog_mas=0.05)


@dataclass(frozen=True, kw_only=True)
class Programme:
    """Which exposures are taken, and of what."""

    detectors: tuple[str, ...] = SHORT + LONG
    filters: tuple[tuple[str, str], ...] = FILTERS
    points: int = 9
    pattern: str = "SMACS-9"
    stars_per_arcmin2: float = 75.0
    galaxies_per_arcmin2: float = 60.0
    n_false: int = 10
    """Detections of nothing, in each image."""
    snr: tuple[float, float] = (20.0, 1500.0)
    catalog_share: float = 0.3
    """Stars that the catalogue has."""
    n_junk: int = 0
    """Entries of the catalogue that are no stars."""
    va_scales: tuple[float, ...] = (1.0,)
    """Scale of velocity aberration, of one pair of filters after the other."""


@dataclass(frozen=True)
class Sky:
    """Sources of the field: places in deg, signal to noise, and what they are."""

    ra: np.ndarray
    dec: np.ndarray
    snr: np.ndarray
    is_star: np.ndarray
    is_saturated: np.ndarray


@dataclass(frozen=True)
class Observed:
    """What the alignment gets, and the truth."""

    surveys: list
    catalog: ReferenceStars
    cameras: list
    n_good: np.ndarray
    """Stars above 30 sigma in each image."""


def offset_sky(ra, dec, east_arcsec, north_arcsec):
    """Return places moved east and north."""
    cosine = np.cos(np.radians(dec))
    return ra + east_arcsec / cosine / 3600, dec + north_arcsec / 3600


def random_sky(programme, rng, half_arcsec=190.0):
    """Return stars and galaxies spread evenly."""
    area = (2 * half_arcsec / 60) ** 2
    n_stars, n_galaxies = (
        rng.poisson(density * area)
        for density in (programme.stars_per_arcmin2, programme.galaxies_per_arcmin2)
    )
    n = n_stars + n_galaxies
    ra, dec = offset_sky(*TARGET, *rng.uniform(-half_arcsec, half_arcsec, (2, n)))
    snr = np.exp(rng.uniform(*np.log(programme.snr), n))
    return Sky(ra, dec, snr, np.arange(n) < n_stars, np.zeros(n, bool))


def observe(programme, sky, errors, rng):
    """Take all exposures of a programme."""
    surveys, cameras, good = [], [], []
    models = {}
    visit = rng.normal(0, errors.visit_arcsec, 2)
    roll = rng.normal(0, errors.roll_deg)
    number = 0
    for k, pair in enumerate(programme.filters):
        va_scale = programme.va_scales[k % len(programme.va_scales)]
        for dither in DITHERS[programme.pattern][: programme.points]:
            jitter = rng.normal(0, errors.dither_arcsec, 2)
            gross = errors.exposure_shift_arcsec.get(number, (0.0, 0.0))
            place = np.add(FOCUS_ARCSEC, dither)
            right = offset_sky(*TARGET, *(visit + jitter + gross))
            believed = attitude_from(place, TARGET, ROLL_DEG)
            for name in programme.detectors:
                detector = DETECTORS[name]
                # the whole field is stretched, headers' reference points are not
                spread = (va_scale - 1.0) * _from_focus(detector)
                true = attitude_from(place - spread, right, ROLL_DEG + roll)
                band = passband(pair[detector.channel == "LONG"])
                key = (name, band.name)
                if key not in models:
                    models[key] = _reference(detector, band, errors, rng)
                attitudes = (true, believed, va_scale)
                survey, cam, n_good = _expose(
                    sky, attitudes, (detector, band), models[key], rng, programme
                )
                root = f"jw01345001001_02101_{number + 1:05d}_{name.lower()}"
                surveys.append(
                    replace(survey, header=replace(survey.header, root=root))
                )
                cameras.append(cam)
                good.append(n_good)
            number += 1
    return Observed(
        surveys, _catalogue(programme, sky, errors, rng), cameras, np.array(good)
    )


def _from_focus(detector):
    """Return how far a detector's reference point is from the middle, arcsec."""
    pointing = camera(
        f"{detector.siaf}_FULL", attitude_from(FOCUS_ARCSEC, TARGET, 0.0)
    ).pointing()
    return np.subtract((pointing.v2_ref_arcsec, pointing.v3_ref_arcsec), FOCUS_ARCSEC)


def _reference(detector, band, errors, rng):
    """Return the geometry that a wrong distortion file gives, and the filter's offset."""
    shift = filter_offset_px(detector, band)
    cam = camera(f"{detector.siaf}_FULL", attitude_from(FOCUS_ARCSEC, TARGET, 0.0))
    wrong = (errors.distortion_mas, errors.detector_mas)
    planes = SkyPlanes(
        flat=np.ones((1, 1), np.float32),
        flat_err=np.zeros((1, 1), np.float32),
        flat_flags=np.zeros((1, 1), np.uint32),
        area=np.ones((1, 1), np.float32),
        pixel_area_sr=2.2e-14,
        mjy_sr_per_dn_s=1.0,
        distortion=distortion_model(cam.full, wrong, rng),
        filter_offset_px=shift,
    )
    geometry = make_geometry(planes, cam.pointing(), READOUT)
    return _ripple(geometry, errors.ripple_mas / 1000, rng), shift


def _ripple(geometry, rms_arcsec, rng):
    """Add waves, two across the detector, to V2 and V3."""
    if not rms_arcsec:
        return geometry
    rows, cols = np.meshgrid(
        *(np.arange(n) / n for n in geometry.v2v3_arcsec.shape[:2]), indexing="ij"
    )
    waves = np.stack(
        [np.sin(2 * np.pi * (2 * axis + rng.random())) for axis in (rows, cols)],
        axis=-1,
    )
    moved = geometry.v2v3_arcsec + np.sqrt(2) * rms_arcsec * waves
    return replace(geometry, v2v3_arcsec=moved)


def _expose(sky, attitudes, optics, reference, rng, programme):
    """Return the survey of one image, its true camera, and how many good stars it has."""
    detector, band = optics
    geometry, shift = reference
    *attitudes, va_scale = attitudes
    true, believed = (
        replace(
            camera(f"{detector.siaf}_FULL", attitude, va_scale), filter_offset_px=shift
        )
        for attitude in attitudes
    )
    rows, cols = true.sky_to_pixel(sky.ra, sky.dec)
    with np.errstate(invalid="ignore"):
        seen = (np.abs(rows - 1023.5) < 1016) & (np.abs(cols - 1023.5) < 1016)
    seen &= (rng.random(len(rows)) < 0.97) & ~sky.is_saturated
    kept = np.flatnonzero(seen)
    n, n_false = len(kept), programme.n_false
    snr = np.concatenate([sky.snr[kept], rng.uniform(15, 40, n_false)])
    error = np.maximum(1.0 / snr, 0.003)
    is_star = np.concatenate([sky.is_star[kept], np.ones(n_false, bool)])
    # a galaxy's middle depends on the band and on the dither's pixels
    scatter = np.hypot(error, np.where(is_star, 0.0, 0.1))
    places = np.concatenate(
        [np.stack([rows[kept], cols[kept]], axis=1), rng.uniform(8, 2040, (n_false, 2))]
    )
    places += scatter[:, None] * rng.standard_normal(places.shape)
    order = np.argsort(-snr, kind="stable")
    ones = np.ones(n + n_false)
    sources = PointSources(
        rows=places[order, 0],
        cols=places[order, 1],
        error_px=error[order],
        flux=snr[order],
        snr=snr[order],
        ellipticity=0 * ones,
        concentration=0.7 * ones,
        is_star=is_star[order],
        is_compact=ones.astype(bool),
    )
    header = Header(
        root="",
        program="01345",
        observation="001",
        visit="001",
        detector=detector.name,
        module=detector.module,
        channel=detector.channel,
        filter=band.filter,
        pupil=band.pupil,
        exp_type="NRC_IMAGE",
        start_mjd=59750.0,
        end_mjd=59750.1,
        exposure_s=900.0,
        first_integration=1,
        is_moving_target=False,
        readout=READOUT,
        pointing=believed.pointing(),
    )
    nothing = SkyCells(
        level=np.empty((0, 0)),
        error=np.empty((0, 0)),
        grid_position=np.empty((0, 0, 2)),
    )
    geometry = replace(geometry, pointing=header.pointing)
    survey = Survey(header=header, geometry=geometry, sources=sources, sky=nothing)
    return survey, true, int((sky.is_star[kept] & (sky.snr[kept] > 30)).sum())


def _catalogue(programme, sky, errors, rng):
    """Return a catalogue of some stars, the saturated ones among them, and of junk."""
    chosen = sky.is_saturated | (
        sky.is_star & (rng.random(len(sky.ra)) < programme.catalog_share)
    )
    ra, dec = sky.ra[chosen], sky.dec[chosen]
    if programme.n_junk:
        n = programme.n_junk
        junk = offset_sky(*TARGET, *rng.uniform(-190, 190, (2, n)))
        ra, dec = np.concatenate([ra, junk[0]]), np.concatenate([dec, junk[1]])
    noise = errors.catalog_mas / 1000 * rng.standard_normal((2, len(ra)))
    noise += np.reshape(errors.catalog_shift_arcsec, (2, 1))
    ra, dec = offset_sky(ra, dec, *noise)
    error = np.full(len(ra), errors.catalog_mas / 1000)
    return ReferenceStars(ra_deg=ra, dec_deg=dec, error_arcsec=error)


def misplaced_mas(geometries, cameras, n_side=9):
    """Return how far each image lies from the truth: (images, pixels, 2), east and north."""
    nodes = np.linspace(0, 2047, n_side)
    rows, cols = (axis.ravel() for axis in np.meshgrid(nodes, nodes))
    return np.array(
        [
            _apart_mas(pixel_to_sky(geometry, rows, cols), cam.pixel_to_sky(rows, cols))
            for geometry, cam in zip(geometries, cameras, strict=True)
        ]
    )


def _apart_mas(found, true):
    east = ((found[0] - true[0] + 180) % 360 - 180) * np.cos(np.radians(true[1]))
    return 3.6e6 * np.stack([east, found[1] - true[1]], axis=1)


def cluster_sky(programme, rng):
    """Return few stars and a rich cluster of galaxies."""
    field_ = random_sky(programme, rng)
    n = 250
    ra, dec = offset_sky(*TARGET, *rng.normal([[-40], [40]], 15, (2, n)))
    snr = np.exp(rng.uniform(*np.log(programme.snr), n))
    return _join(field_, Sky(ra, dec, snr, np.zeros(n, bool), np.zeros(n, bool)))


def saturated_sky(programme, rng, share=0.25):
    """Return stars of which the brightest are saturated, with false stars on their spikes."""
    field_ = random_sky(programme, rng)
    bright = field_.is_star & (field_.snr > np.quantile(field_.snr, 1 - share))
    field_ = replace(field_, is_saturated=bright)
    where = np.flatnonzero(bright).repeat(8)
    n = len(where)
    angle = np.radians(ROLL_DEG + 60.0 * rng.integers(0, 6, n))
    radius = rng.uniform(0.3, 3.0, n)
    ra, dec = offset_sky(
        field_.ra[where],
        field_.dec[where],
        radius * np.sin(angle),
        radius * np.cos(angle),
    )
    snr = np.exp(rng.uniform(np.log(20), np.log(400), n))
    return _join(field_, Sky(ra, dec, snr, np.ones(n, bool), np.zeros(n, bool)))


def lattice_sky(programme, rng, period_arcsec=2.0, half_arcsec=190.0):
    """Return stars on a square lattice."""
    axis = np.arange(-half_arcsec, half_arcsec, period_arcsec)
    places = np.stack(np.meshgrid(axis, axis)).reshape(2, -1)
    places = places + rng.normal(0, 0.003, places.shape)
    ra, dec = offset_sky(*TARGET, *places)
    n = len(ra)
    snr = np.exp(rng.uniform(*np.log(programme.snr), n))
    return Sky(ra, dec, snr, np.ones(n, bool), np.zeros(n, bool))


def _join(one, other):
    return Sky(
        *(
            np.concatenate([getattr(part, name) for part in (one, other)])
            for name in Sky.__dataclass_fields__
        )
    )
