"""Reference planes in house units, by stage of the path."""

from .catalog_planes import load_catalog_planes
from .ramp_planes import load_ramp_planes
from .sky_planes import FlatField, load_flat, load_sky_planes

__all__ = [
    "FlatField",
    "load_catalog_planes",
    "load_flat",
    "load_ramp_planes",
    "load_sky_planes",
]
