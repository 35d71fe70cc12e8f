import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from convoscope.data.bundled import mnist
from convoscope.data.idx import read_idx, read_idx_folder
from convoscope.errors import DataError

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array: np.ndarray) -> bytes:
    code = CODES[array.dtype.str[1:]]
    header = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_set(folder: Path, n: int = 6, labels: list[int] | None = None, part: str = "train", joint: str = "-") -> None:
    images = np.arange(n * 20, dtype=np.uint8).reshape(n, 4, 5)
    given = np.array(labels if labels is not None else [i % 2 for i in range(n)], np.uint8)
    (folder / f"{part}-images{joint}idx3-ubyte").write_bytes(idx_bytes(images))
    (folder / f"{part}-labels{joint}idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(given)))


@given(
    array=st.sampled_from(list(CODES)).flatmap(
        lambda code: hnp.arrays(np.dtype(code), hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=6))
    ),
    compress=st.booleans(),
)
def test_every_type_and_shape_comes_back(
    array: np.ndarray, compress: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("idx") / "a"
    content = idx_bytes(array)
    path.write_bytes(gzip.compress(content) if compress else content)
    read = read_idx(path)
    assert read.dtype == array.dtype
    assert read.flags.writeable
    np.testing.assert_array_equal(read, array)


def test_a_gzip_file_in_two_members_is_read_whole(tmp_path: Path) -> None:
    content = idx_bytes(np.arange(100, dtype=np.uint8))
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(content[:30]) + gzip.compress(content[30:]))
    np.testing.assert_array_equal(read_idx(path), np.arange(100))


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "starts with the bytes (none)"),
        (b"\x89PNG and so on", "starts with the bytes 89 50 4e 47"),
        (bytes([0, 0, 0x0A, 1, 0, 0, 0, 0]), "not an IDX file"),
        (bytes([0, 0, 8, 3, 0, 0]), "ends inside its header"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 5]) + b"1234", "5 bytes in all, and the file holds 4"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 5]) + b"123456", "the file holds more than 5"),
        (bytes([0, 0, 0x0E, 4]) + b"\xff" * 16 + b"1234", "4294967295 x 4294967295"),
    ],
)
def test_a_header_that_lies_is_told_with_both_figures(
    content: bytes, said: str, compress: bool, tmp_path: Path
) -> None:
    path = tmp_path / "lies"
    path.write_bytes(gzip.compress(content) if compress else content)
    with pytest.raises(DataError) as error:
        read_idx(path)
    assert said in error.value.message
    assert str(path) in error.value.message
    assert error.value.hint


def test_a_bomb_is_stopped_one_byte_past_its_header(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.zeros(5, np.uint8)) + bytes(200_000_000), compresslevel=9))
    tracemalloc.start()
    with pytest.raises(DataError, match="more than 5"):
        read_idx(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


@pytest.mark.parametrize("cut", [20, -9, -1])
def test_a_truncated_gzip_is_named(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "short.gz"
    numbers = np.random.default_rng(0).integers(0, 256, 1000).astype(np.uint8)
    path.write_bytes(gzip.compress(idx_bytes(numbers))[:cut])
    with pytest.raises(DataError, match=r"short\.gz"):
        read_idx(path)


def test_a_flipped_bit_is_caught_by_the_checksum(tmp_path: Path) -> None:
    path = tmp_path / "bit.gz"
    content = bytearray(gzip.compress(idx_bytes(np.arange(200, dtype=np.uint8)), compresslevel=0))
    content[60] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        read_idx(path)


def test_a_folder_with_and_without_a_test_set(tmp_path: Path) -> None:
    write_set(tmp_path)
    train, test = read_idx_folder(tmp_path)
    assert test is None
    assert train.images.shape == (6, 1, 4, 5)
    assert train.images[1, 0, 0, 0] == 20
    assert train.class_names == ("0", "1")
    write_set(tmp_path, 3, part="t10k", joint=".")
    test = read_idx_folder(tmp_path, class_names=("even", "odd"), title="Parity")[1]
    assert test is not None
    assert (len(test), test.class_names, test.source) == (3, ("even", "odd"), "Parity, test set")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0, 1, 0, 200, 1, 0], "image 3 has the label 200, and no image has the label 199"),
        ([3, 4, 3, 4, 3, 4], "image 0 has the label 3"),
    ],
)
def test_a_label_beyond_a_gap_is_named(labels: list[int], said: str, tmp_path: Path) -> None:
    write_set(tmp_path, labels=labels)
    with pytest.raises(DataError, match=said) as error:
        read_idx_folder(tmp_path)
    assert "train-labels" in error.value.message


def test_labels_may_count_from_one(tmp_path: Path) -> None:
    write_set(tmp_path, labels=[1, 2, 3, 1, 2, 3])
    assert read_idx_folder(tmp_path)[0].class_names == ("0", "1", "2", "3")


def test_a_test_label_that_train_lacks_is_named(tmp_path: Path) -> None:
    write_set(tmp_path)
    write_set(tmp_path, 3, [0, 1, 2], part="t10k")
    with pytest.raises(DataError, match=r"t10k-labels.*image 2 has the label 2, and the 2 classes"):
        read_idx_folder(tmp_path)


def test_images_and_labels_must_agree_in_number(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(np.zeros(5, np.uint8))))
    with pytest.raises(DataError, match=r"6 images and .* 5 labels"):
        read_idx_folder(tmp_path)


def test_half_a_pair_is_named(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="the labels are missing"):
        read_idx_folder(tmp_path)


def test_images_of_the_wrong_type_are_refused(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(np.zeros((6, 4, 5), np.float32)))
    with pytest.raises(DataError, match="float32"):
        read_idx_folder(tmp_path)


def test_the_bundled_mnist_is_whole_and_right() -> None:
    train, test = mnist()
    assert (train.images.shape, test.images.shape) == ((60000, 1, 28, 28), (10000, 1, 28, 28))
    assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert test.class_counts().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    # The mean and deviation that pytorch/examples' MNIST script states: 0.1307 and 0.3081 of full scale.
    assert train.images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert train.images.std() / 255 == pytest.approx(0.3081, abs=5e-5)
