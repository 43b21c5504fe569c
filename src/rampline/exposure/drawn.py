"""What a user has drawn: where pixels are to be masked, and where nothing is to be done."""

from typing import Literal, NamedTuple

Shape = Literal["circle", "ellipse", "box", "polygon"]


class DrawnRegion(NamedTuple):
    """A region in an exposure's pixels or on the sky."""

    shape: Shape
    on_sky: bool
    """Whether positions are right ascension and declination, else x and y."""
    places: tuple[tuple[float, float], ...]
    """The centre, or the corners of a polygon: pixels, 0-based, or degrees, ICRS."""
    sizes: tuple[float, ...] = ()
    """Radius; two radii; width and height: pixels or arcsec."""
    angle_deg: float = 0.0
    """Of the first axis: from x towards y, on the sky from west towards north."""
    is_forbidden: bool = False
    """Nothing is to be taken for an artifact here, whoever says so."""
    label: str = ""
    """What the user wrote beside it."""
