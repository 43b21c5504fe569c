"""How the heavy packages are imported; light itself, for the door imports it at once."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Collect no garbage during imports, nor look at what they made ever after.

    Collections find nothing there and take a fifth of their time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
