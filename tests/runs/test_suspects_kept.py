"""Doubts about labels: their margins, their order, and how they are kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from convoscope.errors import RunError
from convoscope.runs.store import Run
from convoscope.runs.suspects import MOST_KEPT, Doubt, Doubts, gravest, margins, read_doubts, write_doubts


def doubt(split: str, index: int, margin: float) -> Doubt:
    return Doubt(split, index, f"{split} {index}", "pear", "apple", margin, 0.5)


def test_a_margin_is_the_label_less_the_best_other() -> None:
    beliefs = np.array([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1], [0.4, 0.4, 0.2], [0.0, 0.0, 1.0]], np.float32)
    margin, suggested = margins(beliefs, np.array([0, 1, 0, 0]))
    assert margin == pytest.approx([0.5, -0.5, 0, -1])
    assert suggested.tolist() == [1, 0, 1, 2]
    assert beliefs[0, 0] == np.float32(0.7)  # what was given stays as it is


def test_training_and_others_take_turns_each_with_its_gravest_first() -> None:
    train = [doubt("train", i, -0.1 - 0.01 * i) for i in range(10)]
    others = [doubt("test", i, -0.9) for i in range(50)] + [doubt("validation", 7, -1.0)]
    order = gravest([*others, *train])
    assert [one.split for one in order[:5]].count("train") == 3
    assert [one.split for one in order[:15]].count("train") == 9
    assert [one.index for one in order if one.split == "train"] == list(range(9, -1, -1))
    rest = [one for one in order if one.split != "train"]
    assert rest == [others[-1], *others[:-1]]
    assert [one.split for one in gravest(others)] == [one.split for one in rest]


def test_the_first_of_very_many_are_kept() -> None:
    assert len(gravest([doubt("test", i, -i / 1000) for i in range(1000)])) == MOST_KEPT
    assert gravest([]) == ()


def test_they_are_read_as_they_were_written(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert read_doubts(run) is None
    kept = Doubts((doubt("train", 3, -0.25),), 1, {"train": 10}, (5, 9), False, ("Something was left out.",))
    write_doubts(run, kept)
    assert read_doubts(run) == kept
    card = json.loads((tmp_path / "suspects.json").read_text())
    assert card["suspects"][0]["suggested"] == "apple"


@pytest.mark.parametrize("content", ["{}", "[]", '{"suspects": 3}', '{"suspects": [{}], "n_doubted": 1}', "no JSON"])
def test_damage_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "suspects.json").write_text(content)
    with pytest.raises(RunError, match=r"suspects\.json|list of labels"):
        read_doubts(Run(tmp_path))
