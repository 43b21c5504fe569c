"""Stray light and ghosts: predicted, detected, subtracted or masked."""
