"""Where a run puts what: one output folder with few rooms."""

from dataclasses import dataclass
from pathlib import Path

from ...errors import write_error


@dataclass(frozen=True, slots=True)
class Folders:
    """The rooms of an output folder.

    Attributes
    ----------
    out : Path
        The output folder itself: the journal and the summary.
    """

    out: Path

    @property
    def exposures(self) -> Path:
        """Products of single exposures: ``_rate``, ``_cal``, ``_crf``."""
        return self.out / "exposures"

    @property
    def mosaics(self) -> Path:
        """Mosaics, catalogues, segmentation maps, associations, the alignment table."""
        return self.out / "mosaics"

    @property
    def alignment(self) -> Path:
        """The table of the alignment, among the mosaics."""
        return self.mosaics / "alignment.ecsv"

    @property
    def pictures(self) -> Path:
        """A PNG beside every product."""
        return self.out / "pictures"

    @property
    def logs(self) -> Path:
        """A log file for each task."""
        return self.out / "logs"

    @property
    def field(self) -> Path:
        """What the second round knows: masks of sources, stray-light templates."""
        return self.out / "field"

    @property
    def persistence(self) -> Path:
        """Ledgers of the charge that each detector holds in traps."""
        return self.out / "persistence"

    @property
    def stars(self) -> Path:
        """Stars around the field, which both rounds ask for scattered light."""
        return self.second.field / "stars.ecsv"

    @property
    def second(self) -> "Folders":
        """The same rooms again, for the products of the second round."""
        return Folders(self.out / "round2")

    def make(self) -> None:
        """Make all of them.

        Raises
        ------
        RamplineError
            Where the place is not writable.
        """
        for folder in (self.exposures, self.mosaics, self.pictures, self.logs):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                probe = folder / ".writable"
                probe.touch()
                probe.unlink()
            except OSError as error:
                raise write_error(folder, error) from error
