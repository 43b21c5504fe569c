"""The common pixel grid of all mosaics of a field."""

from dataclasses import dataclass
from math import hypot

from ..units import ARCSEC_PER_RAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A tangent-plane grid (FITS TAN), pixel centres at integers, 0-based.

    Attributes
    ----------
    ra_deg, dec_deg : float, deg
        Tangent point, ICRS.
    col_ref, row_ref : float
        0-based pixel position of the tangent point (CRPIX - 1).
    scale_arcsec : float, arcsec
        Pixel size at the tangent point.
    position_angle_deg : float, deg
        Angle of the row axis (up) from north towards east; 0 is north up, east left.
    n_rows, n_cols : int
    cell : str
        Of the tessellation (`rampline.astrometry.tessellation`) that the pixels belong to;
        empty: of none.
    """

    ra_deg: float
    dec_deg: float
    col_ref: float
    row_ref: float
    scale_arcsec: float
    position_angle_deg: float = 0.0
    n_rows: int
    n_cols: int
    cell: str = ""

    @property
    def pixel_area_sr(self) -> float:
        """Area of the pixel in the middle, sr.

        It falls with the cube of the cosine of the distance from the tangent point.
        """
        rows = (self.n_rows - 1) / 2 - self.row_ref
        cols = (self.n_cols - 1) / 2 - self.col_ref
        scale = self.scale_arcsec / ARCSEC_PER_RAD
        tangent = scale * hypot(rows, cols)
        return float(scale**2 * (1.0 + tangent**2) ** -1.5)
