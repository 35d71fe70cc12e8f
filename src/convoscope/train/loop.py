"""The training loop, a generator of events: it prints nothing, writes nothing and knows no socket.

    for event in train(model, data, recipe, machine, plan):
        ...

Beside the events that the log keeps it yields `Checkpoint`s: the live state, for whoever keeps it to write away before
asking for the next event.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from convoscope.data.dataset import Splits
from convoscope.data.normalise import Normalisation
from convoscope.train.balance import Balance
from convoscope.train.checkpoint import Checkpoint, Memory, Progress
from convoscope.train.device import Machine
from convoscope.train.evaluate import evaluate
from convoscope.train.events import Continued, EpochEnded, Event, Finding, Paused, Statistics, Step, Trained
from convoscope.train.feed import Feed, training_feed
from convoscope.train.freeze import freeze, set_learning, thaw, thaws_after
from convoscope.train.gradient import BatchGradient, Plan, Workers, workers
from convoscope.train.losses import add_penalties, is_at_chance, penalised
from convoscope.train.metrics import Evaluation
from convoscope.train.optim import make_optimiser
from convoscope.train.recipe import Recipe
from convoscope.train.schedules import lr_at

_FLAT_STEPS = 100  # before so many updates no network is called unable to learn
_LARGEST = 0.8  # share of one class from which naming it alone is a way to a low loss
_SPEED_WINDOW = 0.5  # seconds over which images per second are taken
_PAUSE_SECONDS = 0.05  # between two questions whether a run that waits may go on

Course: TypeAlias = Literal["go", "pause", "stop"]


def train(
    model: nn.Module,
    splits: Splits,
    normalisation: Normalisation,
    recipe: Recipe,
    machine: Machine,
    plan: Plan,
    *,
    resume: Checkpoint | None = None,
    steer: Callable[[int], Course] = lambda _: "go",
) -> Iterator[Event | Checkpoint]:
    """Trains `model` in place, from its present weights or from a checkpoint.

    Ends with `Trained`; the model then has the weights the run ends with (the best under early stopping, else the
    running average where one is kept, else the last).

    Args:
        model: Maps float32 (N, C, H, W) to logits (N, K); on the machine's device, in the plan's memory format. What
            the recipe freezes stays as it is, until it thaws; what takes no gradient already, for good.
        splits: What to learn from and what to watch; the test part is not touched.
        normalisation: How pixels become inputs.
        recipe: Every knob.
        machine: This process among its peers.
        plan: How the arithmetic is laid out.
        resume: The state to go on from; the run then ends with the very bits it would have had.
        steer: Asked once in every step, with its number, what to do after it: "go" on; "pause", which waits there,
            the state saved, and asks again and again until the answer is another; or "stop", which ends the loop with a
            checkpoint to go on from. Of several processes any may stop all; a pause is for all too, and lasts until
            none asks for it.
    """
    channels_last = plan.memory_format == "channels-last"
    feed = training_feed(splits.train, normalisation, recipe, machine.device, channels_last=channels_last)
    watched = Feed(splits.validation, normalisation, machine.device, channels_last=channels_last)
    epochs, batch_size = recipe.counts()
    steps_per_epoch = n_steps_per_epoch(len(feed), batch_size)
    n_steps = steps_per_epoch * epochs
    freeze(model, recipe.freeze, splits.train.n_classes)
    thaws = thaws_after(recipe, steps_per_epoch)
    if resume is not None and thaws is not None and resume.step > thaws:
        thaw(model)
    average = _copies(model) if recipe.ema else {}
    memory = Memory(model, make_optimiser(model, recipe), average, {}, Progress())
    if resume is not None:
        memory.restore(resume)
    progress = memory.progress
    snapshots = snapshot_steps(steps_per_epoch, recipe.snapshots)
    decayed = penalised(parameter for parameter in model.parameters() if parameter.requires_grad)
    started = time.perf_counter() - progress.seconds
    saved_at = time.perf_counter()
    pace = _Pace(progress.step)
    stop = False

    with workers(plan) as crew:
        gradient = BatchGradient(model, recipe, machine, plan, crew)
        if resume is None:
            yield memory.checkpoint("epoch")
        while progress.step < n_steps and not progress.ended:
            epoch, position = divmod(progress.step, steps_per_epoch)
            order = feed.order(epoch)
            set_learning(model)
            for first in range(position * batch_size, len(order), batch_size):
                batch = order[first : first + batch_size]
                if progress.step == thaws:
                    yield _thaw(memory, recipe, epoch + 1)
                    set_learning(model)
                    gradient = BatchGradient(model, recipe, machine, plan, crew)
                    decayed = penalised(parameter for parameter in model.parameters() if parameter.requires_grad)
                # 1. The gradient of the mean loss over the batch, and of the penalties.
                machine.seed(step_seed(recipe, progress.step))
                loss, accuracy, balanced, (stop, pause) = gradient(
                    feed, batch, epoch, asks=lambda: _asks(steer, progress.step + 1)
                )
                if recipe.l1 or recipe.l2:
                    loss += add_penalties(decayed, recipe.l1, recipe.l2)
                if not math.isfinite(loss):
                    yield _not_finite(progress.step + 1, loss, recipe)
                    yield Trained(progress.step, "failed", progress.seconds)
                    return
                measures = recipe.statistics_every > 0 and progress.step % recipe.statistics_every == 0
                length = clip_gradient(gradient.parameters, recipe.clip) if recipe.clip or measures else None

                # 2. The update.
                before = _copies(model) if measures else {}
                lr = lr_at(progress.step, n_steps, recipe)
                memory.optimiser.step(lr, crew)
                progress.step += 1
                if memory.average:
                    _average(memory.average, model, recipe.ema, progress.step)

                # 3. What happened.
                progress.seconds = time.perf_counter() - started
                progress.epoch_loss += loss * len(batch)
                progress.epoch_right += accuracy * len(batch)
                progress.epoch_balanced += balanced * len(batch)
                progress.epoch_seen += len(batch)
                speed = pace.images_per_second(progress.step * batch_size)
                yield Step(progress.step, epoch + 1, loss, accuracy, lr, progress.seconds, speed, length)
                if measures:
                    yield Statistics(progress.step, _statistics(model, before))
                ends_epoch = progress.step % steps_per_epoch == 0
                if ends_epoch:
                    yield from _end_epoch(memory, recipe, machine, plan, crew, watched, splits, epoch + 1, feed.balance)
                    progress.seconds = time.perf_counter() - started

                # 4. What is kept.
                pause = pause and not (stop or progress.ended or progress.step == n_steps)
                if progress.step in snapshots or ends_epoch or pause:
                    yield memory.checkpoint("epoch" if ends_epoch else "snapshot")
                    saved_at = time.perf_counter()
                elif stop or time.perf_counter() - saved_at >= recipe.save_seconds:
                    yield memory.checkpoint("stopped" if stop else "safety")
                    saved_at = time.perf_counter()

                # 5. Where others hold it.
                if pause:
                    since = time.perf_counter()
                    stop = yield from _hold(steer, progress.step, machine)
                    waited = time.perf_counter() - since
                    started, saved_at = started + waited, saved_at + waited
                    pace.leave_out(waited)
                if stop or progress.ended:
                    break
            if stop:
                break
        if stop and progress.step < n_steps and not progress.ended:
            yield Trained(progress.step, "stopped", progress.seconds)
            return
        memory.take_final()
        yield Trained(progress.step, progress.ended or "finished", progress.seconds)


def n_steps_per_epoch(n_train: int, batch_size: int) -> int:
    """Updates an epoch: the images over the batch size, rounded up (the last batch may be smaller)."""
    return math.ceil(n_train / batch_size)


def snapshot_steps(steps_per_epoch: int, n: int) -> frozenset[int]:
    """At most `n` steps of the first epoch, each about the same multiple of the one before, the last its end."""
    if n == 0:
        return frozenset()
    return frozenset(round(steps_per_epoch ** (i / max(1, n - 1))) for i in range(n))


def step_seed(recipe: Recipe, index: int) -> int:
    """Where the random numbers of update `index` (from 0) begin, dropout's above all."""
    return recipe.seed * 1_000_000_007 + index


