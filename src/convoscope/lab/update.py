"""One step of training, brought back: the state before and after it, its gradient, and any weight's change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from convoscope.errors import InputError, RunError, UnknownName
from convoscope.lab.microscope import place
from convoscope.lab.ready import Ready, prepare
from convoscope.lab.sitting import loop
from convoscope.look.derive import Why
from convoscope.look.update import explain_update
from convoscope.runs import store
from convoscope.runs.store import Run
from convoscope.train.checkpoint import MODEL, OPTIMISER, Checkpoint
from convoscope.train.feed import training_feed
from convoscope.train.freeze import freeze_as_at, frozen_by_recipe, set_learning
from convoscope.train.gradient import BatchGradient, Plan, workers
from convoscope.train.loop import n_steps_per_epoch, step_seed
from convoscope.train.losses import add_penalties, penalised
from convoscope.train.optim import make_optimiser, memory_format_of, ns_steps
from convoscope.train.schedules import lr_at


@dataclass(frozen=True, eq=False)
class StepTaken:
    """The step of a run that made it step number `step`, trained again with the same bits.

    Attributes:
        step: Its number, from 1.
        before: The weights and the optimiser's state before it.
        after: The same after it.
        gradient: dloss/dparameter of its batch, before penalties and clipping, by parameter.
        total_norm: The length of the whole gradient, penalties included, that clipping saw.
        n_steps: How many steps the run has in all.
        ready: What the run trains with.
        moved_by: The update rule of each parameter that the step moved.
        lr_factors: What the learning rate is multiplied by, of the parameters where it is not 1.
    """

    step: int
    before: Checkpoint
    after: Checkpoint
    gradient: Mapping[str, Tensor]
    total_norm: float
    n_steps: int
    ready: Ready
    moved_by: Mapping[str, str]
    lr_factors: Mapping[str, float]

    def weight(self, parameter: str) -> Tensor:
        """A parameter before the step.

        Raises:
            InputError: it is frozen at this step, or no parameter.
            UnknownName: there is none of that name.
        """
        if parameter not in self.gradient and MODEL + parameter in self.before.tensors:
            thaws = parameter in frozen_by_recipe(self.ready.model) and self.ready.recipe.thaw
            raise InputError(
                f"{parameter} is still frozen in step {self.step}: it thaws after {thaws:g} epochs."
                if thaws
                else f"{parameter} does not learn in this run: no step changes it.",
                hint=f"These do: {', '.join(self.gradient)}.",
            )
        if parameter not in self.gradient:
            raise UnknownName(
                f"There is no parameter called {parameter!r}.", hint=f"Known: {', '.join(self.gradient)}."
            )
        return self.before.tensors[MODEL + parameter]

    def change(self, parameter: str) -> Tensor:
        """What the step added to a parameter; of its shape.

        Raises:
            UnknownName: there is none of that name.
        """
        return self.after.tensors[MODEL + parameter] - self.weight(parameter)

    def why(self, parameter: str, index: tuple[int, ...]) -> Why:
        """The arithmetic of one weight's change.

        Raises:
            UnknownName: there is no such parameter.
            InputError: no such number in it.
        """
        recipe, weight, gradient = self.ready.recipe, self.weight(parameter), self.gradient[parameter]
        rule = self.moved_by[parameter]
        decayed = bool(penalised([weight]))
        settings = {
            "lr": lr_at(self.step - 1, self.n_steps, recipe), "weight_decay": recipe.weight_decay,
            "l1": recipe.l1 if decayed else 0.0, "l2": recipe.l2 if decayed else 0.0,
            "clip_norm": recipe.clip, "total_norm": self.total_norm,
            "match_rms_adamw": float(not recipe.hold), "hold": float(recipe.hold),
            "ns_steps": ns_steps(recipe),
        }  # fmt: skip
        if parameter in self.lr_factors:
            settings["lr_factor"] = self.lr_factors[parameter]
        if rule in {"momentum", "nesterov", "muon"}:
            settings["momentum"] = recipe.kept_momentum
        prefix = f"{OPTIMISER}{parameter}."
        state = {k.removeprefix(prefix): v for k, v in self.before.tensors.items() if k.startswith(prefix)}
        order = memory_format_of(gradient)
        state = {key: value.contiguous(memory_format=order) if value.ndim else value for key, value in state.items()}
        after = self.after.tensors[MODEL + parameter]
        return explain_update(rule, settings, state, weight, gradient, index, after, name=parameter)


def step_taken(name: str, *, runs: Path, step: int, ready: Ready | None = None) -> StepTaken:
    """Brings one step of a run back: the state before it is trained again from the nearest earlier checkpoint.

    Args:
        name: The run.
        runs: The folder of runs.
        step: The step that made it step number `step`, from 1.
        ready: What the run trains with, where it has been prepared already.

    Raises:
        RunError: no such run or step, or no checkpoint before it.
    """
    run = store.find(runs, name)
    plan = run.plan()
    ready = ready or prepare(run.recipe())
    epochs, batch_size = ready.recipe.counts()
    part = ready.opened.splits.train
    steps_per_epoch = n_steps_per_epoch(len(part), batch_size)
    n_steps = epochs * steps_per_epoch
    if not 1 <= step <= n_steps:
        raise RunError(f"The run {run.name} has steps 1 to {n_steps}; {step} was asked.")
    before = _at_step(run, ready, plan, step - 1)
    after = _replayed(ready, plan, before, step)
    weights = {key.removeprefix(MODEL): value for key, value in before.tensors.items() if key.startswith(MODEL)}
    freeze_as_at(ready.model, ready.recipe, part.n_classes, step - 1, steps_per_epoch)
    gradient, total_norm = _gradient(ready, plan, weights, step)
    moved_by, factors = _movers(ready)
    return StepTaken(step, before, after, gradient, total_norm, n_steps, ready, moved_by, factors)


def why_update(name: str, at: str, *, runs: Path, step: int) -> Why:
    """The arithmetic of one weight's change in one step of training: the step that made it step number `step`.

    The state before the step is brought back from the nearest earlier checkpoint by training the steps between again:
    they come out with the same bits.

    Raises:
        RunError: no such run or step, or no checkpoint before it.
        InputError: no such weight.
    """
    parameter, index = place(at)
    return step_taken(name, runs=runs, step=step).why(parameter, index)


def _at_step(run: Run, ready: Ready, plan: Plan, step: int) -> Checkpoint:
    """The state after `step` updates, from the nearest checkpoint at or before it."""
    earlier = [number for number in run.checkpoint_files() if number <= step]
    if not earlier:
        raise RunError(f"The run {run.name} has no checkpoint at or before step {step}.")
    checkpoint = run.load_checkpoint(earlier[-1])
    return checkpoint if checkpoint.step == step else _replayed(ready, plan, checkpoint, step)


def _replayed(ready: Ready, plan: Plan, checkpoint: Checkpoint, step: int) -> Checkpoint:
    """The state after `step` updates, trained again from a checkpoint before it."""
    asked = iter(range(checkpoint.step + 1, step + 1))
    for event in loop(ready, plan, checkpoint, lambda: next(asked, step) == step):
        if isinstance(event, Checkpoint) and event.step == step:
            tensors = {name: value.detach().clone() for name, value in event.tensors.items()}
            return Checkpoint(event.reason, tensors, dict(event.progress))
    raise RunError(f"The run ended before step {step}.", hint="See: convoscope show RUN")


def _gradient(ready: Ready, plan: Plan, weights: Mapping[str, Tensor], step: int) -> tuple[dict[str, Tensor], float]:
    """The gradient of step `step` by parameter, before penalties and clipping, and the length that clipping saw."""
    recipe = ready.recipe
    ready.model.load_state_dict(dict(weights))
    set_learning(ready.model)
    feed = training_feed(
        ready.opened.splits.train, ready.normalisation, recipe, ready.machine.device,
        channels_last=plan.memory_format == "channels-last",
    )  # fmt: skip
    _, batch_size = recipe.counts()
    epoch, position = divmod(step - 1, n_steps_per_epoch(len(feed), batch_size))
    batch = feed.order(epoch)[position * batch_size : (position + 1) * batch_size]
    ready.machine.seed(step_seed(recipe, step - 1))
    with workers(plan) as crew:
        BatchGradient(ready.model, recipe, ready.machine, plan, crew)(feed, batch, epoch)
    # In the order of axes that the optimiser saw: Muon's bfloat16 sums differ with the order of a matrix's columns.
    raw = {
        name: p.grad.clone(memory_format=memory_format_of(p))
        for name, p in ready.model.named_parameters()
        if p.grad is not None
    }
    add_penalties(penalised(p for p in ready.model.parameters() if p.requires_grad), recipe.l1, recipe.l2)
    length = torch.nn.utils.get_total_norm([p.grad for p in ready.model.parameters() if p.grad is not None])
    return raw, float(length)


def _movers(ready: Ready) -> tuple[dict[str, str], dict[str, float]]:
    """Of each parameter that learns now the update rule, another for what Muon leaves; of some a factor of the rate."""
    rules: dict[str, str] = {}
    factors: dict[str, float] = {}
    for part in make_optimiser(ready.model, ready.recipe).parts:
        left = ready.recipe.optimiser == "muon" and not part.views
        rules |= dict.fromkeys(part.names, ready.recipe.rest if left else ready.recipe.optimiser)
        factors |= dict.fromkeys(part.names, part.lr_factor) if part.lr_factor != 1 else {}
    return rules, factors
