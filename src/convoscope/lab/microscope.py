"""The microscope over a run: its network as a table on one image, and any number opened into its arithmetic."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convoscope import data as data_room
from convoscope.errors import ConvoscopeError, InputError, RunError, StorageError, UnknownName
from convoscope.graph.build import build as build_graph
from convoscope.graph.cost import COUNTS, Costs, cost
from convoscope.graph.field import field
from convoscope.graph.graph import Graph, Mode, Node
from convoscope.graph.save import load, save
from convoscope.lab.sitting import Ready, loop, prepare
from convoscope.lab.trainee import Trainee, open_run
from convoscope.look.capture import capture
from convoscope.look.captured import Captured, Direction
from convoscope.look.derive import Why
from convoscope.look.update import explain_update
from convoscope.runs import store
from convoscope.runs.store import Run
from convoscope.train.checkpoint import MODEL, OPTIMISER, Checkpoint
from convoscope.train.feed import Feed, augmentation_of
from convoscope.train.gradient import BatchGradient, Plan, workers
from convoscope.train.loop import n_steps_per_epoch, step_seed
from convoscope.train.losses import LOSSES, add_penalties, penalised
from convoscope.train.optim import make_optimiser, memory_format_of
from convoscope.train.recipe import Recipe
from convoscope.train.schedules import lr_at

_PLACE = re.compile(r"(?P<node>[^\[\]\s]+)\s*(?:\[(?P<unit>[\d\s,]*)\])?$")
_SPLIT = re.compile(r"(train|validation|test):(\d+)$")


@dataclass(frozen=True, eq=False)
class Seen:
    """One image in a run's network: the pass, and what the image is."""

    captured: Captured
    trainee: Trainee
    image: str
    target: int
    target_is: str


class RunLoss(nn.Module):
    """A recipe's loss of a batch: the mean over its images, without the penalties on the weights."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self._loss, self._label_smoothing = LOSSES[recipe.loss], recipe.label_smoothing

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Logits (N, K) and labels (N,) to one number."""
        return self._loss(logits, labels, self._label_smoothing).mean()


def see(
    name: str, image: str, *, runs: Path, step: int | None = None, target: str | None = None, mode: Mode = "eval"
) -> Seen:
    """Runs one image through a run's network, forward and backward, and keeps every value and gradient.

    Args:
        name: The run.
        image: "test:45" (or train:, validation:), the number of an image in the run's own data; or an image file.
        runs: The folder of runs.
        step: The checkpoint whose weights to use; the final ones without it.
        target: The class that the loss is computed against; the image's own label without it, or for a file the class
            that the network names.
        mode: "eval", or "train" to see what dropout and batch statistics do; the mask is the same each time.

    Raises:
        InputError: no such image, class, mode or run.
        ModelError: the network cannot be exported, or a weight is NaN.
    """
    if mode not in {"eval", "train"}:
        raise InputError(f"The mode was given as {mode!r}; it is eval or train.")
    trainee = open_run(name, runs=runs, step=step)
    pixels, label = _pixels(trainee, image)
    alone = data_room.Dataset(pixels[None], np.zeros(1, np.int64), trainee.class_names, image)
    feed = Feed(alone, trainee.normalisation, trainee.machine.device)
    x, _ = feed.batch(torch.zeros(1, dtype=torch.long), 0)
    goal, goal_is = _target(trainee, x, label, target)
    graph = graph_of(trainee, x, torch.tensor([goal]), mode)
    passed = capture(graph, trainee.model, x, torch.tensor([goal]), seed=trainee.recipe.seed)
    return Seen(passed, trainee, image, goal, goal_is)


def look(name: str, image: str, *, runs: Path, step: int | None = None, mode: Mode = "eval") -> dict[str, Any]:
    """The network on one image: for each node its op, shape, parameters, FLOPs, receptive field and values."""
    seen = see(name, image, runs=runs, step=step, mode=mode)
    graph = seen.captured.graph
    costs = cost(graph)
    rows = [_row(seen, graph, costs, node) for node in graph.nodes.values() if node.kind == "op"]
    names = seen.trainee.class_names
    probabilities = seen.captured.value(_logits(graph)).float().softmax(-1)[0].tolist()
    return {
        "run": seen.trainee.run.name,
        "step": step,
        "image": image,
        "target": names[seen.target],
        "target_is": seen.target_is,
        "loss": float(seen.captured.value(graph.loss)) if graph.loss else None,
        "probabilities": dict(zip(names, probabilities, strict=True)),
        "counts": COUNTS,
        "n_parameters": costs.total.parameters,
        "flops": costs.total.flops,
        "nodes": rows,
    }


