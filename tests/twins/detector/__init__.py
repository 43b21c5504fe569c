"""Slow twins of the kernels of ``rampline.detector``: NumPy and SciPy."""
