"""What is odd in a dataset before a network sees it: each check yields findings, and only the hopeless raises."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convoscope.data.dataset import Dataset, Examples, Splits
from convoscope.data.kept import images_folder
from convoscope.data.mapped import Rows, aside, blocks, part_of
from convoscope.data.text import Texts
from convoscope.data.twins import SIDE, groups_of_twins, shrink
from convoscope.errors import DataError
from convoscope.shape import UNKNOWN

STRONG_IMBALANCE = 10.0  # images of the largest class to those of the smallest
TINY_CLASS = 10  # training images
_COMPARED_BYTES = 1 << 23  # at a time


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
    counts = {split: part.class_counts() for split, part in parts.items()}
    hashes = {split: _hashes(dataset) for split, dataset in parts.items()}
    return [
        *_check_classes(splits.train),
        *missing_findings(splits.train.class_names, counts, _nouns(splits.train)),
        *_check_constant(parts),
        *_check_unknown(parts),
        *_check_twins(parts, hashes),
        *_check_leaks(parts, hashes),
        *_check_likeness(parts, hashes),
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
    yield from class_findings(train.class_names, counts, _nouns(train))


def class_findings(class_names: Sequence[str], counts: NDArray[np.int64], nouns: str) -> Iterator[DataFinding]:
    """Classes without, or with few, training examples, and classes of very different size.

    Args:
        class_names: K of them.
        counts: Training examples of each class, (K,).
        nouns: What the examples are called.
    """
    empty = [name for name, n in zip(class_names, counts, strict=True) if n == 0]
    if empty:
        yield DataFinding(
            "class-empty",
            f"Classes without training {nouns} ({len(empty)}): {few(empty)}.",
            f"The network cannot learn them: add {nouns} or remove the classes.",
        )
    tiny = [f"{name} ({n})" for name, n in zip(class_names, counts, strict=True) if 0 < n < TINY_CLASS]
    augment = ", or augmentation," if nouns == "images" else ""
    if tiny:
        yield DataFinding(
            "class-tiny",
            f"Classes with fewer than {TINY_CLASS} training {nouns} ({len(tiny)}): {few(tiny)}.",
            f"Expect chance-like answers for them; more {nouns}{augment} help.",
        )
    present = np.flatnonzero(counts)
    if not len(present):
        return
    largest, smallest = int(counts.argmax()), int(present[counts[present].argmin()])
    ratio = counts[largest] / counts[smallest]
    if ratio >= STRONG_IMBALANCE:
        yield DataFinding(
            "class-imbalance",
            f"{class_names[largest]!r} has {counts[largest]:,} training {nouns} and {class_names[smallest]!r} has "
            f"{counts[smallest]:,}, {ratio:.0f} times fewer.",
            "Accuracy will favour the large classes: read the per-class table, or even the classes out (--balance).",
        )


def missing_findings(
    class_names: Sequence[str], counts: Mapping[str, NDArray[np.int64]], nouns: str
) -> Iterator[DataFinding]:
    """Classes that have training examples and none in a split that judges; `counts` has (K,) for each split."""
    for split, in_split in counts.items():
        if split == "train" or not in_split.any():
            continue
        absent = np.flatnonzero((counts["train"] > 0) & (in_split == 0))
        if len(absent):
            names = [class_names[i] for i in absent.tolist()]
            yield DataFinding(
                "class-missing",
                f"Classes without {nouns} in {split} ({len(names)} of {len(class_names)}): {few(names)}.",
                f"The {split} figures say nothing about them.",
            )


def _check_constant(parts: dict[str, Examples]) -> Iterator[DataFinding]:
    """Images whose pixels are all equal: an empty scan, a failed export."""
    for split, dataset in parts.items():
        if not isinstance(dataset, Dataset) or not len(dataset):
            continue
        constant = np.concatenate([start + _constant_in(block) for start, block in _numbered(dataset)])
        if len(constant):
            yield DataFinding(
                "image-constant",
                f"Images of one colour in {split} ({len(constant):,}): {few(_called(dataset, constant))}.",
                "Nothing can be learnt from them: look at the files.",
            )


def _constant_in(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Which of some images (n, C, H, W) have pixels that are all equal."""
    rows = _bytes_of(images)
    # A few pixels rule nearly every image out, and the whole of the rest is looked at.
    sample = rows[:, :: max(1, rows.shape[1] // 61)]
    suspects = np.flatnonzero((sample == sample[:, :1]).all(1))
    planes = images[suspects]
    constant: NDArray[np.int64] = suspects[(planes == planes[:, :, :1, :1]).all((1, 2, 3))]
    return constant


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


def _check_twins(parts: dict[str, Examples], all_hashes: dict[str, NDArray[np.uint64]]) -> Iterator[DataFinding]:
    """Examples that a split has more than once, pixel for pixel or word for word, and those whose labels differ."""
    for split, dataset in parts.items():
        hashes = all_hashes[split]
        order = np.argsort(hashes, kind="stable")
        suspects = np.flatnonzero(np.diff(hashes[order]) == 0)
        first, second = order[suspects], order[suspects + 1]
        equal = _equal(dataset, first, dataset, second)
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


def _check_leaks(parts: dict[str, Examples], all_hashes: dict[str, NDArray[np.uint64]]) -> Iterator[DataFinding]:
    """Examples of validation or test that are also in train, pixel for pixel or word for word."""
    train, hashes = parts["train"], all_hashes["train"]
    order = np.argsort(hashes, kind="stable")
    for split, dataset in parts.items():
        if split == "train" or not len(dataset):
            continue
        other_hashes = all_hashes[split]
        at = np.searchsorted(hashes, other_hashes, sorter=order).clip(max=len(hashes) - 1)
        found = np.flatnonzero(hashes[order[at]] == other_hashes)
        found = found[_equal(train, order[at[found]], dataset, found)]
        if len(found):
            yield DataFinding(
                f"{dataset.noun}-leaked",
                f"{_nouns(dataset).capitalize()} of {split} that are also in train, {_bit(dataset)} "
                f"({len(found):,} of {len(dataset):,}): {few(_called(dataset, found))}.",
                f"The {split} accuracy counts them as if they were new: remove them from one of the two.",
            )


def _check_likeness(parts: dict[str, Examples], all_hashes: dict[str, NDArray[np.uint64]]) -> Iterator[DataFinding]:
    """Image files of validation or test that look like one of train, though not every pixel is equal."""
    sets = {split: part for split, part in parts.items() if isinstance(part, Dataset) and part.names and len(part)}
    if "train" not in sets or len(sets) < 2:
        return
    _, alone = np.unique(np.concatenate([all_hashes[split] for split in sets]), return_index=True)
    copies = (shrink(block) for part in sets.values() for block in blocks(part.images))
    in_file = any(isinstance(part.images, Rows) for part in sets.values())  # then so many may be too many for memory
    small = aside(copies, (SIDE, SIDE, 3), images_folder()) if in_file else np.concatenate(list(copies))
    ends = np.cumsum([len(part) for part in sets.values()])  # examples are numbered through all sets, train first
    groups = [alone[group] for group in groups_of_twins(part_of(small, alone))]
    for split, dataset, end in zip(sets, sets.values(), ends, strict=True):
        start = end - len(dataset)
        also = [group for group in groups if (group < len(sets["train"])).any()]
        found = np.sort([i - start for group in also for i in group if start <= i < end]).astype(np.int64)
        if split != "train" and len(found):
            yield DataFinding(
                "image-leaked-alike",
                f"Images of {split} that look like one in train, resized, compressed again or a little brighter, or "
                f"taken right after it ({len(found):,} of {len(dataset):,}): {few(_called(dataset, found))}.",
                f"The {split} accuracy counts them as if they were new: `convoscope data` shows which; keep what "
                "belongs together in one part (--group).",
            )


def _nouns(dataset: Examples) -> str:
    return f"{dataset.noun}s"


def _bit(dataset: Examples) -> str:
    """Down to what examples are compared."""
    return "pixel for pixel" if isinstance(dataset, Dataset) else "as the network reads them"


def _called(dataset: Examples, index: NDArray[np.int64]) -> list[str]:
    """What examples are called: their file, or their number in the set."""
    return [dataset.names[i] if dataset.names else f"{dataset.noun} {i}" for i in index]


def _numbered(dataset: Examples) -> Iterator[tuple[int, NDArray[Any]]]:
    """The examples in blocks that fit in memory wherever they lie, each with the number of its first."""
    start = 0
    for block in blocks(dataset.values):
        yield start, block
        start += len(block)


def _bytes_of(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Examples' bytes as (n, n_bytes), without a copy where they lie together."""
    values = np.ascontiguousarray(values) if values.dtype != np.uint8 else values
    return values.reshape(len(values), math.prod(values.shape[1:])).view(np.uint8)


def _equal(
    one: Examples, first: NDArray[np.int64], other: Examples, second: NDArray[np.int64]
) -> NDArray[np.bool_]:  # fmt: skip
    """Whether the examples at `first` of one set are those at `second` of another, byte for byte, pair by pair."""
    n = max(1, _COMPARED_BYTES // max(1, math.prod(one.values.shape[1:])))
    found = [np.zeros(0, bool)]
    for start in range(0, len(first), n):
        pair = (_bytes_of(e.values[i[start : start + n]]) for e, i in ((one, first), (other, second)))
        found.append((next(pair) == next(pair)).all(1))
    return np.concatenate(found)


def _hashes(dataset: Examples) -> NDArray[np.uint64]:
    """A 64-bit hash of every example, (N,)."""
    return np.concatenate([np.empty(0, np.uint64), *(_row_hashes(_bytes_of(x)) for x in blocks(dataset.values))])


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
