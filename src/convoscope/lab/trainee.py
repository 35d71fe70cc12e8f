"""Asking a trained network: judging it on labelled examples, and predicting for image files and texts."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convoscope.data import Dataset, Examples, ImagePolicy, Opened, Policy, TextPolicy, Texts
from convoscope.data.normalise import Normalisation
from convoscope.data.table import SUFFIXES, read_column
from convoscope.errors import DataError, InputError, RunError
from convoscope.lab.reading import open_data
from convoscope.models import architecture_of, build, undrawn
from convoscope.models.yours import Yours
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
    policy: Policy
    normalisation: Normalisation
    machine: Machine
    plan: Plan

    def opened(self, data: str | None = None, *, validation: float | None = None) -> Opened:
        """The run's own data, or other data, read as it was read in training.

        Raises:
            DataError: they cannot be opened, or are not of the kind that the network takes.
        """
        return open_data(self.recipe, data=data, validation=validation, policy=self.policy)

    def feed(self, examples: Examples) -> Feed:
        """Batches as the network computes with them."""
        channels_last = self.plan.memory_format == "channels-last"
        return Feed(examples, self.normalisation, self.machine.device, channels_last=channels_last)

    def logits(self, examples: Examples) -> Tensor:
        """float32 (N, K) for examples as `policy` reads them."""
        with workers(self.plan) as crew:
            return logits_of(self.model, self.feed(examples), self.machine, self.plan, crew)

    def reads(self, given: str | Path) -> Examples:
        """One example without a label: an image file, or a text, or the file of one.

        Args:
            given: A path, or a text itself where the network takes texts.

        Raises:
            DataError: the file cannot be read, or the text has no word that the network knows.
        """
        if isinstance(self.policy, TextPolicy):
            text = _text_in(given) if isinstance(given, Path) else given
            return self.policy.texts([text], self.class_names, str(given))
        pixels = self.policy.read(Path(given))
        return Dataset(pixels[None], np.zeros(1, np.int64), self.class_names, str(given))


def open_run(name: str, *, runs: Path, step: int | None = None) -> Trainee:
    """A run's network with its final weights, or those of the checkpoint at `step`.

    Raises:
        RunError: no such run, or weights that are missing or damaged.
    """
    run = store.find(runs, name)
    recipe, plan, card = run.recipe(), run.plan(), run.card("data", "class_names", "policy", "normalisation")
    try:
        class_names = tuple(str(name) for name in card["class_names"])
        policy = read_policy(run)
        normalisation = Normalisation.from_dict(card["normalisation"])
    except (DataError, TypeError):
        raise run.garbled("data") from None
    machine = Machine(recipe.device)
    with _as_it_began(recipe):
        model = build(recipe.model, policy.shape, len(class_names), recipe.model_options)
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


@contextlib.contextmanager
def _as_it_began(recipe: Recipe) -> Iterator[None]:
    """Within it a network is built whose weights are loaded next.

    The user's own code may hold numbers that are in no state dict: it draws those that it drew for training.
    """
    if not isinstance(architecture_of(recipe.model), Yours):
        with undrawn():
            yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        yield


def read_policy(run: Run) -> Policy:
    """How a run reads every example; of texts, with the vocabulary that it was trained with.

    Raises:
        RunError: a card of the run is missing or damaged.
    """
    record = run.card("data", "policy")["policy"]
    try:
        if "vocabulary" not in record:
            return ImagePolicy.from_dict(record)
        return TextPolicy.from_dict(record, run.card("vocabulary", "words")["words"])
    except (DataError, TypeError):
        raise run.garbled("vocabulary" if "vocabulary" in record else "data") from None


def _text_in(path: Path) -> str:
    """The text in a file; DataError where it cannot be read, or is not in UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8: its byte {error.start + 1} cannot be.") from None


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
    opened = trainee.opened(data)
    parts = ("train", "validation", "test")
    if split not in parts:
        raise DataError(f"There is no part {split!r}; the parts are {', '.join(parts)}.")
    part = opened.splits.parts().get(split)
    if data is not None and part is None:
        # Other data in one piece, with no part of its own to judge on: all of it was meant.
        split = "all"
        part = trainee.opened(data, validation=0.0).splits.train
    if part is None or not len(part):
        raise DataError(f"{data or recipe.data} has no {split} part.", hint="Choose another with --split.")
    if part.class_names != trainee.class_names:
        raise DataError(
            f"The classes of {data or recipe.data} are not those of the run {trainee.run.name}: "
            f"{_few(part.class_names)} against {_few(trainee.class_names)}.",
            hint=f"Name the {'class folders' if part.kind == 'images' else 'labels'} as they were named in training.",
        )
    feed = trainee.feed(part)
    with workers(trainee.plan) as crew:
        judged = judge(
            trainee.model, feed, recipe, trainee.machine, trainee.plan, crew, class_names=part.class_names, split=split
        )
    return {
        "run": str(trainee.run.folder),
        "data": data or recipe.data,
        "kind": part.kind,
        **judged.summary(),
        "hardest": hardest(judged, part, 10),
    }


