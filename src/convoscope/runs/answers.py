"""What a network said of each image that it was judged on, kept with the run.

answers.safetensors has labels and predicted, int64 (N); losses, float32 (N); probabilities, float32 (N, K), or, where
these would be more than 20 million, probability, float32 (N), of the predicted class alone; its metadata names the
split.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from convoscope.errors import RunError
from convoscope.runs.disk import write_whole
from convoscope.runs.store import Run
from convoscope.train.metrics import Evaluation

_MOST_PROBABILITIES = 20_000_000  # 80 MB: 20,000 images of 1,000 classes


@dataclass(frozen=True, eq=False)
class Answers:
    """What the final weights of a run say of each image of one split.

    Attributes:
        split: Which part it is: "test", or "validation" where the data have no test part.
        class_names: The classes, in label order.
        labels: The truth, int64 (N).
        predicted: The class of greatest probability, int64 (N).
        losses: The recipe's loss of each image, float32 (N).
        probability: Of the predicted class, 0-1, float32 (N).
    """

    split: str
    class_names: tuple[str, ...]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    losses: NDArray[np.float32]
    probability: NDArray[np.float32]

    @property
    def n(self) -> int:
        """How many images were judged."""
        return len(self.labels)


def write_answers(run: Run, evaluation: Evaluation) -> None:
    """Keeps an evaluation image by image, in `run.answers_path`.

    Raises:
        StorageError: the disk refused.
    """
    arrays: dict[str, NDArray[Any]] = {
        "labels": evaluation.labels.astype(np.int64),
        "predicted": evaluation.predicted,
        "losses": evaluation.losses.astype(np.float32),
    }
    probabilities = evaluation.probabilities.astype(np.float32)
    if probabilities.size <= _MOST_PROBABILITIES:
        arrays["probabilities"] = np.ascontiguousarray(probabilities)
    else:
        arrays["probability"] = probabilities.max(axis=1)
    write_whole(run.answers_path, save(arrays, {"split": evaluation.split}), "The answers")


def read_answers(run: Run) -> Answers:
    """Reads them back.

    Raises:
        RunError: there are none, or they are damaged.
    """
    class_names = tuple(str(name) for name in run.card("data", "class_names")["class_names"])
    try:
        with safe_open(run.answers_path, framework="np") as file:
            there = set(file.keys())
            split = str((file.metadata() or {})["split"])
            labels, predicted = file.get_tensor("labels"), file.get_tensor("predicted")
            losses = file.get_tensor("losses")
            if "probabilities" in there:
                probability = np.take_along_axis(file.get_tensor("probabilities"), predicted[:, None], axis=1)[:, 0]
            else:
                probability = file.get_tensor("probability")
    except FileNotFoundError:
        raise RunError(f"The run {run.name} has no answers kept.") from None
    except (OSError, SafetensorError, KeyError, IndexError, ValueError) as error:
        raise RunError(f"The answers {run.answers_path} are damaged: {error}.") from None
    answers = Answers(split, class_names, labels, predicted, losses, probability)
    _check(run, answers)
    return answers


def _check(run: Run, answers: Answers) -> None:
    classes = (answers.labels, answers.predicted)
    columns = (*classes, answers.losses, answers.probability)
    fits = all(column.shape == (answers.n,) for column in columns) and answers.n > 0
    if not fits or any(column.min() < 0 or column.max() >= len(answers.class_names) for column in classes):
        raise RunError(f"The answers {run.answers_path} are damaged: they do not fit the run's classes.")
