from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from conftest import bars
from convoscope.data import Dataset, Normalisation, Splits
from convoscope.models import build
from convoscope.train.balance import Balance
from convoscope.train.checkpoint import Checkpoint
from convoscope.train.device import Machine
from convoscope.train.events import EpochEnded, Event, Finding, Trained
from convoscope.train.gradient import Plan
from convoscope.train.loop import _at_chance, train
from convoscope.train.metrics import Evaluation
from convoscope.train.recipe import Recipe

LABELS = np.array([0] * 90 + [1] * 8 + [3] * 2, np.int64)

KNOBS: dict[str, dict[str, Any]] = {
    "weights": {"balance": "weights"},
    "sampling": {"balance": "sampling", "shift": 0.1, "border": "reflect"},
    "mixup": {"mixup": 0.3, "alternate": True, "flip": True},
    "cutmix and weights": {"cutmix": 1.0, "balance": "weights", "rotate": 10.0, "border": "edge", "brightness": 0.2},
    "all": {"mixup": 0.4, "cutmix": 1.0, "balance": "sampling", "crop": 0.6, "aspect": 1.3, "contrast": 0.2},
}


def uneven(n: int, seed: int = 0) -> Dataset:
    """Bars of which the first class has most and the last few."""
    data = bars(n * 4, seed)
    kept = np.concatenate([np.flatnonzero(data.labels == k)[: max(3, n >> (2 * k))] for k in range(4)])
    return data.take(np.sort(kept))


def run(splits: Splits, resume: Checkpoint | None = None, **knobs: Any) -> tuple[nn.Module, list[Any]]:
    recipe = Recipe(**{"epochs": 2, "batch_size": 32, "model": "mlp", "lr": 0.01, "snapshots": 4, **knobs})
    torch.manual_seed(0)
    model = build("mlp", splits.train.shape, splits.train.n_classes, {"hidden": (16,)})
    normalisation = Normalisation.fit("z-score", splits.train.images)
    events: list[Event | Checkpoint] = []
    for event in train(model, splits, normalisation, recipe, Machine("cpu"), Plan(shards=2), resume=resume):
        if isinstance(event, Checkpoint):
            tensors = {name: value.detach().clone() for name, value in event.tensors.items()}
            event = dataclasses.replace(event, tensors=tensors, progress=dict(event.progress))
        events.append(event)
    return model, events


def test_what_each_class_is_worth_by_hand() -> None:
    balance = Balance("weights", LABELS, 4)
    assert balance.worth is not None
    assert balance.worth.tolist() == pytest.approx([100 / 270, 100 / 24, 0.0, 100 / 6])
    assert balance.chance == pytest.approx(1 / 3)
    squares = 90 * (100 / 270) ** 2 + 8 * (100 / 24) ** 2 + 2 * (100 / 6) ** 2
    assert balance.n_effective == pytest.approx(100**2 / squares)
    always = np.zeros(100, np.int64)
    assert balance.accuracy(always) == pytest.approx(1 / 3)
    assert balance.accuracy(LABELS) == pytest.approx(1)


def test_chance_is_the_largest_class_unless_classes_count_alike() -> None:
    assert Balance("none", LABELS, 4).chance == 0.9
    assert Balance("sampling", LABELS, 4).chance == pytest.approx(1 / 3)
    assert Balance("none", LABELS, 4).n_effective == 100
    assert Balance("none", LABELS, 4).accuracy(np.zeros(100, np.int64)) == 0.9


@pytest.mark.parametrize("knobs", KNOBS)
def test_resuming_from_any_checkpoint_changes_no_bit(knobs: str) -> None:
    splits = Splits(uneven(128), bars(20, 2), None)
    model, events = run(splits, **KNOBS[knobs])
    kept = [event for event in events if isinstance(event, Checkpoint)]
    assert len(kept) >= 5
    for checkpoint in kept[1:-1]:
        other, rest = run(splits, resume=checkpoint, **KNOBS[knobs])
        assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
        ends = [event for event in events if isinstance(event, EpochEnded)]
        again = [event for event in rest if isinstance(event, EpochEnded)]
        assert [(e.train_loss, e.train_accuracy) for e in ends[-len(again) :]] == [
            (e.train_loss, e.train_accuracy) for e in again
        ]


