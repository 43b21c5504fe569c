"""OK, WEAK or FAILED: how far the alignment of an image can be trusted, and why.

An alignment to a false peak still matches many stars, so their number alone tells little.
What gives it away: stars that should be found again in overlapping images but are not,
and pulls far beyond the errors (3-4 % of the observations instead of 0.01 %). An image
is FAILED only if something speaks against its place; if nothing speaks for it either, it
is WEAK and stays where the header puts it.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from ..params import Arcsec, Count, Fraction, Params
from ..units import MAS_PER_ARCSEC

Status = Literal["OK", "WEAK", "FAILED"]


class VerdictParams(Params):
    """What makes an alignment OK, WEAK or FAILED."""

    min_stars: Count = 6
    """Fewest matched sources of an image that is OK."""
    min_ties: Count = 3
    """Fewest reference stars on which a group of overlapping images hangs."""
    max_rms: Arcsec = 0.01
    """Highest scatter of an image's matched sources; FAILED beyond five times that."""
    max_flagged: Fraction = 0.03
    """Highest share of an image's sources far beyond their errors, two sources being
    allowed in any case; FAILED beyond ten times that."""
    min_found: Fraction = 0.4
    """Lowest share of an image's stars that are found again where another image of the
    same filter looks; FAILED below a quarter of that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of the alignment of one image.

    Attributes
    ----------
    n_sources, n_matched, n_flagged, n_catalog : int
        Sources that took part; matched within their errors; matched but far off; matched
        to the reference catalogue.
    n_expected, n_found : int
        Stars that another image of the same filter should see, and those that were matched.
    n_exposure, n_visit : int
        Sources matched in the other images of its exposure, of its visit.
    n_ties : int
        Reference stars matched in all images that hang together with this one.
    has_overlap : bool
        Another image looks at part of its sky.
    is_ambiguous : bool
        Its stars fit the others, or the catalogue, at several shifts.
    rms_arcsec, error_arcsec : float, arcsec
    """

    n_sources: int
    n_matched: int
    n_flagged: int
    n_catalog: int
    n_expected: int
    n_found: int
    n_exposure: int
    n_visit: int
    n_ties: int
    has_overlap: bool
    is_ambiguous: bool
    rms_arcsec: float
    error_arcsec: float


class Verdict(NamedTuple):
    """The outcome and, unless OK, the reason."""

    status: Status
    reason: str


def judge_image(
    evidence: Evidence, params: VerdictParams, *, with_catalog: bool
) -> Verdict:
    """Judge the alignment of one image.

    Parameters
    ----------
    evidence : Evidence
    params : VerdictParams
    with_catalog : bool
        A reference catalogue was given.
    """
    failure = _find_contradiction(evidence, params)
    if failure:
        return Verdict("FAILED", failure)
    if evidence.n_matched < 2:
        return _judge_without_stars(evidence, params, with_catalog=with_catalog)
    doubts = _find_doubts(evidence, params, with_catalog=with_catalog)
    return Verdict("WEAK", "; ".join(doubts)) if doubts else Verdict("OK", "")


def _find_contradiction(e: Evidence, p: VerdictParams) -> str:
    """Return what shows that an image lies in the wrong place, or an empty string."""
    if e.n_expected >= p.min_stars and e.n_found < p.min_found / 4 * e.n_expected:
        return f"only {e.n_found} of {e.n_expected} stars found again in overlapping images"
    if e.n_flagged > max(3.0, 10 * p.max_flagged * (e.n_matched + e.n_flagged)):
        return f"{e.n_flagged} of {e.n_matched + e.n_flagged} sources far off"
    if e.rms_arcsec > 5 * p.max_rms:
        return f"sources scatter by {e.rms_arcsec * MAS_PER_ARCSEC:.1f} mas"
    return ""


def _judge_without_stars(
    e: Evidence, p: VerdictParams, *, with_catalog: bool
) -> Verdict:
    """Judge an image that has no stars of its own to go by."""
    if e.n_exposure >= p.min_stars:
        what = f"from {e.n_exposure} sources of its exposure's other detectors"
        return Verdict("WEAK", f"no matched sources of its own; position {what}")
    if e.n_visit >= p.min_stars:
        what = f"from {e.n_visit} sources of its visit's other exposures"
        return Verdict("WEAK", f"no matched sources of its own; position {what}")
    if e.has_overlap and e.n_sources >= 2 * p.min_stars:
        return Verdict("FAILED", f"no match among its {e.n_sources} sources")
    what = "no match with the reference catalogue" if with_catalog else "alone"
    if e.has_overlap:
        what = f"only {e.n_sources} sources, none matched"
    return Verdict("WEAK", f"{what}; the header's pointing is kept")


def _describe_tie(n_ties: int) -> str:
    """Say how an image hangs on the reference catalogue."""
    if n_ties == 0:
        return "hangs on no reference stars: aligned with other exposures only"
    return f"hangs on {n_ties} reference stars"


def _find_doubts(e: Evidence, p: VerdictParams, *, with_catalog: bool) -> list[str]:
    """Return what is not as it should be with an image that is aligned."""
    doubts = []
    if e.n_matched < p.min_stars:
        doubts.append(f"only {e.n_matched} matched sources")
    if with_catalog and e.n_ties < p.min_ties:
        doubts.append(_describe_tie(e.n_ties))
    if e.is_ambiguous:
        what = "the pattern of its stars fits at several shifts"
        doubts.append(f"{what}, and it may be off by one of them")
    if e.rms_arcsec > p.max_rms:
        doubts.append(f"sources scatter by {e.rms_arcsec * MAS_PER_ARCSEC:.1f} mas")
    if e.n_flagged > max(2.0, p.max_flagged * (e.n_matched + e.n_flagged)):
        doubts.append(f"{e.n_flagged} of {e.n_matched + e.n_flagged} sources far off")
    if e.n_expected >= p.min_stars and e.n_found < p.min_found * e.n_expected:
        doubts.append(
            f"{e.n_found} of {e.n_expected} stars found again in overlapping images"
        )
    return doubts
