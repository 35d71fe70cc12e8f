"""From a finished run to its report: gathers the facts that the report shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from convoscope.data.dataset import Dataset, Examples, Splits
from convoscope.data.normalise import Normalisation
from convoscope.data.text import Texts
from convoscope.models.knn import neighbours_of
from convoscope.runs.disk import read_json
from convoscope.runs.judgement import Judgement
from convoscope.runs.limits import limits_of
from convoscope.runs.report import HardImage, Named, PartFacts, ReportFacts, Suspect, write
from convoscope.runs.store import Run
from convoscope.runs.voters import Voted, voted
from convoscope.train.events import EpochEnded, Event, Finding, Started, Step
from convoscope.train.metrics import Evaluation

_N_HARDEST = 24
_N_VOTED = 6
_MOST_CHARACTERS = 1200  # of a text that is shown among the hardest
_MOST_TEMPLATES = 64  # rows of a fully connected first layer that are shown as images


def hardest(evaluation: Evaluation, part: Examples, n: int) -> list[dict[str, Any]]:
    """The `n` images or texts of greatest loss as JSON: where they are, the truth, what was said, and how surely."""
    names = evaluation.class_names
    return [
        {
            "image": _name(part, int(i), evaluation.split),
            "truth": names[int(evaluation.labels[i])],
            "predicted": names[int(evaluation.predicted[i])],
            "probability": float(evaluation.probabilities[i].max()),
            "loss": float(evaluation.losses[i]),
            **({"text": _beginning(part.originals[int(i)])} if isinstance(part, Texts) else {}),
        }
        for i in evaluation.hardest(n)
    ]


def write_report(
    run: Run, judged: Judgement, part: Examples, splits: Splits, model: nn.Module,
    *, suspects: tuple[Suspect, ...] = (),
) -> Path:  # fmt: skip
    """Writes the run's report; returns the path of its page.

    Args:
        run: The run.
        judged: How its network was judged.
        part: The examples it was judged on.
        splits: The data it learnt from.
        model: Its network.
        suspects: Labels to look at again, the most suspicious first.

    Raises:
        StorageError: the disk refused.
    """
    evaluation, events = judged.evaluation, run.events()
    filters, filters_name = first_filters(model, part.shape) if isinstance(part, Dataset) else (None, "")
    found = [event for event in events if isinstance(event, Finding)]
    left_out, n_trained = _left_out(run), tuple(splits.train.class_counts().tolist())
    patience = run.recipe().patience
    facts = ReportFacts(
        title=run.name,
        summary=_headlines(run, events, part.kind),
        recipe=run.recipe().to_dict(),
        provenance=run.card("provenance"),
        class_names=evaluation.class_names,
        steps=_columns([event for event in events if isinstance(event, Step)], ("step", "loss", "accuracy", "lr")),
        epochs=_columns(
            [event for event in events if isinstance(event, EpochEnded)],
            ("step", "epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy"),
        ),
        hardest=[_hard_image(evaluation, part, int(i)) for i in evaluation.hardest(_N_HARDEST)],
        filters=filters,
        filters_name=filters_name,
        findings=[{"name": one.name, "message": one.message, "hint": one.hint} for one in found],
        of_texts=isinstance(part, Texts),
        voters=_voters(run, evaluation, part, model),
        suspects=suspects,
        parts=_parts(run, splits),
        n_trained=n_trained,
        left_out=left_out,
        limits=tuple(limits_of(judged, n_trained, found, patience=patience, n_left_out=len(left_out))),
        **_figures(judged),
    )
    return write(run.folder / "report", facts)


def _figures(judged: Judgement) -> dict[str, Any]:
    """The fields of a report's facts that say how good the network is."""
    evaluation, calibration, spread = judged.evaluation, judged.calibration, judged.evaluation.intervals
    reliability, calibrated = evaluation.reliability(), evaluation.reliability(calibration.temperature)
    more = [
        Named("balanced_accuracy", evaluation.balanced_accuracy, spread.balanced_accuracy),
        Named("macro_f1", evaluation.macro_f1, spread.macro_f1),
        *([] if evaluation.top_accuracy is None else [Named("top_5", evaluation.top_accuracy)]),
        Named("calibration_error", reliability.error),
        *([Named("calibrated_error", calibrated.error)] if calibration.temperature != 1 else []),
    ]
    return {
        "evaluated_on": evaluation.split,
        "accuracy": evaluation.accuracy,
        "loss": evaluation.loss,
        "n_images": evaluation.n,
        "majority_accuracy": evaluation.majority_accuracy,
        "accuracy_interval": evaluation.accuracy_interval,
        "confusion": evaluation.confusion,
        "per_class": evaluation.per_class(),
        "more_figures": tuple(more),
        "baselines": judged.baselines,
        "pairs": tuple(evaluation.pairs()),
        "reliability": reliability,
        "calibrated": calibrated,
        "calibration": calibration,
    }


