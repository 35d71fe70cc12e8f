"""The microscope over a run: its network as a table on one example, and any number opened into its arithmetic."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convoscope.data import Dataset, Examples, TextPolicy, Texts
from convoscope.errors import ConvoscopeError, InputError, StorageError, UnknownName
from convoscope.graph.build import build as build_graph
from convoscope.graph.cost import COUNTS, Cost, Costs, cost
from convoscope.graph.field import Field, field
from convoscope.graph.graph import Graph, Mode, Node
from convoscope.graph.save import load, save
from convoscope.lab.trainee import Trainee, open_run
from convoscope.look.capture import capture
from convoscope.look.captured import Captured, Direction
from convoscope.look.derive import Why
from convoscope.runs.disk import write_json
from convoscope.runs.store import Run
from convoscope.train.feed import Feed
from convoscope.train.freeze import freeze, set_learning, thaws_after
from convoscope.train.loop import n_steps_per_epoch
from convoscope.train.losses import LOSSES
from convoscope.train.recipe import Recipe

_PLACE = re.compile(r"(?P<node>[^\[\]\s]+)\s*(?:\[(?P<unit>[\d\s,]*)\])?$")
_SPLIT = re.compile(r"(train|validation|test):(\d+)$")


@dataclass(frozen=True, eq=False)
class Seen:
    """One example in a run's network: the pass, and what the example is; `one` holds it alone."""

    captured: Captured
    trainee: Trainee
    image: str
    one: Examples
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
    name: str, image: str, *, runs: Path, step: int | None = None, target: str | None = None, mode: Mode = "eval",
    text: str | None = None,
) -> Seen:  # fmt: skip
    """Runs one image or text through a run's network, forward and backward, and keeps every value and gradient.

    Args:
        name: The run.
        image: "test:45" (or train:, validation:), the number of an image or text in the run's own data; or a file.
        runs: The folder of runs.
        step: The checkpoint whose weights to use; the final ones without it.
        target: The class that the loss is computed against; the example's own label without it, or for a file or a
            given text the class that the network names.
        mode: "eval", or "train" to see what dropout and batch statistics do; the mask is the same each time.
        text: A text itself, in the place of `image`; for a network that takes texts. Its graph is for as many words
            as it has.

    Raises:
        InputError: no such image or text, class, mode or run; a text without a word that the network knows.
        ModelError: the network cannot be exported, or a weight is NaN.
    """
    if mode not in {"eval", "train"}:
        raise InputError(f"The mode was given as {mode!r}; it is eval or train.")
    trainee = open_run(name, runs=runs, step=step)
    one, label = _example(trainee, image, text)
    x, _ = Feed(one, trainee.normalisation, trainee.machine.device).batch(torch.zeros(1, dtype=torch.long), 0)
    goal, goal_is = _target(trainee, x, label, target, one.noun)
    graph = graph_of(trainee, x, torch.tensor([goal]), mode, step)
    passed = capture(graph, trainee.model, x, torch.tensor([goal]), seed=trainee.recipe.seed)
    return Seen(passed, trainee, image if text is None else "the text given", one, goal, goal_is)


