"""Scattered light: what reaches the detectors by paths that make no image."""
