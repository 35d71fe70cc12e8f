"""Texts as binary trees: brackets to levels of nodes, as `Trees` has them.

Two forms are read. Plain: a bracket holds two parts, each a word or a bracket, as in ((not good) (at all)); a bracket
with one word is that word. Labelled, as in the Stanford Sentiment Treebank (Socher et al. 2013): each bracket begins
with a whole number that is passed over, then one word or two brackets, as in (3 (2 It) (4 works)).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Levels: TypeAlias = list[list[str | None]]
"""A tree's nodes, the root's level first, each from left to right: the word of a leaf, None for an inner node."""

_Part: TypeAlias = "str | list[_Part]"
_PIECE = re.compile(r"[()]|[^\s()]+")
_SHOWN = 40  # characters of a bracket that an error quotes


class TreeError(Exception):
    """Why a text is no binary tree, in a clause; inside the data room only."""


def is_bracketed(text: str) -> bool:
    """Whether a text begins as a tree does."""
    return text.lstrip().startswith("(")


def parse(text: str) -> list[_Part]:
    """The parts within the one bracket that a text is.

    Raises:
        TreeError: brackets do not pair, or there is more than one bracket, or none.
    """
    open_ones: list[list[_Part]] = [[]]
    for piece in _PIECE.findall(text):
        if piece == "(":
            open_ones.append([])
        elif piece == ")":
            if len(open_ones) == 1:
                raise TreeError("it closes a bracket that was not opened")
            done = open_ones.pop()
            open_ones[-1].append(done)
        else:
            open_ones[-1].append(piece)
    if len(open_ones) > 1:
        n = len(open_ones) - 1
        raise TreeError(f"{n} bracket{'s are' if n > 1 else ' is'} not closed")
    top = open_ones[0]
    if len(top) != 1 or isinstance(top[0], str):
        raise TreeError("it is not one bracket around all of its words, like ((not good) (at all))")
    return top[0]


def is_labelled(tree: list[_Part]) -> bool:
    """Whether each bracket begins with a whole number and goes on with one word or two brackets."""
    waiting = [tree]
    while waiting:
        label, *rest = waiting.pop() or [""]
        inner = [part for part in rest if not isinstance(part, str)]
        if not isinstance(label, str) or not label.isdecimal() or (len(rest), len(inner)) not in ((1, 0), (2, 2)):
            return False
        waiting += inner
    return True


def levels_of(tree: list[_Part], *, labelled: bool) -> Levels:
    """The nodes of a tree by level.

    Raises:
        TreeError: a bracket that is neither a word nor two parts.
    """
    levels: Levels = []
    row: list[_Part] = [tree]
    while row:
        words: list[str | None] = []
        below: list[_Part] = []
        for part in row:
            inside = [part] if isinstance(part, str) else part[1:] if labelled else part
            if len(inside) == 1 and isinstance(inside[0], str):
                words.append(inside[0].lower())
            elif len(inside) == 2:
                words.append(None)
                below += inside
            else:
                raise TreeError(
                    f"the bracket {_written(part)} has {len(inside)} part{'' if len(inside) == 1 else 's'}; a node of "
                    "a binary tree has 2, or is a word"
                )
        levels.append(words)
        row = below
    return levels


def encode(levels: Levels, number: Callable[[str], int]) -> NDArray[np.int32]:
    """A tree as int32 (n_levels, width, 3), its root on the last level: (word, left, right) as `Trees` says."""
    found = np.zeros((len(levels), max(map(len, levels)), 3), np.int32)
    for rows, words in zip(found[::-1], levels, strict=True):
        n_inner = 0
        for row, word in zip(rows, words, strict=False):
            if word is None:  # the children of inner nodes lie below in the order of their parents, two by two
                row[1:] = 2 * n_inner + 1, 2 * n_inner + 2
                n_inner += 1
            else:
                row[0] = number(word)
    return found


def stacked(trees: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    """Trees of several sizes as one array (N, n_levels, width, 3), padded before the first level and after each row."""
    n_levels = max((len(tree) for tree in trees), default=1)
    width = max((tree.shape[1] for tree in trees), default=1)
    found = np.zeros((len(trees), n_levels, width, 3), np.int32)
    for room, tree in zip(found, trees, strict=True):
        room[n_levels - len(tree) :, : tree.shape[1]] = tree
    return found


def leaves(tree: NDArray[np.int32]) -> list[tuple[int, int]]:
    """(level, place) of each leaf of one tree (n_levels, width, 3), in reading order."""
    found: list[tuple[int, int]] = []
    waiting = [(len(tree) - 1, 0)]
    while waiting:
        level, place = waiting.pop()
        word, left, right = (int(number) for number in tree[level, place])
        if word:
            found.append((level, place))
        else:
            waiting += [(level - 1, right - 1), (level - 1, left - 1)]
    return found


def _written(part: _Part) -> str:
    """A bracket as it was written, its spaces evened out; the beginning of a long one."""
    pieces: list[str] = []
    waiting: list[_Part | None] = [part]
    while waiting and sum(map(len, pieces)) < _SHOWN:
        one = waiting.pop()
        if one is None or isinstance(one, str):
            pieces.append(one if one is not None else ")")
        else:
            pieces.append("(")
            waiting += [None, *reversed(one)]
    text = " ".join(pieces).replace("( ", "(").replace(" )", ")")
    return text if len(text) <= _SHOWN else text[:_SHOWN] + " ..."
