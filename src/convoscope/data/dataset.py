"""Labelled examples, and the three splits of a source."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from convoscope.data.mapped import Rows, Values, blocks, part_of
from convoscope.errors import DataError
from convoscope.shape import InputShape, kind_of

E = TypeVar("E", bound="Examples")


class Examples(ABC):
    """Labelled examples of one kind: a `Dataset` of images, or the `Texts` of `data.text`.

    Attributes:
        labels: int64 of shape (N,); each in 0 .. len(class_names) - 1.
        class_names: The name of each label, in label order.
        source: Where the examples come from, in words a reader of a report understands.
        names: What each example is called there (a file's path below its folder, a row of a table), or empty for
            numbered sets.
    """

    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    source: str
    names: tuple[str, ...]
    noun: ClassVar[str]  # what one example is called

    @property
    @abstractmethod
    def values(self) -> Values:
        """What a network is given before normalisation, an array whose first axis is the examples."""

    @property
    @abstractmethod
    def shape(self) -> InputShape:
        """What one example is."""

    @abstractmethod
    def take(self, index: NDArray[np.int64]) -> Self:
        """The examples at `index` (int64 of shape (M,)), in that order."""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def kind(self) -> str:
        """What the examples are called: "images", "texts" or "trees"."""
        return kind_of(self.shape)

    @property
    def n_classes(self) -> int:
        """How many classes there are, whether or not each has examples here."""
        return len(self.class_names)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hexadecimal) over shape, values, labels, class names: equal data, equal fingerprint."""
        digest = hashlib.sha256(repr((self.values.shape, self.class_names)).encode())
        for block in blocks(self.values):
            digest.update(np.ascontiguousarray(block).data)
        digest.update(np.ascontiguousarray(self.labels).data)
        digest.update(self._also().encode())
        return digest.hexdigest()

    def class_counts(self) -> NDArray[np.int64]:
        """How many examples each class has, of shape (n_classes,)."""
        return np.bincount(self.labels, minlength=self.n_classes).astype(np.int64)

    def _also(self) -> str:
        """What else the examples' meaning hangs on, for the fingerprint."""
        return ""

    def _check_labels(self) -> None:
        """Raises DataError where labels and examples differ in number, or a label is of no class."""
        if self.labels.shape != (len(self),):
            raise DataError(
                f"{self.source} has {len(self)} {self.noun}s and {len(self.labels)} labels; each {self.noun} needs one."
            )
        outside = np.flatnonzero((self.labels < 0) | (self.labels >= len(self.class_names)))
        if len(outside):
            i = int(outside[0])
            raise DataError(
                f"{self.source}: {self.noun} {i} has the label {int(self.labels[i])}, and the "
                f"{len(self.class_names)} classes are numbered 0 to {len(self.class_names) - 1} ({len(outside)} such "
                "labels).",
                hint="Correct the labels file, or name every class.",
            )


@dataclass(frozen=True, eq=False)
class Dataset(Examples):
    """Labelled images, in memory or in a file of the cache.

    Attributes:
        images: uint8 of shape (N, C, H, W); C is 1 (grey) or 3 (red, green, blue); 0 is black, 255 full. `Rows` are
            read when they are indexed: what needs all of them goes by `blocks`.
        labels: As in `Examples`.
        class_names: As in `Examples`.
        source: As in `Examples`.
        names: As in `Examples`.
    """

    images: NDArray[np.uint8] | Rows
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    source: str
    names: tuple[str, ...] = ()
    noun: ClassVar[str] = "image"

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4:
            raise DataError(
                f"Images must be uint8 of shape (N, C, H, W); {self.source} gave "
                f"{self.images.dtype} of shape {self.images.shape}."
            )
        self._check_labels()

    @property
    def values(self) -> NDArray[np.uint8] | Rows:
        """The images."""
        return self.images

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        _, C, H, W = self.images.shape
        return C, H, W

    def take(self, index: NDArray[np.int64]) -> Dataset:
        """The images at `index` (int64 of shape (M,)), in that order."""
        names = tuple(self.names[i] for i in index) if self.names else ()
        return replace(self, images=part_of(self.images, index), labels=self.labels[index], names=names)


@dataclass(frozen=True, eq=False)
class Splits:
    """One dataset in its parts: what is learnt from, what knobs are chosen on, what judges once at the end.

    `validation` is empty (0 examples) where the user asked for none; `test` is None where the source has no test part.
    """

    train: Examples
    validation: Examples
    test: Examples | None

    def parts(self) -> dict[str, Examples]:
        """The parts by name: train, validation, and test where there is one."""
        found = {"train": self.train, "validation": self.validation}
        return found if self.test is None else {**found, "test": self.test}
