import numpy as np
import pytest

from convoscope.data.checks import DataFinding, check
from convoscope.data.dataset import Dataset, Splits
from convoscope.errors import DataError


def dataset(counts: list[int], seed: int = 0, side: int = 5) -> Dataset:
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int64)
    images = np.random.default_rng(seed).integers(0, 256, (len(labels), 1, side, side)).astype(np.uint8)
    return Dataset(images, labels, tuple("abcdefgh"[: len(counts)]), f"set {seed}")


def found(train: Dataset, validation: Dataset, test: Dataset | None = None) -> dict[str, DataFinding]:
    return {finding.name: finding for finding in check(Splits(train, validation, test))}


def test_good_data_has_no_findings() -> None:
    assert found(dataset([20, 30]), dataset([3, 3], 1), dataset([3, 3], 2)) == {}
    assert found(dataset([20, 30]), dataset([0, 0], 1)) == {}  # no validation was asked for


@pytest.mark.parametrize("counts", [[9, 0], [0, 0]])
def test_fewer_than_two_classes_are_refused(counts: list[int]) -> None:
    with pytest.raises(DataError, match="at least two"):
        check(Splits(dataset(counts), dataset([1, 1], 1), None))


def test_classes_empty_tiny_and_uneven_are_named() -> None:
    findings = found(dataset([200, 9, 0]), dataset([3, 3, 0], 1))
    assert set(findings) == {"class-empty", "class-tiny", "class-imbalance"}
    assert "(1): c" in findings["class-empty"].message
    assert "b (9)" in findings["class-tiny"].message
    assert "22 times" in findings["class-imbalance"].message


def test_a_class_missing_in_a_split_is_named() -> None:
    findings = found(dataset([20, 20, 20]), dataset([3, 3, 3], 1), dataset([3, 0, 3], 2))
    assert list(findings) == ["class-missing"]
    assert "without images in test (1 of 3): b" in findings["class-missing"].message


@pytest.mark.parametrize("side", [2, 5, 8, 40])
def test_images_of_one_colour_are_named(side: int) -> None:
    train = dataset([20, 20], side=side)
    train.images[7] = 9
    train.images[11] = 9
    train.images[11, 0, -1, -2] = 10
    findings = found(train, dataset([1, 1], 1, side))
    assert "in train (1): image 7." in findings["image-constant"].message


def test_equal_images_are_named_and_nearly_equal_ones_are_not() -> None:
    train, test = dataset([20, 20]), dataset([5, 5], 2)
    test.images[4] = train.images[33]
    test.images[5] = train.images[34]
    test.images[5, 0, 4, 4] ^= 1
    train.images[3] = train.images[2]
    train.images[30] = train.images[10]
    findings = found(train, dataset([2, 2], 1), test)
    assert "(1 of 10): image 4." in findings["image-leaked"].message
    assert "(2 of 40)" in findings["image-repeated"].message
    assert "(1): image 10." in findings["label-conflict"].message
    assert set(findings) == {"image-leaked", "image-repeated", "label-conflict"}


def test_equal_hashes_alone_are_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convoscope.data.checks._row_hashes", lambda rows: np.zeros(len(rows), np.uint64))
    assert found(dataset([20, 20]), dataset([2, 2], 1), dataset([5, 5], 2)) == {}
