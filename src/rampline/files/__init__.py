"""The only door to FITS, ASDF, ECSV and JSON: reading and writing JWST's products."""
