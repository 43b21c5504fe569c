"""What the header of an exposure says, read once and typed.

The cards themselves travel along unread, so that products keep everything that the
archive wrote.
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from .timing import Readout

CardValue: TypeAlias = str | int | float | bool | None


class Card(NamedTuple):
    """One header card."""

    keyword: str
    value: CardValue
    comment: str = ""


class SkyPlace(NamedTuple):
    """A place on the sky, ICRS, deg."""

    ra_deg: float
    dec_deg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointing:
    """Where the telescope looked, as the header says it.

    Attributes
    ----------
    ra_ref_deg, dec_ref_deg, roll_ref_deg : float, deg
        Sky position and roll at the aperture's reference point, ICRS.
    v2_ref_arcsec, v3_ref_arcsec : float, arcsec
        The aperture's reference point in the telescope's frame.
    v3i_yang_deg, vparity : float, int
        Angle of the y axis from V3, and the sense of x.
    va_scale : float
        Velocity-aberration scale factor.
    """

    ra_ref_deg: float
    dec_ref_deg: float
    roll_ref_deg: float
    v2_ref_arcsec: float
    v3_ref_arcsec: float
    v3i_yang_deg: float
    vparity: int
    va_scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """One exposure of one detector.

    Attributes
    ----------
    root : str
        File name without folder, product suffix and ending, for example
        ``jw02736001001_02103_00001_nrcb1`` (with ``-segNNN`` where segmented).
    program, observation, visit : str
        Zero-padded numbers as in the file name: ``02736``, ``001``, ``001``.
    detector, module, channel : str
        ``NRCB1``, ``B``, ``SHORT`` or ``LONG``.
    filter, pupil, exp_type : str
    start_mjd, end_mjd : float, days
    exposure_s : float, s
        Effective exposure time (EFFEXPTM).
    first_integration : int
        1-based number of the first integration in this file (segmented exposures: INTSTART).
    is_moving_target : bool
    moving_target : SkyPlace or None
        Of a moving target, at the middle of the exposure; None where the header is silent.
    readout : Readout
    pointing : Pointing
    primary, science : tuple of Card
        All cards of the primary and of the SCI header but the structural ones.
    """

    root: str
    program: str
    observation: str
    visit: str
    detector: str
    module: str
    channel: str
    filter: str
    pupil: str
    exp_type: str
    start_mjd: float
    end_mjd: float
    exposure_s: float
    first_integration: int
    is_moving_target: bool
    readout: Readout
    pointing: Pointing
    moving_target: SkyPlace | None = None
    primary: tuple[Card, ...] = ()
    science: tuple[Card, ...] = ()

    @property
    def is_parallel(self) -> bool:
        """Whether another instrument was prime: its root has sequence 2 to 5, as in 02201.

        A name of another kind says nothing, and is taken for prime.
        """
        parts = self.root.split("_")
        return len(parts) > 1 and parts[1][2:3] in {"2", "3", "4", "5"}


def card_values(cards: tuple[Card, ...]) -> dict[str, CardValue]:
    """Return the value of each keyword; of a keyword that is repeated, the last."""
    return {card.keyword: card.value for card in cards}


def put_cards(cards: tuple[Card, ...], new: tuple[Card, ...]) -> tuple[Card, ...]:
    """Return ``cards`` with each new card in the place of its namesake, or at the end.

    A comment that the new card leaves empty is kept from the old one.
    """
    fresh = {card.keyword: card for card in new}
    kept = []
    for card in cards:
        other = fresh.pop(card.keyword, None)
        if other is None:
            kept.append(card)
        else:
            kept.append(other._replace(comment=other.comment or card.comment))
    return (*kept, *fresh.values())
