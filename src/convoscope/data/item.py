"""One image before it is decoded: where its bytes are, which class and split it belongs to, and what goes with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Item:
    """One image of a source, as its layout tells of it.

    Attributes:
        name: What it is called there, printable: a path below the root, or a key in a shard.
        path: The file that holds its bytes: its own, or the archive that it lies in.
        split: "train", "validation" or "test".
        label: Its class, 0 .. number of classes - 1.
        group: What it belongs with and must not be cut from (a patient, a video); "" for itself alone.
        offset: Where its bytes begin in `path`; -1 where the whole file is the image.
        n_bytes: How many bytes they are; -1 where the whole file is the image.
    """

    name: str
    path: Path
    split: str
    label: int
    group: str = ""
    offset: int = -1
    n_bytes: int = -1

    def read(self) -> bytes:
        """Its bytes; raises OSError where they cannot be read."""
        if self.offset < 0:
            return self.path.read_bytes()
        with self.path.open("rb") as stream:
            stream.seek(self.offset)
            return stream.read(self.n_bytes)
