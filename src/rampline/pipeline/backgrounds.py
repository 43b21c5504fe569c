"""Exposures of the sky that were taken for a target: its dedicated background."""

from collections.abc import Sequence
from dataclasses import replace

from ..background.dedicated import DedicatedBackgroundParams, average_backgrounds
from ..exposure.header import Header
from ..exposure.planes import SkyPlanes
from ..exposure.records import SlopeImage


def with_backgrounds(
    planes: SkyPlanes,
    header: Header,
    backgrounds: Sequence[SlopeImage],
    params: DedicatedBackgroundParams,
) -> SkyPlanes:
    """Return reference planes with the mean of the target's background exposures added.

    Parameters
    ----------
    planes : SkyPlanes
    header : Header
        Of the target.
    backgrounds : sequence of SlopeImage
        At least one; same detector, filter, pupil and subarray as the target.
    params : DedicatedBackgroundParams

    Raises
    ------
    ValueError
        If detector, filter, pupil or subarray of a background exposure differ.
    """
    for background in backgrounds:
        if background_optics(background.header) != background_optics(header):
            raise ValueError(
                f"{background.header.root} is no background for {header.root}: "
                "detector, filter, pupil or subarray differ"
            )
    mean = average_backgrounds([b.planes for b in backgrounds], params)
    return replace(planes, dedicated_background=mean)


def background_optics(header: Header) -> tuple[str, ...]:
    """Return what a background exposure must have in common with its target."""
    return (header.detector, header.filter, header.pupil, header.readout.subarray)
