"""The path: ramps to slopes, slopes to sky, sky to mosaic, mosaic to catalogue."""
