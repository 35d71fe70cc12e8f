"""Running figures of norms: each shard's own, and their mean over all shards kept, in whatever order threads come."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convoscope.data import Dataset, Normalisation
from convoscope.train.device import Machine
from convoscope.train.feed import Feed
from convoscope.train.freeze import set_learning
from convoscope.train.gradient import BatchGradient, Plan, workers
from convoscope.train.recipe import Recipe
from convoscope.train.replicas import Replicas

MOMENTUM = 0.25


class Slow(nn.Module):
    """Waits where the first image is black, so that its shard comes last."""

    def forward(self, x: Tensor) -> Tensor:
        if not x[0].any():
            time.sleep(0.02)
        return x


def network() -> nn.Sequential:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(2, momentum=MOMENTUM)
    return nn.Sequential(Slow(), nn.Conv2d(1, 2, 1), norm, nn.Flatten(), nn.Linear(18, 3))


def feed() -> Feed:
    images = np.random.default_rng(0).integers(1, 256, (11, 1, 3, 3), dtype=np.uint8)
    images[0] = 0
    part = Dataset(images, np.arange(11) % 3, ("a", "b", "c"), "")
    return Feed(part, Normalisation("none", (0.0,), (64.0,)), torch.device("cpu"))


def trained(model: nn.Module, shards: int, n_images: int = 11, machine: Machine | None = None) -> nn.Module:
    plan = Plan(shards=shards)
    set_learning(model)
    with workers(plan) as crew:
        gradient = BatchGradient(model, Recipe(epochs=1, batch_size=11), machine or Machine("cpu"), plan, crew)
        gradient(feed(), torch.arange(n_images), 0)
    return model


@pytest.mark.parametrize(("shards", "n_images"), [(1, 11), (2, 11), (3, 11), (4, 2)])
def test_the_mean_over_all_shards_is_kept(shards: int, n_images: int) -> None:
    model = trained(network(), shards, n_images)
    means, variances = [], []
    for piece in torch.arange(n_images).tensor_split(shards):
        if len(piece):  # two images leave two of four shards without any
            y = model[1](feed().batch(piece, 0)[0]).movedim(1, 0).flatten(1)
            means.append(y.mean(1))
            variances.append(y.var(1))
    torch.testing.assert_close(model[2].running_mean, MOMENTUM * torch.stack(means).mean(0))
    torch.testing.assert_close(model[2].running_var, 1 - MOMENTUM + MOMENTUM * torch.stack(variances).mean(0))
    assert model[2].num_batches_tracked == 1


def test_whoever_comes_first_the_bits_are_the_same() -> None:
    late = trained(network(), 3)
    prompt = network()
    prompt[0] = nn.Identity()
    trained(prompt, 3)
    for one, other in zip(late.buffers(), prompt.buffers(), strict=True):
        assert torch.equal(one, other)


class Peer(Machine):
    """One of two processes, each a thread here: sums are over what both bring."""

    def __init__(self, rank: int, table: list[list[Tensor]], meeting: threading.Barrier) -> None:
        super().__init__("cpu")
        self._rank, self._table, self._meeting = rank, table, meeting

    rank = property(lambda self: self._rank)
    n_processes = property(lambda _: 2)

    def sum_tensors(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        self._table[self._rank] = [tensor.clone() for tensor in tensors]
        self._meeting.wait()
        return [one + other for one, other in zip(*self._table, strict=True)]

    def sum_numbers(self, numbers: Iterable[float]) -> list[float]:
        return list(numbers)


@pytest.mark.parametrize("n_images", [11, 1])  # of a single image the second process has none
def test_two_processes_keep_the_figures_that_one_would(n_images: int) -> None:
    table: list[list[Tensor]] = [[], []]
    meeting, models = threading.Barrier(2, timeout=20), [network(), network()]

    def train(rank: int) -> None:
        trained(models[rank], 2, n_images, Peer(rank, table, meeting))

    threads = [threading.Thread(target=train, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = trained(network(), 4, n_images)
    for model in models:
        torch.testing.assert_close(model[2].running_mean, alone[2].running_mean)
        torch.testing.assert_close(model[2].running_var, alone[2].running_var)
    assert torch.equal(models[0][2].running_var, models[1][2].running_var)


def test_a_frozen_norm_and_a_network_in_one_piece_are_left_alone() -> None:
    model = network()
    model[2].requires_grad_(False)
    model[2].running_mean.fill_(0.1)
    assert torch.equal(trained(model, 3)[2].running_mean, torch.full((2,), 0.1))
    plain = network()
    plain(feed().batch(torch.arange(11), 0)[0])
    assert torch.equal(trained(network(), 1)[2].running_var, plain[2].running_var)


def test_replicas_share_all_but_the_figures_of_norms() -> None:
    model = network()
    model.register_buffer("table", torch.ones(3))
    _, other = Replicas(model, 2).lend(2)
    assert all(one is two for one, two in zip(model.parameters(), other.parameters(), strict=True))
    assert other.table is model.table
    assert other[2].running_mean is not model[2].running_mean
    without = nn.Linear(2, 2)
    assert Replicas(without, 3).lend(2) == [without, without]


def test_replicas_follow_the_network() -> None:
    model = network()
    replicas = Replicas(model, 2)
    model[2].running_var.fill_(7.0)
    model.eval()
    _, other = replicas.lend(2)
    assert not other[2].training
    assert torch.equal(other[2].running_var, model[2].running_var)
