from __future__ import annotations

import pytest
import torch
from torch import nn

from convoscope.data import Normalisation, Splits
from convoscope.models import build
from convoscope.train.device import Machine
from convoscope.train.feed import Feed
from convoscope.train.gradient import BatchGradient, Plan, workers
from convoscope.train.recipe import Recipe


def gradients(model: nn.Module, splits: Splits, plan: Plan, n: int = 50, **knobs: object) -> tuple[float, float, list]:
    recipe = Recipe(epochs=1, batch_size=n, **knobs)  # type: ignore[arg-type]
    machine = Machine("cpu")
    feed = Feed(splits.train, Normalisation.fit("z-score", splits.train.images), machine.device)
    with workers(plan) as crew:
        gradient = BatchGradient(model, recipe, machine, plan, crew)
        loss, accuracy, _ = gradient(feed, torch.arange(n), 0)
    return loss, accuracy, [p.grad.clone() for p in gradient.parameters]


def lenet(splits: Splits) -> nn.Module:
    torch.manual_seed(0)
    return build("lenet5", splits.train.shape, splits.train.n_classes)


@pytest.mark.parametrize("shards", [1, 2, 3, 7])
def test_the_sum_over_shards_is_the_gradient_of_the_mean_loss(splits: Splits, shards: int) -> None:
    model = lenet(splits)
    normalisation = Normalisation.fit("z-score", splits.train.images)
    x = (torch.from_numpy(splits.train.images[:50]).double() - normalisation.offset[0]) / normalisation.scale[0]
    labels = torch.from_numpy(splits.train.labels[:50])
    likeness = lenet(splits).double()
    loss = nn.functional.cross_entropy(likeness(x), labels, label_smoothing=0.1)
    loss.backward()
    found, accuracy, ours = gradients(model, splits, Plan(shards=shards), label_smoothing=0.1)
    assert found == pytest.approx(float(loss.detach()), rel=1e-6)
    assert accuracy == float((likeness(x).argmax(1) == labels).double().mean())
    for mine, exact in zip(ours, (p.grad for p in likeness.parameters()), strict=True):
        torch.testing.assert_close(mine.double(), exact, rtol=1e-4, atol=1e-7)


def test_bits_do_not_hang_on_how_threads_are_scheduled(splits: Splits) -> None:
    runs = [gradients(lenet(splits), splits, Plan(shards=4)) for _ in range(5)]
    for loss, _, others in runs[1:]:
        assert loss == runs[0][0]
        assert all(torch.equal(a, b) for a, b in zip(runs[0][2], others, strict=True))


def test_a_batch_smaller_than_the_shards_still_has_its_gradient(splits: Splits) -> None:
    one = gradients(lenet(splits), splits, Plan(shards=1), n=3)
    eight = gradients(lenet(splits), splits, Plan(shards=8), n=3)
    assert one[0] == pytest.approx(eight[0], rel=1e-5)
    for a, b in zip(one[2], eight[2], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_parameters_that_are_not_used_get_zeros(splits: Splits) -> None:
    model = lenet(splits)
    model.register_parameter("idle", nn.Parameter(torch.ones(3)))
    gradient = gradients(model, splits, Plan(shards=2))[2]
    assert any(g.shape == (3,) and not g.any() for g in gradient)


def test_threads_are_put_back(splits: Splits) -> None:
    torch.set_num_threads(2)
    with workers(Plan(shards=2, threads=1)):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


def test_bfloat16_is_close_and_not_the_same(splits: Splits) -> None:
    exact = gradients(lenet(splits), splits, Plan(shards=2))
    rough = gradients(lenet(splits), splits, Plan(precision="bfloat16", shards=2))
    assert rough[0] != exact[0]
    assert rough[0] == pytest.approx(exact[0], rel=0.02)
