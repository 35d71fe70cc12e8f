"""Examples cut into parts: stratified, seeded, group by group, in folds; decided before anything is decoded."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from convoscope.data.bins import fold_of_groups, held_out_groups
from convoscope.data.item import Item
from convoscope.errors import DataError, RecipeError

PARTS = ("train", "validation", "test")
VALIDATION = 0.1  # of the training examples, held out where the source has no validation part of its own

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Division:
    """How a source is cut where it is not cut itself; the knobs of that name.

    Attributes:
        validation: Share of each class's training examples that is held out, 0 (none) to below 1.
        test: Share of each class that is held out for the final judgement, before the validation part is.
        folds: In how many parts the training examples are cut, one of which is the validation part; 0 is off.
        fold: Which of them, from 1.
        seed: Decides who is held out.
    """

    validation: float = VALIDATION
    test: float = 0.0
    folds: int = 0
    fold: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("validation", "test"):
            share = getattr(self, name)
            if not 0 <= share < 1:
                raise RecipeError(f"{name} was asked as {share}; it is 0 to below 1 (fraction of each class).")
        if self.folds == 1 or self.folds < 0:
            raise RecipeError(f"folds was asked as {self.folds}; it is 2 or more, or 0 for none.")
        if not 1 <= self.fold <= max(self.folds, 1):
            given = f"folds is {self.folds}" if self.folds else "no folds were asked"
            raise RecipeError(
                f"fold was asked as {self.fold}, and {given}; it is 1 to the number of folds.",
                hint="Say in how many folds the training examples are cut: --folds K --fold I.",
            )
        if self.folds and self.validation not in (0, VALIDATION):
            raise RecipeError(
                f"validation was asked as {self.validation} and folds as {self.folds}; with folds, one of them is the "
                "validation part.",
                hint="Leave one of the two out.",
            )

    def refuse(self, own: Collection[str], source: str) -> None:
        """Raises RecipeError where a part is asked that the source has itself: neither would be what was meant.

        Args:
            own: The parts that the source has, "train" left aside.
            source: What the source is called.
        """
        asked = {
            "test": f"test was asked as {self.test:g}" if self.test else "",
            "validation": f"folds was asked as {self.folds}"
            if self.folds
            else f"validation was asked as {self.validation:g}"
            if self.validation not in (0, VALIDATION)
            else "",
        }
        for part, words in asked.items():
            if words and part in own:
                raise RecipeError(
                    f"{words}, and {source} has a {part} part of its own.",
                    hint="Leave the knob out to use that part, or give data without it.",
                )


def divide(
    labels: Indices,
    division: Division,
    *,
    own: Collection[str] = (),
    groups: Sequence[str] | None = None,
    folds: Indices | None = None,
) -> dict[str, Indices]:
    """The training examples of a source cut as asked: the indices (sorted int64) of each part that is cut.

    Args:
        labels: Of the training examples, int64 (N,).
        division: How.
        own: Parts that the source has itself: nothing is cut for them.
        groups: What each example belongs to, and is never cut from; "" for itself alone. None for no groups.
        folds: The fold of each example, from 1, where the source says it.

    Returns:
        "train", and "validation" and "test" where they are not the source's own; disjoint, and together all.

    Raises:
        DataError: there are too few examples or groups for the parts, or other folds than the source has.
    """
    parts: dict[str, Indices] = {}
    rest = np.arange(len(labels), dtype=np.int64)
    codes = None if groups is None else codes_of(groups)

    def take(name: str, part: Indices) -> None:
        nonlocal rest
        parts[name] = rest[part]
        rest = np.delete(rest, part)

    def held_out(share: float) -> Indices:
        if codes is None:
            return stratified_part(labels[rest], share, division.seed)
        return held_out_groups(labels[rest], codes[rest], share, division.seed) if share else rest[:0]

    if "test" not in own and division.test:
        take("test", held_out(division.test))
    if division.folds and "validation" not in own:
        told = None if folds is None else folds[rest]
        mine = None if codes is None else codes[rest]
        take("validation", np.flatnonzero(fold_of(labels[rest], division, mine, told) == division.fold))
    elif "validation" not in own:
        take("validation", held_out(division.validation))
    return {"train": rest, **parts}


def fold_of(labels: Indices, division: Division, codes: Indices | None = None, told: Indices | None = None) -> Indices:
    """The fold of each example, 1 to `division.folds`, int64 (N,); equal in every class, and no group in two.

    Args:
        labels: int64 (N,).
        division: How many folds, and the seed.
        codes: The group of each, as a number; None for no groups.
        told: The fold of each where the source says it.

    Raises:
        DataError: there are fewer examples or groups than folds, or the source has other folds.
    """
    k = division.folds
    if told is not None:
        if sorted(set(told.tolist())) != list(range(1, k + 1)):
            raise DataError(
                f"{k} folds were asked, and the manifest has the folds {sorted(set(told.tolist()))}.",
                hint="Ask for as many as it has, or leave its column of folds out.",
            )
        return told
    if codes is not None:
        return fold_of_groups(labels, codes, k, division.seed) + 1
    if len(labels) < k:
        raise DataError(f"{k} folds were asked, and there are {len(labels)} training examples.", hint="Ask for fewer.")
    generator = np.random.default_rng([division.seed, len(labels), k])
    order = generator.permutation(len(labels))
    dealt = order[np.argsort(labels[order], kind="stable")]  # class by class, each in random order
    found = np.empty(len(labels), np.int64)
    found[dealt] = np.arange(len(labels)) % k + 1  # the next class goes on where the last one ended
    return found


def stratified_part(labels: Indices, fraction: float, seed: int) -> Indices:
    """Indices (sorted int64) of a part with `fraction` of each class, the same for the same seed.

    Every class with two examples or more gives at least one and keeps at least one; a class with one gives none.
    """
    generator = np.random.default_rng([seed, len(labels)])
    chosen = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        n = round(len(members) * fraction)
        n = min(max(n, 1), len(members) - 1) if fraction > 0 else 0
        chosen.append(generator.permutation(members)[:n])
    return np.sort(np.concatenate(chosen)).astype(np.int64) if chosen else np.empty(0, np.int64)


def codes_of(groups: Sequence[str]) -> Indices:
    """A number for each group, int64 (N,); an example of no group ("") has one of its own."""
    numbers: dict[str, int] = {}
    found = np.empty(len(groups), np.int64)
    for i, group in enumerate(groups):
        found[i] = -1 - i if not group else numbers.setdefault(group, len(numbers))
    return found


def grouped(items: Sequence[Item], pattern: str) -> tuple[Item, ...]:
    """The items with the group that a regular expression finds in each one's name; see `groups_of`."""
    found = groups_of([item.name for item in items], pattern)
    return tuple(replace(item, group=group) for item, group in zip(items, found, strict=True))


def groups_of(names: Sequence[str], pattern: str) -> list[str]:
    """What a regular expression finds in each name: its first bracket that took part, else the whole match.

    Raises:
        RecipeError: it is no regular expression.
        DataError: some names have no match, or an empty one.
    """
    try:
        search = re.compile(pattern).search
    except re.error as error:
        raise RecipeError(
            f"group was asked as {pattern!r}, which is neither a column nor a regular expression ({error}).",
            hint="Name a column of the manifest, or write the expression so that its first bracket is the group.",
        ) from None
    found = []
    for name in names:
        match = search(name)
        brackets = [part for part in match.groups() if part is not None] if match else []
        found.append("" if match is None else brackets[0] if brackets else match[0])
    lost = [name for name, group in zip(names, found, strict=True) if not group]
    if lost:
        shown = ", ".join(lost[:5]) + (f", and {len(lost) - 5:,} more" if len(lost) > 5 else "")
        raise DataError(
            f"group was asked as {pattern!r}, and {len(lost):,} of {len(names):,} names have no such thing: {shown}.",
            hint="It is the name of a manifest's column, or a regular expression that finds the group in every name.",
        )
    return found
