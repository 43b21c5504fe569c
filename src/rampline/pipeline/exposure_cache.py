"""The exposures of one mosaic, kept in memory as far as there is room.

A mosaic is made in pieces, and each piece asks for the exposures that overlap it. When room
is needed the least recently used exposure goes; it is read again should it be wanted later.
"""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

Item = TypeVar("Item")


class ExposureCache(Generic[Item]):
    """Items by number, made when they are first asked for.

    Parameters
    ----------
    make : callable
        Makes item ``k``; called by one thread at a time for each ``k``.
    n_items : int
    capacity : int
        How many items are kept; at least one.
    """

    def __init__(
        self, make: Callable[[int], Item], n_items: int, capacity: int
    ) -> None:
        self._make, self._capacity = make, max(1, capacity)
        self._kept: OrderedDict[int, Item] = OrderedDict()
        self._lock = Lock()
        self._making = [Lock() for _ in range(n_items)]

    def __len__(self) -> int:
        return len(self._making)

    def clear(self) -> None:
        """Let all items go; none is being made."""
        self._kept.clear()

    def take(self, k: int) -> Item:
        """Return item ``k``."""
        with self._making[k]:
            with self._lock:
                if k in self._kept:
                    self._kept.move_to_end(k)
                    return self._kept[k]
            item = self._make(k)
            with self._lock:
                self._kept[k] = item
                while len(self._kept) > self._capacity:
                    self._kept.popitem(last=False)
            return item
