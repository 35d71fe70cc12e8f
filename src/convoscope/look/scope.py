"""The microscope: point it at a model and an image, and open any number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convoscope.errors import InputError, UnknownName
from convoscope.graph.build import build
from convoscope.graph.graph import Graph, Mode
from convoscope.look.capture import capture
from convoscope.look.captured import Captured
from convoscope.train import losses

LossName: TypeAlias = Literal["cross_entropy", "hinge", "squared_error"]
Loss: TypeAlias = Callable[[Any, Tensor], Tensor]
Target: TypeAlias = "Tensor | int | Sequence[int]"


def hinge(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean over images of training's hinge loss."""
    return losses.hinge(logits, labels, 0.0).mean()


def squared_error(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean over images of training's squared error against one-hot labels."""
    return losses.squared_error(logits, labels, 0.0).mean()


LOSSES: dict[str, Loss] = {"cross_entropy": F.cross_entropy, "hinge": hinge, "squared_error": squared_error}


class Scope:
    """A model under the microscope.

    Graphs are built when first needed and kept: one for each mode and loss.

    Args:
        model: Any module that torch.export can follow; it is read, never changed.
        example: One input, (N, C, H, W) for images, or all of the model's inputs in order.

    Raises:
        ModelError: on first use, where the model cannot be exported or does not take the example.
    """

    def __init__(self, model: nn.Module, example: Tensor | Sequence[Tensor]) -> None:
        self.model = model
        self.example = (example,) if isinstance(example, Tensor) else tuple(example)
        self._graphs: dict[tuple[object, ...], Graph] = {}

    @property
    def graph(self) -> Graph:
        """The model's graph in eval mode, without a loss."""
        return self._graph("eval", None, self.example, None)

    def look(
        self,
        inputs: Tensor | Sequence[Tensor],
        target: Target | None = None,
        loss: LossName | Loss = "cross_entropy",
        mode: Mode = "eval",
        *,
        logit: int | None = None,
        dtype: torch.dtype | None = None,
        seed: int | None = None,
    ) -> Captured:
        """Runs the model on an image or a batch and keeps every value; with a target or a logit, every gradient too.

        Args:
            inputs: The image, with or without the batch axis, or the batch, or all of the model's inputs in order.
            target: The image's class, or one class an image, or whatever a loss of your own takes.
            loss: What the gradients are of: a name, or a function of (output, target) that gives one number; a function
                is exported when first seen, so define it once and pass the same one again.
            mode: "eval", or "train" for batch statistics and dropout.
            logit: The gradients are of this class's output instead of a loss.
            dtype: Compute in this dtype rather than as the model does.
            seed: Where dropout's mask starts in train mode.

        Raises:
            UnknownName: there is no such loss.
            ModelError: the image is not what the model takes, or the model cannot be exported.
            InputError: the target does not fit the image or the model, or an input holds NaN.
        """
        tensors = self._batched((inputs,) if isinstance(inputs, Tensor) else tuple(inputs))
        if not self._fits(tensors):
            capture(self.graph, self.model, tensors)  # says what does not fit
        if target is None:
            graph = self._graph(mode, None, tensors, None)
            return capture(graph, self.model, tensors, logit=logit, dtype=dtype, seed=seed)
        if isinstance(loss, str) and loss not in LOSSES:
            raise UnknownName(f"There is no loss called {loss!r}.", hint=f"Known: {', '.join(LOSSES)}, or a function.")
        goal = self._target(target, loss, len(tensors[0]))
        graph = self._graph(mode, loss, tensors, goal)
        return capture(graph, self.model, tensors, goal, logit=logit, dtype=dtype, seed=seed)

    def _graph(self, mode: Mode, loss: str | Loss | None, inputs: Sequence[Tensor], target: Tensor | None) -> Graph:
        """The graph for a mode and loss, built anew for another batch size only where the model fixes its own."""
        size = len(inputs[0])
        key = (mode, loss)
        known = self._graphs.get(key) or self._graphs.get((*key, size))
        if known is not None:
            return known
        function = LOSSES[loss] if isinstance(loss, str) else loss
        graph = build(self.model, inputs, mode, loss=function, target=target)
        self._graphs[key if graph.dynamic else (*key, size)] = graph
        return graph

    def _fits(self, inputs: Sequence[Tensor]) -> bool:
        """Whether inputs are like the example, batch size aside, so that a graph may be built from them."""
        return [(tensor.shape[1:], tensor.dtype) for tensor in inputs] == [
            (tensor.shape[1:], tensor.dtype) for tensor in self.example
        ]

    def _batched(self, inputs: tuple[Any, ...]) -> tuple[Tensor, ...]:
        """The inputs, each with a batch axis of one where it lacks one."""
        if len(inputs) != len(self.example):
            return inputs
        return tuple(
            tensor.unsqueeze(0) if isinstance(tensor, Tensor) and tensor.dim() == example.dim() - 1 else tensor
            for tensor, example in zip(inputs, self.example, strict=True)
        )

    def _target(self, target: Target, loss: str | Loss, size: int) -> Tensor:
        """The target as a tensor on the model's device, its classes checked where the loss is one of ours."""
        goal = torch.as_tensor(target, device=self.example[0].device)
        goal = goal.unsqueeze(0) if goal.dim() == 0 else goal
        if len(goal) != size:
            raise InputError(f"{len(goal)} targets for {size} images.", hint="Give one class an image.")
        if not isinstance(loss, str) or goal.is_floating_point():
            return goal
        n_classes = self.graph.nodes[self.graph.outputs[0]].shape[-1]
        if bool(((goal < 0) | (goal >= n_classes)).any()):
            raise InputError(
                f"Class {int(goal.max() if int(goal.min()) >= 0 else goal.min())} of a model with {n_classes} classes.",
                hint=f"Classes are numbered 0 to {n_classes - 1}.",
            )
        return goal
