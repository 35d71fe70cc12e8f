from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from torch import nn

from convoscope.data import Normalisation, Splits
from convoscope.data.cache import cache_folder
from convoscope.models import build
from convoscope.train import calibrate
from convoscope.train.calibrate import make_plan
from convoscope.train.device import Machine
from convoscope.train.feed import Feed
from convoscope.train.gradient import Plan
from convoscope.train.recipe import Recipe


class TwoCores(Machine):
    @property
    def n_cores(self) -> int:
        return 2


def plan_for(model: nn.Module, splits: Splits, **knobs: object) -> Plan:
    machine = TwoCores("cpu")
    feed = Feed(splits.train, Normalisation.fit("z-score", splits.train.images), machine.device)
    return make_plan(model, feed, Recipe(epochs=1, batch_size=64, **knobs), machine)  # type: ignore[arg-type]


def lenet(splits: Splits) -> nn.Module:
    torch.manual_seed(0)
    return build("lenet5", splits.train.shape, splits.train.n_classes)


def timed(monkeypatch: pytest.MonkeyPatch, seconds: dict[Plan, float]) -> None:
    """Measurements as they might come out; what is not named takes one second."""
    monkeypatch.setattr(calibrate, "_seconds", lambda *given: seconds.get(given[-1], 1.0))


def test_shards_are_taken_where_they_give_the_same_gradient(splits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    timed(monkeypatch, {})
    assert plan_for(lenet(splits), splits) == Plan(shards=2, threads=1)


class CentreOfTheBatch(nn.Module):
    """Something of a user's own that looks across the batch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - x[:20].mean(0, keepdim=True) * 3


class OwnDropout(nn.Module):
    """Dropout without dropout's class."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(x, 0.3, self.training)


@pytest.mark.parametrize("layer", [nn.BatchNorm2d(1), nn.Dropout(0.3), CentreOfTheBatch(), OwnDropout()])
def test_batch_norm_and_dropout_need_the_whole_batch(
    splits: Splits, monkeypatch: pytest.MonkeyPatch, layer: nn.Module
) -> None:
    timed(monkeypatch, {})
    plan = plan_for(nn.Sequential(layer, lenet(splits)), splits)
    assert plan == Plan(shards=1, threads=2)


def test_a_format_must_earn_its_place(splits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "has_bfloat16", lambda: True)
    last, half = Plan("float32", "channels-last", 2, 1), Plan("bfloat16", "channels-last", 2, 1)
    for seconds, expected in [
        ({last: 0.9, half: 0.8}, Plan(shards=2)),
        ({last: 0.5, half: 0.45}, last),
        ({last: 0.5, half: 0.3}, half),
    ]:
        timed(monkeypatch, seconds)
        monkeypatch.setattr(calibrate, "_remembered", lambda _: None)
        assert plan_for(lenet(splits), splits) == expected


def test_without_shards_a_format_is_timed_by_one_thread_s_own_clock(
    splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrate, "has_bfloat16", lambda: True)
    model = nn.Sequential(nn.BatchNorm2d(1), lenet(splits))
    half = Plan("bfloat16", "channels-last", 1, 1)
    asked = []

    def seconds(*given: object) -> float:
        clock, plan = given[-2:]
        assert isinstance(plan, Plan)
        asked.append((clock is time.thread_time, plan.precision, plan.threads))
        return 0.5 if plan == half and clock is time.thread_time else 1.0

    monkeypatch.setattr(calibrate, "_seconds", seconds)
    assert plan_for(model, splits) == Plan("bfloat16", "channels-last", 1, 2)
    assert asked == [
        (True, "float32", 1), (True, "float32", 1), (True, "bfloat16", 1),
        (False, "bfloat16", 2), (False, "bfloat16", 1),
    ]  # fmt: skip


def test_a_large_network_shows_its_formats_on_a_few_images(splits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def gradient(*given: object, n_images: int, **_: object) -> tuple[float, list[torch.Tensor]]:
        sizes.append(n_images)
        return n_images / 20, []

    monkeypatch.setattr(calibrate, "_gradient", gradient)
    plan_for(nn.Sequential(nn.BatchNorm2d(1), lenet(splits)), splits)
    assert sizes[:4] == [8, 16, 32, 32]  # 1.6 seconds are enough; the batch has 64
    assert set(sizes[2:]) == {32}


def test_threads_inside_operations_win_only_when_clearly_faster(
    splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrate, "_remembered", lambda _: None)
    for seconds, expected in [(0.95, Plan(shards=2)), (0.6, Plan(shards=1, threads=2))]:
        timed(monkeypatch, {Plan(shards=1, threads=2): seconds})
        assert plan_for(lenet(splits), splits) == expected


def test_a_choice_is_kept_for_the_next_run(splits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    timed(monkeypatch, {Plan(shards=1, threads=1): 0.1})
    first = plan_for(lenet(splits), splits)
    timed(monkeypatch, {})
    assert plan_for(lenet(splits), splits) == first == Plan(shards=1, threads=1)
    assert plan_for(lenet(splits), splits, loss="hinge") != first  # another question, measured anew


def test_a_damaged_or_unwritable_cache_costs_a_measurement(
    splits: Splits, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    timed(monkeypatch, {})
    expected = plan_for(lenet(splits), splits)
    for path in (cache_folder() / "plans").iterdir():
        path.write_text("{")
    assert plan_for(lenet(splits), splits) == expected
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CONVOSCOPE_CACHE", str(tmp_path / "file"))
    assert plan_for(lenet(splits), splits) == expected


def test_what_the_recipe_fixes_is_not_measured(splits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    timed(monkeypatch, {Plan("float32", "channels-last", 3, 1): 0.01, Plan(shards=1, threads=1): 0.01})
    fixed = {"shards": 3, "precision": "float32", "memory_format": "contiguous"}
    assert plan_for(lenet(splits), splits, **fixed) == Plan(shards=3, threads=1)


def test_measuring_leaves_the_network_and_the_generators_alone(splits: Splits) -> None:
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout(0.3), lenet(splits))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    plan_for(model, splits)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
