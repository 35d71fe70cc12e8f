"""One image before it is decoded: where its bytes are, which class and split it belongs to, and what goes with it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, init=False)
class Item:
    """One image of a source, as its layout tells of it.

    Attributes:
        name: What it is called there, printable: a path below the root, or a key in a shard.
        path: The file that holds its bytes: its own, or the archive that it lies in. A source has a hundred thousand
            items, so what all of them share of it is kept once: see `_path_of`.
        split: "train", "validation" or "test".
        label: Its class, 0 .. number of classes - 1.
        group: What it belongs with and must not be cut from (a patient, a video); "" for itself alone.
        offset: Where its bytes begin in `path`; -1 where the whole file is the image.
        n_bytes: How many bytes they are; -1 where the whole file is the image.
    """

    __slots__ = ("_place", "group", "label", "n_bytes", "name", "offset", "split")

    name: str
    path: Path
    split: str
    label: int
    group: str
    offset: int
    n_bytes: int

    def __init__(
        self, name: str, path: Path, split: str, label: int, group: str = "", offset: int = -1, n_bytes: int = -1
    ) -> None:
        place = os.fspath(path)
        if place.endswith(os.sep + name):
            place = sys.intern(place[: -len(name)])
        values = (place, group, label, n_bytes, name, offset, split)
        for slot, value in zip(self.__slots__, values, strict=True):
            object.__setattr__(self, slot, value)

    def __reduce__(self) -> tuple[type[Item], tuple[str, Path, str, int, str, int, int]]:
        """For copying and pickling."""
        return Item, (self.name, self.path, self.split, self.label, self.group, self.offset, self.n_bytes)

    def read(self) -> bytes:
        """Its bytes; raises OSError where they cannot be read."""
        if self.offset < 0:
            return self.path.read_bytes()
        with self.path.open("rb") as stream:
            stream.seek(self.offset)
            return stream.read(self.n_bytes)

    @property
    def place(self) -> str:
        """`path` as text, which is made much sooner."""
        place: str = self._place  # type: ignore[attr-defined]
        return place + self.name if place.endswith(os.sep) else place  # no file's path ends in a separator


def _path_of(item: Item) -> Path:
    """An item's path, which is not kept as such: a `Path` of its own for each fills more than all the rest of it."""
    return Path(item.place)


Item.path = property(_path_of)  # type: ignore[assignment]
