"""One sitting of training: prepares what the recipe asks for, runs the loop, and keeps what comes of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from convoscope import data as data_room
from convoscope.data import Opened, TextPolicy, Texts
from convoscope.errors import DataError, RunError, TrainingFailed
from convoscope.lab.ending import conclude, judge_final
from convoscope.lab.ready import Ready, prepare
from convoscope.lab.split import changed, lists_of
from convoscope.lab.trainee import Trainee
from convoscope.lab.weights import begin, located
from convoscope.models.pinned import card_of, files_of, title_of
from convoscope.runs import store
from convoscope.runs.control import Helm, clear_control
from convoscope.runs.log import now
from convoscope.runs.provenance import provenance
from convoscope.runs.store import Run, Writer
from convoscope.train.calibrate import make_plan
from convoscope.train.checkpoint import Checkpoint
from convoscope.train.events import Event, Finding, Started, Trained
from convoscope.train.feed import Feed, training_feed
from convoscope.train.gradient import Plan
from convoscope.train.loop import Course, n_steps_per_epoch
from convoscope.train.loop import train as train_loop
from convoscope.train.recipe import Recipe

_MOST_WORDS = 64  # of a text whose graph is made without being asked for: unrolled over many words it takes minutes


def train(
    recipe: Recipe,
    *,
    runs: Path,
    should_stop: Callable[[], bool] = lambda: False,
    command: Iterable[str] = (),
) -> Iterator[Event]:
    """Trains a new run in a folder of its own below `runs`; every event is in the run's log before it is yielded.

    The last event is `Finished`, or `Trained` where the run was stopped and can go on. Of several processes only rank 0
    writes and yields. `runs.control` tells how others pause, stop and step the run through its folder. Whoever asks for
    an event after `Finished` waits while the network's graph is exported and kept for those who will look inside.

    Raises:
        InputError: data, a model or a recipe that cannot be used.
        StorageError: the disk refused; what was saved before is intact.
        TrainingFailed: NaN, or nothing learnt at all.
    """
    ready = prepare(located(recipe, runs), strict=True)
    beginning = begin(ready)
    recipe = ready.recipe
    feed = training_feed(ready.opened.splits.train, ready.normalisation, recipe, ready.machine.device)
    plan = make_plan(ready.model, feed, recipe, ready.machine)
    del feed
    if ready.machine.rank > 0:
        _follow(ready, plan, None, should_stop)
        ready.machine.close()
        return
    cards = {
        "provenance": provenance(ready.opened.fingerprint, recipe.seed, command, init=beginning.card),
        "data": _data_card(ready),
        "plan": vars(plan),
    }
    policy = ready.opened.policy
    if isinstance(policy, TextPolicy):
        cards["vocabulary"] = {"words": list(policy.vocabulary.words)}
    assert ready.architecture is not None
    if card := card_of(recipe.model, ready.architecture):
        cards["model"] = card
        cards["provenance"] = {**cards["provenance"], "model_files": card["files"]}
    stem = f"{_stem(title_of(recipe.model))}-{_stem(recipe.data)}"
    run = store.create(runs, stem, recipe, cards, files_of(ready.architecture), lists_of(ready.opened, recipe.broken))
    writer = Writer(run, recipe.keep)
    try:
        findings = [*_data_findings(ready.opened), *beginning.findings]
        finished = yield from _sitting(run, writer, ready, plan, None, should_stop, findings)
    finally:
        writer.close()
        ready.machine.close()
    if finished:
        _keep_graph(run, ready, plan)


def resume(name: str, *, runs: Path, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
    """Goes on with a run from its newest checkpoint; the finished run has the bits it would have had uninterrupted.

    What others wished of an earlier sitting (to pause, to stop) is taken back. The events end as those of `train`.
    A run without a checkpoint that can be read starts over, and comes to the same end; only then is the file that its
    first weights came from read again.

    Raises:
        RunError: no such run, it has finished or failed, another process trains it, or its cards cannot be read.
        DataError: the data are not those the run was started on.
    """
    run = store.find(runs, name)
    recipe, plan = run.recipe(), run.plan()
    promised = run.card("provenance", "data_fingerprint")["data_fingerprint"]
    run.card("data", "source")
    refuse_what_has_ended(run)
    ready = prepare(recipe)
    if ready.opened.fingerprint != promised:
        raise DataError(
            f"The {ready.opened.splits.train.kind} in {recipe.data} are not those the run {run.name} was started on: "
            "their fingerprint differs.",
            hint=f"{changed(run, ready.opened)} Bring the same data back, or train a new run.".strip(),
        )
    if ready.machine.rank > 0:
        checkpoint = run.latest_checkpoint()[0]
        if checkpoint is None:
            _begin_again(run, ready)
        _follow(ready, plan, checkpoint, should_stop)
        ready.machine.close()
        return
    writer = Writer(run, recipe.keep)
    try:
        checkpoint, passed_over = run.latest_checkpoint()
        step = checkpoint.step if checkpoint else 0
        instead = f"Going on from step {step} instead." if checkpoint else "Starting over instead."
        findings = [Finding("checkpoint-damaged", "warning", message, instead, step) for message in passed_over]
        if checkpoint is None:
            told = {event.message for event in run.events() if isinstance(event, Finding)}
            known = [*_data_findings(ready.opened), *_begin_again(run, ready)]
            findings += [finding for finding in known if finding.message not in told]
        finished = yield from _sitting(run, writer, ready, plan, checkpoint, should_stop, findings)
    finally:
        writer.close()
        ready.machine.close()
    if finished:
        _keep_graph(run, ready, plan)


def _begin_again(run: Run, ready: Ready) -> list[Finding]:
    """Gives the network the first weights that the run was started with."""
    init = run.card("provenance").get("init")
    return begin(ready, promised=init.get("sha256") if isinstance(init, dict) else None).findings


def refuse_what_has_ended(run: Run) -> None:
    """Raises RunError where there is nothing to go on with: the run has failed, or finished with its weights there."""
    failure = run.failure()
    if failure is not None:
        raise RunError(
            f"The run {run.name} failed, and would fail again: {failure.message}", hint=f"Train anew. {failure.hint}"
        )
    if run.finished() is None:
        return
    try:
        run.load_weights()
    except RunError:
        return  # lost or damaged weights are made again from the last checkpoint
    raise RunError(
        f"The run {run.name} has finished; there is nothing to go on with.", hint=f"See: convoscope show {run.name}"
    )


def loop(
    ready: Ready,
    plan: Plan,
    checkpoint: Checkpoint | None,
    should_stop: Callable[[], bool],
    helm: Helm | None = None,
) -> Iterator[Event | Checkpoint]:
    """The loop over what is ready, from its first weights or from a checkpoint.

    It stops after the step in which `should_stop` says so; `helm` is asked where it does not.
    """
    _set_format(ready.model, plan)

    def steer(step: int) -> Course:
        if should_stop():
            return "stop"
        return helm.course(step) if helm else "go"

    return train_loop(
        ready.model, ready.opened.splits, ready.normalisation, ready.recipe, ready.machine, plan,
        resume=checkpoint, steer=steer,
    )  # fmt: skip


def _follow(ready: Ready, plan: Plan, checkpoint: Checkpoint | None, should_stop: Callable[[], bool]) -> None:
    """What every process but rank 0 does: the same arithmetic, nothing told, nothing written."""
    reason = ""
    for event in loop(ready, plan, checkpoint, should_stop):
        reason = event.reason if isinstance(event, Trained) else reason
    if reason in {"finished", "early stop"}:
        judge_final(ready, plan)


def _sitting(
    run: Run, writer: Writer, ready: Ready, plan: Plan, checkpoint: Checkpoint | None,
    should_stop: Callable[[], bool], findings: Iterable[Finding],
) -> Generator[Event, None, bool]:  # fmt: skip
    """One sitting of a run: trains to the end or to a stop, and concludes a run that has come to its end.

    Returns:
        Whether it has come to its end.
    """
    clear_control(run)
    opening: list[Event] = [_started(run, ready, plan, checkpoint), *findings]
    for event in opening:
        writer.append(event)
        yield event
    last: Event | None = None
    fatal: Finding | None = None
    for event in writer.record(loop(ready, plan, checkpoint, should_stop, Helm(run))):
        yield event
        last = event
        if isinstance(event, Finding) and event.level == "fatal":
            fatal = event
    assert isinstance(last, Trained)
    if last.reason == "failed":
        fatal = fatal or run.failure()  # of an earlier sitting that was killed before it could say so
        raise TrainingFailed(fatal.message if fatal else "The run failed.", hint=fatal.hint if fatal else "")
    if last.reason == "stopped":
        return False
    yield from conclude(run, writer, ready, plan, last)
    return True


def _keep_graph(run: Run, ready: Ready, plan: Plan) -> None:
    """Exports the network's graph while no one waits; a network that cannot be exported has trained all the same."""
    from convoscope.lab.microscope import costs_of, graph_of  # it imports this module, to train a step again

    splits = ready.opened.splits
    part = next(one for one in (splits.test, splits.validation, splits.train) if one is not None and len(one))
    if isinstance(part, Texts) and part.lengths[0] > _MOST_WORDS:
        return
    trainee = Trainee(
        run, ready.recipe, ready.model.eval(), part.class_names, ready.opened.policy, ready.normalisation,
        ready.machine, plan,
    )  # fmt: skip
    feed = Feed(part.take(np.zeros(1, np.int64)), ready.normalisation, ready.machine.device)
    x, target = feed.batch(torch.zeros(1, dtype=torch.long), 0)
    with contextlib.suppress(Exception):
        costs_of(run, graph_of(trainee, x, target, "eval"), "eval")


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
    splits, data = ready.opened.splits, ready.recipe.data
    return {
        "source": splits.train.source,
        # Where the images are found again from another folder than the one the command was given in.
        "path": None if data in data_room.DATASETS or "://" in data else str(Path(data).expanduser().resolve()),
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
    path = Path(data).expanduser().resolve()
    name = path.stem if path.is_file() else path.name if path.exists() else data.rstrip("/").rsplit("/", 1)[-1]
    return "".join(c if c.isalnum() else "-" for c in name).strip("-").lower()[:40] or "data"
