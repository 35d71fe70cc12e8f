"""From a finished run to its report: gathers the facts that the report shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from convoscope.data.dataset import Dataset
from convoscope.runs.report import HardImage, ReportFacts, write
from convoscope.runs.store import Run
from convoscope.train.events import EpochEnded, Event, Finding, Started, Step
from convoscope.train.metrics import Evaluation, wilson_interval

_N_HARDEST = 24
_MOST_TEMPLATES = 64  # rows of a fully connected first layer that are shown as images


def hardest(evaluation: Evaluation, part: Dataset, n: int) -> list[dict[str, Any]]:
    """The `n` images of greatest loss as JSON: where they are, the truth, what was said, and how surely."""
    names = evaluation.class_names
    return [
        {
            "image": _name(part, int(i), evaluation.split),
            "truth": names[int(evaluation.labels[i])],
            "predicted": names[int(evaluation.predicted[i])],
            "probability": float(evaluation.probabilities[i].max()),
            "loss": float(evaluation.losses[i]),
        }
        for i in evaluation.hardest(n)
    ]


def write_report(run: Run, evaluation: Evaluation, part: Dataset, model: nn.Module) -> Path:
    """Writes the run's report; returns the path of its page.

    Raises:
        StorageError: the disk refused.
    """
    events = run.events()
    right = int((evaluation.predicted == evaluation.labels).sum())
    filters, filters_name = first_filters(model, part.shape)
    facts = ReportFacts(
        title=run.name,
        summary=_headlines(run, events),
        recipe=run.recipe().to_dict(),
        provenance=run.card("provenance"),
        class_names=evaluation.class_names,
        steps=_columns([event for event in events if isinstance(event, Step)], ("step", "loss", "accuracy", "lr")),
        epochs=_columns(
            [event for event in events if isinstance(event, EpochEnded)],
            ("step", "epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy"),
        ),
        evaluated_on=evaluation.split,
        accuracy=evaluation.accuracy,
        loss=evaluation.loss,
        n_images=evaluation.n,
        majority_accuracy=evaluation.majority_accuracy,
        accuracy_interval=wilson_interval(right, evaluation.n),
        confusion=evaluation.confusion,
        per_class=evaluation.per_class(),
        hardest=[_hard_image(evaluation, part, int(i)) for i in evaluation.hardest(_N_HARDEST)],
        filters=filters,
        filters_name=filters_name,
        findings=[
            {"name": event.name, "message": event.message, "hint": event.hint}
            for event in events
            if isinstance(event, Finding)
        ],
    )
    return write(run.folder / "report", facts)


def first_filters(model: nn.Module, shape: tuple[int, int, int]) -> tuple[NDArray[np.float32] | None, str]:
    """The first layer's weights as small images, float32 (D, C, kh, kw), and its name.

    A convolution's kernels, or the rows of a fully connected layer that reads the pixels, at most 64. None where the
    first layer is neither.
    """
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d):
            return layer.weight.detach().float().cpu().contiguous().numpy(), name
        if isinstance(layer, nn.Linear):
            C, H, W = shape
            if layer.in_features != C * H * W:
                return None, ""
            rows = layer.weight.detach()[:_MOST_TEMPLATES].float().cpu().contiguous().numpy()
            return rows.reshape(-1, C, H, W), name
    return None, ""


def _hard_image(evaluation: Evaluation, part: Dataset, i: int) -> HardImage:
    truth, predicted = int(evaluation.labels[i]), int(evaluation.predicted[i])
    return HardImage(
        image=part.images[i],
        name=_name(part, i, evaluation.split),
        truth=truth,
        predicted=predicted,
        probability=float(evaluation.probabilities[i, predicted]),
        truth_probability=float(evaluation.probabilities[i, truth]),
        loss=float(evaluation.losses[i]),
    )


def _name(part: Dataset, i: int, split: str) -> str:
    """What an image is called: its file, or its split and number."""
    return part.names[i] if part.names else f"{split} {i}"


def _headlines(run: Run, events: list[Event]) -> dict[str, str]:
    recipe, data = run.recipe(), run.card("data")
    started = [event for event in events if isinstance(event, Started)][-1]
    steps = [event for event in events if isinstance(event, Step)]
    return {
        "model": recipe.model,
        "data": str(data["source"]),
        "parameters": f"{started.n_parameters:,}",
        "training images": f"{started.n_train:,}",
        "epochs": f"{recipe.epochs}",
        "steps": f"{steps[-1].step:,}" if steps else "0",
        "training time": f"{steps[-1].seconds:.1f} s" if steps else "0 s",
    }


def _columns(events: list[Any], names: tuple[str, ...]) -> dict[str, list[float]]:
    """One list of numbers per field; what was not measured is NaN."""
    return {
        name: [float("nan") if (value := getattr(event, name)) is None else float(value) for event in events]
        for name in names
    }
