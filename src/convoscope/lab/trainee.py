"""Asking a trained network: judging it on labelled images, and predicting for image files."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convoscope import data as data_room
from convoscope.data import ImagePolicy
from convoscope.data.normalise import Normalisation
from convoscope.errors import BrokenImage, DataError, RunError
from convoscope.models import build, undrawn
from convoscope.runs import store
from convoscope.runs.store import Run
from convoscope.runs.summary import hardest
from convoscope.train.device import Machine
from convoscope.train.evaluate import evaluate as judge
from convoscope.train.evaluate import logits_of
from convoscope.train.feed import Feed
from convoscope.train.gradient import Plan, workers
from convoscope.train.recipe import Recipe

_PREDICT_BATCH = 256


@dataclasses.dataclass(frozen=True)
class Trainee:
    """A run's network with all that is needed to ask it something."""

    run: Run
    recipe: Recipe
    model: nn.Module
    class_names: tuple[str, ...]
    policy: ImagePolicy
    normalisation: Normalisation
    machine: Machine
    plan: Plan

    def logits(self, images: NDArray[np.uint8]) -> Tensor:
        """float32 (N, K) for uint8 images (N, C, H, W) as `policy` reads them."""
        unlabelled = data_room.Dataset(images, np.zeros(len(images), np.int64), self.class_names, self.run.name)
        feed = Feed(
            unlabelled,
            self.normalisation,
            self.machine.device,
            channels_last=self.plan.memory_format == "channels-last",
        )
        with workers(self.plan) as crew:
            return logits_of(self.model, feed, self.machine, self.plan, crew)


def open_run(name: str, *, runs: Path, step: int | None = None) -> Trainee:
    """A run's network with its final weights, or those of the checkpoint at `step`.

    Raises:
        RunError: no such run, or weights that are missing or damaged.
    """
    run = store.find(runs, name)
    recipe, plan, card = run.recipe(), run.plan(), run.card("data", "class_names", "policy", "normalisation")
    try:
        class_names = tuple(str(name) for name in card["class_names"])
        policy = ImagePolicy.from_dict(card["policy"])
        normalisation = Normalisation.from_dict(card["normalisation"])
    except (DataError, TypeError):
        raise run.garbled("data") from None
    machine = Machine(recipe.device)
    shape = (policy.channels, policy.height, policy.width)
    with undrawn():
        model = build(recipe.model, shape, len(class_names), recipe.model_options)
    try:
        model.load_state_dict(run.load_weights(step))
    except RuntimeError as error:
        raise RunError(
            f"The weights of {run.name} do not fit its model: {str(error).splitlines()[-1].strip()}",
            hint="Restore recipe.json, data.json and the weights from a copy, or train again.",
        ) from None
    model = machine.prepare(model).eval()
    if plan.memory_format == "channels-last":
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Trainee(run, recipe, model, class_names, policy, normalisation, machine, plan)


def evaluate(
    name: str, *, runs: Path, data: str | None = None, split: str = "test", step: int | None = None
) -> dict[str, Any]:
    """Judges a run on a part of its own data ("train", "validation", "test"), or on other data with the same classes.

    Returns:
        The figures of `Evaluation.summary`, with the run, the data, and the ten hardest images.

    Raises:
        RunError: no such run or weights.
        DataError: no such part, or classes that are not the run's.
    """
    trainee = open_run(name, runs=runs, step=step)
    recipe = trainee.recipe
    opened = data_room.open_data(
        data or recipe.data, validation=recipe.validation, seed=recipe.seed, broken=recipe.broken, policy=trainee.policy
    )
    parts = {"train": opened.splits.train, "validation": opened.splits.validation, "test": opened.splits.test}
    if split not in parts:
        raise DataError(f"There is no part {split!r}; the parts are {', '.join(parts)}.")
    part = parts[split]
    if data is not None and part is None:
        # Other data in one piece, with no part of its own to judge on: all of it was meant.
        split = "all"
        part = data_room.open_data(
            data, validation=0.0, seed=recipe.seed, broken=recipe.broken, policy=trainee.policy
        ).splits.train
    if part is None or not len(part):
        raise DataError(f"{data or recipe.data} has no {split} part.", hint="Choose another with --split.")
    if part.class_names != trainee.class_names:
        raise DataError(
            f"The classes of {data or recipe.data} are not those of the run {trainee.run.name}: "
            f"{_few(part.class_names)} against {_few(trainee.class_names)}.",
            hint="Name the class folders as they were named in training.",
        )
    feed = Feed(
        part, trainee.normalisation, trainee.machine.device, channels_last=trainee.plan.memory_format == "channels-last"
    )
    with workers(trainee.plan) as crew:
        judged = judge(
            trainee.model, feed, recipe, trainee.machine, trainee.plan, crew, class_names=part.class_names, split=split
        )
    return {
        "run": str(trainee.run.folder),
        "data": data or recipe.data,
        **judged.summary(),
        "hardest": hardest(judged, part, 10),
    }


def predict(
    name: str, paths: Iterable[str | Path], *, runs: Path, top: int = 3, step: int | None = None
) -> Iterator[dict[str, Any]]:
    """What a run's network says of image files, in order: for each its path, the class, and the `top` probabilities.

    A file that cannot be read keeps its row, with `error` saying why and no class.

    Raises:
        RunError: no such run or weights.
    """
    trainee = open_run(name, runs=runs, step=step)
    waiting: list[tuple[str, Any, str | None]] = []
    for path in paths:
        try:
            waiting.append((str(path), trainee.policy.read(Path(path)), None))
        except BrokenImage as error:
            waiting.append((str(path), None, error.message))
        if len(waiting) == _PREDICT_BATCH:
            yield from _answers(trainee, waiting, top)
            waiting = []
    if waiting:
        yield from _answers(trainee, waiting, top)


def _answers(trainee: Trainee, rows: list[tuple[str, Any, str | None]], top: int) -> Iterator[dict[str, Any]]:
    images = [pixels for _, pixels, _ in rows if pixels is not None]
    probabilities = iter(trainee.logits(np.stack(images)).softmax(1).tolist() if images else [])
    for path, pixels, error in rows:
        if pixels is None:
            yield {"path": path, "predicted": None, "probability": None, "top": [], "error": error}
            continue
        row = next(probabilities)
        order = sorted(range(len(row)), key=lambda k: -row[k])[:top]
        best = [{"class": trainee.class_names[k], "probability": row[k]} for k in order]
        yield {
            "path": path,
            "predicted": best[0]["class"],
            "probability": best[0]["probability"],
            "top": best,
            "error": None,
        }


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
