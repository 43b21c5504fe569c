"""Slopes of ramps: weighted least squares by segments, and generalised least squares."""
