"""The house units and their few conversions.

DN, DN/s, MJy/sr; seconds; degrees on the sky; fluxes in Jy in JWST's own catalogue
and microjansky in multi-band tables. Noise is per single read, in DN.
"""

from typing import Final

ARCSEC_PER_RAD: Final = 206264.80624709636
ARCSEC2_PER_SR: Final = ARCSEC_PER_RAD**2
DEG_PER_ARCSEC: Final = 1.0 / 3600.0
MAS_PER_ARCSEC: Final = 1000.0
JY_PER_MJY: Final = 1.0e6
AB_ZERO_JY: Final = 3630.780547701014
"""Flux density of AB magnitude 0 (8.90 mag is 1 Jy, as the field uses it)."""
CDS_TO_SINGLE_READ: Final = 0.5**0.5
"""A READNOISE file holds the noise of a difference of two reads."""
