"""Recipes with a name: what is given goes before them; and `speed`, small: it learns, resumes, opens and is judged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import bars, write_idx
from convoscope import lab
from convoscope.errors import RecipeError, UnknownName
from convoscope.lab import presets
from convoscope.lab.presets import PRESETS
from convoscope.lab.trainee import open_run
from convoscope.runs import store
from convoscope.train.events import Finished
from convoscope.train.recipe import knobs

# 120 images of 20 pixels in batches of 32: 4 steps an epoch; sides of 12, 18 and 20.
SMALL = {
    "epochs": 3, "batch_size": 32, "model_options": {"width": 4}, "device": "cpu", "precision": "float32",
    "memory_format": "channels-last", "snapshots": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bars")
    write_idx(folder, "train", bars(120, 1, side=20))
    write_idx(folder, "t10k", bars(41, 2, side=20))
    return folder


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("convoscope.lab.ending.write_report", lambda *_, **__: None)
        patch.setattr("convoscope.lab.sitting._keep_graph", lambda *_: None)
        yield


def train(data: Path, runs: Path, stop: int | None = None, **given: Any) -> list[Any]:
    asked = iter(range(1, 1_000_000))
    recipe = lab.make_recipe({**SMALL, "data": str(data), **given}, "speed")
    return list(lab.train(recipe, runs=runs, should_stop=lambda: next(asked) == stop))


@pytest.fixture(scope="module")
def runs(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one run of `speed`, from beginning to end."""
    runs = tmp_path_factory.mktemp("runs")
    assert isinstance(train(folder, runs)[-1], Finished)
    return runs


@pytest.mark.parametrize("name", list(PRESETS))
def test_each_recipe_is_one(name: str) -> None:
    recipe = lab.make_recipe({}, name)
    assert {**PRESETS[name].knobs}.items() <= recipe.to_dict().items()
    assert PRESETS[name].description
    assert set(PRESETS[name].by_machine({})) <= set(knobs())


def test_what_is_given_goes_before_the_recipe_and_the_recipe_before_the_model() -> None:
    recipe = lab.make_recipe({"epochs": 3, "momentum": 0.8, "shards": 7}, "speed")
    assert (recipe.epochs, recipe.momentum, recipe.shards) == (3, 0.8, 7)
    assert recipe.model == "airbench" == lab.model_of({}, "speed")
    assert lab.make_recipe({"model": "resnet9"}, "speed").model == "resnet9"
    with pytest.raises(UnknownName, match="speed"):
        lab.make_recipe({}, "sped")


def test_as_many_shards_on_any_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert lab.make_recipe({"device": "cpu"}, "speed").shards == 4
    assert lab.make_recipe({"device": "cpu", "threads": 2}, "speed").shards == 0
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert lab.make_recipe({}, "speed").shards == 0


@pytest.mark.parametrize("there", [False, True])
def test_bfloat16_is_asked_for_only_where_the_machine_has_it(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "has_bfloat16", lambda: there)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: there)
    asked = "bfloat16" if there else "auto"
    assert lab.make_recipe({"device": "cpu"}, "speed").precision == asked
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert lab.make_recipe({}, "speed").precision == asked
    assert lab.make_recipe({"precision": "float32"}, "speed").precision == "float32"


def test_stopped_among_small_images_it_goes_on_to_the_same_bits(folder: Path, runs: Path, tmp_path: Path) -> None:
    for stop in (3, 6):  # at sides of 12 and 18
        train(folder, tmp_path, stop)
        list(lab.resume("latest", runs=tmp_path))
        own, other = store.find(runs, "latest").load_weights(), store.find(tmp_path, "latest").load_weights()
        assert own.keys() == other.keys()
        assert all(torch.equal(own[name], other[name]) for name in own)


@pytest.mark.parametrize("at", ["block2.conv1.weight[3,1,0,2]", "head.weight[1,2]", "block1.norm2.bias[3]"])
def test_a_step_over_small_images_opens(runs: Path, at: str) -> None:
    why = lab.why_update("latest", at, runs=runs, step=6)
    assert why.recorded is not None
    # What Muon orthogonalises has three digits.
    assert why.gap is not None
    assert why.gap <= 1e-5 * why.scale


def test_it_is_judged_and_asked_in_several_views(folder: Path, runs: Path) -> None:
    trainee = open_run("latest", runs=runs)
    test = trainee.opened().splits.test
    assert test is not None
    several = trainee.logits(test)
    x, labels = trainee.feed(test).batch(torch.arange(len(test)), 0)
    with torch.no_grad():
        alone, mirrored = trainee.model(x), trainee.model(x.flip(-1))
    assert not torch.allclose(several, alone, atol=1e-3)
    assert not torch.allclose(several, (alone + mirrored) / 2, atol=1e-4)  # a quarter of each, and four more
    facts = lab.evaluate("latest", runs=runs)
    assert facts["accuracy"] == pytest.approx(float((several.argmax(1) == labels).float().mean()))


def test_the_first_layer_is_found_from_all_classes_and_stays(runs: Path) -> None:
    run = store.find(runs, "latest")
    first, last = (run.load_weights(step)["whiten.weight"] for step in (0, None))
    assert torch.equal(first, last)
    assert first.abs().max() > 0
    torch.testing.assert_close(first[:4], -first[4:])


def test_a_network_of_one_size_cannot_begin_small(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"begins with images of 12 x 12 pixels, and lenet5, made for 20 x 20") as no:
        train(folder, tmp_path, model="lenet5", model_options={})
    assert "--grow 1" in no.value.hint
    with pytest.raises(RecipeError, match="cannot take 8 x 8"):
        train(folder, tmp_path, grow=0.4)


def test_weights_to_begin_with_go_before_the_first_layer_that_was_found(
    folder: Path, runs: Path, tmp_path: Path
) -> None:
    begun = store.find(runs, "latest").load_weights()
    train(folder, tmp_path, stop=1, init=str(store.find(runs, "latest").weights_path), seed=5)
    now = store.find(tmp_path, "latest").load_weights(0)
    assert torch.equal(now["whiten.weight"], begun["whiten.weight"])
