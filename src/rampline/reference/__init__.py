"""Calibration reference files: which one, is it whole, and its planes in house units."""
