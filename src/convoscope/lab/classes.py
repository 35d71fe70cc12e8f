"""One class map: labels of any data as the numbers that a run gave its classes, matched by name and never by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from convoscope.data import Dataset, Examples, Opened, Splits, Texts
from convoscope.errors import DataError

E = TypeVar("E", bound=Examples)


def in_classes(examples: E, class_names: Sequence[str], whose: str) -> E:
    """The same examples, their labels as numbers of `class_names`.

    Args:
        examples: Labelled by classes of their own, in an order of their own; all or some of `class_names`.
        class_names: The run's, in its order.
        whose: What the run is called.

    Raises:
        DataError: some examples are of a class that is not among `class_names`.
    """
    if examples.class_names == tuple(class_names):
        return examples
    number_of = {name: label for label, name in enumerate(class_names)}
    counts = examples.class_counts()
    strange = [name for name, n in zip(examples.class_names, counts, strict=True) if n and name not in number_of]
    if strange:
        named = "class folders" if examples.kind == "images" else "labels"
        raise DataError(
            f"{examples.source} has {len(strange)} classes that the run {whose} lacks: {_few(strange)}; a network only "
            "answers with classes it was trained on.",
            hint=f"Name the {named} as in training, or leave these out. The run has: {_few(class_names)}.",
        )
    number = np.array([number_of.get(name, -1) for name in examples.class_names], np.int64)
    labels = number[examples.labels] if len(examples) else examples.labels
    assert isinstance(examples, Dataset | Texts)
    return replace(examples, labels=labels, class_names=tuple(class_names))


def all_in_classes(opened: Opened, class_names: Sequence[str], whose: str) -> Opened:
    """Opened data with every part `in_classes`."""
    splits = opened.splits
    if all(part.class_names == tuple(class_names) for part in splits.parts().values()):
        return opened
    train, validation = (in_classes(part, class_names, whose) for part in (splits.train, splits.validation))
    test = None if splits.test is None else in_classes(splits.test, class_names, whose)
    return replace(opened, splits=Splits(train, validation, test))


def absent(examples: Examples) -> list[str]:
    """The classes that have no example."""
    return [name for name, n in zip(examples.class_names, examples.class_counts(), strict=True) if not n]


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12:,} more" if len(names) > 12 else "")
