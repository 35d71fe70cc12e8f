import copy
import pickle
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from convoscope.data.item import Item


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("cat/1.png", "/photos/cat/1.png"),
        ("1.png", "1.png"),
        ("1.png", "/1.png"),
        ("key", "/shards/000.tar"),
        ("b\\xff.png", "/photos/b\udcff.png"),  # a name that cannot be printed as it is
        ("t/1.png", "/photos/cat/1.png"),  # ends like the path, and is no path below a folder
    ],
)
def test_an_item_leads_to_its_file_whatever_it_is_called(name: str, path: str) -> None:
    item = Item(name, Path(path), "train", 3, "patient", 7, 9)
    assert item.path == Path(path)
    assert item == replace(item) == copy.deepcopy(item) == pickle.loads(pickle.dumps(item))  # noqa: S301 - its own
    moved = replace(item, split="test")
    assert (moved.path, moved.split, moved.group, moved.offset, moved.n_bytes) == (Path(path), "test", "patient", 7, 9)
    assert moved != item
    assert len({item, replace(item), moved}) == 2
    with pytest.raises(FrozenInstanceError):
        item.label = 4  # type: ignore[misc]


def test_items_of_one_folder_share_what_they_can() -> None:
    """A hundred thousand of them stay below two hundred bytes each: a `Path` of its own alone has more."""
    one, other = (Item(f"cat/{i}.png", Path(f"/long/way/to/the/photos/cat/{i}.png"), "train", 0) for i in range(2))
    assert one._place is other._place
    assert not hasattr(one, "__dict__")
