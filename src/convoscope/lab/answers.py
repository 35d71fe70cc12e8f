"""A run's answers image by image: which images a cell of the confusion matrix holds, and which were hardest."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from convoscope.errors import DataError, InputError, RunError, StorageError
from convoscope.lab.trainee import Trainee, open_run
from convoscope.runs import store
from convoscope.runs.answers import Answers, read_answers, write_answers
from convoscope.train.evaluate import evaluate
from convoscope.train.gradient import workers
from convoscope.train.metrics import Evaluation

Order: TypeAlias = Literal["loss", "index", "confidence"]

_judging = threading.Lock()  # two who ask at once have a run judged once


@dataclass(frozen=True)
class Answer:
    """What a run says of one image.

    Attributes:
        index: The image's number in its split.
        truth: The index of its class.
        predicted: The index of the class of greatest probability.
        probability: Of that class, 0-1.
        loss: The recipe's loss.
    """

    index: int
    truth: int
    predicted: int
    probability: float
    loss: float


def answers(name: str, *, runs: Path) -> Answers:
    """What a finished run's final weights say of each image of its test part, else of its validation part.

    They are kept with the run since its end; a run without them is judged now, and they are kept then.

    Raises:
        RunError: no such run, or it has no final weights.
        DataError: the data are gone, not those the run was trained on, or have neither part.
    """
    run = store.find(runs, name)
    with contextlib.suppress(RunError):
        return read_answers(run)
    with _judging:
        with contextlib.suppress(RunError):  # another has judged it meanwhile
            return read_answers(run)
        judged = _judged(open_run(str(run.folder), runs=runs))
        with contextlib.suppress(StorageError):  # a read-only run can be looked at all the same
            write_answers(run, judged)
    return Answers(
        judged.split, judged.class_names, judged.labels, judged.predicted, judged.losses,
        judged.probabilities.max(axis=1),
    )  # fmt: skip


def pick(
    answers: Answers, *, truth: int | None = None, predicted: int | None = None, wrong: bool = False,
    order: Order = "loss", offset: int = 0, limit: int = 100,
) -> list[Answer]:  # fmt: skip
    """Some of the answers, in order.

    Args:
        answers: Of which run.
        truth: Only images of this class (its index).
        predicted: Only images that were taken for this class.
        wrong: Only images that were taken for another class than their own.
        order: "loss" and "confidence" begin with the greatest, "index" with the first image; equals in their own order.
        offset: How many to pass over.
        limit: How many to give at most.

    Raises:
        InputError: no such order, or a count below 0.
    """
    if order not in get_args(Order) or offset < 0 or limit < 0:
        raise InputError(
            f"Answers were asked by {order!r}, {limit} from {offset} on; they come by {', '.join(get_args(Order))}, "
            "and both counts are at least 0."
        )
    found = _matching(answers, truth, predicted, wrong)
    if order != "index":
        key = answers.losses if order == "loss" else answers.probability
        found = found[np.argsort(-key[found], kind="stable")]
    return [
        Answer(
            int(i), int(answers.labels[i]), int(answers.predicted[i]), float(answers.probability[i]),
            float(answers.losses[i]),
        )
        for i in found[offset : offset + limit]
    ]  # fmt: skip


def count(answers: Answers, *, truth: int | None = None, predicted: int | None = None, wrong: bool = False) -> int:
    """How many answers there are to pick from, the arguments being those of `pick`."""
    return len(_matching(answers, truth, predicted, wrong))


def _matching(answers: Answers, truth: int | None, predicted: int | None, wrong: bool) -> NDArray[np.int64]:
    """Indices (M,), ascending."""
    chosen = np.ones(answers.n, bool)
    if truth is not None:
        chosen &= answers.labels == truth
    if predicted is not None:
        chosen &= answers.predicted == predicted
    if wrong:
        chosen &= answers.labels != answers.predicted
    return np.flatnonzero(chosen)


def _judged(trainee: Trainee) -> Evaluation:
    recipe, run = trainee.recipe, trainee.run
    opened = trainee.opened()
    if opened.fingerprint != run.card("provenance", "data_fingerprint")["data_fingerprint"]:
        raise DataError(
            f"The {opened.splits.train.kind} in {recipe.data} are not those the run {run.name} was trained on: their "
            "fingerprint differs.",
            hint="Bring the same data back.",
        )
    splits = opened.splits
    parts = {"test": splits.test, "validation": splits.validation}
    split, part = next(((name, part) for name, part in parts.items() if part is not None and len(part)), ("", None))
    if part is None:
        raise DataError(f"{recipe.data} has no test part and no validation part to judge {run.name} on.")
    feed = trainee.feed(part)
    with workers(trainee.plan) as crew:
        return evaluate(
            trainee.model, feed, recipe, trainee.machine, trainee.plan, crew, class_names=part.class_names, split=split
        )
