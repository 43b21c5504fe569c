"""Grids, outliers, drizzle, blot and the noise of mosaics."""
