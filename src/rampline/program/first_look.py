"""What the first round already does about scattered light, between slopes and their file.

A draft mosaic that shows light of stars beside the detectors would take it for sources, and
stripes measured across it are wrong beside it; so it is with angled stripes. Where the stars
lead to expect such light, it is therefore looked for at once, sources told by the exposure
alone; supplied templates of wisps are fitted and subtracted. The stripes of what was changed
are measured again. The second round, which knows the field, does all of it anew.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..artifacts.expected import Expected
from ..artifacts.stars import StarTable
from ..artifacts.stray_fit import StrayTemplate
from ..astrometry.geometry import make_geometry
from ..detector.flicker_noise import FlickerNoiseParams
from ..errors import MissingReferenceError
from ..exposure.header import Header
from ..exposure.planes import SkyPlanes
from ..exposure.records import SlopeImage
from ..files.content import hash_file
from ..files.provenance import StepRun
from ..files.source_code import source_hash
from ..files.supplied_light import SuppliedLight, find_supplied, read_supplied
from ..pipeline.drawn_regions import DrawnMasks, place_regions
from ..pipeline.expect_artifacts import expect_artifacts
from ..pipeline.scattered_light import LOOKED_FOR
from ..pipeline.second_round import (
    SecondRound,
    clean_exposure,
    know_alone,
)
from ..pipeline.stray_template import supplied_template
from ..reference.selection import SKY_KINDS
from ..reference.sky_planes import load_sky_planes
from .field import FieldRun
from .input.user_regions import DrawnHere, drawn_on
from .tasks.artifact_list import write_artifact_list
from .tasks.describe_findings import describe_findings, steps_taken
from .tasks.make_exposure import why_no_mosaic
from .tasks.products import Workplace, reference_source, step_run

log = logging.getLogger(__name__)

MODULE = "program.first_look"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstLook:
    """What is looked for in one exposure.

    Attributes
    ----------
    expected : tuple of Expected
        None, unless light beside the detector or angled stripes are among it.
    supplied : SuppliedLight
        Templates of its wisps.
    drawn : DrawnHere
        Where the user allows nothing to be done.
    params : SecondRound
    """

    expected: tuple[Expected, ...]
    supplied: SuppliedLight
    drawn: DrawnHere
    params: SecondRound

    def words(self) -> list[str]:
        """Return what of it determines the slopes."""
        places = [f"{e.kind} {e.corners.tolist()} {e.cause}" for e in self.expected]
        return [
            source_hash(MODULE),
            *places,
            *map(hash_file, self.supplied.paths),
            *self.supplied.problems,
            *self.drawn.words(),
            self.params.model_dump_json(),
        ]

    @property
    def problems(self) -> tuple[str, ...]:
        """Templates that cannot be used."""
        return self.supplied.problems

    def finish(
        self, image: SlopeImage, flicker: FlickerNoiseParams, place: Workplace
    ) -> tuple[SlopeImage, tuple[StepRun, ...]]:
        """Look for it in new slopes; the list beside them says what was found.

        Parameters
        ----------
        image : SlopeImage
            Its stripes are measured and taken off already.
        flicker : FlickerNoiseParams
        place : Workplace

        Returns
        -------
        image : SlopeImage
            The same where nothing was found.
        steps : tuple of StepRun
        """
        header = image.header
        try:
            files = reference_source(place.references).select(header, SKY_KINDS)
            planes = load_sky_planes(files, header)
        except MissingReferenceError as error:
            log.warning("scattered light is not looked for yet: %s", error)
            return image, ()
        known = replace(
            know_alone(image, planes, self.expected),
            template=self._template(header, planes),
            drawn=self._forbidden(image, planes),
        )
        found = clean_exposure(image, known, flicker, self.params)
        rows = describe_findings(found)
        write_artifact_list(place.folder, header.root, rows, problems=[*self.problems])
        is_found = bool({"ARTIFACT", "STRAY"} & set(found.image.extras))
        done = [name for name, is_done in steps_taken(found).items() if is_done]
        steps = tuple(step_run(name, is_done=True) for name in done)
        return found.image if is_found else image, steps

    def _template(self, header: Header, planes: SkyPlanes) -> StrayTemplate | None:
        """Return supplied wisps."""
        if not self.supplied.paths:
            return None
        return supplied_template(read_supplied(self.supplied.paths, header, planes))

    def _forbidden(self, image: SlopeImage, planes: SkyPlanes) -> DrawnMasks | None:
        """Return where nothing may be done; what the user masks is masked later."""
        if not self.drawn.regions:
            return None
        header, shape = image.header, image.planes.slope.shape
        geometry = make_geometry(planes, header.pointing, header.readout)
        masks = place_regions(self.drawn.regions, geometry, (shape[0], shape[1]))
        return replace(masks, masked=np.zeros_like(masks.masked))


def plan_looks(
    headers: Sequence[Header], stars: StarTable | None, run: FieldRun
) -> dict[str, FirstLook]:
    """Return what is to be looked for, by exposure, where there is anything.

    Parameters
    ----------
    headers : sequence of Header
    stars : StarTable or None
        None where nobody asked for them.
    run : FieldRun
    """
    params = run.parameters.second_round
    looks = {}
    for header in headers:
        if why_no_mosaic(header):
            continue
        expected: list[Expected] = []
        if stars is not None:
            every = expect_artifacts(header, stars, params.expect)
            if any(e.kind in LOOKED_FOR for e in every):
                expected = [*every]
        supplied = SuppliedLight((), ())
        if params.stray_light.enabled and header.channel == "SHORT":
            supplied = find_supplied(params.stray_light.templates, header)
        if expected or supplied.paths:
            forbidding = tuple(
                region
                for region in drawn_on(run.drawn, header).regions
                if region.is_forbidden
            )
            looks[header.root] = FirstLook(
                expected=tuple(expected),
                supplied=supplied,
                drawn=DrawnHere(regions=forbidding),
                params=params,
            )
    return looks
