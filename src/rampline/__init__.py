"""rampline: JWST/NIRCam imaging from raw ramps to mosaics and catalogues."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "reduce"]


def reduce(raw: Sequence[str | Path], out: str | Path, **options: Any) -> int:
    """Reduce exposures, as the command ``rampline reduce`` does.

    Parameters
    ----------
    raw : sequence of str or Path
        Files or folders.
    out : str or Path
        Output folder.
    **options
        Those of `program.input.options.ReduceOptions`: ``references``, ``until``, ``rounds``,
        ``settings`` (a tuple of ``step.parameter=value``), ``align_to``, ...

    Returns
    -------
    int
        0 if all is done, 1 if an exposure failed.

    Raises
    ------
    RamplineError
        Where nothing can be done at all.
    """
    # the package must be light to import: the command line asks it for the version
    from .program.input.options import ReduceOptions  # noqa: PLC0415
    from .program.reduce import reduce_files  # noqa: PLC0415

    paths = [Path(path) for path in raw]
    return reduce_files(paths, Path(out), ReduceOptions(**options))
