"""Relative and absolute alignment of all exposures of a field, all filters together.

Sources of all images are laid into one tangent plane. Exposures are first linked to each
other and to the reference catalogue by histograms of displacements (`start`), then one
robust solution for all pointings is found (`joint_solve`), stars being matched anew within
shrinking radii. The outcome of every image is OK, WEAK or FAILED, with the reason: a FAILED
image keeps its header's pointing. Without a reference catalogue the mean correction is
zero, as far as the headers agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..params import Count, Params
from .association import Entries, ScatterParams, join_catalog
from .bending import straighten
from .distortion_update import (
    DistortionUpdate,
    DistortionUpdateParams,
    weigh_updates,
)
from .evidence import KEPT_PULL, collect_evidence, scatter
from .image_sources import ImageSources, ReferencePositions
from .joint_solve import JointSolution, Observations, Rigour, solve_jointly
from .layout import (
    CATALOG,
    ImageMotions,
    Layout,
    PriorParams,
    make_layout,
    move_images,
    move_observations,
)
from .matching import MatchParams, rotation
from .start import find_start, typical_error
from .verdict import Evidence, Status, Verdict, VerdictParams, judge_image

Points = NDArray[np.float64]
Indices = NDArray[np.intp]
RADII = (3.75, 1.5, 1.0)
"""Matching radii of the three rounds, in units of the last one."""
TOLERANCE = 1e-5
"""Arcsec: a hundredth of the error of the best centroids."""


class AlignmentParams(Params):
    """How exposures are aligned."""

    match: MatchParams = MatchParams()
    """The search for matches."""
    priors: PriorParams = PriorParams()
    """Usual errors of pointing."""
    verdict: VerdictParams = VerdictParams()
    """What makes an alignment OK, WEAK or FAILED."""
    scatter: ScatterParams = ScatterParams()
    """Usual errors of positions."""
    distortion: DistortionUpdateParams = DistortionUpdateParams()
    """Updates of the reference distortions from the stars."""
    enough_stars: Count = 25
    """With fewer stars per image (median) than this, compact sources are used as well."""
    spread_detectors: bool = False
    """Whether distances between detectors are stretched by the velocity aberration, which
    the GWCS of the JWST pipeline leaves out: by up to 25 mas between the modules. Where a
    catalogue ties each detector to the sky, the alignment finds it without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageAlignment:
    """How one image was aligned.

    Attributes
    ----------
    correction : (2, 3) float64, arcsec
        To be applied after `Geometry.correction` of the geometry the sources were placed
        with (`geometry.combine_corrections`); the identity if FAILED.
    status : "OK", "WEAK" or "FAILED"
    reason : str
        Why not OK; empty if OK.
    n_sources, n_matched, n_catalog : int
        Sources that took part, those matched to other images or the catalogue, and those
        matched to the catalogue.
    rms_arcsec : float, arcsec
        Robust scatter of the matched sources on either axis; NaN if there are none.
    error_arcsec : float, arcsec
        Formal error of the position relative to the other images.
    shift_arcsec : (float, float), arcsec
        Correction of the reference point to the east and north.
    roll_deg : float, deg
        Correction of the roll, from east towards north.
    scale : float
        Correction of the pixel scale, common to the detector and filter.
    update : DistortionUpdate or None
        Of the distortion of its detector and filter; None if FAILED.
    """

    correction: NDArray[np.float64]
    status: Status
    reason: str
    n_sources: int
    n_matched: int
    n_catalog: int
    rms_arcsec: float
    error_arcsec: float
    shift_arcsec: tuple[float, float]
    roll_deg: float
    scale: float
    update: DistortionUpdate | None

    @property
    def applied_update(self) -> DistortionUpdate | None:
        """The update of the distortion, if it is to be applied."""
        if self.update is None or not self.update.is_applied:
            return None
        return self.update


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """How all images of a field were aligned.

    Attributes
    ----------
    images : tuple of ImageAlignment
        In the order given.
    n_stars : int
        Stars seen by two or more images, or by one and the catalogue.
    n_catalog : int
        Of these, stars of the reference catalogue.
    rms_arcsec, catalog_rms_arcsec : float, arcsec
        Robust scatter on either axis, of images with stars in common and of the reference
        catalogue; NaN where there are none.
    """

    images: tuple[ImageAlignment, ...]
    n_stars: int
    n_catalog: int
    rms_arcsec: float
    catalog_rms_arcsec: float


