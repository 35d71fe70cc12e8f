"""The gradient of one batch, cut into shards that are computed side by side.

The batch's gradient is the sum of its shards' gradients. Each shard is computed by one thread and the sum is taken in a
fixed order, so the result has the same bits whether two free cores work at it or one busy one: speed follows the
machine's load, arithmetic does not. On two cores this is also faster than two threads inside each operation, which
must meet after every layer. Several processes take shards of the same batch in the same way.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from convoscope.train.device import Machine, n_cores
from convoscope.train.feed import Feed
from convoscope.train.losses import LOSSES, weighed
from convoscope.train.recipe import Recipe
from convoscope.train.replicas import Replicas

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
    """As many threads as there are shards, or cores where these are fewer; inside an operation the plan's threads."""

    def __init__(self, plan: Plan) -> None:
        self._n_helpers = min(plan.shards, n_cores()) - 1
        self._pool = ThreadPoolExecutor(
            max(1, self._n_helpers), initializer=torch.set_num_threads, initargs=(plan.threads,)
        )

    def map(self, work: Callable[[T], R], pieces: Sequence[T]) -> list[R]:
        """`work` of every piece, in order; this thread and its helpers each take the next that is left."""
        left, done = deque(enumerate(pieces)), dict[int, R]()

        def serve() -> None:
            while left:
                try:
                    number, piece = left.popleft()
                except IndexError:  # another took the last
                    return
                done[number] = work(piece)

        helpers = [self._pool.submit(serve) for _ in range(min(self._n_helpers, len(pieces) - 1))]
        serve()
        for helper in helpers:
            helper.result()
        return [done[number] for number in range(len(pieces))]

    def joined(self, work: Callable[[Tensor], Tensor], pieces: Sequence[Tensor]) -> Tensor:
        """What `work` makes of every piece (n,), as many rows on the CPU, one after another in one tensor.

        They are written where they stay: small tensors that outlive large ones would leave the memory in shreds, and
        the process would grow with every piece.
        """
        ends = list(itertools.accumulate(len(piece) for piece in pieces))
        made: list[Tensor] = []
        one_at_a_time = threading.Lock()

        def write(i: int) -> None:
            rows = work(pieces[i])
            with one_at_a_time:
                if not made:
                    made.append(torch.empty(ends[-1], *rows.shape[1:], dtype=rows.dtype))
            made[0][ends[i] - len(rows) : ends[i]] = rows

        self.map(write, range(len(pieces)))
        return made[0]

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


class Judged(NamedTuple):
    """What a batch's forward pass came to, over all processes.

    Attributes:
        loss: The mean loss over its examples, each counting as the recipe's balance says.
        accuracy: The share (0-1) named rightly; of a mixed image the label of the larger share is right.
        balanced: The same where each example counts as in the loss: it may pass 1 in a batch of rare classes, and its
            mean over an epoch is the accuracy with all classes equal. The accuracy itself where all count alike.
        said: For each question whether any process said yes.
    """

    loss: float
    accuracy: float
    balanced: float
    said: tuple[bool, ...]


class BatchGradient:
    """Computes the gradient of the mean loss over a batch into every parameter's `.grad`."""

    def __init__(self, model: nn.Module, recipe: Recipe, machine: Machine, plan: Plan, crew: Workers) -> None:
        self._replicas = Replicas(model, plan.shards)
        self._loss = LOSSES[recipe.loss]
        self._label_smoothing = recipe.label_smoothing
        self._machine = machine
        self._plan = plan
        self._crew = crew
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def __call__(
        self, feed: Feed, index: Tensor, epoch: int, *, asks: Callable[[], tuple[bool, ...]] = lambda: ()
    ) -> Judged:
        """The batch at `index` (int64 (n,)) of the epoch, over all processes.

        Args:
            feed: Where the batch comes from.
            index: Which images are in it.
            epoch: Which epoch it belongs to, from 0.
            asks: Questions that every process answers once the gradient is there; they travel with the loss, and so
                cost no message of their own.
        """
        n, S = len(index), self._plan.shards
        pieces = index.tensor_split(self._machine.n_processes * S)
        own = [piece for piece in pieces[self._machine.rank * S : (self._machine.rank + 1) * S] if len(piece)]

        def shard(share: tuple[nn.Module, Tensor]) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, ...]]:
            model, piece = share
            lesson = feed.lesson(piece, epoch)
            with self._machine.autocast(self._plan.precision):
                logits = model(lesson.x).float()  # (n / S, K)
            # Over the whole batch's size: what a part weighs does not hang on which process or thread has it.
            loss = weighed(self._loss, logits, lesson.targets, self._label_smoothing).sum() / n
            # A parameter that this model does not use gets a gradient of zeros, as if it were there.
            gradients = torch.autograd.grad(loss, self.parameters, allow_unused=True, materialize_grads=True)
            right = logits.detach().argmax(1) == lesson.labels
            worth = right if lesson.worth is None else right * lesson.worth
            return loss.detach(), right.sum(), worth.sum(), gradients

        for parameter in self.parameters:
            parameter.grad = None  # its memory is the first that the new one can have
        parts = self._crew.map(shard, list(zip(self._replicas.lend(len(own)), own, strict=True))) if own else []
        total = [torch.zeros_like(parameter) for parameter in self.parameters] if not parts else list(parts[0][3])
        for *_, gradients in parts[1:]:
            torch._foreach_add_(total, gradients)
        n_shards = sum(len(piece) > 0 for piece in pieces)
        running = self._replicas.figures(len(own)) if len(pieces) > 1 else []
        summed = self._machine.sum_tensors([*total, *running])
        for parameter, gradient in zip(self.parameters, summed[: len(total)], strict=True):
            parameter.grad = gradient
        if running:
            self._replicas.keep(summed[len(total) :], n_shards)
        told = [sum(map(float, figures)) for figures in zip(*(part[:3] for part in parts), strict=True)] or [0.0] * 3
        loss, right, worth, *said = self._machine.sum_numbers((*told, *map(float, asks())))
        return Judged(loss, right / n, worth / n, tuple(count > 0 for count in said))
