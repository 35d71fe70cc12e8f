"""What is odd in a dataset before a network sees it: each check yields findings, and only the hopeless raises."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from convoscope.data.dataset import Dataset, Examples, Splits
from convoscope.data.text import Texts
from convoscope.errors import DataError
from convoscope.shape import UNKNOWN

STRONG_IMBALANCE = 10.0  # images of the largest class to those of the smallest
TINY_CLASS = 10  # training images


@dataclass(frozen=True)
class DataFinding:
    """Something about the data that a user should know, and what to do about it.

    Attributes:
        name: What kind it is, the same for every finding of the kind ("class-missing").
        message: What was found, with figures.
        hint: What to do; empty where nothing needs doing.
    """

    name: str
    message: str
    hint: str = ""

    def to_dict(self) -> dict[str, str]:
        """The form for JSON."""
        return asdict(self)


def few(names: Sequence[str], n: int = 5, *, joint: str = ", ") -> str:
    """The first `n` names, and how many more there are."""
    more = len(names) - n
    return joint.join(names[:n]) + (f"{joint}and {more:,} more" if more > 0 else "")


def check(splits: Splits) -> list[DataFinding]:
    """Everything the checks of this module find.

    Raises:
        DataError: Fewer than two classes have training images.
    """
    parts = splits.parts()
    return [
        *_check_classes(splits.train),
        *_check_missing(parts),
        *_check_constant(parts),
        *_check_unknown(parts),
        *_check_twins(parts),
        *_check_leaks(parts),
    ]


def _check_classes(train: Examples) -> Iterator[DataFinding]:
    """Classes without, or with few, training images, and classes of very different size."""
    counts = train.class_counts()
    present = np.flatnonzero(counts)
    if len(present) < 2:
        only = f"one class only, {train.class_names[present[0]]!r}" if len(present) else f"no {_nouns(train)}"
        raise DataError(
            f"{train.source} has {only}; telling classes apart needs training {_nouns(train)} of at least two.",
            hint=f"Add {_nouns(train)} of other classes.",
        )
    empty = [name for name, n in zip(train.class_names, counts, strict=True) if n == 0]
    if empty:
        yield DataFinding(
            "class-empty",
            f"Classes without training {_nouns(train)} ({len(empty)}): {few(empty)}.",
            f"The network cannot learn them: add {_nouns(train)} or remove the classes.",
        )
    tiny = [f"{name} ({n})" for name, n in zip(train.class_names, counts, strict=True) if 0 < n < TINY_CLASS]
    augment = ", or augmentation," if isinstance(train, Dataset) else ""
    if tiny:
        yield DataFinding(
            "class-tiny",
            f"Classes with fewer than {TINY_CLASS} training {_nouns(train)} ({len(tiny)}): {few(tiny)}.",
            f"Expect chance-like answers for them; more {_nouns(train)}{augment} help.",
        )
    largest, smallest = int(counts.argmax()), int(present[counts[present].argmin()])
    ratio = counts[largest] / counts[smallest]
    if ratio >= STRONG_IMBALANCE:
        yield DataFinding(
            "class-imbalance",
            f"{train.class_names[largest]!r} has {counts[largest]:,} training {_nouns(train)} and "
            f"{train.class_names[smallest]!r} has {counts[smallest]:,}, {ratio:.0f} times fewer.",
            "Accuracy will favour the large classes: read the per-class table, or even the classes out.",
        )


def _check_missing(parts: dict[str, Examples]) -> Iterator[DataFinding]:
    """Classes that have training images and none in a split that judges."""
    trained = parts["train"].class_counts() > 0
    for split, dataset in parts.items():
        if split == "train" or not len(dataset):
            continue
        absent = np.flatnonzero(trained & (dataset.class_counts() == 0))
        if len(absent):
            names = [dataset.class_names[i] for i in absent]
            yield DataFinding(
                "class-missing",
                f"Classes without {_nouns(dataset)} in {split} ({len(names)} of {dataset.n_classes}): {few(names)}.",
                f"The {split} figures say nothing about them.",
            )


def _check_constant(parts: dict[str, Examples]) -> Iterator[DataFinding]:
    """Images whose pixels are all equal: an empty scan, a failed export."""
    for split, dataset in parts.items():
        if not isinstance(dataset, Dataset) or not len(dataset):
            continue
        rows = _rows(dataset)
        # A few pixels rule nearly every image out, and the whole of the rest is looked at.
        sample = rows[:, :: max(1, rows.shape[1] // 61)]
        suspects = np.flatnonzero((sample == sample[:, :1]).all(1))
        planes = dataset.images[suspects]  # (M, C, H, W)
        constant = suspects[(planes == planes[:, :, :1, :1]).all((1, 2, 3))]
        if len(constant):
            yield DataFinding(
                "image-constant",
                f"Images of one colour in {split} ({len(constant):,}): {few(_called(dataset, constant))}.",
                "Nothing can be learnt from them: look at the files.",
            )


def _check_unknown(parts: dict[str, Examples]) -> Iterator[DataFinding]:
    """Texts none of whose words the vocabulary has: to the network they differ in length alone."""
    for split, dataset in parts.items():
        if not isinstance(dataset, Texts):
            continue
        known = dataset.counted(dataset.numbers > UNKNOWN) > 0
        if not known.all():
            unknown = np.flatnonzero(~known)
            yield DataFinding(
                "text-unknown",
                f"Texts of {split} with no word in the vocabulary ({len(unknown):,} of {len(dataset):,}): "
                f"{few(_called(dataset, unknown))}.",
                "The vocabulary is the training texts' most frequent words: are these of another language?",
            )


def _check_twins(parts: dict[str, Examples]) -> Iterator[DataFinding]:
    """Examples that a split has more than once, pixel for pixel or word for word, and those whose labels differ."""
    for split, dataset in parts.items():
        rows, hashes = _rows(dataset), _row_hashes(_rows(dataset))
        order = np.argsort(hashes, kind="stable")
        suspects = np.flatnonzero(np.diff(hashes[order]) == 0)
        first, second = order[suspects], order[suspects + 1]
        equal = (rows[first] == rows[second]).all(1)
        first, second = first[equal], second[equal]
        if len(second):
            yield DataFinding(
                f"{dataset.noun}-repeated",
                f"{_nouns(dataset).capitalize()} that {split} has more than once ({len(second):,} of "
                f"{len(dataset):,}): {few(_called(dataset, np.sort(second)))}.",
                "Each copy counts: remove all but one if that is not meant.",
            )
        conflicts = first[dataset.labels[first] != dataset.labels[second]]
        if len(conflicts):
            yield DataFinding(
                "label-conflict",
                f"{_nouns(dataset).capitalize()} of {split} with an equal twin of another class ({len(conflicts):,}): "
                f"{few(_called(dataset, np.sort(conflicts)))}.",
                "One of each two labels is wrong.",
            )


def _check_leaks(parts: dict[str, Examples]) -> Iterator[DataFinding]:
    """Examples of validation or test that are also in train, pixel for pixel or word for word."""
    rows = _rows(parts["train"])
    hashes = _row_hashes(rows)
    order = np.argsort(hashes, kind="stable")
    for split, dataset in parts.items():
        if split == "train" or not len(dataset):
            continue
        others, other_hashes = _rows(dataset), _row_hashes(_rows(dataset))
        at = np.searchsorted(hashes, other_hashes, sorter=order).clip(max=len(hashes) - 1)
        found = np.flatnonzero(hashes[order[at]] == other_hashes)
        found = found[(rows[order[at[found]]] == others[found]).all(1)]
        if len(found):
            yield DataFinding(
                f"{dataset.noun}-leaked",
                f"{_nouns(dataset).capitalize()} of {split} that are also in train, {_bit(dataset)} "
                f"({len(found):,} of {len(dataset):,}): {few(_called(dataset, found))}.",
                f"The {split} accuracy counts them as if they were new: remove them from one of the two.",
            )


def _nouns(dataset: Examples) -> str:
    return f"{dataset.noun}s"


def _bit(dataset: Examples) -> str:
    """Down to what examples are compared."""
    return "pixel for pixel" if isinstance(dataset, Dataset) else "as the network reads them"


def _called(dataset: Examples, index: NDArray[np.int64]) -> list[str]:
    """What examples are called: their file, or their number in the set."""
    return [dataset.names[i] if dataset.names else f"{dataset.noun} {i}" for i in index]


def _rows(dataset: Examples) -> NDArray[np.uint8]:
    """The examples' bytes as (N, n_bytes), without a copy where they lie together."""
    values = np.ascontiguousarray(dataset.values) if dataset.values.dtype != np.uint8 else dataset.values
    return values.reshape(len(dataset), math.prod(values.shape[1:])).view(np.uint8)


def _row_hashes(rows: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """A 64-bit hash a row: the sum of its 8-byte words times fixed odd random numbers, modulo 2^64.

    Multilinear hashing: fast, and good enough to name suspects, which are then compared byte by byte.
    """
    N, n_bytes = rows.shape
    if n_bytes % 8:
        rows = np.pad(rows, ((0, 0), (0, -n_bytes % 8)))
    words = np.ascontiguousarray(rows).view(np.uint64)  # (N, n_words)
    weights = np.random.default_rng(0).integers(0, 2**63, words.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    hashes: NDArray[np.uint64] = words @ weights if N else np.empty(0, np.uint64)
    return hashes
