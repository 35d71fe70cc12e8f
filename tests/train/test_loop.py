from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from convoscope.data import Dataset, Normalisation, Splits
from convoscope.models import build
from convoscope.train.checkpoint import Checkpoint
from convoscope.train.device import Machine
from convoscope.train.events import Continued, EpochEnded, Finding, Paused, Statistics, Step, Trained
from convoscope.train.gradient import Plan
from convoscope.train.loop import Course, snapshot_steps, train
from convoscope.train.recipe import Recipe

BASE = {"epochs": 3, "batch_size": 32, "model": "mlp", "lr": 0.01, "snapshots": 4, "statistics_every": 5}

TWO_SHARDS = Plan(shards=2)


def run(
    splits: Splits,
    resume: Checkpoint | None = None,
    steer: Callable[[int], Course] = lambda _: "go",
    model_options: dict[str, Any] | None = None,
    plan: Plan = TWO_SHARDS,
    **knobs: Any,
) -> tuple[nn.Module, list[Any]]:
    """Trains a small MLP; checkpoints are copied as a store would."""
    recipe = Recipe(**{**BASE, **knobs})
    torch.manual_seed(recipe.seed)
    model = build("mlp", splits.train.shape, splits.train.n_classes, {"hidden": (16,), **(model_options or {})})
    normalisation = Normalisation.fit(recipe.normalise, splits.train.images)
    events: list[Any] = []
    for event in train(model, splits, normalisation, recipe, Machine("cpu"), plan, resume=resume, steer=steer):
        if isinstance(event, Checkpoint):
            tensors = {name: value.detach().clone() for name, value in event.tensors.items()}
            event = dataclasses.replace(event, tensors=tensors, progress=dict(event.progress))
        events.append(event)
    return model, events


