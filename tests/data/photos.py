"""Small photographs for tests of decoding, and a count of what is done to them."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convoscope.data import once, reading
from convoscope.data.image import ImagePolicy, decode_image
from convoscope.data.item import Item
from convoscope.data.kept import images_folder
from convoscope.data.pixels import Decoded

POLICY = ImagePolicy(3, 6, 5)
SETTLED = 0.06  # seconds after which a file that was just written can be trusted to have its final stamp


def photo(path: Path, seed: int, size: tuple[int, int] = (9, 8)) -> Item:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    Image.fromarray(values).save(path)
    return Item(path.name, path, "train", 0)


def photos(folder: Path, n: int = 6, start: int = 0) -> list[Item]:
    found = [photo(folder / f"{i}.png", i) for i in range(start, start + n)]
    time.sleep(SETTLED)
    return found


def by_hand(items: list[Item]) -> np.ndarray[Any, Any]:
    return np.stack([decode_image(item.read(), POLICY) for item in items])


class Work:
    """What was done to files since the last look: how many were read, and how many decoded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.n_read = self.n_decoded = 0
        decode, read = once.decode_image, reading.read_item

        def decoding(*given: Any) -> Any:
            self.n_decoded += 1
            return decode(*given)

        def reading_one(item: Item) -> Any:
            self.n_read += 1
            return read(item)

        monkeypatch.setattr(once, "decode_image", decoding)
        monkeypatch.setattr(once, "read_item", reading_one)

    def done(self) -> tuple[int, int]:
        """(files read, files decoded)."""
        found = self.n_read, self.n_decoded
        self.n_read = self.n_decoded = 0
        return found


def kept_files() -> list[Path]:
    return sorted(images_folder().glob("*.rows"))


def right(found: Decoded, items: list[Item]) -> bool:
    return np.array_equal(np.asarray(found.pixels), by_hand(items)) and not found.findings