def _asks(steer: Callable[[int], Course], step: int) -> tuple[bool, bool]:
    """(whether to stop after the step, whether to pause there)."""
    course = steer(step)
    return course == "stop", course == "pause"


def _hold(steer: Callable[[int], Course], step: int, machine: Machine) -> Generator[Event, None, bool]:
    """Waits after a step for as long as any process says so; returns whether the run is to stop.

    All processes ask together, again and again: none sits in a message so long that it takes the others for dead.
    """
    yield Paused(step)
    while True:
        stop, pause = machine.sum_numbers(map(float, _asks(steer, step)))
        if stop:
            return True
        if not pause:
            yield Continued(step)
            return False
        time.sleep(_PAUSE_SECONDS)


def _thaw(memory: Memory, recipe: Recipe, epoch: int) -> Finding:
    """Lets what the recipe froze learn from the next step on; what else is carried on goes on as it is."""
    names = thaw(memory.model)
    optimiser = make_optimiser(memory.model, recipe)
    optimiser.load_state(memory.optimiser.state())
    memory.optimiser = optimiser
    if recipe.ema:
        memory.average |= {name: memory.model.get_parameter(name).detach().clone() for name in names}
    n = sum(memory.model.get_parameter(name).numel() for name in names)
    step = memory.progress.step + 1
    return Finding(
        "thawed",
        "note",
        f"From step {step:,} (epoch {epoch}) on {recipe.freeze} learns too, {n:,} parameters, at {recipe.thaw_lr:g} "
        "times the learning rate; batch norms there work as in training.",
        "",
        step,
    )


