"""``rampline sky-flat``: flats as reference files, corrected by the sky of many exposures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..calibration.sky_flat import SkyFlat, SkyFlatParams
from ..errors import RamplineError
from ..exposure.header import Card, Header, card_values
from ..files.fits_output import Part
from ..files.read import read_header
from ..files.write_raw import write_reference
from ..pipeline.sky_flat import measure_sky_flat
from ..reference.select import open_source
from ..reference.sky_planes import FlatField, load_flat
from .engines.progress import PlainProgress
from .input.inputs import collect_inputs
from .tasks.make_survey import SURVEYED, load_sky
from .visit_groups import Key, group_by

KEPT = (
    *("DETECTOR", "CHANNEL", "MODULE", "FILTER", "PUPIL", "EXP_TYPE", "SUBARRAY"),
    *("SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2", "FASTAXIS", "SLOWAXIS"),
)
"""Cards of an exposure that say what its flat is for."""


def run_sky_flats(
    cals: Sequence[Path], references: str, out: Path, min_exposures: int
) -> int:
    """Measure and write the corrected flat of each detector and filter.

    Parameters
    ----------
    cals : sequence of Path
        Calibrated exposures, or folders of them.
    references : str
        As for the reduction that made them: ``crds`` or a folder.
    out : Path
        Folder of the flats.
    min_exposures : int

    Returns
    -------
    int
        0; 1 where a flat could not be measured.

    Raises
    ------
    RamplineError
        Where a folder holds no calibrated exposure, or a path does not exist.
    """
    shown = PlainProgress()
    inputs = collect_inputs(cals, (), mixed=True, suffixes=("cal",))
    for refused in (*inputs.refused, *inputs.foreign):
        shown.say(f"left out: {refused}")
    groups = group_by(sorted(source.path for source in inputs.sources), _optics)
    params = SkyFlatParams(min_exposures=min_exposures)
    failed = 0
    for words, members in sorted(groups.items()):
        name = "_".join(word for word in words if word != "CLEAR").lower()
        try:
            path = out / f"sky_flat_{name}.fits"
            found = write_sky_flat(path, members, references, params)
        except (RamplineError, ValueError) as error:
            failed += 1
            shown.say(f"{name}: {error}")
            continue
        rms = f"{100 * found.smooth_rms:.2f} % smooth, {100 * found.pixel_rms:.2f} %"
        shown.say(f"{path.name}: {len(members)} exposures; errors {rms} in pixels")
    return 1 if failed or not groups else 0


def write_sky_flat(
    path: Path, cals: Sequence[Path], references: str, params: SkyFlatParams
) -> SkyFlat:
    """Write the flat that exposures were calibrated with, times what their sky says.

    Parameters
    ----------
    path : Path
    cals : sequence of Path
        Of one detector, filter, pupil and subarray.
    references : str
    params : SkyFlatParams

    Raises
    ------
    RamplineError, ValueError
        Where a file is missing or the exposures do not serve.
    """
    headers = [read_header(cal) for cal in cals]
    found = measure_sky_flat((load_sky(cal, computed=SURVEYED) for cal in cals), params)
    first = min(headers, key=lambda header: header.start_mjd)
    flat = load_flat(open_source(references).select(first, ["flat"]), first)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_reference(path, "flat", _cards(first, len(cals)), _parts(flat, found))
    return found


def _optics(cal: Path) -> Key:
    """Return what exposures with the same flat share."""
    header = read_header(cal)
    return header.detector, header.filter, header.pupil, header.readout.subarray


def _cards(header: Header, n_exposures: int) -> tuple[Card, ...]:
    """Return what the flat is for: these exposures and later ones."""
    kept = [card for card in header.primary if card.keyword in KEPT]
    day = card_values(header.primary)["DATE-OBS"]
    return (
        *kept,
        Card("PEDIGREE", "INFLIGHT", "The pedigree of the reference file"),
        Card("DESCRIP", f"Flat times sky of {n_exposures} exposures", "Description"),
        Card("AUTHOR", "rampline", "Author of the reference file"),
        Card("USEAFTER", f"{day}T00:00:00", "Use after date of the file"),
    )


def _parts(flat: FlatField, found: SkyFlat) -> list[Part]:
    """Return the extensions of a flat; its error contains that of the sky's part."""
    value = flat.flat * found.response
    err = np.hypot(flat.flat_err * found.response, flat.flat * found.err)
    return [
        Part("SCI", value),
        Part("ERR", err.astype(np.float32)),
        Part("DQ", flat.flat_flags),
    ]