def look(
    name: str, image: str, *, runs: Path, step: int | None = None, mode: Mode = "eval", text: str | None = None
) -> dict[str, Any]:
    """The network on one example: for each node its op, shape, parameters, FLOPs, receptive field and values."""
    seen = see(name, image, runs=runs, step=step, mode=mode, text=text)
    graph = seen.captured.graph
    costs = costs_of(seen.trainee.run, graph, mode)
    # An op that makes several values is seen by each of them.
    ops = [node for node in graph.nodes.values() if node.kind == "op" and node.dtype != "tuple"]
    rows = [_row(seen, graph, costs, node) for node in ops]
    names = seen.trainee.class_names
    probabilities = seen.captured.value(logits_of(graph)).float().softmax(-1)[0].tolist()
    return {
        "run": seen.trainee.run.name,
        "step": step,
        "image": seen.image,
        **_words(seen.one),
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
    """One op of the table; `field` is of its middle unit, in pixels or words of the input, [] where not known."""
    stats, found = seen.captured.stats(node.name), costs.nodes[node.name]
    middle = (0, *(length // 2 for length in node.shape[1:])) if node.shape else ()
    box: tuple[tuple[int, int], ...] = ()
    with contextlib.suppress(ConvoscopeError):
        box = seen_of(graph, field(graph, node.name, middle))
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
    target: str | None = None, mode: Mode = "eval", text: str | None = None,
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
        text: As in `see`.

    Raises:
        InputError: no such run, image, text, node or unit.
    """
    node, unit = place(at)
    seen = see(name, image, runs=runs, step=step, target=target, mode=mode, text=text)
    return seen.captured.why(node, unit, direction)


def place(text: str) -> tuple[str, tuple[int, ...]]:
    """Reads "conv2[5,4,3]" into ("conv2", (5, 4, 3)); InputError for anything else."""
    match = _PLACE.match(text.strip())
    if match is None:
        raise InputError(f"{text!r} is no place in a network.", hint="Write NODE[I,J,K], for example conv2[5,4,3].")
    unit = tuple(int(part) for part in (match["unit"] or "").split(",") if part.strip())
    return match["node"], unit


def graph_of(trainee: Trainee, x: Tensor, target: Tensor, mode: Mode, step: int | None = None) -> Graph:
    """The run's graph with its loss: read from the run's folder, or exported once and kept there.

    Of texts there is one for each length (of trees for each depth and width): that of `x`, (1, ...). In training mode
    it is the network's as it worked after `step` updates, or at the end: what has thawed works otherwise than before.
    """
    thawed = mode == "train" and has_thawed(trainee, step)
    stem = _stem(mode, tuple(x.shape), is_text=not x.is_floating_point())
    path = trainee.run.folder / "graph" / f"{stem}{'-thawed' if thawed else ''}.json"
    if path.is_file():
        with contextlib.suppress(ConvoscopeError):  # written by another torch, or damaged: export again
            return load(path)
    with _as_trained(trainee, thawed=thawed) if mode == "train" else contextlib.nullcontext():
        graph = build_graph(trainee.model, x, mode, loss=RunLoss(trainee.recipe), target=target)
    with contextlib.suppress(StorageError, OSError):  # a read-only run can be looked at all the same
        path.parent.mkdir(exist_ok=True)
        save(graph, path)
    return graph


def has_thawed(trainee: Trainee, step: int | None) -> bool:
    """Whether what the run froze learns in the step after `step` updates; after None in the last one."""
    recipe = trainee.recipe
    if not recipe.thaw:
        return False
    steps_per_epoch = n_steps_per_epoch(int(trainee.run.card("data", "n_train")["n_train"]), recipe.counts()[1])
    after = thaws_after(recipe, steps_per_epoch)
    return after is not None and (step is None or step >= after)


@contextlib.contextmanager
def _as_trained(trainee: Trainee, *, thawed: bool) -> Iterator[None]:
    """Puts the network into the mode that it was trained in: what was frozen worked as in evaluation."""
    asked = "" if thawed else trainee.recipe.freeze
    names = set(freeze(trainee.model, asked, len(trainee.class_names)))
    set_learning(trainee.model)
    try:
        yield
    finally:
        trainee.model.eval()
        for name, parameter in trainee.model.named_parameters():
            if name in names:
                parameter.requires_grad_(True)  # what is looked at has gradients everywhere


def costs_of(run: Run, graph: Graph, mode: Mode) -> Costs:
    """What each op of a run's graph takes for one image: read from the run's folder, or counted once and kept there.

    Counting runs the graph without numbers, and the part of torch that does so takes a second to load.
    """
    stem = stem_of(graph, mode)
    path = run.folder / "graph" / f"{stem}.cost.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        costs = Costs({name: Cost(*numbers) for name, numbers in kept["nodes"].items()}, Cost(*kept["total"]))
        if kept["graph"] == _digest(run, stem) != "" and costs.nodes.keys() == {
            n.name for n in graph.nodes if n.kind == "op"
        }:
            return costs
    costs = cost(graph.at(1))
    with contextlib.suppress(StorageError, OSError):
        numbers = {name: [one.parameters, one.flops, one.bytes] for name, one in costs.nodes.items()}
        total = [costs.total.parameters, costs.total.flops, costs.total.bytes]
        write_json(path, {"graph": _digest(run, stem), "nodes": numbers, "total": total}, "The network's cost")
    return costs


def stem_of(graph: Graph, mode: Mode) -> str:
    """What a run's graph is called on the disk: "eval", of texts "eval-12" by its words, of trees "eval-5x9"."""
    found = graph.nodes[graph.inputs[0]]
    return _stem(mode, found.shape, is_text="float" not in found.dtype)


def _stem(mode: Mode, shape: tuple[int, ...], *, is_text: bool) -> str:
    if not is_text:
        return mode
    return f"{mode}-{shape[1]}" if len(shape) == 2 else f"{mode}-{shape[1]}x{shape[2]}"


def seen_of(graph: Graph, found: Field) -> tuple[tuple[int, int], ...]:
    """A field in the input's own terms: rows and columns of an image, the words of a text; () of a tree."""
    node = graph.nodes[graph.inputs[0]]
    if "float" in node.dtype:
        return found.pixels
    return found.box[1:] if len(node.shape) == 2 else ()


def _digest(run: Run, stem: str) -> str:
    """Of the graph that is kept with a run; "" for none."""
    try:
        return hashlib.sha256((run.folder / "graph" / f"{stem}.json").read_bytes()).hexdigest()
    except OSError:
        return ""


def split_of(image: str) -> tuple[str, int] | None:
    """Reads "test:45" into ("test", 45); None for what names no image of a run's own data."""
    match = _SPLIT.match(image)
    return (match[1], int(match[2])) if match else None


def pixels_of(trainee: Trainee, image: str) -> tuple[NDArray[np.uint8], int | None]:
    """The image as uint8 (C, H, W), and its label where it has one; InputError where the network takes texts."""
    one, label = _example(trainee, image, None)
    if not isinstance(one, Dataset):
        raise InputError(f"{trainee.run.name} takes {one.kind}; an image was asked for.")
    return one.images[0], label


def _example(trainee: Trainee, image: str, text: str | None) -> tuple[Examples, int | None]:
    """The image or text alone, and its label where it has one."""
    if text is not None:
        if not isinstance(trainee.policy, TextPolicy):
            raise InputError(f"{trainee.run.name} takes images, and a text was given.", hint="Give an image (--image).")
        return trainee.reads(text), None
    found = split_of(image)
    if found is None:
        return trainee.reads(Path(image)), None
    split, number = found
    part = trainee.opened().splits.parts().get(split)
    if part is None or number >= len(part):
        kind = part.kind if part is not None else "images"
        there = f"{kind} 0 to {len(part) - 1}" if part is not None and len(part) else f"no {kind}"
        raise InputError(f"{image} was asked for; the {split} part of {trainee.recipe.data} has {there}.")
    return part.take(np.array([number])), int(part.labels[number])


def _words(one: Examples) -> dict[str, Any]:
    """What is told of a text beside its numbers: its words, the unknown ones among them."""
    if not isinstance(one, Texts):
        return {}
    words = one.policy.words(one.originals[0])
    return {"words": [word.word for word in words], "unknown": [word.word for word in words if not word.is_known]}


def _target(trainee: Trainee, x: Tensor, label: int | None, given: str | None, noun: str) -> tuple[int, str]:
    """The class that the loss is computed against, and in words where it comes from."""
    if given is not None:
        if given not in trainee.class_names:
            known = ", ".join(trainee.class_names[:20])
            raise UnknownName(f"There is no class {given!r} in {trainee.run.name}.", hint=f"Known: {known}.")
        return trainee.class_names.index(given), "the class that was asked for"
    if label is not None:
        return label, f"the {noun}'s label"
    with torch.inference_mode():
        return int(trainee.model(x).argmax()), "the class that the network names"


def logits_of(graph: Graph) -> str:
    """The node that the loss reads first: the network's output."""
    last = [node for node in graph.nodes.values() if node.kind == "op" and len(node.shape) == 2]
    modules = [node for node in last if node.module]
    return (modules or last)[-1].name
