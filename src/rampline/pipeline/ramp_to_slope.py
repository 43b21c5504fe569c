"""The path from raw samples to a slope image, in order.

Pixel-local steps are swept together over bands of rows; between the sweeps stand the steps
that need the whole frame. What each step takes and gives is in `ramp_steps` and
`slope_steps`.
"""

from ..detector.after_jumps import AfterJumpParams
from ..detector.charge_migration import ChargeMigrationParams
from ..detector.dark import DarkParams
from ..detector.data_quality import DataQualityParams
from ..detector.flicker_noise import FlickerNoiseParams
from ..detector.gain_scale import GainScaleParams
from ..detector.group_scale import GroupScaleParams
from ..detector.ipc import IpcParams
from ..detector.jumps import JumpParams
from ..detector.linearity import LinearityParams
from ..detector.neighbors import NeighborParams
from ..detector.persistence import AfterglowErrorParams, PersistenceParams
from ..detector.ramp_fit.slopes import SlopeParams
from ..detector.reference_pixels import ReferencePixelParams
from ..detector.row_drift import RowDriftParams
from ..detector.saturation import SaturationParams
from ..detector.snowballs import SnowballParams
from ..detector.superbias import SuperbiasParams
from ..exposure.planes import RampPlanes
from ..exposure.ramp_state import open_ramp, without_samples
from ..exposure.records import Ramp, SlopeImage
from ..params import Params
from .persistence import afterglow_error, persistence
from .ramp_steps import (
    after_jumps,
    charge_migration,
    dark,
    data_quality,
    group_scale,
    ipc,
    jumps,
    linearity,
    neighbors,
    reference_pixels,
    row_drift,
    saturation,
    snowballs,
    superbias,
)
from .runner import Runner
from .slope_steps import flicker_noise, gain_scale, slopes


class RampToSlope(Params):
    """Parameters of every step on this path, in the order of the path."""

    group_scale: GroupScaleParams = GroupScaleParams()
    """Divisor of the on-board average."""
    data_quality: DataQualityParams = DataQualityParams()
    """Flags of the bad-pixel mask."""
    saturation: SaturationParams = SaturationParams()
    """Full wells and the ends of the A/D converter."""
    ipc: IpcParams = IpcParams()
    """Coupling of neighbouring pixels."""
    superbias: SuperbiasParams = SuperbiasParams()
    """Subtraction of the superbias."""
    reference_pixels: ReferencePixelParams = ReferencePixelParams()
    """Drift of the amplifiers, from the reference pixels."""
    linearity: LinearityParams = LinearityParams()
    """Non-linearity of the pixels."""
    dark: DarkParams = DarkParams()
    """Subtraction of the dark ramp."""
    persistence: PersistenceParams = PersistenceParams()
    """Afterglow of earlier exposures."""
    row_drift: RowDriftParams = RowDriftParams()
    """Drift from row to row that the reference pixels leave."""
    jumps: JumpParams = JumpParams()
    """Cosmic rays."""
    charge_migration: ChargeMigrationParams = ChargeMigrationParams()
    """Charge that moved to the neighbours."""
    neighbors: NeighborParams = NeighborParams()
    """Neighbours of cosmic rays."""
    after_jumps: AfterJumpParams = AfterJumpParams()
    """Groups after strong hits."""
    snowballs: SnowballParams = SnowballParams()
    """Large cosmic-ray events."""
    slopes: SlopeParams = SlopeParams()
    """Fit of the slopes, DN/s."""
    afterglow_error: AfterglowErrorParams = AfterglowErrorParams()
    """Uncertainty of the subtracted afterglow."""
    gain_scale: GainScaleParams = GainScaleParams()
    """Non-standard gain."""
    flicker_noise: FlickerNoiseParams = FlickerNoiseParams()
    """Stripes of 1/f noise."""


def ramp_to_slope(
    raw: Ramp, run: Runner[RampPlanes], params: RampToSlope
) -> SlopeImage:
    """Walk one exposure from samples to slopes.

    Parameters
    ----------
    raw : Ramp
        Never written into. If the caller keeps no reference to it, its memory is reused
        for the slopes once the samples have been converted to counts.
    run : Runner
        With the exposure's reference planes. Its bench lends all buffers, including those
        of the result, and reuses them once nothing refers to them any more.
    params : RampToSlope
    """
    if params.flicker_noise.enabled:
        run.bench.import_ahead("scipy.ndimage", "scipy.fft")
    ramp, n_rows = open_ramp(raw, run.bench.workspace), raw.header.readout.n_rows
    del raw
    with run.bands(n_rows) as band:
        ramp = band(group_scale, ramp, params.group_scale)
        ramp = band(data_quality, ramp, params.data_quality)
        ramp = band(saturation, ramp, params.saturation)
        ramp = band.maybe(ipc, ramp, params.ipc)
        ramp = band.maybe(superbias, ramp, params.superbias)
        ramp = band.maybe(reference_pixels, ramp, params.reference_pixels)
        ramp = band.maybe(linearity, ramp, params.linearity)
        ramp = band.maybe(dark, ramp, params.dark)
        ramp = band.maybe(persistence, ramp, params.persistence)
        ramp = band.maybe(row_drift, ramp, params.row_drift)
        ramp = band.maybe(jumps, ramp, params.jumps)
    ramp = without_samples(ramp)
    ramp = run.maybe(charge_migration, ramp, params.charge_migration)
    with run.bands(n_rows) as band:
        ramp = band.maybe(neighbors, ramp, params.neighbors)
        ramp = band.maybe(after_jumps, ramp, params.after_jumps)
    ramp = run.maybe(snowballs, ramp, params.snowballs)
    with run.bands(n_rows) as band:
        image = band(slopes, ramp, params.slopes)
    image = run.maybe(afterglow_error, image, params.afterglow_error)
    image = run.maybe(gain_scale, image, params.gain_scale)
    with run.bands(n_rows) as band:
        image = band.maybe(flicker_noise, image, params.flicker_noise)
    return image  # noqa: RET504 - its pixels are filled when the block ends
