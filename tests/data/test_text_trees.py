"""Texts as binary trees: both forms of brackets, their levels, and a clause for each that is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from convoscope import data as data_room
from convoscope.data import TextPolicy, Texts, trees
from convoscope.data.normalise import Normalisation
from convoscope.errors import DataError
from convoscope.shape import Trees
from convoscope.train.feed import Feed


def rebuilt(tree: np.ndarray, words: list[str], at: tuple[int, int] | None = None) -> object:
    """The nested pairs that a tree's numbers stand for; words are numbered from 2."""
    level, place = at or (len(tree) - 1, 0)
    word, left, right = tree[level, place]
    if word:
        return words[word - 2]
    below = level - 1
    return rebuilt(tree, words, (below, left - 1)), rebuilt(tree, words, (below, right - 1))


def encoded(text: str, *, labelled: bool = False) -> tuple[np.ndarray, list[str]]:
    words: list[str] = []

    def number(word: str) -> int:
        words.append(word)
        return len(words) + 1

    return trees.encode(trees.levels_of(trees.parse(text), labelled=labelled), number), words


@pytest.mark.parametrize(
    ("text", "labelled", "nested"),
    [
        ("((Not good) (at all))", False, (("not", "good"), ("at", "all"))),
        ("(a (b (c d)))", False, ("a", ("b", ("c", "d")))),
        ("(((a b) c) (d e))", False, ((("a", "b"), "c"), ("d", "e"))),
        ("(good)", False, "good"),
        ("(3 (2 It) (4 (2 works) (2 .)))", True, ("it", ("works", "."))),
        ("(2 3)", False, ("2", "3")),
    ],
)
def test_brackets_to_levels_and_back(text: str, labelled: bool, nested: object) -> None:
    tree, words = encoded(text, labelled=labelled)
    assert rebuilt(tree, words) == nested
    assert [words[tree[at][0] - 2] for at in trees.leaves(tree)] == str(nested).replace("'", " ").replace(
        ",", " "
    ).replace("(", " ").replace(")", " ").split()


def test_a_deep_tree_needs_no_recursion() -> None:
    n = 3000
    tree, _ = encoded("(a " * n + "b" + ")" * n)
    assert tree.shape == (n + 1, 2, 3)
    assert len(trees.leaves(tree)) == n + 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("((a b)", "1 bracket is not closed"),
        ("(a b))", "closes a bracket that was not opened"),
        ("(a b) (c d)", "not one bracket around all"),
        ("(a b c)", r"the bracket \(a b c\) has 3 parts"),
        ("((a b))", r"has 1 part; a node"),
        ("(a ())", r"the bracket \(\) has 0 parts"),
    ],
)
def test_what_is_no_tree(text: str, said: str) -> None:
    with pytest.raises(trees.TreeError, match=said):
        encoded(text)


def source(tmp_path: Path, *texts: str) -> Path:
    path = tmp_path / "trees.csv"
    path.write_text("text,label\n" + "".join(f'"{text}",{i % 2}\n' for i, text in enumerate(texts)))
    return path


def test_a_source_of_brackets_is_trees_and_batches_are_trimmed(tmp_path: Path) -> None:
    path = source(tmp_path, "((not good) (at all))", "(so good)", "(a (b (c (d good))))", "(all)")
    assert data_room.kind_of_data(str(path)) == "trees"
    found = data_room.open_data(path, validation=0.0)
    train, policy = found.splits.train, found.policy
    assert isinstance(train, Texts)
    assert isinstance(policy, TextPolicy)
    assert train.shape == Trees(5, 4, policy.vocabulary.n_words)
    assert train.extents.tolist() == [[3, 4], [2, 2], [5, 2], [1, 1]]
    feed = Feed(train, Normalisation("none", (0.0,), (1.0,)), torch.device("cpu"))
    x, _ = feed.batch(torch.tensor([1, 0]), 0)
    assert x.shape == (2, 3, 4, 3)
    assert x[0, 2, 0].tolist() == [0, 1, 2]
    assert (x[0, 0] == 0).all()  # the smaller tree begins a level later
    words = policy.words("(so (unheard all))")
    assert [(word.word, word.is_known, word.at) for word in words] == [
        ("so", True, (1, 0, 0)), ("unheard", False, (0, 0, 0)), ("all", True, (0, 1, 0)),
    ]  # fmt: skip
    again = TextPolicy.from_dict(policy.to_dict(), policy.vocabulary.words)
    assert np.array_equal(again.read("(so good)"), policy.read("(so good)"))
    with pytest.raises(DataError, match="cannot be read as a binary tree"):
        policy.read("so good")


def test_labelled_brackets_hold_for_a_source_as_a_whole(tmp_path: Path) -> None:
    policy = data_room.open_data(
        source(tmp_path, "(3 (2 it) (4 works))", "(1 (2 it) (0 fails))"), validation=0.0
    ).policy
    assert isinstance(policy, TextPolicy)
    assert policy.vocabulary.words == ("it", "fails", "works")
    assert np.array_equal(policy.read("(it works)"), policy.read("(2 (2 it) (2 works))"))


def test_a_broken_tree_is_named_by_its_row(tmp_path: Path) -> None:
    path = source(tmp_path, "(a b)", "(c d)", "(a b", "(a b c)")
    with pytest.raises(DataError, match=r"row 4: 1 bracket is not closed; row 5: the bracket \(a b c\) has 3 parts"):
        data_room.open_data(path, validation=0.0)
    assert len(data_room.open_data(path, validation=0.0, broken="quarantine").splits.train) == 2


def test_texts_that_only_sometimes_begin_with_a_bracket_are_words(tmp_path: Path) -> None:
    path = source(tmp_path, "(well) a b", "c d", "(a b)")
    assert data_room.open_data(path, validation=0.0).splits.train.kind == "texts"
