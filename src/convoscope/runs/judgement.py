"""A judgement whole: the figures on one part, how sure the network may be, and what simpler ways come to."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

from torch import nn

from convoscope.data.dataset import Examples, Splits
from convoscope.models.knn import neighbours_of
from convoscope.runs.baseline import Baseline, majority, nearest
from convoscope.train.events import Finding
from convoscope.train.metrics import Evaluation
from convoscope.train.temperature import Calibration

_CALLED = {
    "majority": "always naming {class_name}, the most frequent class of training",
    "knn": "{k} nearest neighbours in pixels",
}
_TRY = {
    "majority": "Look at the curves: a lower learning rate or more epochs may help; so may --balance sampling.",
    "knn": "Train longer, choose a larger model or turn on augmentation; look for wrong labels and twins in the data.",
}


@dataclass(frozen=True, eq=False)
class Judgement:
    """What is known of how good a network is.

    Attributes:
        evaluation: Its answers on one labelled part.
        calibration: The temperature that its probabilities are told with.
        baselines: What is compared with it on the same examples.
    """

    evaluation: Evaluation
    calibration: Calibration
    baselines: tuple[Baseline, ...]

    def summary(self) -> dict[str, Any]:
        """All figures as a JSON object: those of the evaluation, `calibration` and `compared`.

        In `calibration`, `calibration_error` and `reliability` are those of the judged examples at its temperature;
        the ones beside it are of the network's own probabilities.
        """
        after = self.evaluation.reliability(self.calibration.temperature)
        error = after.error if isfinite(after.error) else None
        told = {"calibration_error": error, "reliability": after.rows()}
        return {
            **self.evaluation.summary(),
            "calibration": {**self.calibration.to_dict(), **told},
            "compared": [baseline.to_dict() for baseline in self.baselines],
        }

    def findings(self, step: int | None = None) -> list[Finding]:
        """A finding for each simple way that the network is not clearly better than."""
        found = []
        for one in self.baselines:
            if one.difference_95_low > 0:
                continue
            called = _CALLED[one.name].format(class_name=repr(one.class_name), k=one.k)
            how = "no better than" if one.difference <= 0 else "not clearly better than"
            message = (
                f"The network is {how} {called}: {one.network_accuracy:.1%} against {one.accuracy:.1%} on {one.n:,} "
                f"{self.evaluation.split} examples (difference {100 * one.difference:+.1f} points, 95 %: "
                f"{100 * one.difference_95_low:+.1f} to {100 * one.difference_95_high:+.1f})."
            )
            level = "warning" if one.difference <= 0 else "note"
            found.append(Finding(f"not-better-than-{one.name}", level, message, _TRY[one.name], step))
        return found


def judgement(
    evaluation: Evaluation, part: Examples, splits: Splits, model: nn.Module, calibration: Calibration,
    *, device: str = "cpu",
) -> Judgement:  # fmt: skip
    """The judgement of a network on `part`, whose answers there are `evaluation`.

    Args:
        evaluation: The answers.
        part: What they were given on.
        splits: The data that the network learnt from.
        model: The network; one that is its training images is not compared with their neighbours, and on the training
            images none is: each is its own nearest.
        calibration: See `Judgement`.
        device: Where neighbours are searched.
    """
    beside = [majority(evaluation, splits.train)]
    if neighbours_of(model) is None and part is not splits.train:
        choosing = None if part is splits.validation else splits.validation
        beside.append(nearest(evaluation, part, splits.train, choosing, device=device))
    return Judgement(evaluation, calibration, tuple(one for one in beside if one is not None))
