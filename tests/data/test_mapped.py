from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from convoscope.data.checks import check
from convoscope.data.dataset import Dataset, Splits
from convoscope.data.mapped import MapFile, Rows, blocks, part_of
from convoscope.data.normalise import Normalisation
from convoscope.errors import StorageError

N = 12
IMAGES: NDArray[np.uint8] = np.random.default_rng(3).integers(0, 256, (N, 3, 5, 4)).astype(np.uint8)


def in_file(folder: Path, images: NDArray[np.uint8] = IMAGES, start: int = 7) -> Rows:
    path = folder / "images"
    path.write_bytes(bytes(start) + images.tobytes())
    return Rows(MapFile(path.open("rb", buffering=0), path), images.shape, range(len(images)), start=start)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return in_file(tmp_path_factory.mktemp("rows"))


KEYS: list[Any] = [
    0,
    -1,
    np.int64(5),
    slice(None),
    slice(3, 9),
    slice(9, 3),
    slice(-3, None),
    slice(1, 11, 3),
    slice(None, None, -1),
    [7, 2, 2, -1],
    np.array([0, 1, 2, 5, 6, 11]),
    np.array([], np.int64),
    np.arange(N) % 3 == 0,
    (slice(2, 5), 0),
    (slice(None), slice(None), 0, 0),
    (4, 1),
    (4, 1, 2, 3),
    ([3, 1], slice(None), 2),
    ...,
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_it_answers_as_an_array_in_memory_does(key: Any, rows: Rows) -> None:
    expected = IMAGES[key]
    assert rows[key].dtype == np.uint8
    np.testing.assert_array_equal(rows[key], expected)


@pytest.mark.parametrize(
    "key", [N, -N - 1, [0, N], np.ones(N - 1, bool), np.zeros((2, 2), int), [0.5], (None, 1)], ids=str
)
def test_what_is_not_there_is_refused(key: Any, rows: Rows) -> None:
    with pytest.raises(IndexError):
        rows[key]


@given(chosen=st.lists(st.integers(-N, N - 1)), cut=st.slices(N))
def test_a_part_of_a_part_is_what_numpy_says(rows: Rows, chosen: list[int], cut: slice) -> None:
    index = np.array(chosen, np.int64)
    expected = IMAGES[index][cut][::-1]
    found = rows.take(index).take(cut).take(slice(None, None, -1))
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found[:], expected)


def test_taking_and_measuring_reads_nothing(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MapFile, "read_into", None)
    part = rows.take(np.array([3, 1])).take(slice(0, 2))
    assert (part.shape, len(part), part.ndim, part.size, part.nbytes) == ((2, 3, 5, 4), 2, 4, 120, 120)


def test_rows_behind_one_another_are_read_at_once(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    before: Callable[..., None] = MapFile.read_into

    def counted(self: MapFile, target: memoryview, position: int) -> None:
        read.append(len(target) // 60)
        before(self, target, position)

    monkeypatch.setattr(MapFile, "read_into", counted)
    rows[np.array([4, 5, 6, 1, 2, 9])]
    rows.take(np.arange(3, 8))[:]
    assert read == [3, 2, 1, 5]


def test_it_becomes_an_array_only_by_a_copy(rows: Rows) -> None:
    np.testing.assert_array_equal(np.asarray(rows), IMAGES)
    assert np.asarray(rows, np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="without a copy"):
        np.array(rows, copy=False)
    copy = rows[2]
    copy[:] = 0
    np.testing.assert_array_equal(rows[2], IMAGES[2])


def test_blocks_are_the_whole_once_and_in_order(rows: Rows) -> None:
    for values in (rows, IMAGES):
        pieces = list(blocks(values, 5))
        assert [len(piece) for piece in pieces] == [5, 5, 2]
        np.testing.assert_array_equal(np.concatenate(pieces), IMAGES)
    np.testing.assert_array_equal(np.stack(list(rows)), IMAGES)
    assert list(blocks(rows.take(slice(0, 0)))) == []
    assert isinstance(part_of(rows, slice(2, 4)), Rows)
    assert isinstance(part_of(IMAGES, slice(2, 4)), np.ndarray)


def test_who_has_it_open_is_not_disturbed_by_its_removal(tmp_path: Path) -> None:
    rows = in_file(tmp_path)
    (tmp_path / "images").unlink()
    np.testing.assert_array_equal(rows[:], IMAGES)


def test_a_file_that_was_cut_short_is_an_error_and_no_crash(tmp_path: Path) -> None:
    rows = in_file(tmp_path)
    with (tmp_path / "images").open("r+b") as stream:
        stream.truncate(300)
    np.testing.assert_array_equal(rows[:4], IMAGES[:4])
    with pytest.raises(StorageError, match="cut short"):
        rows[3:7]


def test_systems_that_cannot_read_by_position_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("os.preadv")
    rows = in_file(tmp_path)
    with ThreadPoolExecutor(4) as pool:  # they share one position in the file
        for i, row in zip(range(400), pool.map(lambda i: rows[i % N], range(400)), strict=True):
            np.testing.assert_array_equal(row, IMAGES[i % N])


def test_a_dataset_in_a_file_is_the_dataset_in_memory(tmp_path: Path) -> None:
    images = np.concatenate([IMAGES, IMAGES[3:4], np.full((1, 3, 5, 4), 9, np.uint8)])
    labels = (np.arange(len(images)) % 2).astype(np.int64)
    names = tuple(f"{i}.png" for i in range(len(images)))
    memory, mapped = (
        Dataset(values, labels, ("a", "b"), "a test", names) for values in (images, in_file(tmp_path, images))
    )
    assert mapped.fingerprint == memory.fingerprint
    assert mapped.shape == memory.shape
    for method in ("z-score", "min-max", "decimal", "none", "imagenet"):
        assert Normalisation.fit(method, mapped.images) == Normalisation.fit(method, memory.images)
    index = np.array([13, 2, 3], np.int64)
    assert mapped.take(index).fingerprint == memory.take(index).fingerprint
    assert mapped.take(index).names == ("13.png", "2.png", "3.png")
    found = [check(Splits(one.take(np.arange(8)), one.take(np.arange(8, 14)), None)) for one in (memory, mapped)]
    assert found[0] == found[1]
    assert {"image-constant", "image-leaked"} <= {finding.name for finding in found[0]}
