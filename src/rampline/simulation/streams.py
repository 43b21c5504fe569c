"""One independent stream of random numbers for each component of each exposure.

A stream is named by the component (cosmic rays, photons, ...) and by what it belongs to
(visit, dither, detector, integration). `numpy.random.SeedSequence` turns the name into
a spawn key, so a component that is switched off, or an exposure that is left out,
does not move the numbers of any other, and any worker draws the same ones.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

COMPONENTS: Final = (
    "scene",
    "pointing",
    "jitter",
    "photons",
    "read_noise",
    "reset_noise",
    "flicker",
    "odd_even",
    "cosmic_rays",
    "snowballs",
    "bad_pixels",
    "superbias",
    "gain",
    "linearity",
    "full_well",
    "dark",
    "flat",
    "reference_errors",
    "reference_catalog",
    "telegraph",
    "persistence",
    "wavefront",
    "warm_pixels",
    "wisps",
    "breath",
    "stripes",
    "tadpoles",
    "pedestal",
)
"""Names of the streams. The place in this list is part of the seed: append only."""


def stream(seed: int, component: str, *key: int) -> np.random.Generator:
    """Return the generator of one component.

    Parameters
    ----------
    seed : int
        The seed of the whole simulation.
    component : str
        One of `COMPONENTS`.
    *key : int
        What the stream belongs to: for example visit, dither and detector number.
    """
    spawn_key = (COMPONENTS.index(component), *key)
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=spawn_key)
    return np.random.Generator(np.random.PCG64(sequence))


def row_seeds(generator: np.random.Generator, n_rows: int) -> NDArray[np.uint64]:
    """Draw one 64-bit seed for each row of pixels.

    The compiled read-out draws a row's photons from the row's own seed, so that the
    content does not depend on how rows are shared among threads.
    """
    return generator.integers(0, 2**64, n_rows, dtype=np.uint64, endpoint=False)