def _parts(run: Run, splits: Splits) -> tuple[PartFacts, ...]:
    """The parts that have examples, each with how it came to be."""
    recipe, own = run.recipe(), splits.train.source
    seed = {"seed": str(recipe.seed)}
    group = {"group": recipe.group or ""}
    rows = []
    for name, part in splits.parts().items():
        if not len(part):
            continue
        share = {"share": f"{100 * getattr(recipe, name, 0):.3g} %", **seed}
        fold = {"fold": str(recipe.fold), "folds": str(recipe.folds), **seed}
        # What files hold names a part that was cut last, as "fold 1 of 5" or "test part, held out"; a part cut of other
        # data has the name of those that it was cut from.
        called = part.source.rsplit(", ", 1)[-1]
        if name == "validation" and recipe.folds and (called.startswith("fold ") or part.source == own):
            how, values = ("how_group_fold", fold | group) if recipe.group else ("how_fold", fold)
        elif name != "train" and (called.endswith("held out") or part.source == own):
            how, values = ("how_group", share | group) if recipe.group else ("how_share", share)
        else:
            how, values = "how_own", {}
        rows.append(PartFacts(name, len(part), int((part.class_counts() > 0).sum()), how, values))
    if rows and rows[0].name == "train" and any(row.how != "how_own" for row in rows[1:]):
        rows[0] = replace(rows[0], how="how_rest")
    return tuple(rows)


def _left_out(run: Run) -> tuple[tuple[str, str], ...]:
    """The files that could not be read, each with the reason; nothing where none were put in quarantine."""
    path = run.folder / "quarantine.json"
    found = read_json(path, "The quarantine of the run") if path.exists() else []
    rows = found.get("files", []) if isinstance(found, dict) else found
    return tuple((str(row.get("path")), str(row.get("reason"))) for row in rows if isinstance(row, dict))


def _voters(run: Run, evaluation: Evaluation, part: Examples, model: nn.Module) -> tuple[Voted, ...]:
    """Who voted on the hardest images, where the network is its training images."""
    if not isinstance(part, Dataset) or neighbours_of(model) is None:
        return ()
    normalisation = Normalisation.from_dict(run.card("data", "normalisation")["normalisation"])
    index = np.asarray(evaluation.hardest(_N_VOTED), np.int64)
    names = [_name(part, int(i), evaluation.split) for i in index]
    return tuple(voted(model, part, normalisation, index, names, np.asarray(evaluation.predicted)[index]))


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


def _hard_image(evaluation: Evaluation, part: Examples, i: int) -> HardImage:
    truth, predicted = int(evaluation.labels[i]), int(evaluation.predicted[i])
    return HardImage(
        image=part.images[i] if isinstance(part, Dataset) else np.zeros((0, 0, 0), np.uint8),
        name=_name(part, i, evaluation.split),
        truth=truth,
        predicted=predicted,
        probability=float(evaluation.probabilities[i, predicted]),
        truth_probability=float(evaluation.probabilities[i, truth]),
        loss=float(evaluation.losses[i]),
        text=_beginning(part.originals[i]) if isinstance(part, Texts) else "",
    )


def _beginning(text: str) -> str:
    """As much of a text as a table or a card shows."""
    line = " ".join(text.split())
    return line if len(line) <= _MOST_CHARACTERS else f"{line[:_MOST_CHARACTERS]} ..."


def _name(part: Examples, i: int, split: str) -> str:
    """What an example is called: its file or row, or its split and number."""
    return part.names[i] if part.names else f"{split} {i}"


def _headlines(run: Run, events: list[Event], kind: str) -> dict[str, str]:
    recipe, data = run.recipe(), run.card("data")
    started = [event for event in events if isinstance(event, Started)][-1]
    steps = [event for event in events if isinstance(event, Step)]
    return {
        "model": recipe.model,
        "data": str(data["source"]),
        "parameters": f"{started.n_parameters:,}",
        f"training {'images' if kind == 'images' else 'texts'}": f"{started.n_train:,}",
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
