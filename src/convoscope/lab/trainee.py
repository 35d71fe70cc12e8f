"""A trained network with all that is needed to ask it something, and its judgement on labelled examples."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convoscope.data import Dataset, Examples, ImagePolicy, Opened, Policy, TextPolicy
from convoscope.data.normalise import Normalisation
from convoscope.errors import ConvoscopeError, DataError, RunError
from convoscope.lab.classes import absent, all_in_classes
from convoscope.lab.reading import open_data
from convoscope.lab.split import changed
from convoscope.models import architecture_of, build, undrawn
from convoscope.models.yours import Yours
from convoscope.runs import store
from convoscope.runs.calibration import read_calibration
from convoscope.runs.judgement import Judgement, judgement
from convoscope.runs.store import Run
from convoscope.runs.summary import hardest
from convoscope.train.device import Machine
from convoscope.train.evaluate import evaluate as judge
from convoscope.train.evaluate import logits_of
from convoscope.train.feed import Feed
from convoscope.train.gradient import Plan, workers
from convoscope.train.metrics import Evaluation
from convoscope.train.recipe import Recipe


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
    temperature: float = 1.0  # what logits are divided by for calibrated probabilities; 1 at a checkpoint

    def opened(self, data: str | None = None) -> Opened:
        """The run's own data, or other data in the parts they have, read as in training; labels are the run's numbers.

        Raises:
            DataError: they cannot be opened, are not of the kind that the network takes, or have a class that it lacks.
        """
        opened = open_data(self.recipe, data=data, policy=self.policy)
        return all_in_classes(opened, self.class_names, self.run.name)

    def feed(self, examples: Examples) -> Feed:
        """Batches as the network computes with them."""
        channels_last = self.plan.memory_format == "channels-last"
        return Feed(examples, self.normalisation, self.machine.device, channels_last=channels_last)

    def logits(self, examples: Examples) -> Tensor:
        """float32 (N, K) for examples as `policy` reads them."""
        with workers(self.plan) as crew:
            return logits_of(self.model, self.feed(examples), self.machine, self.plan, crew, tta=self.recipe.tta)

    def read(self, given: str | Path) -> NDArray[np.uint8] | str:
        """An image file as `policy` has it, uint8 (C, H, W); or a text, or what a file of one holds.

        Args:
            given: A path, or a text itself where the network takes texts.

        Raises:
            DataError: the file cannot be read, or the text has no word that the network knows.
        """
        if not isinstance(self.policy, TextPolicy):
            return self.policy.read(Path(given))
        text = _text_in(given) if isinstance(given, Path) else given
        self.policy.read(text)
        return text

    def reads(self, given: str | Path) -> Examples:
        """What `read` gives, as one example without a label; raises DataError as it does."""
        found = self.read(given)
        if isinstance(found, str):
            assert isinstance(self.policy, TextPolicy)
            return self.policy.texts([found], self.class_names, str(given))
        return Dataset(found[None], np.zeros(1, np.int64), self.class_names, str(given))


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
    temperature = read_calibration(run, step).temperature
    return Trainee(run, recipe, model, class_names, policy, normalisation, machine, plan, temperature)


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
        The figures of `Evaluation.summary`, with the run, the data, the classes without an example in the part, and the
        ten hardest images.

    Raises:
        RunError: no such run or weights.
        DataError: no such part, a class that the run lacks, or data of its own that are not what they were.
    """
    trainee = open_run(name, runs=runs, step=step)
    recipe = trainee.recipe
    opened = trainee.opened(data)
    parts = ("train", "validation", "test")
    if split not in parts:
        raise DataError(f"There is no part {split!r}; the parts are {', '.join(parts)}.")
    if data is None and opened.fingerprint != trainee.run.card("provenance", "data_fingerprint")["data_fingerprint"]:
        raise DataError(
            f"The {opened.splits.train.kind} in {recipe.data} are not those that {trainee.run.name} was trained on: "
            f"it may have learnt from some that would judge it. {changed(trainee.run, opened)}".strip(),
            hint=f"Bring the same data back, or judge on these in the parts they have: --data {recipe.data}",
        )
    there = {name: part for name, part in opened.splits.parts().items() if len(part)}
    if data is not None and split == "test" and list(there) == ["train"]:
        split, there = "all", {"all": opened.splits.train}  # in one piece: all of it was meant
    if split not in there:
        raise DataError(
            f"{data or recipe.data} has no {split} part; it has {' and '.join(there) or 'none'}.",
            hint="Choose another with --split.",
        )
    part = there[split]
    feed = trainee.feed(part)
    with workers(trainee.plan) as crew:
        judged = judge(
            trainee.model, feed, recipe, trainee.machine, trainee.plan, crew, class_names=part.class_names, split=split
        )
    return {
        "run": str(trainee.run.folder),
        "data": data or recipe.data,
        "kind": part.kind,
        "classes_absent": absent(part),
        **_beside_others(trainee, judged, part, opened, data is None, step).summary(),
        "hardest": hardest(judged, part, 10),
    }


def _beside_others(
    trainee: Trainee, judged: Evaluation, part: Examples, opened: Opened, own: bool, step: int | None
) -> Judgement:
    """The judgement whole; without comparisons where the data that the run learnt from are not there any more."""
    calibration = read_calibration(trainee.run, step)
    try:
        splits = opened.splits if own else trainee.opened().splits
    except ConvoscopeError:
        return Judgement(judged, calibration, ())
    return judgement(judged, part, splits, trainee.model, calibration, device=trainee.machine.device.type)
