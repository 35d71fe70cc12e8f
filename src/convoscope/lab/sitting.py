"""One sitting of training: prepares what the recipe asks for, runs the loop, and keeps what comes of it."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convoscope import data as data_room
from convoscope.data import Dataset, Opened
from convoscope.data.normalise import Normalisation
from convoscope.errors import DataError, RecipeError, RunError, TrainingFailed
from convoscope.models import MODELS, build, options_from_text
from convoscope.models.activations import ACTIVATIONS
from convoscope.runs import store
from convoscope.runs.log import now
from convoscope.runs.provenance import provenance
from convoscope.runs.store import Run, Writer
from convoscope.runs.summary import write_report
from convoscope.train.calibrate import make_plan
from convoscope.train.checkpoint import Checkpoint
from convoscope.train.device import Machine
from convoscope.train.evaluate import evaluate
from convoscope.train.events import EpochEnded, Event, Finding, Finished, Started, Trained
from convoscope.train.feed import Feed, augmentation_of
from convoscope.train.gradient import Plan, workers
from convoscope.train.initialise import initialise
from convoscope.train.loop import n_steps_per_epoch
from convoscope.train.loop import train as train_loop
from convoscope.train.metrics import Evaluation
from convoscope.train.recipe import Recipe, from_dict, knobs


@dataclasses.dataclass(frozen=True)
class Ready:
    """Everything a sitting of training needs."""

    opened: Opened
    model: nn.Module
    normalisation: Normalisation
    recipe: Recipe
    machine: Machine


def make_recipe(given: Mapping[str, Any]) -> Recipe:
    """A recipe: the general defaults, overlaid by what suits the model, overlaid by what was given.

    Raises:
        UnknownName: no such model.
        RecipeError: a knob that does not exist, or a value outside its bounds.
    """
    name = str(given.get("model", Recipe.model))
    return from_dict({**MODELS[name].recipe, **given, "model": name})


def read_options(model: str, given: Mapping[str, str]) -> dict[str, object]:
    """Options of a model typed as text, in their own types; RecipeError, with the near names, for one it does not have."""
    known = [item.name for item in dataclasses.fields(MODELS[model].options)]
    for name in given:
        if name not in known:
            flags = {other.replace("_", "-"): other for other in (*known, *knobs()) if other != "model_options"}
            near = difflib.get_close_matches(name.replace("_", "-"), flags, n=3, cutoff=0.6)
            guess = f"Did you mean {' or '.join('--' + flag for flag in near)}? " if near else ""
            raise RecipeError(
                f"There is no option --{name.replace('_', '-')}, neither of training nor of {model}.",
                hint=f"{guess}See: convoscope train --help and convoscope models {model}.",
            )
    return options_from_text(model, given)


def train(
    recipe: Recipe,
    *,
    runs: Path,
    should_stop: Callable[[], bool] = lambda: False,
    command: Iterable[str] = (),
) -> Iterator[Event]:
    """Trains a new run in a folder of its own below `runs`; every event is in the run's log before it is yielded.

    The last event is `Finished`, or `Trained` where the run was stopped and can go on. Of several processes only rank 0
    writes and yields.

    Raises:
        InputError: data, a model or a recipe that cannot be used.
        StorageError: the disk refused; what was saved before is intact.
        TrainingFailed: NaN, or nothing learnt at all.
    """
    ready = prepare(recipe)
    recipe = ready.recipe
    feed = Feed(
        ready.opened.splits.train,
        ready.normalisation,
        ready.machine.device,
        augmentation=augmentation_of(recipe),
        seed=recipe.seed,
    )
    plan = make_plan(ready.model, feed, recipe, ready.machine)
    del feed
    if ready.machine.rank > 0:
        _follow(ready, plan, None, should_stop)
        return
    cards = {
        "provenance": provenance(ready.opened.fingerprint, recipe.seed, command),
        "data": _data_card(ready),
        "plan": vars(plan),
    }
    run = store.create(runs, f"{recipe.model}-{_stem(recipe.data)}", recipe, cards)
    writer = Writer(run, recipe.keep)
    try:
        yield from _sitting(run, writer, ready, plan, None, should_stop, _data_findings(ready.opened))
    finally:
        writer.close()


def resume(name: str, *, runs: Path, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
    """Goes on with a run from its newest checkpoint; the finished run has the bits it would have had uninterrupted.

    Raises:
        RunError: no such run, it has finished, another process trains it, or it has no checkpoint that can be read.
        DataError: the data are not those the run was started on.
    """
    run = store.find(runs, name)
    recipe = run.recipe()
    if run.finished() is not None and run.weights_path.is_file():
        raise RunError(
            f"The run {run.name} has finished; there is nothing to go on with.", hint=f"See: convoscope show {run.name}"
        )
    checkpoint, passed_over = run.latest_checkpoint()
    ready = prepare(recipe)
    promised = run.card("provenance").get("data_fingerprint")
    if ready.opened.fingerprint != promised:
        raise DataError(
            f"The images in {recipe.data} are not those the run {run.name} was started on: their fingerprint differs.",
            hint="Bring the same images back, or train a new run.",
        )
    plan = Plan(**run.card("plan"))
    if ready.machine.rank > 0:
        _follow(ready, plan, checkpoint, should_stop)
        return
    findings = [
        Finding(
            "checkpoint-damaged", "warning", message, f"Going on from step {checkpoint.step} instead.", checkpoint.step
        )
        for message in passed_over
    ]
    writer = Writer(run, recipe.keep)
    try:
        yield from _sitting(run, writer, ready, plan, checkpoint, should_stop, findings)
    finally:
        writer.close()


def prepare(recipe: Recipe) -> Ready:
    """Opens the data, builds the model with its first weights, and settles what the recipe leaves open."""
    _refuse_what_cannot_learn(recipe)
    opened = data_room.open_data(
        recipe.data, validation=recipe.validation, seed=recipe.seed, image_size=recipe.image_size, broken=recipe.broken
    )
    part = opened.splits.train
    architecture = MODELS[recipe.model]
    recipe = recipe.settled(len(part), n_seen=architecture.n_seen, batch_size=architecture.batch_size)
    machine = Machine(recipe.device)
    torch.manual_seed(recipe.seed)
    model = build(recipe.model, part.shape, part.n_classes, recipe.model_options)
    initialise(model, recipe.initialisation)
    normalisation = Normalisation.fit(recipe.normalise, part.images)
    return Ready(opened, machine.prepare(model), normalisation, recipe, machine)


def _refuse_what_cannot_learn(recipe: Recipe) -> None:
    name = recipe.model_options.get("activation")
    why = ACTIVATIONS[name].cannot_learn if isinstance(name, str) else ""
    if why:
        raise RecipeError(
            f"{recipe.model} was asked to learn with the activation {name}. {why}",
            hint="Use sigmoid, its smooth likeness, or relu; the step threshold serves forward passes only.",
        )


def loop(
    ready: Ready, plan: Plan, checkpoint: Checkpoint | None, should_stop: Callable[[], bool]
) -> Iterator[Event | Checkpoint]:
    """The loop over what is ready, from its first weights or from a checkpoint."""
    _set_format(ready.model, plan)
    return train_loop(
        ready.model, ready.opened.splits, ready.normalisation, ready.recipe, ready.machine, plan,
        resume=checkpoint, should_stop=should_stop,
    )  # fmt: skip


def _follow(ready: Ready, plan: Plan, checkpoint: Checkpoint | None, should_stop: Callable[[], bool]) -> None:
    """What every process but rank 0 does: the same arithmetic, nothing told, nothing written."""
    reason = ""
    for event in loop(ready, plan, checkpoint, should_stop):
        reason = event.reason if isinstance(event, Trained) else reason
    if reason in {"finished", "early stop"} and ready.opened.splits.test is not None:
        _judge_test(ready, plan)


def _sitting(
    run: Run, writer: Writer, ready: Ready, plan: Plan, checkpoint: Checkpoint | None,
    should_stop: Callable[[], bool], findings: Iterable[Finding],
) -> Iterator[Event]:  # fmt: skip
    """One sitting of a run: trains, keeps the weights, judges them once on the test part, writes the report."""
    opening: list[Event] = [_started(run, ready, plan, checkpoint), *findings]
    for event in opening:
        writer.append(event)
        yield event
    last: Event | None = None
    fatal: Finding | None = None
    validation_accuracy = None
    told = []
    for event in writer.record(loop(ready, plan, checkpoint, should_stop)):
        yield event
        last = event
        if isinstance(event, EpochEnded):
            validation_accuracy = event.validation_accuracy
        elif isinstance(event, Finding):
            told.append(event.name)
            fatal = event if event.level == "fatal" else fatal
    assert isinstance(last, Trained)
    if last.reason == "failed" and fatal is not None:
        raise TrainingFailed(fatal.message, hint=fatal.hint)
    if last.reason == "stopped":
        return
    writer.write_weights(ready.model.state_dict())
    splits = ready.opened.splits
    evaluation = _judge_test(ready, plan) if splits.test is not None else None
    if evaluation is not None:
        writer.write_evaluation(evaluation.summary())
    shown, part = (evaluation, splits.test) if evaluation is not None else (None, None)
    if shown is None and len(splits.validation):
        shown, part = _judge(ready, plan, splits.validation, "validation"), splits.validation
    report = write_report(run, shown, part, ready.model) if shown is not None and part is not None else None
    finished = Finished(
        run=str(run.folder), reason=last.reason, step=last.step, training_seconds=last.seconds,
        validation_accuracy=validation_accuracy if validation_accuracy is not None else _last_validation(run),
        test_accuracy=evaluation.accuracy if evaluation else None, test_loss=evaluation.loss if evaluation else None,
        n_test=evaluation.n if evaluation else 0, weights=str(run.weights_path),
        report=str(report) if report else None, recorded_at=now(), findings=tuple(told),
    )  # fmt: skip
    writer.append(finished)
    yield finished


def _last_validation(run: Run) -> float | None:
    ends = [event.validation_accuracy for event in run.events() if isinstance(event, EpochEnded)]
    return ends[-1] if ends else None


def _judge_test(ready: Ready, plan: Plan) -> Evaluation:
    assert ready.opened.splits.test is not None
    return _judge(ready, plan, ready.opened.splits.test, "test")


def _judge(ready: Ready, plan: Plan, part: Dataset, split: str) -> Evaluation:
    feed = Feed(part, ready.normalisation, ready.machine.device, channels_last=plan.memory_format == "channels-last")
    with workers(plan) as crew:
        return evaluate(
            ready.model, feed, ready.recipe, ready.machine, plan, crew, class_names=part.class_names, split=split
        )


def _set_format(model: nn.Module, plan: Plan) -> None:
    if plan.memory_format == "channels-last":
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _started(run: Run, ready: Ready, plan: Plan, checkpoint: Checkpoint | None) -> Started:
    epochs, batch_size = ready.recipe.counts()
    splits = ready.opened.splits
    steps_per_epoch = n_steps_per_epoch(len(splits.train), batch_size)
    return Started(
        run=str(run.folder), step=checkpoint.step if checkpoint else 0, n_steps=steps_per_epoch * epochs,
        steps_per_epoch=steps_per_epoch, n_train=len(splits.train), n_validation=len(splits.validation),
        n_parameters=sum(p.numel() for p in ready.model.parameters()), device=ready.machine.device.type,
        precision=plan.precision, memory_format=plan.memory_format, shards=plan.shards, threads=plan.threads,
        n_processes=ready.machine.n_processes, recorded_at=now(),
    )  # fmt: skip


def _data_card(ready: Ready) -> dict[str, Any]:
    splits = ready.opened.splits
    return {
        "source": splits.train.source,
        "class_names": list(splits.train.class_names),
        "policy": ready.opened.policy.to_dict(),
        "normalisation": ready.normalisation.to_dict(),
        "n_train": len(splits.train),
        "n_validation": len(splits.validation),
        "n_test": len(splits.test) if splits.test is not None else 0,
    }


def _data_findings(opened: Opened) -> list[Finding]:
    return [Finding(found.name, "warning", found.message, found.hint, 0) for found in opened.findings]


def _stem(data: str) -> str:
    """The part of a run's name that stands for its data: letters, digits and dashes of the last part of a path."""
    name = Path(data).resolve().name if Path(data).exists() else data
    return "".join(c if c.isalnum() else "-" for c in name).strip("-").lower()[:40] or "data"
