"""The parameters of the whole path, by stage and step."""

from collections.abc import Iterator

from ...errors import ParameterError
from ...params import Params
from ...pipeline.grism_exposure import GrismParams
from ...pipeline.mosaic_to_catalog import MosaicToCatalog
from ...pipeline.ramp_to_slope import RampToSlope
from ...pipeline.second_round import SecondRound
from ...pipeline.sky_to_mosaic import SkyToMosaic
from ...pipeline.slope_to_sky import SlopeToSky
from .parameters import toml_lines


class Parameters(Params):
    """All parameters in the order of the path."""

    ramp_to_slope: RampToSlope = RampToSlope()
    """Raw ramps to slopes, DN/s."""
    slope_to_sky: SlopeToSky = SlopeToSky()
    """Slopes to surface brightness, MJy/sr."""
    sky_to_mosaic: SkyToMosaic = SkyToMosaic()
    """Alignment, sky levels, outliers and drizzle."""
    mosaic_to_catalog: MosaicToCatalog = MosaicToCatalog()
    """Mosaics to catalogues."""
    second_round: SecondRound = SecondRound()
    """Stray light and expected artifacts, with the field known."""
    grism: GrismParams = GrismParams()
    """Dispersed exposures: sky and ghosts."""


def parameter_lines(step: str = "") -> Iterator[str]:
    """Yield the tree, or one step of it, as a TOML file.

    Raises
    ------
    ParameterError
        Where there is no such step.
    """
    lines = list(toml_lines(Parameters(), step))
    if step and not lines:
        steps = dict.fromkeys(
            name
            for stage in Parameters.model_fields.values()
            for name in getattr(stage.annotation, "model_fields", ())
        )
        raise ParameterError(f"no step {step}; the steps are {', '.join(steps)}")
    yield from lines
