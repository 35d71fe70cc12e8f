"""Things worth keeping for a while: the least recently used go first, by size or by number."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """At most `limit` in all, as `size` counts it; one that is larger by itself is kept until the next comes."""

    def __init__(self, limit: int, size: Callable[[T], int] = lambda _: 1) -> None:
        self._limit, self._size = limit, size
        self._things: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._sum = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> T | None:
        """What is kept under a key, None for nothing."""
        with self._lock:
            if key not in self._things:
                return None
            self._things.move_to_end(key)
            return self._things[key][0]

    def put(self, key: Hashable, thing: T) -> T:
        """Keeps a thing, in the place of another of that key; returns it."""
        size = self._size(thing)
        with self._lock:
            if key in self._things:
                self._sum -= self._things.pop(key)[1]
            self._things[key] = (thing, size)
            self._sum += size
            while self._sum > self._limit and len(self._things) > 1:
                self._sum -= self._things.popitem(last=False)[1][1]
        return thing

    def of(self, key: Hashable, make: Callable[[], T]) -> T:
        """What is kept under a key, or what `make` makes for it."""
        found = self.get(key)
        return self.put(key, make()) if found is None else found
