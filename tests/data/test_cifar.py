from pathlib import Path

import numpy as np
import pytest

from convoscope.data.cifar import read_cifar
from convoscope.errors import DataError


def write_cifar(folder: Path, n: int = 3) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for k, name in enumerate([*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"]):
        records = np.zeros((n, 3073), np.uint8)
        records[:, 0] = (np.arange(n) + k) % 10
        records[:, 1:1025], records[:, 1025:2049], records[:, 2049:] = 10 + k, 20, 30
        records[:, 1 + 33] = 99  # red, row 1, column 1
        (folder / name).write_bytes(records.tobytes())


def test_planes_rows_and_labels_lie_as_published(tmp_path: Path) -> None:
    write_cifar(tmp_path / "cifar-10-batches-bin")
    train, test = read_cifar(tmp_path)
    assert test is not None
    assert train.images.shape == (15, 3, 32, 32)
    assert train.images[0, :, 0, 0].tolist() == [10, 20, 30]
    assert train.images[3, 0, 0, 0] == 11  # the second batch follows the first
    assert train.images[0, 0, 1, 1] == 99
    assert train.labels.tolist() == [0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5, 4, 5, 6]
    assert test.labels.tolist() == [5, 6, 7]
    assert train.class_names[3] == "cat"


def test_names_come_from_the_meta_file(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    (tmp_path / "batches.meta.txt").write_text("\n".join("abcdefghij") + "\n\n")
    assert read_cifar(tmp_path)[0].class_names == tuple("abcdefghij")


@pytest.mark.parametrize("n_bytes", [0, 3072, 3074])
def test_a_batch_of_another_size_is_named(n_bytes: int, tmp_path: Path) -> None:
    write_cifar(tmp_path)
    (tmp_path / "data_batch_4.bin").write_bytes(bytes(n_bytes))
    with pytest.raises(DataError, match=rf"data_batch_4\.bin has {n_bytes:,} bytes"):
        read_cifar(tmp_path)


def test_a_label_above_nine_is_named(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    content = bytearray((tmp_path / "test_batch.bin").read_bytes())
    content[2 * 3073] = 10
    (tmp_path / "test_batch.bin").write_bytes(content)
    with pytest.raises(DataError, match=r"test_batch\.bin: record 2 has the label 10"):
        read_cifar(tmp_path)


def test_missing_batches_are_named(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    for k in (2, 5):
        (tmp_path / f"data_batch_{k}.bin").unlink()
    with pytest.raises(DataError, match=r"lacks data_batch_2\.bin, data_batch_5\.bin"):
        read_cifar(tmp_path)
    with pytest.raises(DataError, match="no CIFAR-10 batches"):
        read_cifar(tmp_path / "nowhere")


def test_without_a_test_batch_there_is_no_test_set(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    (tmp_path / "test_batch.bin").unlink()
    assert read_cifar(tmp_path)[1] is None
