"""What one example is: an image, a text as a row of word numbers, or a text as a binary tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Shape: TypeAlias = tuple[int, int, int]
"""An image: (C, H, W), channels, rows, columns."""

PADDING = 0
"""The word number that stands for no word: texts of a batch have one length."""

UNKNOWN = 1
"""The word number of a word that the vocabulary does not have."""


@dataclass(frozen=True)
class Words:
    """Texts: int64 (N, length) of word numbers; `PADDING` after each text's end, `UNKNOWN` for a word not known.

    Attributes:
        length: Words of the longest text; shorter ones are padded.
        n_words: How many word numbers there are, padding and unknown among them.
    """

    length: int
    n_words: int

    def __post_init__(self) -> None:
        assert self.length >= 1
        assert self.n_words > UNKNOWN


@dataclass(frozen=True)
class Trees:
    """Texts as binary trees: int64 (N, n_levels, width, 3), the root at place 0 of the last level.

    Level l of a text holds the nodes that are n_levels - 1 - l steps below its root. A node is (word, left, right): a
    leaf has a word number and 0, 0; an inner node has 0 and the places of its children on the level before, counted
    from 1; (0, 0, 0) is padding.

    Attributes:
        n_levels: Levels of the deepest tree.
        width: Nodes on the fullest level.
        n_words: How many word numbers there are, padding and unknown among them.
    """

    n_levels: int
    width: int
    n_words: int


InputShape: TypeAlias = Shape | Words | Trees


def kind_of(shape: InputShape) -> str:
    """What examples of this shape are called: "images", "texts" or "trees"."""
    return {Words: "texts", Trees: "trees"}.get(type(shape), "images")
