"""Slopes to surface brightness: flat field and flux."""