class _Pace:
    """Images per second over the last half second or so."""

    def __init__(self, step: int) -> None:
        self._since: tuple[float, int] | None = None
        self._step = step
        self._speed = 0.0

    def images_per_second(self, n_seen: int) -> float:
        now = time.perf_counter()
        if self._since is None:
            self._since = (now, n_seen)
        elif now - self._since[0] >= _SPEED_WINDOW or self._speed == 0:
            self._speed = (n_seen - self._since[1]) / (now - self._since[0])
            if now - self._since[0] >= _SPEED_WINDOW:
                self._since = (now, n_seen)
        return self._speed

    def leave_out(self, seconds: float) -> None:
        """Takes time in which nothing was trained out of the window."""
        if self._since is not None:
            self._since = (self._since[0] + seconds, self._since[1])


def _end_epoch(
    memory: Memory, recipe: Recipe, machine: Machine, plan: Plan, crew: Workers, watched: Feed, splits: Splits,
    epoch: int, balance: Balance,
) -> Iterator[Event]:  # fmt: skip
    """Judges the epoch, and decides whether the run goes on."""
    progress = memory.progress
    train_loss = progress.epoch_loss / progress.epoch_seen
    train_accuracy = progress.epoch_right / progress.epoch_seen
    judged = loss = accuracy = None
    if len(watched):
        judged = evaluate(
            memory.model, watched, recipe, machine, plan, crew,
            class_names=splits.train.class_names, split="validation", tta="none", weights=memory.judged_weights(),
        )  # fmt: skip
        loss, accuracy = judged.loss, judged.accuracy
    # An older checkpoint has no sum of what counts unequally, and its run none that did.
    fair_accuracy = train_accuracy if balance.worth is None else progress.epoch_balanced / progress.epoch_seen
    at_chance = _at_chance(fair_accuracy, balance, recipe, judged)
    progress.flat_epochs = progress.flat_epochs + 1 if at_chance else 0
    progress.epoch_loss = progress.epoch_right = progress.epoch_balanced = 0.0
    progress.epoch_seen = 0
    yield EpochEnded(epoch, progress.step, train_loss, train_accuracy, loss, accuracy, progress.seconds)
    if at_chance and progress.step >= _FLAT_STEPS:
        stops = 0 < recipe.flat_epochs <= progress.flat_epochs
        if stops or epoch == recipe.epochs:
            yield _flat(progress.step, epoch, fair_accuracy, balance, recipe, "fatal" if stops else "warning")
        progress.ended = "failed" if stops else progress.ended
    if loss is not None and not math.isfinite(loss):
        yield _not_finite(progress.step, loss, recipe)
        progress.ended = "failed"
    elif recipe.patience and loss is not None:
        if loss < progress.best_loss:
            progress.best_loss, progress.epochs_since_best = loss, 0
            memory.keep_best()
        else:
            progress.epochs_since_best += 1
            if progress.epochs_since_best >= recipe.patience:
                progress.ended = progress.ended or "early stop"


