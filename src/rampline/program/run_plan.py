"""What a run is asked to do: all that the user names is read before any work begins.

A table of stars that is no table would otherwise stop the run hours later, at the stage that
asks for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ParameterError
from .distant import set_distant_apart
from .input.inputs import Inputs, collect_inputs
from .input.options import ReduceOptions
from .input.parameter_tree import Parameters
from .input.parameters import read_parameters
from .input.user_regions import RegionFile, read_user_regions


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """What a run is asked to do.

    Attributes
    ----------
    parameters : Parameters
    inputs : Inputs
    drawn : tuple of RegionFile
        What the user masks or protects.
    """

    parameters: Parameters
    inputs: Inputs
    drawn: tuple[RegionFile, ...]


def plan_run(given: Sequence[Path], options: ReduceOptions) -> RunPlan:
    """Read parameters, headers, regions and the tables that the user names.

    Parameters
    ----------
    given : sequence of Path
        Files and folders.
    options : ReduceOptions

    Raises
    ------
    RamplineError
        One line: which option or file, what is wrong with it.
    """
    parameters = read_parameters(Parameters, options.config, options.settings)
    inputs = collect_inputs(given, options.exclude, mixed=bool(options.name))
    if options.reaches("mosaic"):
        inputs = set_distant_apart(inputs)
    _check_folders(parameters)
    _check_files(options, inputs)
    drawn = read_user_regions(options.regions)
    return RunPlan(parameters=parameters, inputs=inputs, drawn=drawn)


def _check_folders(parameters: Parameters) -> None:
    """Refuse folders that parameters name and that are not there."""
    named = {
        "persistence.take_up": parameters.ramp_to_slope.persistence.take_up,
        "stray_light.templates": parameters.second_round.stray_light.templates,
    }
    for name, folder in named.items():
        if folder and not Path(folder).is_dir():
            raise ParameterError(f"{name} {folder}: no such folder")


def _check_files(options: ReduceOptions, inputs: Inputs) -> None:
    """Refuse a grid and tables of stars that cannot be used."""
    # opening them takes what a run without them need not wait for
    if options.grid is not None or options.alignment_table is not None:
        from .tasks.make_alignment import read_grid, read_positions

        if options.grid is not None:
            read_grid(options.grid)
        # calibrated exposures are aligned in a second or two, and this takes half of one
        comes_late = any(source.suffix != "cal" for source in inputs.sources)
        if options.alignment_table is not None and comes_late:
            read_positions(options.alignment_table)
    if options.star_table is not None:
        from .input.stars import read_stars

        read_stars(options.star_table)
