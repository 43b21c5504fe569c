"""Ramps to slopes: everything that is true of groups and pixels of one detector."""