def _at_chance(accuracy: float, balance: Balance, recipe: Recipe, judged: Evaluation | None) -> bool:
    """Whether an epoch shows nothing learnt: by its training accuracy, in which classes count as in the loss.

    Mixed images hide much of what is learnt: there the validation part must show nothing either, where there is one.
    """
    if not is_at_chance(accuracy, balance.n_effective, balance.chance):
        return False
    if judged is None or not (recipe.mixup or recipe.cutmix):
        return True
    way = "none" if recipe.balance == "none" else "weights"
    other = Balance(way, judged.labels, len(judged.class_names))
    return is_at_chance(other.accuracy(judged.predicted), other.n_effective, other.chance)


def clip_gradient(parameters: list[nn.Parameter], limit: float) -> float:
    """The gradient's length before it is scaled down to `limit` (0: it is only measured)."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    length = torch.nn.utils.get_total_norm(gradients)
    if limit:
        torch.nn.utils.clip_grads_with_norm_(parameters, limit, length)
    return float(length)


@torch.no_grad()
def _average(average: dict[str, Tensor], model: nn.Module, keep: float, step: int) -> None:
    """average <- k average + (1 - k) weights; k rises from 2/11 to `keep`: the first weights are soon forgotten."""
    keep = min(keep, (1 + step) / (10 + step))
    weights = dict(model.named_parameters())
    torch._foreach_lerp_(list(average.values()), [weights[name] for name in average], 1 - keep)


def _copies(model: nn.Module) -> dict[str, Tensor]:
    """What learns."""
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


@torch.no_grad()
def _statistics(model: nn.Module, before: dict[str, Tensor]) -> dict[str, dict[str, float]]:
    """For each parameter the figures of `Statistics`; `before` holds the values the update began with."""
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.grad is not None]
    old = [before[name] for name, _ in named]
    columns = torch.stack(
        [
            torch.stack([parameter.mean() for _, parameter in named]),
            torch.stack([parameter.std(correction=0) for _, parameter in named]),
            torch.stack(torch._foreach_norm([p.grad for _, p in named if p.grad is not None])),
            torch.stack(torch._foreach_norm(torch._foreach_sub([p.detach() for _, p in named], old))),
            torch.stack(torch._foreach_norm(old)),
        ]
    ).T.tolist()
    return {
        name: {"mean": mean, "std": std, "gradient_norm": slope, "update_ratio": moved / size if size else math.nan}
        for (name, _), (mean, std, slope, moved, size) in zip(named, columns, strict=True)
    }


def _not_finite(step: int, loss: float, recipe: Recipe) -> Finding:
    return Finding(
        "loss-not-finite",
        "fatal",
        f"The loss became {loss} at step {step}: values grew past every bound under {recipe.optimiser} at lr "
        f"{recipe.peak_lr:g}.",
        f"Try --lr {recipe.peak_lr / 10:g}, --clip 1, or a longer --warmup. What was saved before is intact.",
        step,
    )


def _flat(step: int, epoch: int, accuracy: float, balance: Balance, recipe: Recipe, level: str) -> Finding:
    uneven = balance.way == "none" and balance.chance > _LARGEST
    unequal = " One class has most images: try --balance weights." if uneven else ""
    return Finding(
        "flat-at-chance",
        level,
        f"After {epoch} epoch{'s' if epoch > 1 else ''} the training accuracy is {accuracy:.4f}, and always naming "
        f"{'the most frequent' if balance.way == 'none' else 'one'} class gives {balance.chance:.4f}: nothing is being "
        "learnt.",
        f"Try another --lr (it is {recipe.peak_lr:g}), --initialisation kaiming, or --normalise z-score; look whether "
        f"the labels belong to the images (convoscope data).{unequal} --flat-epochs 0 trains on regardless.",
        step,
    )
