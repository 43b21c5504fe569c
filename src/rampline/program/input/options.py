"""What a user can ask of a reduction besides the parameters of the steps."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from ...errors import ParameterError

Until: TypeAlias = Literal["rate", "cal", "mosaic", "catalog"]
EngineKind: TypeAlias = Literal["serial", "processes", "dask"]
STAGES: tuple[Until, ...] = get_args(Until)
KEEPABLE = ("rate", "cal", "crf")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReduceOptions:
    """The options of ``rampline reduce``.

    Attributes
    ----------
    config : Path or None
        TOML file of parameters.
    settings : tuple of str
        ``step.parameter=value`` each.
    references : str
        ``crds``, or a folder of CRDS-format files.
    until : str
        Last stage to run.
    rounds : int
        1, or 2 to measure the stripes again with the draft mosaic's sources known.
    align_to : str
        ``gaia``, ``none``, or an ECSV file with positions.
    stars : str
        Whose light may get in from outside the field, for the second round: ``2mass``,
        ``none``, or an ECSV file.
    regions : tuple of Path
        DS9 files of the user, and folders of them: what is to be masked, what not.
    grid : Path or None
        Mosaic whose pixel grid is to be used.
    pixel_scale_arcsec : float or None
        Of the mosaics; None is that of the parameters.
    name : str
        Name of the field in the mosaics' file names.
    keep : tuple of str
        Products of single exposures that stay: ``rate``, ``cal``, ``crf``.
    exclude : tuple of str
        Exposures, or parts of their names, to leave out.
    engine : str
    cluster : str or Path or None
        Where dask's workers are: address of a scheduler, or a TOML file of batch jobs.
    workers : int
        0 is one for each core that memory allows.
    max_memory_bytes : int
    """

    config: Path | None = None
    settings: tuple[str, ...] = ()
    references: str = "crds"
    until: Until = "catalog"
    rounds: Literal[1, 2] = 1
    align_to: str = "gaia"
    stars: str = "2mass"
    regions: tuple[Path, ...] = ()
    grid: Path | None = None
    pixel_scale_arcsec: float | None = None
    name: str = ""
    keep: tuple[str, ...] = ("rate", "cal")
    exclude: tuple[str, ...] = ()
    engine: EngineKind = "processes"
    cluster: str | Path | None = None
    workers: int = 0
    max_memory_bytes: int = 8_000_000_000

    def __post_init__(self) -> None:
        """Refuse now what would fail only after hours."""
        if self.workers < 0:
            raise ParameterError(f"--workers {self.workers}: must not be negative")
        scale = self.pixel_scale_arcsec
        if scale is not None and not 0.001 <= scale <= 1.0:
            message = f"--pixel-scale {scale}: must lie between 0.001 and 1 arcsec"
            raise ParameterError(message)
        if not re.fullmatch(r"[A-Za-z0-9._+]*", self.name):
            message = (
                f"--name {self.name}: letters, digits, dot, plus and underscore only"
            )
            raise ParameterError(message)
        if self.grid is not None and scale is not None:
            message = f"--pixel-scale {scale}: not with --grid, which has a scale"
            raise ParameterError(message)
        if self.rounds == 2 and not self.reaches("mosaic"):
            message = f"--rounds 2: needs a draft mosaic, not --until {self.until}"
            raise ParameterError(message)
        if (self.engine == "dask") != bool(self.cluster):
            message = "--engine dask: needs --scheduler ADDRESS or --cluster FILE.toml"
            if self.engine != "dask":
                message = f"--scheduler, --cluster: not with --engine {self.engine}"
            raise ParameterError(message)
        self._check_paths()

    def _check_paths(self) -> None:
        given = {
            "--grid": self.grid,
            "--cluster": self.cluster if isinstance(self.cluster, Path) else None,
            "--config": self.config,
            "--align-to": self.alignment_table,
            "--stars": self.star_table,
        }
        if self.references != "crds" and not self.references.endswith(".pmap"):
            given["--references"] = Path(self.references)
        asked = [*given.items(), *(("--regions", path) for path in self.regions)]
        for option, path in asked:
            if path is not None and not path.exists():
                raise ParameterError(f"{option} {path}: no such file or folder")

    @property
    def alignment_table(self) -> Path | None:
        """The user's table of positions; None where Gaia or nobody is asked."""
        return None if self.align_to in {"gaia", "none"} else Path(self.align_to)

    @property
    def star_table(self) -> Path | None:
        """The user's table of stars; None where 2MASS or nobody is asked."""
        return None if self.stars in {"2mass", "none"} else Path(self.stars)

    def reaches(self, stage: Until) -> bool:
        """Return whether a stage is to be run."""
        return STAGES.index(self.until) >= STAGES.index(stage)


def parse_keep(text: str) -> tuple[str, ...]:
    """Read ``rate,cal,crf`` or ``none``.

    Raises
    ------
    ParameterError
        For any other word.
    """
    if text == "none":
        return ()
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    for word in words:
        if word not in KEEPABLE:
            known = ", ".join(KEEPABLE)
            raise ParameterError(f"--keep {text}: {word} is none of {known}, none")
    return words


def parse_size(text: str) -> int:
    """Read a size such as ``8GB`` or ``500MB`` as bytes.

    Raises
    ------
    ParameterError
        Where it is no such size.
    """
    units = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
    number, unit = text[:-2].strip(), text[-2:].upper()
    try:
        size = float(number) * units[unit]
    except (ValueError, KeyError):
        message = f"--max-memory {text}: write a size such as 8GB"
        raise ParameterError(message) from None
    if size <= 0:
        raise ParameterError(f"--max-memory {text}: must be larger than 0")
    return int(size)
