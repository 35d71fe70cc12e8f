from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convoscope.data import Dataset, Normalisation, Splits
from convoscope.models import build
from convoscope.train import evaluate
from convoscope.train.device import Machine
from convoscope.train.feed import Feed, training_feed
from convoscope.train.gradient import BatchGradient, Judged, Plan, workers
from convoscope.train.recipe import Recipe


def gradients(model: nn.Module, splits: Splits, plan: Plan, n: int = 50, **knobs: object) -> tuple[float, float, list]:
    recipe = Recipe(epochs=1, batch_size=n, **knobs)  # type: ignore[arg-type]
    machine = Machine("cpu")
    feed = Feed(splits.train, Normalisation.fit("z-score", splits.train.images), machine.device)
    with workers(plan) as crew:
        gradient = BatchGradient(model, recipe, machine, plan, crew)
        loss, accuracy, *_ = gradient(feed, torch.arange(n), 0)
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


class Peer(Machine):
    """One of several processes, run one after the other: sums over processes are left to the test."""

    def __init__(self, rank: int, n_processes: int) -> None:
        self._place = rank, n_processes
        super().__init__("cpu")

    @property
    def rank(self) -> int:
        return self._place[0]

    @property
    def n_processes(self) -> int:
        return self._place[1]

    def sum_tensors(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        return list(tensors)

    def sum_numbers(self, numbers: Iterable[float]) -> list[float]:
        return list(numbers)

    def close(self) -> None:
        pass


KNOBS = {
    "plain": {},
    "weights": {"balance": "weights"},
    "sampling": {"balance": "sampling"},
    "mixup": {"mixup": 0.5},
    "cutmix and weights": {"cutmix": 1.0, "balance": "weights"},
    "all": {"mixup": 0.4, "cutmix": 1.0, "balance": "sampling", "rotate": 9.0, "flip": True, "contrast": 0.2},
}


def uneven(splits: Splits) -> Dataset:
    """The training images without most of the first two classes."""
    labels = splits.train.labels
    kept = np.flatnonzero((labels > 1) | (np.arange(len(labels)) % 6 == 0))
    return splits.train.take(kept)


def feed_of(part: Dataset, recipe: Recipe) -> Feed:
    return training_feed(part, Normalisation.fit("z-score", part.images), recipe, torch.device("cpu"))


@pytest.mark.parametrize("loss", ["cross-entropy", "hinge", "squared-error"])
@pytest.mark.parametrize("knobs", KNOBS)
def test_the_loss_is_the_sum_over_each_images_labels(splits: Splits, knobs: str, loss: str) -> None:
    part = uneven(splits)
    smoothing = 0.1 if loss == "cross-entropy" else 0.0
    recipe = Recipe(epochs=1, batch_size=40, loss=loss, label_smoothing=smoothing, **KNOBS[knobs])  # type: ignore[arg-type]
    feed, model = feed_of(part, recipe), lenet(splits)
    index = feed.order(2)[:40]
    with workers(Plan(shards=3)) as crew:
        gradient = BatchGradient(model, recipe, Machine("cpu"), Plan(shards=3), crew)
        found = gradient(feed, index, 2)
    # The same from one table of what each image's labels count, in float64.
    lesson, exact = feed.lesson(index, 2), lenet(splits).double()
    parts = torch.zeros(40, 4, dtype=torch.float64)
    for labels, weights in lesson.targets:
        parts[torch.arange(40), labels] += 1.0 if weights is None else weights.double()
    z = exact(lesson.x.double())
    one_hot = torch.eye(4, dtype=torch.float64)
    if loss == "cross-entropy":
        of_class = -((1 - smoothing) * one_hot + smoothing / 4) @ z.log_softmax(1).T  # (class, image)
    elif loss == "hinge":
        of_class = torch.stack([((1 + z - z[:, [k]]).clamp(min=0) * (1 - one_hot[k])).sum(1) for k in range(4)])
    else:
        of_class = torch.stack([(z - one_hot[k]).square().sum(1) for k in range(4)])
    expected = (parts * of_class.T).sum() / 40
    expected.backward()
    assert found.loss == pytest.approx(float(expected.detach()), rel=1e-5)
    for mine, theirs in zip(model.parameters(), exact.parameters(), strict=True):
        torch.testing.assert_close(mine.grad.double(), theirs.grad, rtol=1e-3, atol=1e-6)
    right = (z.argmax(1) == lesson.labels).double()
    assert found.accuracy == float(right.mean())
    worth = torch.ones(40) if lesson.worth is None else lesson.worth
    assert found.balanced == pytest.approx(float((right * worth).mean()), rel=1e-6)


@pytest.mark.parametrize("n_processes", [2, 3])
@pytest.mark.parametrize("knobs", KNOBS)
def test_the_parts_of_several_processes_add_up(splits: Splits, knobs: str, n_processes: int) -> None:
    part = uneven(splits)
    recipe = Recipe(epochs=1, batch_size=41, **KNOBS[knobs])  # type: ignore[arg-type]

    def one(machine: Machine, shards: int) -> tuple[Judged, list[Tensor]]:
        model, feed = lenet(splits), feed_of(part, recipe)
        with workers(Plan(shards=shards)) as crew:
            found = BatchGradient(model, recipe, machine, Plan(shards=shards), crew)(feed, feed.order(1)[:41], 1)
        return found, [p.grad.clone() for p in model.parameters() if p.grad is not None]

    whole, gradient = one(Machine("cpu"), n_processes)
    peers = [one(Peer(rank, n_processes), 1) for rank in range(n_processes)]
    assert whole.loss == pytest.approx(sum(found.loss for found, _ in peers), rel=1e-12)
    assert whole.accuracy == pytest.approx(sum(found.accuracy for found, _ in peers), rel=1e-12)
    assert whole.balanced == pytest.approx(sum(found.balanced for found, _ in peers), rel=1e-6)
    for i, expected in enumerate(gradient):
        total = peers[0][1][i].clone()
        for _, other in peers[1:]:
            total += other[i]
        assert torch.equal(total, expected)


@pytest.mark.parametrize("n", [1, 2, 6, 7, 8, 21, 29])
@pytest.mark.parametrize("n_processes", [1, 2, 3])
def test_every_image_is_judged_once(n: int, n_processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "_BATCH", 7)
    part = Dataset(
        np.arange(n, dtype=np.uint8)[:, None, None, None] + np.zeros((n, 1, 2, 2), np.uint8),
        np.zeros(n, np.int64), ("a", "b"), "numbers",
    )  # fmt: skip
    seen: list[int] = []

    class Witness(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.extend(x[:, 0, 0, 0].long().tolist())
            return torch.stack([x[:, 0, 0, 0], -x[:, 0, 0, 0]], 1)

    class Judge(Peer):
        def sum_numbers(self, numbers: Iterable[float]) -> list[float]:
            return [2.0 for _ in numbers]  # the classes: that of rank 0

    tables = []
    for rank in range(n_processes):
        feed = Feed(part, Normalisation("none", (0.0,), (1.0,)), torch.device("cpu"))
        with workers(Plan()) as crew:
            tables.append(evaluate.logits_of(Witness(), feed, Judge(rank, n_processes), Plan(), crew))
    assert sorted(seen) == list(range(n))
    assert torch.equal(torch.stack(tables).sum(0)[:, 0], torch.arange(n).float())
