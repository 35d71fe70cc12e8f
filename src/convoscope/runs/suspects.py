"""Labels to look at again: how far a network, over its training, disagreed with each, kept in suspects.json.

A network learns what most of its images have in common first and single wrong labels last, so an image whose label is
wrong lies on the wrong side for much of the training even where the network knows it by heart in the end. The mean of
the label's margin over checkpoints tells them apart (Pleiss, Zhang, Elenberg, Weinberger: Identifying mislabeled data
using the area under the margin ranking, NeurIPS 2020). Images that were not trained on are judged by the final weights.
To both the votes of the nearest other images are added, nearness being that of what the last layer is given (Zhu, Dong,
Liu: Detecting corrupted labels without training a model to predict, ICML 2022): they tell a label that is odd from a
network that is weak. Network and neighbours count as far as they agree with the labels at large.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convoscope.runs.disk import read_json, write_json
from convoscope.runs.store import Run

MOST_KEPT = 200
_FILE = "suspects.json"
_PARTS = ("train", "validation", "test")
_LEAST_WEIGHT = 0.05
_TRAIN, _OTHERS = 3, 2  # how many of each are listed in turn


@dataclass(frozen=True)
class Doubt:
    """One example whose label should be looked at again.

    Attributes:
        split: The part it is in: "train", "validation" or "test".
        index: Its number there, from 0.
        name: What it is called: a file's path, a row, or its part and number.
        label: The class that it is given as.
        suggested: The class that most speaks for.
        margin: What speaks for the label less what speaks for `suggested`, -1 to 1; below 0 it speaks against it.
        probability: What speaks for `suggested`, 0-1.
    """

    split: str
    index: int
    name: str
    label: str
    suggested: str
    margin: float
    probability: float


@dataclass(frozen=True)
class Doubts:
    """All doubts of a run, the gravest first.

    Attributes:
        doubts: At most `MOST_KEPT`.
        n_doubted: How many examples stand in doubt, those left out among them.
        n_judged: How many examples of each part were judged.
        steps: Of the checkpoints that were asked about training examples; then the last, asked about the others.
        whole: Whether all was judged that can be; training examples are left out where a run was too short for it.
        notes: What was not possible, in sentences.
    """

    doubts: tuple[Doubt, ...]
    n_doubted: int
    n_judged: Mapping[str, int]
    steps: tuple[int, ...]
    whole: bool = True
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """The form for JSON."""
        return {
            "n_doubted": self.n_doubted,
            "n_judged": dict(self.n_judged),
            "steps": list(self.steps),
            "whole": self.whole,
            "notes": list(self.notes),
            "suspects": [asdict(doubt) for doubt in self.doubts],
        }


def margins(
    beliefs: NDArray[np.floating[Any]], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """How much more each label is believed than the best other class, (N,) from -1 to 1, and which class that is, (N,).

    Args:
        beliefs: (N, K), each row 0 or more with sum 1; K at least 2.
        labels: (N,).
    """
    rows = np.arange(len(labels))
    others = np.array(beliefs, np.float64)
    own = others[rows, labels]
    others[rows, labels] = -1
    best = np.asarray(others.argmax(axis=1), np.int64)
    return own - others[rows, best], best


def pooled(voices: Sequence[NDArray[np.floating[Any]]], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """The mean of several beliefs (N, K), each weighing as the logarithm of its odds to be of a label's mind.

    Freund and Schapire: A decision-theoretic generalization of on-line learning, 1997, weigh the members of a committee
    so. One that is right less often than wrong hardly counts.

    Args:
        voices: Beliefs, each (N, K) with rows of sum 1.
        labels: (N,).
    """
    weights = []
    for beliefs in voices:
        share = (float((beliefs.argmax(axis=1) == labels).sum()) + 1) / (len(labels) + 2)
        weights.append(max(math.log(share / (1 - share)), _LEAST_WEIGHT))
    total = sum(weight * np.asarray(beliefs, np.float64) for weight, beliefs in zip(weights, voices, strict=True))
    return np.asarray(total / sum(weights), np.float64)


def write_doubts(run: Run, doubts: Doubts) -> None:
    """Keeps them with the run, in suspects.json.

    Raises:
        StorageError: the disk refused.
    """
    write_json(run.folder / _FILE, doubts.to_dict(), "The labels to look at again")


def read_doubts(run: Run) -> Doubts | None:
    """What was kept; None where the run has none.

    Raises:
        RunError: the file is damaged.
    """
    path = run.folder / _FILE
    if not path.exists():
        return None
    card = read_json(path, "The list of labels to look at again")
    try:
        return Doubts(
            tuple(_doubt(row) for row in card["suspects"]),
            int(card["n_doubted"]),
            {str(split): int(n) for split, n in card["n_judged"].items()},
            tuple(int(step) for step in card["steps"]),
            bool(card["whole"]),
            tuple(str(note) for note in card["notes"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise run.garbled("suspects") from None


def _doubt(row: Mapping[str, Any]) -> Doubt:
    return Doubt(
        str(row["split"]), int(row["index"]), str(row["name"]), str(row["label"]), str(row["suggested"]),
        float(row["margin"]), float(row["probability"]),
    )  # fmt: skip


def gravest(doubts: Sequence[Doubt]) -> tuple[Doubt, ...]:
    """The first `MOST_KEPT`: by margin, but three of the training part are followed by two of the others.

    The two are not weighed against each other. What was learnt is hardly ever believed wrongly, so its margins are
    small; what was not learnt is often hard, and its many large ones would hide them.
    """
    order = sorted(doubts, key=lambda one: (one.margin, _PARTS.index(one.split), one.index))
    learnt = [one for one in order if one.split == "train"]
    others = [one for one in order if one.split != "train"]
    place = {id(one): (rank + 0.5) / _TRAIN for rank, one in enumerate(learnt)}
    place |= {id(one): (rank + 0.5) / _OTHERS for rank, one in enumerate(others)}
    return tuple(sorted(order, key=lambda one: place[id(one)])[:MOST_KEPT])