class _Known(NamedTuple):
    """What is known of one image."""

    evidence: Evidence
    verdict: Verdict
    update: DistortionUpdate
    """Of the distortion of its detector and filter."""


def align_exposures(
    images: Sequence[ImageSources],
    catalog: ReferencePositions | None,
    params: AlignmentParams,
) -> Alignment:
    """Align all images with each other and with a reference catalogue.

    Parameters
    ----------
    images : sequence of ImageSources
        One for each detector of each exposure, all filters.
    catalog : ReferencePositions or None
        None: relative alignment only.
    params : AlignmentParams

    Notes
    -----
    ``jwst``'s tweakreg fits one image after the other to a growing catalogue, and what it
    fits need not be right (it moved a field by 60 mas and said COMPLETE); here all images,
    filters and reference stars enter one solution that says how sure it is.
    """
    entries = _choose_sources(images, params)
    layout = _lay_out(images, params.priors)
    reference = _usable_references(catalog, params)
    start = find_start(entries, layout, reference, params.match)
    values = start.values
    floors = (params.scatter.star, params.scatter.catalog)
    catalog_radius = max(1.0, 4 * typical_error(reference) / params.match.radius)
    for factor in RADII:
        near = factor * params.match.radius
        moved = move_observations(layout, values, entries.image, entries.position)
        observations = join_catalog(
            entries,
            moved,
            start.is_tied[entries.image],
            reference,
            (near, near * catalog_radius),
        )
        is_last = factor == RADII[-1]
        # matching needs a tenth of its radius; bends are smaller than that
        tolerance = TOLERANCE if is_last else 0.1 * near
        rigour = Rigour(floors, tolerance, with_bends=is_last)
        solution = solve_jointly(layout, observations, values, rigour)
        values = solution.values
    evidence = collect_evidence(
        images, entries, layout, observations, solution, start.is_ambiguous
    )
    verdicts = [
        judge_image(entry, params.verdict, with_catalog=catalog is not None)
        for entry in evidence
    ]
    updates = _weigh_updates(layout, solution, evidence, verdicts, params.distortion)
    known = [
        _Known(evidence[k], verdicts[k], updates[detector])
        for k, detector in enumerate(layout.frames.detector)
    ]
    aligned = _make_images(images, layout, solution, known)
    return _summarise(aligned, observations, solution)


def _lay_out(images: Sequence[ImageSources], priors: PriorParams) -> Layout:
    """Return the terms of all images."""
    return make_layout(
        [(image.visit, image.exposure, image.detector) for image in images],
        np.array([image.centre for image in images]).reshape(-1, 2),
        np.array([image.axes for image in images]).reshape(-1, 2, 2),
        np.array([image.outline for image in images]).reshape(-1, 4, 2),
        priors,
    )


def _choose_sources(images: Sequence[ImageSources], params: AlignmentParams) -> Entries:
    """Return the stars of all images, with compact sources where stars are few."""
    n_stars = [int(image.is_star.sum()) for image in images]
    few = not n_stars or np.median(n_stars) < params.enough_stars
    chosen = [image.is_compact if few else image.is_star for image in images]
    parts = list(zip(images, chosen, strict=True))
    is_star = _join([image.is_star[mine] for image, mine in parts]).astype(np.bool_)
    error = _join([image.error[mine] for image, mine in parts])
    return Entries(
        image=np.repeat(np.arange(len(images)), [mine.sum() for mine in chosen]),
        position=_join([image.position[mine] for image, mine in parts]).reshape(-1, 2),
        error=np.hypot(error, np.where(is_star, 0.0, params.scatter.compact)),
        snr=_join([image.snr[mine] for image, mine in parts]),
        is_star=is_star,
    )


