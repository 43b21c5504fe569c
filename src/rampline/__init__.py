"""rampline: JWST/NIRCam imaging from raw ramps to mosaics and catalogues."""

__version__ = "0.1.0"
