"""The gradient of one batch, cut into shards that are computed side by side.

The batch's gradient is the sum of its shards' gradients. Each shard is computed by one thread and the sum is taken in a
fixed order, so the result has the same bits whether two free cores work at it or one busy one: speed follows the
machine's load, arithmetic does not. On two cores this is also faster than two threads inside each operation, which
must meet after every layer. Several processes take shards of the same batch in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from convoscope.train.device import Machine
from convoscope.train.feed import Feed
from convoscope.train.losses import LOSSES
from convoscope.train.recipe import Recipe

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Plan:
    """How the arithmetic of a run is laid out on its machine; part of the run, so that resuming changes no bit."""

    precision: str = "float32"
    memory_format: str = "contiguous"
    shards: int = 1
    threads: int = 1


class Workers:
    """As many threads as there are shards, and torch's own threads inside an operation set to the plan's."""

    def __init__(self, plan: Plan) -> None:
        self._pool = ThreadPoolExecutor(
            max(1, plan.shards - 1), initializer=torch.set_num_threads, initargs=(plan.threads,)
        )

    def map(self, work: Callable[[T], R], pieces: Sequence[T]) -> list[R]:
        """`work` of every piece, in order; the first in this thread."""
        waiting = [self._pool.submit(work, piece) for piece in pieces[1:]]
        first = work(pieces[0])
        return [first, *(future.result() for future in waiting)]

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown()


@contextmanager
def workers(plan: Plan) -> Iterator[Workers]:
    """The plan's threads for as long as the context lasts; torch's own setting is put back after it."""
    before = torch.get_num_threads()
    torch.set_num_threads(plan.threads)
    crew = Workers(plan)
    try:
        yield crew
    finally:
        crew.close()
        torch.set_num_threads(before)


class BatchGradient:
    """Computes the gradient of the mean loss over a batch into every parameter's `.grad`."""

    def __init__(self, model: nn.Module, recipe: Recipe, machine: Machine, plan: Plan, crew: Workers) -> None:
        self._model = model
        self._loss = LOSSES[recipe.loss]
        self._label_smoothing = recipe.label_smoothing
        self._machine = machine
        self._plan = plan
        self._crew = crew
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def __call__(
        self, feed: Feed, index: Tensor, epoch: int, *, asks: Callable[[], tuple[bool, ...]] = lambda: ()
    ) -> tuple[float, float, tuple[bool, ...]]:
        """The batch at `index` (int64 (n,)) of the epoch, over all processes.

        Args:
            feed: Where the batch comes from.
            index: Which images are in it.
            epoch: Which epoch it belongs to, from 0.
            asks: Questions that every process answers once the gradient is there; they travel with the loss, and so
                cost no message of their own.

        Returns:
            Mean loss, accuracy (0-1), and for each question whether any process said yes.
        """
        n, S = len(index), self._plan.shards
        pieces = index.tensor_split(self._machine.n_processes * S)
        own = [piece for piece in pieces[self._machine.rank * S : (self._machine.rank + 1) * S] if len(piece)]

        def shard(piece: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
            x, labels = feed.batch(piece, epoch)  # (n / S, C, H, W), (n / S,)
            with self._machine.autocast(self._plan.precision):
                logits = self._model(x).float()  # (n / S, K)
            loss = self._loss(logits, labels, self._label_smoothing).sum() / n
            # A parameter that this model does not use gets a gradient of zeros, as if it were there.
            gradients = torch.autograd.grad(loss, self.parameters, allow_unused=True, materialize_grads=True)
            return loss.detach(), (logits.detach().argmax(1) == labels).sum(), gradients

        for parameter in self.parameters:
            parameter.grad = None  # its memory is the first that the new one can have
        parts = self._crew.map(shard, own) if own else []
        total = [torch.zeros_like(parameter) for parameter in self.parameters] if not parts else list(parts[0][2])
        for _, _, gradients in parts[1:]:
            torch._foreach_add_(total, gradients)
        for parameter, gradient in zip(self.parameters, self._machine.sum_tensors(total), strict=True):
            parameter.grad = gradient
        loss = sum(float(part[0]) for part in parts)
        n_right = sum(int(part[1]) for part in parts)
        loss, right, *said = self._machine.sum_numbers((loss, n_right, *map(float, asks())))
        return loss, right / n, tuple(count > 0 for count in said)
