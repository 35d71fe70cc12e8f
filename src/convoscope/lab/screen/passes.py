"""Passes through a run's network: one image, one step, forward and where it is wanted backward; the newest are kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from convoscope.errors import UnknownName
from convoscope.graph.graph import Graph
from convoscope.lab.microscope import logits_of
from convoscope.lab.screen.ask import FINAL, Ask
from convoscope.lab.screen.kept import Kept
from convoscope.lab.screen.opened import OpenRun, Picture
from convoscope.lab.screen.pack import plain
from convoscope.lab.screen.parts import Figure
from convoscope.lab.screen.sights import Sight
from convoscope.look.capture import capture
from convoscope.look.captured import Captured

TargetIs = Literal["label", "asked", "predicted"]


@dataclass(frozen=True, eq=False)
class Pass:
    """One image through the network at one step.

    Attributes:
        captured: Every value, and every gradient where it was wanted.
        picture: The image.
        logits: The output, float32 (K,).
        target: The class that the loss is computed against.
        target_is: Where that comes from.
        has_gradients: Whether it went backward.
    """

    captured: Captured
    picture: Picture
    logits: Tensor
    target: int
    target_is: TargetIs
    has_gradients: bool

    @property
    def n_bytes(self) -> int:
        """The memory that it keeps, about: values, and gradients of the same size."""
        graph = self.captured.graph
        n = sum(torch.Size(node.shape).numel() for node in graph.nodes if node.kind == "op")
        return n * 4 * (2 if self.has_gradients else 1)

    @property
    def predicted(self) -> int:
        """The class of greatest probability."""
        return int(self.logits.argmax())

    def loss(self) -> Figure | None:
        """The image's loss; None where the graph has none."""
        graph = self.captured.graph
        return figure(float(self.captured.value(graph.loss))) if graph.loss else None


class Passes:
    """The passes of all runs, as many as fit in `keep_bytes`."""

    def __init__(self, keep_bytes: int) -> None:
        self._kept: Kept[Pass] = Kept(keep_bytes, lambda made: made.n_bytes)

    def of(self, run: OpenRun, picture: Picture, ask: Ask, *, gradients: bool) -> Pass:
        """The pass of an image; one that went backward serves for forward questions too.

        Args:
            run: Whose network.
            picture: The image.
            ask: Step, mode and target.
            gradients: Whether dloss/dvalue is wanted.

        Raises:
            UnknownName: there is no such class as the target.
            RunError: no weights at that step.
            ModelError: the network cannot be looked into.
        """
        key = (run.run.name, run.version, run.step(ask.step), picture.key, ask.mode, ask.target)
        found = self._kept.get(key)
        if found is not None and (found.has_gradients or not gradients):
            return found
        made = _passed(run, picture, ask, gradients=gradients)
        return self._kept.put(key, made)


def _passed(run: OpenRun, picture: Picture, ask: Ask, *, gradients: bool) -> Pass:
    graph, weights = run.graph(ask.mode, picture, run.step(ask.step)), run.weights(ask.step)
    x = run.inputs(picture.one)
    target, target_is = _target(run, picture, ask.target)
    seed = run.trainee.recipe.seed
    if target is None:
        seen = capture(graph, weights, x, None, gradients=False, seed=seed)
        target = int(seen.value(logits_of(graph))[0].argmax())
    seen = capture(graph, weights, x, torch.tensor([target]), gradients=gradients, seed=seed)
    logits = seen.value(logits_of(graph))[0].float()
    return Pass(seen, picture, logits, target, target_is, gradients)


def _target(run: OpenRun, picture: Picture, given: str | None) -> tuple[int | None, TargetIs]:
    names = run.trainee.class_names
    if given is not None:
        if given not in names:
            raise UnknownName(
                f"There is no class {given!r} in {run.run.name}.", hint=f"Known: {', '.join(names[:20])}."
            )
        return names.index(given), "asked"
    return (None, "predicted") if picture.label is None else (picture.label, "label")


def sight(run: OpenRun, ask: Ask, seen: Pass, update_step: int | None = None) -> Sight:
    """The head of every pack."""
    return Sight(
        run=run.run.name, step=run.step(ask.step), minus=ask.minus, image=ask.image, tab=ask.tab, mode=ask.mode,
        truth=seen.picture.label, target=seen.target, target_is=seen.target_is, predicted=seen.predicted,
        logits=figures(seen.logits), probabilities=figures(seen.logits.softmax(0)), loss=seen.loss(),
        update_step=update_step,
    )  # fmt: skip


class Numbers:
    """The numbers a question is about: values or gradients of a pass, less those of another step where asked."""

    def __init__(self, run: OpenRun, passes: Passes, picture: Picture, ask: Ask) -> None:
        self.run, self.ask, self.backward = run, ask, ask.tab == "backward"
        self.seen = passes.of(run, picture, ask, gradients=self.backward)
        self.graph: Graph = self.seen.captured.graph
        self._less: Pass | None = None
        if ask.minus is not None:
            other = replace(ask, step=None if ask.minus == FINAL else ask.minus)
            self._less = passes.of(run, picture, other, gradients=self.backward)

    def of(self, node: str) -> Tensor | None:
        """float32 of the node's shape; None for a gradient that there is none of."""
        found = self._one(self.seen, node)
        if self._less is None or found is None:
            return found
        other = self._one(self._less, node)
        return None if other is None else found - other

    def _one(self, seen: Pass, node: str) -> Tensor | None:
        found = seen.captured.gradient(node) if self.backward else seen.captured.value(node)
        return None if found is None else found.detach().float()


def figure(value: float) -> Figure:
    """A number as JSON can write it."""
    found: Figure = plain(value)
    return found


def figures(values: Tensor) -> list[Figure]:
    """Numbers as JSON can write them."""
    return [figure(float(value)) for value in values.tolist()]