@pytest.mark.parametrize("balance", ["weights", "sampling"])
def test_a_rare_class_that_is_hard_to_tell_is_named_after_all(balance: str) -> None:
    def faint(n: int, n_rare: int, seed: int) -> Dataset:
        """Noise, and a little more light in the middle of the rare ones."""
        pixels = np.random.default_rng(seed).integers(0, 200, (n, 1, 12, 12))
        pixels[:n_rare, :, 4:8, 4:8] += 30
        return Dataset(pixels.astype(np.uint8), (np.arange(n) < n_rare).astype(np.int64), ("many", "few"), "faint")

    splits, rare = Splits(faint(1000, 50, 0), faint(0, 0, 0), None), faint(200, 200, 1)

    def recall(**knobs: Any) -> float:
        model, _ = run(splits, epochs=4, lr=0.001, validation=0.0, **knobs)
        normalisation = Normalisation.fit("z-score", splits.train.images)
        z = model((torch.from_numpy(rare.images).float() - normalisation.offset[0]) / normalisation.scale[0])
        return float((z.argmax(1) == 1).float().mean())

    assert recall(balance=balance) > recall() + 0.3


def judged(labels: np.ndarray, predicted: np.ndarray) -> Evaluation:
    names, n = ("a", "b", "c", "d"), len(labels)
    table = np.eye(4, dtype=np.float32)[predicted]
    return Evaluation("validation", names, labels, table, np.zeros(n, np.float32), table)


def test_an_epoch_at_chance_is_told_from_one_that_learns() -> None:
    plain, weighed = Balance("none", np.repeat(LABELS, 50), 4), Balance("weights", np.repeat(LABELS, 50), 4)
    none, weights = Recipe(), Recipe(balance="weights")
    assert _at_chance(0.90, plain, none, None)
    assert not _at_chance(0.95, plain, none, None)
    # With classes counting alike a third is chance, and 90 % of all images named rightly may be less than that.
    assert _at_chance(0.34, weighed, weights, None)
    assert not _at_chance(0.60, weighed, weights, None)


def test_mixed_labels_do_not_pass_for_learning_nothing() -> None:
    labels = np.random.default_rng(0).integers(0, 4, 400)
    balance, mixed = Balance("none", labels, 4), Recipe(mixup=1.0)
    right, guessed = judged(labels, labels), judged(labels, np.zeros(400, np.int64))
    chance = balance.chance
    assert not _at_chance(chance, balance, mixed, right)  # the validation part shows what was learnt
    assert _at_chance(chance, balance, mixed, guessed)
    assert _at_chance(chance, balance, mixed, None)
    assert _at_chance(chance, balance, Recipe(), right)  # unmixed images hide nothing
    # With weights the validation part is judged with all classes alike, too.
    few = np.array([0] * 360 + [1] * 20 + [3] * 20)
    assert _at_chance(0.3, Balance("weights", few, 4), Recipe(cutmix=1.0, balance="weights"), judged(few, 0 * few))
    assert not _at_chance(0.3, Balance("weights", few, 4), Recipe(cutmix=1.0, balance="weights"), judged(few, few))


@pytest.mark.parametrize("knobs", [{"mixup": 1.0}, {"balance": "weights"}, {"balance": "sampling"}])
def test_a_run_that_learns_is_not_stopped(knobs: dict[str, Any]) -> None:
    splits = Splits(uneven(512), bars(80, 2), None)
    _, events = run(splits, epochs=4, batch_size=16, flat_epochs=1, **knobs)
    assert not [event for event in events if isinstance(event, Finding)]
    assert events[-1].reason == "finished"


@pytest.mark.parametrize("knobs", [{"mixup": 1.0}, {"balance": "weights"}, {"balance": "sampling"}])
def test_a_run_that_learns_nothing_is_stopped(knobs: dict[str, Any]) -> None:
    noise = np.random.default_rng(0)
    part = uneven(256)
    blind = Dataset(noise.integers(0, 256, part.images.shape, np.uint8), part.labels, part.class_names, "noise")
    splits = Splits(blind, blind.take(np.arange(60)), None)
    _, events = run(splits, epochs=4, batch_size=6, lr=1e-9, flat_epochs=2, **knobs)
    assert [event.name for event in events if isinstance(event, Finding)] == ["flat-at-chance"]
    assert [event.reason for event in events if isinstance(event, Trained)] == ["failed"]
