"""Raw NIRCam exposures of a known sky, and the reference files that match them."""