def of(events: list[Any], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_what_happens_in_what_order(splits: Splits) -> None:
    _, events = run(splits)
    steps, ends, kept = of(events, Step), of(events, EpochEnded), of(events, Checkpoint)
    assert [event.step for event in steps] == list(range(1, 22))  # 200 images in batches of 32: 7 steps, 3 epochs
    assert [event.epoch for event in ends] == [1, 2, 3]
    assert [event.step for event in kept] == [0, 1, 2, 4, 7, 14, 21]
    assert [event.step for event in of(events, Statistics)] == [1, 6, 11, 16, 21]
    assert events[-1] == Trained(21, "finished", events[-1].seconds)
    assert steps[-1].loss < 0.5 * steps[0].loss
    assert ends[-1].validation_accuracy > 0.9
    assert all(event.lr > 0 and event.images_per_second >= 0 for event in steps)


def test_epoch_figures_are_means_over_images(splits: Splits) -> None:
    _, events = run(splits, epochs=1)
    sizes = np.array([32] * 6 + [8])
    losses = np.array([event.loss for event in of(events, Step)])
    assert of(events, EpochEnded)[0].train_loss == pytest.approx(float((losses * sizes).sum() / 200))


HARD_CASES: list[dict[str, Any]] = [
    {"optimiser": "muon"},
    {"optimiser": "nesterov", "l1": 1e-4, "l2": 1e-3, "clip": 0.5},
    {"optimiser": "adamw", "ema": 0.9, "schedule": "triangular", "warmup": 0.4},
    {"optimiser": "momentum", "patience": 1, "epochs": 5, "lr": 0.3},
    {"rotate": 10.0, "shift": 0.1, "flip": True, "crop": 0.7, "mask": 0.1},
    {"model_options": {"dropout": 0.3}, "plan": Plan(shards=1)},
]


@pytest.mark.parametrize("case", HARD_CASES, ids=lambda case: "-".join(map(str, case)))
def test_resuming_from_any_checkpoint_changes_no_bit(splits: Splits, case: dict[str, Any]) -> None:
    straight, events = run(splits, **case)
    for kept in of(events, Checkpoint):
        again, rest = run(splits, resume=kept, **case)
        assert same(straight, again), kept.step
        told = [(e.step, e.loss, e.lr) for e in of(events, Step) if e.step > kept.step]
        assert [(e.step, e.loss, e.lr) for e in of(rest, Step)] == told
        ends = [dataclasses.replace(e, seconds=0) for e in of(events, EpochEnded) if e.step > kept.step]
        assert [dataclasses.replace(e, seconds=0) for e in of(rest, EpochEnded)] == ends
        assert (rest[-1].step, rest[-1].reason) == (events[-1].step, events[-1].reason)


@pytest.mark.parametrize("at", [1, 3, 7, 10, 20])
def test_stopping_and_going_on_changes_no_bit(splits: Splits, at: int) -> None:
    straight, _ = run(splits, ema=0.9)
    _, events = run(splits, steer=lambda step: "stop" if step >= at else "go", ema=0.9)
    assert events[-1].reason == "stopped"
    kept = of(events, Checkpoint)[-1]
    assert kept.step == events[-1].step == at
    assert same(straight, run(splits, resume=kept, ema=0.9)[0])


def held_at(steps: set[int], questions: int, then: Course = "go") -> tuple[Callable[[int], Course], list[int]]:
    """A helm that holds the run at each of `steps` for so many questions; and the list of all it was asked."""
    asked: list[int] = []

    def steer(step: int) -> Course:
        asked.append(step)
        return "pause" if step in steps and asked.count(step) <= questions else then if step in steps else "go"

    return steer, asked


@pytest.mark.parametrize("steps", [{1}, {5}, {7}, {20}, set(range(3, 13))], ids=str)
def test_pausing_and_continuing_changes_no_bit(
    splits: Splits, steps: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convoscope.train.loop._PAUSE_SECONDS", 0)
    case = {"ema": 0.9, "shift": 0.1, "model_options": {"dropout": 0.3}, "plan": Plan(shards=1)}
    straight, events = run(splits, **case)
    steer, _ = held_at(steps, 3)
    again, told = run(splits, steer=steer, **case)
    assert same(straight, again)
    assert [e.step for e in of(told, Paused)] == [e.step for e in of(told, Continued)] == sorted(steps)
    assert [(e.step, e.loss) for e in of(told, Step)] == [(e.step, e.loss) for e in of(events, Step)]
    for event in of(told, Paused):  # what it waits with is kept, and is what comes before
        before = told[told.index(event) - 1]
        assert isinstance(before, Checkpoint)
        assert (before.step, before.reason) == (event.step, "epoch" if event.step % 7 == 0 else "snapshot")
        assert told[told.index(event) + 1] == Continued(event.step)
        assert same(straight, run(splits, resume=before, **case)[0])


def test_a_run_that_waits_can_be_stopped(splits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convoscope.train.loop._PAUSE_SECONDS", 0)
    steer, asked = held_at({5}, 4, then="stop")
    _, events = run(splits, steer=steer)
    assert [type(event) for event in events[-3:]] == [Checkpoint, Paused, Trained]
    assert (events[-1].step, events[-1].reason) == (5, "stopped")
    assert asked == [1, 2, 3, 4, 5, 5, 5, 5, 5]
    assert same(run(splits)[0], run(splits, resume=of(events, Checkpoint)[-1])[0])


def test_there_is_nothing_to_wait_for_after_the_last_step(splits: Splits) -> None:
    _, events = run(splits, steer=lambda step: "pause" if step >= 21 else "go")
    assert not of(events, Paused)
    assert events[-1].reason == "finished"


def test_a_wait_counts_into_no_time(splits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convoscope.train.loop._PAUSE_SECONDS", 0.2)
    steer, _ = held_at({3, 9}, 6)
    began = time.perf_counter()
    _, events = run(splits, steer=steer, save_seconds=1.5, snapshots=0)
    assert time.perf_counter() - began > 2  # it did wait, twice five times
    assert events[-1].seconds < 1.5
    assert [c.reason for c in of(events, Checkpoint) if c.step not in {3, 9}] == ["epoch"] * 4  # none for safety
    assert min(event.images_per_second for event in of(events, Step) if event.step > 2) > 32 / 0.5


def test_seeds_decide_everything(splits: Splits) -> None:
    assert same(run(splits, seed=3)[0], run(splits, seed=3)[0])
    assert not same(run(splits, seed=3)[0], run(splits, seed=4)[0])


def test_the_test_part_is_not_touched(splits: Splits) -> None:
    class Forbidden:
        def __getattribute__(self, name: str) -> object:
            raise AssertionError(f"the loop asked the test part for {name}")

    run(dataclasses.replace(splits, test=Forbidden()))  # type: ignore[arg-type]


def test_a_loss_that_is_not_finite_stops_the_run(splits: Splits) -> None:
    _, events = run(splits, optimiser="sgd", lr=1000.0, warmup=0.0, loss="squared-error")
    finding = of(events, Finding)[0]
    assert (finding.name, finding.level) == ("loss-not-finite", "fatal")
    assert "--lr 100" in finding.hint
    assert events[-1].reason == "failed"
    assert all(torch.isfinite(value).all() for value in of(events, Checkpoint)[0].tensors.values())


def noise(n: int) -> Dataset:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, size=(n, 1, 6, 6)).astype(np.uint8)
    return Dataset(images, generator.integers(4, size=n).astype(np.int64), tuple("abcd"), "noise")


def test_learning_nothing_stops_the_run() -> None:
    splits = Splits(noise(2000), noise(100), None)
    flat = {"lr": 1e-9, "epochs": 6, "batch_size": 32, "flat_epochs": 2}
    _, events = run(splits, **flat)
    assert [(e.name, e.level) for e in of(events, Finding)] == [("flat-at-chance", "fatal")]
    assert (events[-1].reason, len(of(events, EpochEnded))) == ("failed", 2)
    _, events = run(splits, **{**flat, "flat_epochs": 0, "epochs": 3})
    assert [(e.name, e.level) for e in of(events, Finding)] == [("flat-at-chance", "warning")]
    assert events[-1].reason == "finished"


def test_early_stopping_keeps_the_best_weights(splits: Splits) -> None:
    model, events = run(splits, patience=2, epochs=40, lr=0.2, optimiser="momentum", schedule="constant")
    ends = of(events, EpochEnded)
    assert events[-1].reason == "early stop"
    best = min(ends, key=lambda event: event.validation_loss)
    assert len(ends) == best.epoch + 2
    at_best = next(c for c in of(events, Checkpoint) if c.step == best.step)
    for name, value in model.state_dict().items():
        assert torch.equal(value, at_best.tensors[f"model.{name}"])


def test_the_running_average_is_what_is_judged_and_kept(splits: Splits) -> None:
    model, events = run(splits, ema=0.8)
    last = of(events, Checkpoint)[-1]
    for name, value in model.state_dict().items():
        assert torch.equal(value, last.tensors[f"average.{name}"])
        assert not torch.equal(value, last.tensors[f"model.{name}"])


def test_the_average_by_hand(splits: Splits) -> None:
    _, events = run(splits, ema=0.9, epochs=1, snapshots=7)
    kept = {c.step: c.tensors for c in of(events, Checkpoint)}
    name = "fc1.bias"
    average = kept[0][f"model.{name}"]
    for step in (1, 2):
        k = min(0.9, (1 + step) / (10 + step))
        average = k * average + (1 - k) * kept[step][f"model.{name}"]
        torch.testing.assert_close(kept[step][f"average.{name}"], average)


def test_clipping_bounds_the_step(splits: Splits) -> None:
    sgd = {"optimiser": "sgd", "lr": 1.0, "schedule": "constant", "warmup": 0.0, "epochs": 1, "snapshots": 7}
    _, events = run(splits, clip=0.01, **sgd)
    kept = {c.step: c.tensors for c in of(events, Checkpoint)}
    moved = sum(float((kept[1][n] - kept[0][n]).square().sum()) for n in kept[0] if n.startswith("model.")) ** 0.5
    assert moved == pytest.approx(0.01, rel=1e-3)
    assert of(events, Step)[0].gradient_norm > 0.01


def test_statistics_by_hand(splits: Splits) -> None:
    _, events = run(splits, optimiser="sgd", lr=0.5, schedule="constant", warmup=0.0, epochs=1, snapshots=7)
    kept = {c.step: c.tensors for c in of(events, Checkpoint)}
    row = of(events, Statistics)[0].parameters["fc1.weight"]
    before, after = kept[0]["model.fc1.weight"], kept[1]["model.fc1.weight"]
    assert row["mean"] == pytest.approx(float(after.mean()), rel=1e-4)
    assert row["std"] == pytest.approx(float(after.std(correction=0)), rel=1e-4)
    assert row["gradient_norm"] == pytest.approx(float((before - after).norm()) / 0.5, rel=1e-4)
    assert row["update_ratio"] == pytest.approx(float((before - after).norm() / before.norm()), rel=1e-4)


def test_safety_checkpoints_come_by_time(splits: Splits) -> None:
    _, events = run(splits, save_seconds=0.01, snapshots=0)
    reasons = {c.reason for c in of(events, Checkpoint)}
    assert "epoch" in reasons
    _, events = run(splits, save_seconds=1000.0, snapshots=0)
    assert [c.step for c in of(events, Checkpoint)] == [0, 7, 14, 21]


def test_no_epochs_leave_the_first_weights(splits: Splits) -> None:
    model, events = run(splits, epochs=0)
    assert [type(event) for event in events] == [Checkpoint, Trained]
    assert same(model, run(splits, epochs=0)[0])


def test_snapshots_are_evenly_spaced_in_the_logarithm() -> None:
    assert sorted(snapshot_steps(1000, 4)) == [1, 10, 100, 1000]
    assert sorted(snapshot_steps(3, 12)) == [1, 2, 3]
    assert snapshot_steps(1000, 0) == frozenset()
    assert snapshot_steps(50, 1) == {1}