def _join(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Return the parts concatenated."""
    return np.concatenate(parts) if parts else np.empty(0)


def _usable_references(
    catalog: ReferencePositions | None, params: AlignmentParams
) -> ReferencePositions:
    """Return the reference stars, all with errors; none without a catalogue."""
    if catalog is None:
        return ReferencePositions(np.empty((0, 2)), np.empty(0))
    known = np.isfinite(catalog.error) & (catalog.error > 0)
    error = np.where(known, catalog.error, params.scatter.catalog_error)
    return catalog._replace(error=error)


def _weigh_updates(
    layout: Layout,
    solution: JointSolution,
    evidence: Sequence[Evidence],
    verdicts: Sequence[Verdict],
    params: DistortionUpdateParams,
) -> tuple[DistortionUpdate, ...]:
    """Return the updates of the distortions of all detectors and filters.

    Only images that are OK speak: stars of a wrong match bend a detector as they like.
    """
    matched = [
        e.n_matched if v.status == "OK" else 0
        for e, v in zip(evidence, verdicts, strict=True)
    ]
    n_stars = np.bincount(layout.frames.detector, matched, len(solution.bends)).astype(
        np.intp
    )
    return weigh_updates(
        solution.bends, solution.bend_covariance, layout.bend_sigmas, n_stars, params
    )


def _make_images(
    images: Sequence[ImageSources],
    layout: Layout,
    solution: JointSolution,
    known: Sequence[_Known],
) -> tuple[ImageAlignment, ...]:
    """Express the solution as corrections in the images' own tangent planes."""
    motions = move_images(layout, solution.values)
    skews = straighten(layout.frames, solution.bends)
    # they leave the image's middle, not its reference point, where it is
    drifts = np.einsum("kab,kb->ka", skews, layout.centres - layout.frames.middle)
    return tuple(
        _make_image(
            images[k].jacobian,
            ImageMotions(
                motions.shift[k] + drifts[k], motions.roll[k], motions.stretch[k]
            ),
            skews[k],
            known[k],
        )
        for k in range(len(images))
    )


def _make_image(
    jacobian: Points,
    motion: ImageMotions,
    skew: Points,
    known: _Known,
) -> ImageAlignment:
    """Express the motion of one image in its own tangent plane; rest if it FAILED."""
    evidence, verdict, update = known
    if verdict.status == "FAILED":
        motion = ImageMotions(np.zeros(2), np.zeros(()), np.ones(()))
        skew = np.zeros((2, 2))
    shift, roll, stretch = motion.shift, float(motion.roll), float(motion.stretch)
    inverse = np.linalg.inv(jacobian)
    linear = inverse @ (stretch * rotation(roll) + skew) @ jacobian
    return ImageAlignment(
        correction=np.column_stack([linear, inverse @ shift]),
        status=verdict.status,
        reason=verdict.reason,
        n_sources=evidence.n_sources,
        n_matched=evidence.n_matched,
        n_catalog=evidence.n_catalog,
        rms_arcsec=evidence.rms_arcsec,
        error_arcsec=evidence.error_arcsec,
        shift_arcsec=(float(shift[0]), float(shift[1])),
        roll_deg=float(np.degrees(roll)),
        scale=stretch,
        update=None if verdict.status == "FAILED" else update,
    )


def _summarise(
    images: tuple[ImageAlignment, ...],
    observations: Observations,
    solution: JointSolution,
) -> Alignment:
    """Count stars and measure the scatter of all images together."""
    kept = solution.pull < KEPT_PULL
    from_catalog = observations.image == CATALOG
    # a star that one image sees alone follows it: it says nothing of the scatter
    n_views = np.bincount(observations.star, ~from_catalog)[observations.star]
    shared = kept & ~from_catalog & (n_views > 1)
    return Alignment(
        images=images,
        n_stars=len(np.unique(observations.star)),
        n_catalog=int(from_catalog.sum()),
        rms_arcsec=scatter(solution.residual[shared]),
        catalog_rms_arcsec=scatter(solution.residual[kept & from_catalog]),
    )
