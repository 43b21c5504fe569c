"""All scattered light of an exposure, each kind in a plane of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...params import Params
from ..sources import Sources, join_sources
from .breath import Breath1Params, Breath2Params, breath_1, breath_2
from .bright_stars import brightest_stars
from .claws import ClawParams, claws
from .ginkgo import GinkgoParams, ginkgo_leaf
from .stripes import StripeParams, stripes
from .tadpoles import ShellParams, TadpoleParams, shells, tadpoles
from .view import Array, Cause, Stars, View, see_stars
from .wisps import WispParams, wisps


class ScatteredParams(Params):
    """Scattered light; each kind is off unless it is enabled."""

    wisps: WispParams = WispParams()
    """Wisps, short wavelengths."""
    claws: ClawParams = ClawParams()
    """Claws, short wavelengths."""
    breath_1: Breath1Params = Breath1Params()
    """Dragon's breath of type I."""
    breath_2: Breath2Params = Breath2Params()
    """Dragon's breath of type II, short wavelengths."""
    ginkgo: GinkgoParams = GinkgoParams()
    """Ginkgo leaf, A5."""
    stripes: StripeParams = StripeParams()
    """Angled stripes."""
    tadpoles: TadpoleParams = TadpoleParams()
    """Tadpoles, grism exposures of B5."""
    shells: ShellParams = ShellParams()
    """Shells, grism exposures of B5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scattered:
    """Scattered light before the response of the pixels.

    Attributes
    ----------
    planes : mapping of name to (rows, cols) float64, DN/s
        Only of what this exposure has: WISPS, CLAWS, BREATH1, BREATH2, GINKGO,
        STRIPES, TADPOLES, SHELLS.
    causes : (m,) structured
        Stars whose light it is, as `CAUSES` has them.
    """

    planes: dict[str, Array]
    causes: NDArray[np.void]


CAUSES: Final = np.dtype(
    [
        ("kind", "S10"), ("source", "i4"), ("ra", "f8"), ("dec", "f8"),
        ("v2", "f8"), ("v3", "f8"), ("rate", "f8"),
    ]
)  # fmt: skip
"""Plane; number in the true catalogue, 0 for stars that are not in it; place on the sky
(deg) and in the focal plane (arcsec); DN/s that it adds to the image, 0 for stripes."""


def scatter(
    view: View, params: ScatteredParams, sources: Sources, rate: Array
) -> Scattered:
    """Make the scattered light of an exposure.

    Parameters
    ----------
    view : View
    params : ScatteredParams
    sources : Sources
        The true catalogue; its stars and the brightest ones of the sky count.
    rate : (n,) float64, DN/s
        Of the sources.
    """
    far = brightest_stars()
    every = join_sources([sources, far])
    rates = np.concatenate([rate, np.zeros(far.ra_deg.size)])
    stars = see_stars(view, every, rates, sources.ra_deg.size)
    planes: dict[str, Array] = {}
    causes: list[Cause] = []
    for name, image, made_by in _kinds(view, params, stars):
        if image is not None:
            planes[name] = image
            causes += made_by
    return Scattered(planes=planes, causes=_table(causes, stars))


def _table(causes: list[Cause], stars: Stars) -> NDArray[np.void]:
    rows = []
    for cause in causes:
        k = cause.star
        place = stars.ra_deg[k], stars.dec_deg[k], stars.v2[k], stars.v3[k]
        rows.append((cause.kind.encode(), stars.id[k], *place, cause.rate))
    return np.array(rows, CAUSES)


def _kinds(
    view: View, params: ScatteredParams, stars: Stars
) -> Iterator[tuple[str, Array | None, list[Cause]]]:
    """Yield name, plane (DN/s) and causes of each kind that is enabled."""
    if view.grism:
        yield from _grism_ghosts(view, params, stars)
        return
    if view.detector.channel == "SHORT":
        yield from _short_kinds(view, params, stars)
    if params.breath_1.enabled:
        yield "BREATH1", *breath_1(view, params.breath_1, stars)
    if params.ginkgo.enabled:
        yield "GINKGO", *ginkgo_leaf(view, params.ginkgo, stars)
    if params.stripes.enabled:
        image, made_by = stripes(view, params.stripes, stars)
        yield "STRIPES", _dn_s(view, image), made_by


def _grism_ghosts(
    view: View, params: ScatteredParams, stars: Stars
) -> Iterator[tuple[str, Array | None, list[Cause]]]:
    if params.tadpoles.enabled:
        yield "TADPOLES", *tadpoles(view, params.tadpoles, stars)
    if params.shells.enabled:
        yield "SHELLS", *shells(view, params.shells, stars)


def _short_kinds(
    view: View, params: ScatteredParams, stars: Stars
) -> Iterator[tuple[str, Array | None, list[Cause]]]:
    if params.wisps.enabled:
        yield "WISPS", _dn_s(view, wisps(view, params.wisps)), []
    if params.claws.enabled:
        yield "CLAWS", *claws(view, params.claws, stars)
    if params.breath_2.enabled:
        yield "BREATH2", *breath_2(view, params.breath_2, stars)


def _dn_s(view: View, image: Array | None) -> Array | None:
    return None if image is None else image * view.dn_s_per_mjy_sr
