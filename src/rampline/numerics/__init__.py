"""Pure numerics without astronomy: robust statistics, morphology, interpolation, solves."""
