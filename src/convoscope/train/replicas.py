"""Replicas of a network for shards computed side by side: the same parameters, and running figures of their own.

A batch norm in training mode moves its running mean and variance in every forward pass. Two shards that moved the same
ones would do so in the order in which their threads come, and the bits of a run would hang on the machine's load. So
each shard moves its own, from the same beginning, and their mean over all shards of all processes is kept: what one
pass over the whole batch would have come to, but that each variance is about its shard's own mean (Hoffer et al. 2017,
ghost batch norm).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase


class Replicas:
    """A network and its replicas, one for each shard of a process.

    Args:
        model: The network; the first shard's.
        n: How many shards a process has at most.
    """

    def __init__(self, model: nn.Module, n: int) -> None:
        self._model = model
        tracks = any(_running(norm) for norm in _norms(model))
        self._others = [_replica(model) if tracks else model for _ in range(n - 1)]

    def lend(self, n: int) -> list[nn.Module]:
        """`n` of them, all in the state of the network; the network itself is the first."""
        for other in self._others[: max(0, n - 1)]:
            if other is self._model:
                continue
            for own, given in zip(self._model.modules(), other.modules(), strict=True):
                given.training = own.training
            for own, given in zip(_norms(self._model), _norms(other), strict=True):
                for mine, theirs in zip(own.buffers(recurse=False), given.buffers(recurse=False), strict=True):
                    theirs.copy_(mine)
        return [self._model, *self._others][:n]

    def figures(self, n: int) -> list[Tensor]:
        """The running figures that this pass moved, each summed over the first `n`; zeros of none."""
        sums = [torch.zeros_like(figure) for figure in self._moved(self._model)]
        for replica in [self._model, *self._others][:n]:
            if sums:
                torch._foreach_add_(sums, self._moved(replica))
        return sums

    @torch.no_grad()
    def keep(self, sums: list[Tensor], n: int) -> None:
        """Takes the mean of `n` shards' running figures, given as their sums, as the network's own."""
        for figure, total in zip(self._moved(self._model), sums, strict=True):
            figure.copy_(total / n)

    @staticmethod
    def _moved(model: nn.Module) -> list[Tensor]:
        # Norms of several processes on GPUs share their figures already.
        norms = (norm for norm in _norms(model) if norm.training and not isinstance(norm, nn.SyncBatchNorm))
        return [figure for norm in norms for figure in _running(norm)]


def _norms(model: nn.Module) -> Iterator[_NormBase]:
    return (module for module in model.modules() if isinstance(module, _NormBase))


def _running(norm: _NormBase) -> list[Tensor]:
    """The running mean and variance (C,) of a norm that keeps them."""
    return [figure for figure in (norm.running_mean, norm.running_var) if figure is not None]


def _replica(model: nn.Module) -> nn.Module:
    """A copy that has the same parameters, and the same buffers but those of norms."""
    own = {id(buffer) for norm in _norms(model) for buffer in norm.buffers(recurse=False)}
    shared = [*model.parameters(), *(buffer for buffer in model.buffers() if id(buffer) not in own)]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in shared})