def _row(seen: Seen, graph: Graph, costs: Costs, node: Node) -> dict[str, Any]:
    """One op of the table; `field` is of its middle unit, in pixels of the input, [] where that is not known."""
    stats, found = seen.captured.stats(node.name), costs.nodes[node.name]
    middle = (0, *(length // 2 for length in node.shape[1:])) if node.shape else ()
    box: tuple[tuple[int, int], ...] = ()
    with contextlib.suppress(ConvoscopeError):
        box = field(graph, node.name, middle).pixels
    return {
        "node": node.name,
        "op": node.op,
        "module": node.module,
        "shape": list(node.shape[1:]),
        "n_parameters": found.parameters,
        "flops": found.flops,
        "field": [last - first + 1 for first, last in box],
        "min": stats.minimum,
        "mean": stats.mean,
        "max": stats.maximum,
        "dead": stats.dead,
    }


def why(
    name: str, at: str, image: str, *, runs: Path, step: int | None = None, direction: Direction = "forward",
    target: str | None = None, mode: Mode = "eval",
) -> Why:  # fmt: skip
    """The arithmetic of one number: its value, or the gradient of the loss by it.

    Args:
        name: The run.
        at: The number: "conv2[5,4,3]" (channel, row, column), "fc3[7]", "conv2.weight[5,0,2,2]".
        image: As in `see`.
        runs: The folder of runs.
        step: As in `see`.
        direction: "forward" for its value, "backward" for dloss/dvalue.
        target: As in `see`.
        mode: As in `see`.

    Raises:
        InputError: no such run, image, node or unit.
    """
    node, unit = place(at)
    return see(name, image, runs=runs, step=step, target=target, mode=mode).captured.why(node, unit, direction)


def why_update(name: str, at: str, *, runs: Path, step: int) -> Why:
    """The arithmetic of one weight's change in one step of training: the step that made it step number `step`.

    The state before the step is brought back from the nearest earlier checkpoint by training the steps between again:
    they come out with the same bits.

    Raises:
        RunError: no such run or step, or no checkpoint before it.
        InputError: no such weight.
    """
    run = store.find(runs, name)
    recipe, plan = run.recipe(), run.plan()
    ready = prepare(recipe)
    epochs, batch_size = recipe.counts()
    n_steps = epochs * n_steps_per_epoch(len(ready.opened.splits.train), batch_size)
    if not 1 <= step <= n_steps:
        raise RunError(f"The run {run.name} has steps 1 to {n_steps}; {step} was asked.")
    before = _at_step(run, ready, plan, step - 1)
    after = _replayed(ready, plan, before, step)
    parameter, index = place(at)
    weights = {key.removeprefix(MODEL): value for key, value in before.tensors.items() if key.startswith(MODEL)}
    gradient, total_norm = _gradient(ready, plan, weights, step)
    if parameter not in gradient:
        raise UnknownName(f"There is no parameter called {parameter!r}.", hint=f"Known: {', '.join(gradient)}.")
    weight = weights[parameter]
    rule = _rule_of(ready, parameter)
    decayed = bool(penalised([weight]))
    settings = {
        "lr": lr_at(step - 1, n_steps, recipe), "weight_decay": recipe.weight_decay,
        "l1": recipe.l1 if decayed else 0.0, "l2": recipe.l2 if decayed else 0.0,
        "clip_norm": recipe.clip, "total_norm": total_norm, "match_rms_adamw": 1.0,
    }  # fmt: skip
    if rule in {"momentum", "nesterov", "muon"}:
        settings["momentum"] = recipe.kept_momentum
    prefix = f"{OPTIMISER}{parameter}."
    state = {k.removeprefix(prefix): v for k, v in before.tensors.items() if k.startswith(prefix)}
    order = memory_format_of(gradient[parameter])
    state = {key: value.contiguous(memory_format=order) if value.ndim else value for key, value in state.items()}
    return explain_update(
        rule, settings, state, weight, gradient[parameter], index, after.tensors[MODEL + parameter], name=parameter
    )


def place(text: str) -> tuple[str, tuple[int, ...]]:
    """Reads "conv2[5,4,3]" into ("conv2", (5, 4, 3)); InputError for anything else."""
    match = _PLACE.match(text.strip())
    if match is None:
        raise InputError(f"{text!r} is no place in a network.", hint="Write NODE[I,J,K], for example conv2[5,4,3].")
    unit = tuple(int(part) for part in (match["unit"] or "").split(",") if part.strip())
    return match["node"], unit


def graph_of(trainee: Trainee, x: Tensor, target: Tensor, mode: Mode) -> Graph:
    """The run's graph with its loss: read from the run's folder, or exported once and kept there."""
    path = trainee.run.folder / "graph" / f"{mode}.json"
    if path.is_file():
        with contextlib.suppress(ConvoscopeError):  # written by another torch, or damaged: export again
            return load(path)
    graph = build_graph(trainee.model, x, mode, loss=RunLoss(trainee.recipe), target=target)
    with contextlib.suppress(StorageError, OSError):  # a read-only run can be looked at all the same
        path.parent.mkdir(exist_ok=True)
        save(graph, path)
    return graph


def _pixels(trainee: Trainee, image: str) -> tuple[NDArray[np.uint8], int | None]:
    """The image as uint8 (C, H, W), and its label where it has one."""
    match = _SPLIT.match(image)
    if match is None:
        return trainee.policy.read(Path(image)), None
    recipe = trainee.recipe
    opened = data_room.open_data(
        recipe.data, validation=recipe.validation, seed=recipe.seed, broken=recipe.broken, policy=trainee.policy
    )
    part = {"train": opened.splits.train, "validation": opened.splits.validation, "test": opened.splits.test}[match[1]]
    number = int(match[2])
    if part is None or number >= len(part):
        there = f"images 0 to {len(part) - 1}" if part is not None and len(part) else "no images"
        raise InputError(f"{image} was asked for; the {match[1]} part of {recipe.data} has {there}.")
    return part.images[number], int(part.labels[number])


def _target(trainee: Trainee, x: Tensor, label: int | None, given: str | None) -> tuple[int, str]:
    """The class that the loss is computed against, and in words where it comes from."""
    if given is not None:
        if given not in trainee.class_names:
            known = ", ".join(trainee.class_names[:20])
            raise UnknownName(f"There is no class {given!r} in {trainee.run.name}.", hint=f"Known: {known}.")
        return trainee.class_names.index(given), "the class that was asked for"
    if label is not None:
        return label, "the image's label"
    with torch.inference_mode():
        return int(trainee.model(x).argmax()), "the class that the network names"


def _logits(graph: Graph) -> str:
    """The node that the loss reads first: the network's output."""
    last = [node for node in graph.nodes.values() if node.kind == "op" and len(node.shape) == 2]
    modules = [node for node in last if node.module]
    return (modules or last)[-1].name


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
    ready.model.train()
    feed = Feed(
        ready.opened.splits.train, ready.normalisation, ready.machine.device,
        channels_last=plan.memory_format == "channels-last", augmentation=augmentation_of(recipe), seed=recipe.seed,
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
    add_penalties(penalised(ready.model.parameters()), recipe.l1, recipe.l2)
    length = torch.nn.utils.get_total_norm([p.grad for p in ready.model.parameters() if p.grad is not None])
    return raw, float(length)


def _rule_of(ready: Ready, parameter: str) -> str:
    """The update rule that moves a parameter: the recipe's, or AdamW for what Muon leaves."""
    if ready.recipe.optimiser != "muon":
        return ready.recipe.optimiser
    parts = make_optimiser(ready.model, ready.recipe).parts
    return "muon" if any(part.views and parameter in part.names for part in parts) else "adamw"
