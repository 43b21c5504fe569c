"""Detection, apertures and the catalogue."""
