"""Whether a field whose intermediate products were not kept is finished.

A task is up to date if its product is. With ``--keep none`` slopes and calibrated images are
deleted once the mosaics are made, so the run as a whole leaves a key: a hash of all raw
exposures, parameters, options, reference files and of the code. As long as the key is the same
and every remaining product is there, there is nothing to do; if anything has changed,
everything is made again.
"""

import json
from pathlib import Path

from ..errors import InputError, RamplineError
from ..files.content import hash_file, recorded_hash
from ..files.whole_file import write_json
from ..reference.selection import CATALOG_KINDS, RAMP_KINDS, SKY_KINDS
from .input.options import ReduceOptions
from .output.folders import Folders
from .run_plan import RunPlan
from .tasks.alignment_table import stored_key
from .tasks.products import reference_source
from .tasks.task_key import make_key

MODULE = "program.reduce"
FILE_NAME = "finished.json"


def keeps_less(options: ReduceOptions) -> bool:
    """Return whether a run deletes products that a second run would need."""
    return options.reaches("mosaic") and not {"rate", "cal"} <= set(options.keep)


def run_key(plan: RunPlan, options: ReduceOptions) -> str:
    """Hash what determines the products of a whole run.

    Raises
    ------
    RamplineError
        Where a reference file is missing.
    """
    chosen = reference_source(options.references)
    kinds = (*RAMP_KINDS, *SKY_KINDS, *CATALOG_KINDS)
    inputs = [
        options.until,
        str(options.rounds),
        str(options.pixel_scale_arcsec),
        options.name,
        *options.keep,
    ]
    for given in (options.align_to, options.stars, str(options.grid or "")):
        path = Path(given)
        inputs.append(hash_file(path) if path.is_file() else given)
    inputs += map(repr, plan.drawn)
    for source in plan.inputs.sources:
        used = chosen.select(source.header, kinds).used
        references = ",".join(sorted(f"{file.kind}={file.sha1}" for file in used))
        inputs.append(f"{source.header.root} {hash_file(source.path)} {references}")
    return make_key(MODULE, inputs, plan.parameters)


def is_finished(folders: Folders, key: str) -> bool:
    """Return whether the products of a run with this key are all there."""
    try:
        record = json.loads((folders.out / FILE_NAME).read_text(encoding="utf-8"))
        return bool(record["key"] == key) and all(
            _stamp(folders.out / name) == stamp
            for name, stamp in record["products"].items()
        )
    except (OSError, ValueError, KeyError, AttributeError):
        # none, or damaged: the run is made again
        return False


def note_finished(folders: Folders, key: str) -> None:
    """Record that a run is finished, and which products it left.

    Nothing is recorded if the alignment lacked its catalogue because the network failed: the
    next run tries again.
    """
    if not stored_key(folders.alignment):
        return
    products = {
        str(path.relative_to(folders.out)): _stamp(path)
        for rooms in (folders, folders.second)
        for place in (rooms.exposures, rooms.mosaics)
        for path in sorted(place.glob("*.*"))
    }
    write_json(folders.out / FILE_NAME, {"key": key, "products": products})


def forget_finished(folders: Folders) -> None:
    """Delete the record before products are made again."""
    (folders.out / FILE_NAME).unlink(missing_ok=True)


def try_run_key(plan: RunPlan, options: ReduceOptions) -> str:
    """Return the key of a run that keeps less than it makes, else an empty string.

    Also empty if an exposure was refused or a reference file is missing: the run reports that.
    """
    inputs = plan.inputs
    # calibrated exposures need no intermediate products, so none are missed later
    calibrated = all(source.suffix == "cal" for source in inputs.sources)
    if calibrated or inputs.refused or inputs.distant or not keeps_less(options):
        return ""
    try:
        return run_key(plan, options)
    except RamplineError:
        return ""


def _stamp(path: Path) -> str:
    """Return what identifies the content of a product: its content hash, else its size."""
    if path.suffix == ".fits":
        try:
            return recorded_hash(path) or ""
        except InputError:
            return "damaged"
    return str(path.stat().st_size)