def predict(
    name: str, paths: Iterable[str | Path], *, runs: Path, texts: Iterable[str] = (), top: int = 3,
    step: int | None = None,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """What a run's network says of files and texts, in order: for each its path, the class, and `top` probabilities.

    A file that cannot be read, or a text without a known word, keeps its row, with `error` saying why and no class.

    Args:
        name: The run.
        paths: Image files; or, where the network takes texts, files of one text each, and tables (.csv, .tsv), each row
            a text.
        runs: The folder of runs.
        texts: Texts themselves; each stands as its own path.
        top: How many classes to name.
        step: The checkpoint; the final weights without it.

    Raises:
        RunError: no such run or weights.
        InputError: texts were given, and the network takes images.
    """
    trainee = open_run(name, runs=runs, step=step)
    if not isinstance(trainee.policy, TextPolicy) and (texts := list(texts)):
        raise InputError(
            f"{trainee.run.name} takes images, and was given {len(texts)} texts.", hint="Give image files."
        )
    waiting: list[tuple[str, Examples | str]] = []
    for called, given in _asked(trainee, paths, texts):
        try:
            waiting.append((called, given.message if isinstance(given, DataError) else trainee.reads(given)))
        except DataError as error:
            waiting.append((called, error.message))
        if len(waiting) == _PREDICT_BATCH:
            yield from _answers(trainee, waiting, top)
            waiting = []
    if waiting:
        yield from _answers(trainee, waiting, top)


def _asked(
    trainee: Trainee, paths: Iterable[str | Path], texts: Iterable[str]
) -> Iterator[tuple[str, str | Path | DataError]]:
    """What each row is called, and the file or text it is of; a table's rows one by one."""
    for path in map(Path, paths):
        if not isinstance(trainee.policy, TextPolicy) or path.suffix.casefold() not in SUFFIXES:
            yield str(path), path
            continue
        try:
            rows = read_column(path, trainee.recipe.text_column)
        except DataError as error:
            yield str(path), error
            continue
        for row, text in rows:
            yield f"{path} {row}", text
    for text in texts:
        yield text, text


def _together(examples: list[Examples]) -> Examples:
    """Examples that were read one by one, as one set."""
    first = examples[0]
    if isinstance(first, Texts):
        originals = [text for one in examples if isinstance(one, Texts) for text in one.originals]
        return first.policy.texts(originals, first.class_names, first.source)
    images = np.concatenate([one.values for one in examples])
    return Dataset(images, np.zeros(len(images), np.int64), first.class_names, first.source)


def _answers(trainee: Trainee, rows: list[tuple[str, Examples | str]], top: int) -> Iterator[dict[str, Any]]:
    good = [one for _, one in rows if not isinstance(one, str)]
    probabilities = iter(trainee.logits(_together(good)).softmax(1).tolist() if good else [])
    for path, one in rows:
        if isinstance(one, str):
            yield {"path": path, "predicted": None, "probability": None, "top": [], "error": one}
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
