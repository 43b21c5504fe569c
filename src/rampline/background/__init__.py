"""Source masks, sky models and the matching of sky levels between exposures."""
