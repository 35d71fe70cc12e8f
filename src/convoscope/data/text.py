"""Texts in memory: rows of word numbers or binary trees, with the texts they came from and how they were read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convoscope.data import trees
from convoscope.data.dataset import Examples, Splits
from convoscope.data.vocabulary import Vocabulary, not_utf8, words_of
from convoscope.errors import DataError
from convoscope.shape import PADDING, UNKNOWN, Trees, Words, kind_of

VOCABULARY = 20_000  # words, unless asked otherwise
TEXT_LENGTH = 256  # words kept of a text, unless asked otherwise
_NAMED = 20  # most frequent words that a description names
_QUOTED = 60  # characters of a text that an error quotes


class TextWord(NamedTuple):
    """A word of a text as the network knows it.

    Attributes:
        word: Lower-cased.
        number: Its word number, `UNKNOWN` where the vocabulary does not have it.
        at: Its index in the values of its text: (place,), or in a tree (level, place, 0).
    """

    word: str
    number: int
    at: tuple[int, ...]

    @property
    def is_known(self) -> bool:
        """Whether the vocabulary has it."""
        return self.number != UNKNOWN


@dataclass(frozen=True, eq=False)
class TextPolicy:
    """What every text becomes; kept with the run, so that prediction repeats it.

    Attributes:
        vocabulary: The words that have a number.
        length: Words kept of a text, the first ones; of a tree all are.
        n_levels: Levels of the deepest tree that was trained or judged on; 0 where texts are rows of words.
        width: Nodes on the fullest level; 0 where texts are rows of words.
        labelled: Whether the brackets of trees begin with a number (see `data.trees`).
    """

    vocabulary: Vocabulary
    length: int
    n_levels: int = 0
    width: int = 0
    labelled: bool = False

    @property
    def shape(self) -> Words | Trees:
        """What one text is."""
        if self.n_levels:
            return Trees(self.n_levels, self.width, self.vocabulary.n_words)
        return Words(self.length, self.vocabulary.n_words)

    @property
    def is_tree(self) -> bool:
        """Whether texts are read as trees."""
        return self.n_levels > 0

    def read(self, text: str) -> NDArray[np.int32]:
        """A text as numbers without padding: int32 (n_words,), or (n_levels, width, 3) of a tree.

        Raises:
            DataError: there is no word in it, none of its words is in the vocabulary, it is no binary tree, or it was
                read from bytes that are no UTF-8.
        """
        bad = not_utf8(text)
        if bad:
            raise DataError(f"The text {quoted(text)} cannot be read: {bad}.", hint="Save it in UTF-8.")
        if not text.strip():
            raise DataError("The text is empty; it needs at least one word.")
        try:
            values = self.values_of(text)
        except trees.TreeError as problem:
            raise DataError(
                f"The text {quoted(text)} cannot be read as a binary tree: {problem}.",
                hint="This network reads texts as trees, like ((not good) (at all)).",
            ) from None
        numbers = values[..., 0] if self.is_tree else values
        if not values.size or not numbers.any():
            raise DataError(f"The text {quoted(text)} has no word in it; it needs at least one.")
        if not (numbers > UNKNOWN).any():
            n = int((numbers == UNKNOWN).sum())
            which = "its one word is not" if n == 1 else f"none of its {n} words is"
            raise DataError(
                f"The network knows no word of the text {quoted(text)}: {which} in the vocabulary of the training "
                "texts.",
                hint="Give a text with words that the training texts have at least twice.",
            )
        return values

    def values_of(self, text: str) -> NDArray[np.int32]:
        """As `read`, whatever its words are; raises TreeError where it is no tree, and should be."""
        if not self.is_tree:
            return self.vocabulary.encode(words_of(text)[: self.length])
        numbers = self.vocabulary.numbers
        return trees.encode(self._levels(text), lambda word: numbers.get(word, UNKNOWN))

    def n_cut(self, text: str) -> int:
        """How many words of a text are beyond those that are kept."""
        return 0 if self.is_tree else max(0, len(words_of(text)) - self.length)

    def words(self, text: str) -> list[TextWord]:
        """The words of a text in reading order, those that are kept; raises TreeError as `values_of` does."""
        values = self.values_of(text)
        if not self.is_tree:
            pairs = zip(words_of(text), values.tolist(), strict=False)
            return [TextWord(word, number, (place,)) for place, (word, number) in enumerate(pairs)]
        levels = self._levels(text)[::-1]
        found = []
        for level, place in trees.leaves(values):
            word = levels[level][place]
            assert word is not None
            found.append(TextWord(word, int(values[level, place, 0]), (level, place, 0)))
        return found

    def texts(self, originals: Sequence[str], class_names: tuple[str, ...], source: str, label: int = 0) -> Texts:
        """Texts of one label, or of no matter which, as examples; raises DataError as `read` does."""
        values = stacked([self.read(text) for text in originals], tree=self.is_tree)
        labels = np.full(len(originals), label, np.int64)
        return Texts(values, labels, class_names, source, tuple(originals), self)

    def to_dict(self) -> dict[str, Any]:
        """The form that is kept with a run beside its vocabulary; the vocabulary stands in it by its fingerprint."""
        return {
            "kind": kind_of(self.shape),
            "length": self.length,
            "n_words": self.vocabulary.n_words,
            "n_levels": self.n_levels,
            "width": self.width,
            "labelled": self.labelled,
            "vocabulary": self.vocabulary.fingerprint,
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any], words: Sequence[str]) -> TextPolicy:
        """The inverse of `to_dict`; DataError where a figure is missing or `words` are not the vocabulary meant."""
        vocabulary = Vocabulary(tuple(map(str, words)))
        try:
            made = cls(
                vocabulary, int(record["length"]), int(record["n_levels"]), int(record["width"]),
                bool(record["labelled"]),
            )  # fmt: skip
            promised = record["vocabulary"]
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"It cannot be read how the texts of a run were read: {record!r}.") from error
        if vocabulary.fingerprint != promised or made.length < 1:
            raise DataError("The vocabulary that is kept is not the one that the network was trained with.")
        return made

    def _levels(self, text: str) -> trees.Levels:
        tree = trees.parse(text)
        return trees.levels_of(tree, labelled=self.labelled and trees.is_labelled(tree))


@dataclass(frozen=True, eq=False)
class Texts(Examples):
    """Labelled texts, whole in memory.

    Attributes:
        tokens: Word numbers as `Words` has them, int32 (N, length), or trees as `Trees` has them, int32 (N, n_levels,
            width, 3).
        labels: As in `Examples`.
        class_names: As in `Examples`.
        source: As in `Examples`.
        originals: The texts themselves.
        policy: How they were read.
        names: As in `Examples`.
    """

    tokens: NDArray[np.int32]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    source: str
    originals: tuple[str, ...]
    policy: TextPolicy
    names: tuple[str, ...] = ()
    noun: ClassVar[str] = "text"

    def __post_init__(self) -> None:
        assert self.tokens.dtype == np.int32
        assert self.tokens.ndim == (4 if self.policy.is_tree else 2)
        assert len(self.originals) == len(self.tokens)
        self._check_labels()

    @property
    def values(self) -> NDArray[np.int32]:
        """The tokens."""
        return self.tokens

    @property
    def shape(self) -> Words | Trees:
        """What one text is, by the policy."""
        return self.policy.shape

    @property
    def numbers(self) -> NDArray[np.int32]:
        """Word numbers, `PADDING` where there is no word: (N, length), or (N, n_levels, width) of trees."""
        return self.tokens[..., 0] if self.policy.is_tree else self.tokens

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """How many words each text has, of those that are kept: (N,)."""
        return self.counted(self.numbers != PADDING)

    def counted(self, places: NDArray[np.bool_]) -> NDArray[np.int64]:
        """How many of some places, shaped as `numbers`, each text has: (N,)."""
        return np.asarray(np.count_nonzero(places, axis=tuple(range(1, places.ndim))), np.int64)

    @cached_property
    def extents(self) -> NDArray[np.int64]:
        """What each text fills of `tokens`: its words (N, 1), or the levels and the width of its tree (N, 2)."""
        if not self.policy.is_tree:
            return self.lengths[:, None]
        used = self.tokens.max(3, initial=0) > 0  # (N, n_levels, width)
        return np.stack([used.any(2).sum(1), used.any(1).sum(1)], 1).astype(np.int64)

    def take(self, index: NDArray[np.int64]) -> Texts:
        """The texts at `index` (int64 of shape (M,)), in that order."""
        return replace(
            self,
            tokens=self.tokens[index],
            labels=self.labels[index],
            originals=tuple(self.originals[i] for i in index),
            names=tuple(self.names[i] for i in index) if self.names else (),
        )

    def read_with(self, policy: TextPolicy) -> Texts:
        """The same texts with the word numbers of another vocabulary."""
        mine = self.policy.vocabulary
        number_of = np.concatenate([np.array([PADDING, UNKNOWN], np.int32), policy.vocabulary.encode(mine.words)])
        tokens = number_of[self.tokens] if not policy.is_tree else self.tokens.copy()
        if policy.is_tree:
            tokens[..., 0] = number_of[self.tokens[..., 0]]
        return replace(self, tokens=tokens, policy=policy)

    def _also(self) -> str:
        return self.policy.vocabulary.fingerprint


def stacked(values: Sequence[NDArray[np.int32]], *, tree: bool) -> NDArray[np.int32]:
    """Texts of several lengths as one array, padded: int32 (N, length), or (N, n_levels, width, 3) of trees."""
    if tree:
        return trees.stacked(values)
    found = np.zeros((len(values), max(map(len, values), default=1)), np.int32)
    for room, numbers in zip(found, values, strict=True):
        room[: len(numbers)] = numbers
    return found


def describe_texts(splits: Splits) -> dict[str, Any]:
    """What there is to know about texts beside their counts, of JSON types only; shares are 0-1, lengths in words."""
    parts = {name: part for name, part in splits.parts().items() if isinstance(part, Texts) and len(part)}
    train = parts["train"]
    counts = np.bincount(train.numbers.reshape(-1), minlength=train.policy.vocabulary.n_words)[UNKNOWN + 1 :]
    order = np.argsort(-counts, kind="stable")[:_NAMED]
    lengths = train.lengths
    return {
        "length": train.policy.length,
        "n_words": train.policy.vocabulary.n_words,
        **({"n_levels": train.policy.n_levels, "width": train.policy.width} if train.policy.is_tree else {}),
        "words": {
            "shortest": int(lengths.min()),
            "median": int(np.median(lengths)),
            "longest": int(lengths.max()),
        },
        "coverage": {name: float((part.numbers > UNKNOWN).sum() / part.lengths.sum()) for name, part in parts.items()},
        "most_frequent": [train.policy.vocabulary.words[i] for i in order],
    }


def quoted(text: str) -> str:
    """The beginning of a text in quotes, on one line."""
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    return f'"{line[:_QUOTED]} ..."' if len(line) > _QUOTED else f'"{line}"'
