"""Runs that begin with weights from elsewhere and keep parts of them fixed; and weights written for others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from conftest import bars, write_idx
from convoscope import lab
from convoscope.errors import InputError, ModelError, RecipeError, RunError
from convoscope.lab.ready import prepare
from convoscope.models import build
from convoscope.runs import store
from convoscope.runs.store import Run
from convoscope.train.checkpoint import AVERAGE, OPTIMISER
from convoscope.train.events import Event, Finding, Finished, Statistics
from convoscope.train.freeze import freeze, set_learning

# 180 images in batches of 30: 6 steps an epoch.
KNOBS = {"model": "lenet5", "epochs": 2, "batch_size": 30, "snapshots": 2, "device": "cpu", "threads": 1, "shards": 1,
         "precision": "float32", "memory_format": "contiguous"}  # fmt: skip


class Net(nn.Module):
    """Batch norms with and without figures of their own, and dropout, in a part to be frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.BatchNorm2d(4, affine=False)
        )
        self.drop = nn.Dropout()
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(400, 4))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.drop(self.features(x)))
        return y


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bars of four classes and, below "six", of six."""
    folder = tmp_path_factory.mktemp("bars")
    for where, n_classes in ((folder, 4), (folder / "six", 6)):
        where.mkdir(exist_ok=True)
        write_idx(where, "train", bars(200, 1, n_classes))
        write_idx(where, "t10k", bars(41, 2, n_classes))
    return folder


@pytest.fixture(scope="module", autouse=True)
def _no_report() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("convoscope.lab.ending.write_report", lambda *_, **__: None)
        yield


def train(data: Path, runs: Path, **knobs: Any) -> list[Event]:
    """A run to its last event, without what comes after it: the graph is not kept."""
    events: list[Event] = []
    for event in lab.train(lab.make_recipe({**KNOBS, "data": str(data), **knobs}), runs=runs):
        events.append(event)
        if isinstance(event, Finished):
            break
    return events


def go_on(run: Run, runs: Path) -> Finished:
    return next(event for event in lab.resume(str(run.folder), runs=runs) if isinstance(event, Finished))


@pytest.fixture(scope="module")
def first(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose weights others begin with."""
    runs = tmp_path_factory.mktemp("first")
    assert isinstance(train(folder, runs)[-1], Finished)
    return store.find(runs, "latest")


def findings(events: list[Event]) -> dict[str, str]:
    return {event.name: event.message for event in events if isinstance(event, Finding)}


# Frozen parts


def test_a_frozen_part_is_known_by_its_parameters_and_works_as_when_judged() -> None:
    model = Net()
    assert freeze(model, "features", 4) == ["features.0.weight", "features.0.bias", "features.1.weight",
                                            "features.1.bias"]  # fmt: skip
    set_learning(model)
    assert not any(module.training for module in model.features.modules())
    assert model.training and model.drop.training and model.head[1].training  # noqa: PT018
    for parameter in model.features.parameters():  # as a later step may do
        parameter.requires_grad_(True)
    set_learning(model)
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize(
    ("asked", "n"), [("", 0), ("features.1", 2), (" features.0 , features.1.", -1), ("backbone", 4), ("head.1", 2)]
)
def test_modules_are_named_by_their_paths(asked: str, n: int) -> None:
    if n < 0:
        with pytest.raises(RecipeError, match=r"'features.1.'"):
            freeze(Net(), asked, 4)
    else:
        assert len(freeze(Net(), asked, 4)) == n


def test_a_part_that_is_not_there_is_refused() -> None:
    with pytest.raises(RecipeError, match="no module of that name") as caught:
        freeze(Net(), "feature", 4)
    assert "Did you mean features" in caught.value.hint
    with pytest.raises(RecipeError, match="names no module"):
        freeze(Net(), " , ", 4)
    with pytest.raises(RecipeError, match="a Dropout without parameters"):
        freeze(Net(), "drop", 4)
    with pytest.raises(RecipeError, match="all that the network could learn with"):
        freeze(Net(), "features,head", 4)
    with pytest.raises(RecipeError, match="no layer of the network ends in the classes"):
        freeze(Net(), "backbone", 5)


def test_a_refusal_freezes_nothing() -> None:
    model = Net()
    with pytest.raises(RecipeError):
        freeze(model, "features,head", 4)
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("optimiser", ["adamw", "nesterov", "muon"])
def test_what_is_frozen_keeps_every_bit(optimiser: str, folder: Path, first: Run, tmp_path: Path) -> None:
    knobs = {"optimiser": optimiser, "weight_decay": 0.1, "l1": 0.01, "l2": 0.01, "clip": 1.0, "ema": 0.9}
    events = train(folder, tmp_path, init=str(first.weights_path), freeze="conv1,conv2", statistics_every=4, **knobs)
    run = store.find(tmp_path, "latest")
    before, after = first.load_weights(), run.load_weights()
    assert {name.split(".")[0] for name in before if torch.equal(before[name], after[name])} == {"conv1", "conv2"}
    for checkpoint in map(run.load_checkpoint, run.checkpoint_files()):
        others = [name for name in checkpoint.tensors if name.startswith((OPTIMISER, AVERAGE))]
        assert others
        assert not [name for name in others if ".conv" in name]
    told = [event for event in events if isinstance(event, Statistics)]
    assert told
    assert all(name.startswith("fc") for event in told for name in event.parameters)
    assert "learn" in findings(events)["frozen"]


@pytest.mark.parametrize("init", [False, True])
def test_frozen_batch_norms_keep_their_figures(init: bool, folder: Path, tmp_path: Path) -> None:
    knobs: dict[str, Any] = {"model": "resnet20", "epochs": 1, "batch_size": 60, "snapshots": 0, "save_seconds": 1e6}
    if init:
        train(folder, tmp_path, **knobs)
        knobs["init"] = "latest"
    events = train(folder, tmp_path, freeze="conv1,bn1,layer1", **knobs)
    assert ("frozen-as-drawn" in findings(events)) is not init
    steps = store.find(tmp_path, "latest").checkpoint_files()
    run = store.find(tmp_path, "latest")
    start, end = run.load_weights(0), run.load_weights(max(steps))
    fixed = {name for name in start if torch.equal(start[name], end[name])}
    assert {name for name in start if name.startswith(("conv1", "bn1", "layer1"))} == fixed
    assert any(name.endswith("running_mean") for name in fixed)


def test_the_gradient_stops_at_the_frozen_part(folder: Path, first: Run) -> None:
    """No gradient of zeros is made for what is frozen, and the backward pass does not go there."""
    recipe = lab.make_recipe({**KNOBS, "data": str(folder), "freeze": "conv1,conv2"})
    model = prepare(recipe).model
    entered = []
    model.get_submodule("conv1").register_full_backward_hook(lambda *_: entered.append(1))
    x = torch.zeros(2, 1, 12, 12)
    model(x).sum().backward()
    assert not entered
    assert {name for name, p in model.named_parameters() if p.grad is not None} == {
        f"{layer}.{kind}" for layer in ("fc1", "fc2", "fc3") for kind in ("weight", "bias")
    }


# Beginning with weights


def test_a_run_begins_with_another_runs_weights(folder: Path, first: Run, tmp_path: Path) -> None:
    train(folder, tmp_path, init=str(first.folder), epochs=0)
    run = store.find(tmp_path, "latest")
    before, after = first.load_weights(), run.load_weights()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert run.recipe().init == str(first.weights_path.resolve())
    card = run.card("provenance")["init"]
    assert card["path"] == str(first.weights_path.resolve())
    assert len(card["sha256"]) == 64


def test_a_checkpoints_file_gives_the_models_weights(folder: Path, first: Run, tmp_path: Path) -> None:
    step, path = list(first.checkpoint_files().items())[1]
    train(folder, tmp_path, init=str(path), epochs=0)
    before, after = first.load_weights(step), store.find(tmp_path, "latest").load_weights()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_other_classes_get_a_head_of_their_own(folder: Path, first: Run, tmp_path: Path) -> None:
    events = train(folder / "six", tmp_path, init=str(first.folder), epochs=0)
    assert findings(events)["head-drawn-anew"] == (
        "The weights tell 4 classes apart and the data have 6: fc3 is drawn anew."
    )
    before, after = first.load_weights(), store.find(tmp_path, "latest").load_weights()
    assert torch.equal(before["fc2.weight"], after["fc2.weight"])
    assert after["fc3.weight"].shape == (6, 84)
    with pytest.raises(ModelError, match="cannot be kept"):
        train(folder / "six", tmp_path, init=str(first.folder), head="keep")


def test_what_is_known_of_the_weights_is_told(folder: Path, first: Run, tmp_path: Path) -> None:
    told_of = {
        "architecture": "lenet6", "class_names": '["a", "b", "c", "d"]', "normalisation": '{"method": "min-max"}',
        "policy": "{}",
    }  # fmt: skip
    save_file(load_file(first.weights_path), tmp_path / "w.safetensors", metadata=told_of)
    told = findings(train(folder, tmp_path, init=str(tmp_path / "w.safetensors"), epochs=0))
    assert "others: a, b, c, d" in told["head-of-other-classes"]
    assert "trained as lenet6" in told["weights-of-another-model"]
    assert "normalised by min-max" in told["normalised-otherwise"]
    assert (
        not {"head-of-other-classes", "weights-of-another-model", "normalised-otherwise"}
        & findings(train(folder, tmp_path, init=str(first.folder), epochs=0)).keys()
    )


def test_weights_of_texts_go_with_their_vocabulary(tmp_path: Path) -> None:
    for name, words in (("one", ("good", "bad")), ("two", ("fine", "poor"))):
        rows = [f"it was {words[i % 2]} and long,{'pn'[i % 2]}" for i in range(40)]
        (tmp_path / f"{name}.csv").write_text("text,label\n" + "\n".join(rows))
    knobs = {"model": "textcnn", "epochs": 0, "snapshots": 0}
    train(tmp_path / "one.csv", tmp_path / "runs", **knobs)
    with pytest.raises(ModelError, match="with another vocabulary than that of"):
        train(tmp_path / "two.csv", tmp_path / "runs", init="latest", **knobs)
    lab.save_weights("latest", tmp_path / "w.safetensors", runs=tmp_path / "runs")
    with pytest.raises(ModelError, match="with another vocabulary than that of"):
        train(tmp_path / "two.csv", tmp_path / "runs", init=str(tmp_path / "w.safetensors"), **knobs)
    assert "normalised-otherwise" not in findings(
        train(tmp_path / "one.csv", tmp_path / "runs", init="latest", **knobs)
    )


@pytest.mark.parametrize(
    ("knobs", "error", "said"),
    [
        ({"init": "nowhere"}, RunError, "neither a file of that name nor a run"),
        ({"head": "new"}, RecipeError, "no weights to begin with"),
        ({"freeze": "con1"}, RecipeError, "no module of that name"),
        ({"model": "knn", "freeze": "x"}, RecipeError, "knn was given --freeze"),
    ],
)
def test_what_cannot_be_begun_with_is_refused_before_there_is_a_run(
    knobs: dict[str, Any], error: type[Exception], said: str, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        train(folder, tmp_path / "runs", **knobs)
    assert not (tmp_path / "runs").exists()


def test_a_run_without_final_weights_is_no_beginning(folder: Path, tmp_path: Path) -> None:
    recipe = lab.make_recipe({**KNOBS, "data": str(folder)})
    list(lab.train(recipe, runs=tmp_path, should_stop=lambda: True))
    with pytest.raises(RunError, match="no final weights yet"):
        train(folder, tmp_path, init="latest")


# Going on


def stopped(folder: Path, runs: Path, **knobs: Any) -> Run:
    asked = iter(range(3))
    recipe = lab.make_recipe({**KNOBS, "data": str(folder), **knobs})
    list(lab.train(recipe, runs=runs, should_stop=lambda: next(asked, None) is None))
    return store.find(runs, "latest")


def test_resume_needs_no_file_and_changes_no_bit(folder: Path, first: Run, tmp_path: Path) -> None:
    begin = tmp_path / "begin.safetensors"
    begin.write_bytes(first.weights_path.read_bytes())
    knobs = {"init": str(begin), "freeze": "conv1", "ema": 0.9, "optimiser": "muon"}
    train(folder, tmp_path / "straight", **knobs)
    run = stopped(folder, tmp_path / "broken", **knobs)
    begin.unlink()
    go_on(run, tmp_path)
    straight = store.find(tmp_path / "straight", "latest")
    assert run.weights_path.read_bytes() == straight.weights_path.read_bytes()
    assert run.answers_path.read_bytes() == straight.answers_path.read_bytes()


def test_a_run_without_checkpoints_begins_again_with_the_very_file(folder: Path, first: Run, tmp_path: Path) -> None:
    begin = tmp_path / "begin.safetensors"
    begin.write_bytes(first.weights_path.read_bytes())
    train(folder, tmp_path / "straight", init=str(begin), freeze="conv1")
    run = stopped(folder, tmp_path / "broken", init=str(begin), freeze="conv1")
    for path in run.checkpoint_files().values():
        path.unlink()
    save_file({name: value + 1 for name, value in load_file(begin).items()}, begin)
    with pytest.raises(RunError, match="SHA-256 differs"):
        go_on(run, tmp_path)
    begin.write_bytes(first.weights_path.read_bytes())
    go_on(run, tmp_path)
    straight = store.find(tmp_path / "straight", "latest")
    assert run.weights_path.read_bytes() == straight.weights_path.read_bytes()


# Looking inside


def test_a_frozen_run_opens(folder: Path, first: Run, tmp_path: Path) -> None:
    """What is frozen has values and gradients as all else; no step changes it, and the others' changes add up."""
    train(folder, tmp_path, init=str(first.folder), freeze="conv1,conv2")
    assert lab.why("latest", "conv1.weight[0,0,1,1]", "test:0", runs=tmp_path, direction="backward").gap < 1e-4
    with pytest.raises(InputError, match=r"conv1.weight does not learn in this run"):
        lab.why_update("latest", "conv1.weight[0,0,1,1]", runs=tmp_path, step=3)
    assert lab.why_update("latest", "fc1.weight[0,0]", runs=tmp_path, step=3).gap < 1e-6


def test_in_training_mode_frozen_batch_norms_are_shown_as_they_worked(folder: Path, tmp_path: Path) -> None:
    knobs = {"model": "resnet20", "epochs": 1, "batch_size": 60, "snapshots": 0}
    train(folder, tmp_path, freeze="conv1,bn1", **knobs)
    seen = lab.see("latest", "test:0", runs=tmp_path, mode="train")
    assert seen.trainee.model.training is False
    assert all(parameter.requires_grad for parameter in seen.trainee.model.parameters())
    for path, frozen in (("bn1", True), ("layer1.0.bn1", False)):
        node = next(node for node in seen.captured.graph.nodes.values() if node.module == path and node.kind == "op")
        with torch.no_grad():
            judged = seen.trainee.model.get_submodule(path)(seen.captured.value(node.inputs[0]))
        assert torch.allclose(seen.captured.value(node.name), judged, atol=1e-5) is frozen


# Writing


def logits(tensors: dict[str, Tensor], run: Run) -> Tensor:
    card = run.card("data")["policy"]
    model = build("lenet5", (card["channels"], card["height"], card["width"]), 4)
    model.load_state_dict(tensors)
    with torch.inference_mode():
        y: Tensor = model.eval()(torch.linspace(-1, 1, 288).reshape(2, 1, 12, 12))
        return y


@pytest.mark.parametrize("kind", ["safetensors", "pt"])
def test_what_is_written_is_read_again(kind: str, folder: Path, first: Run, tmp_path: Path) -> None:
    path = tmp_path / f"weights.{kind}"
    facts = lab.save_weights(str(first.folder), path, runs=tmp_path)
    read: Callable[[Path], Any] = load_file if kind == "safetensors" else lambda p: torch.load(p, weights_only=True)
    assert torch.equal(logits(read(path), first), logits(first.load_weights(), first))
    assert facts["n_bytes"] == path.stat().st_size
    assert facts["n_tensors"] == 10
    train(folder, tmp_path / "runs", init=str(path), epochs=0)
    after = store.find(tmp_path / "runs", "latest").load_weights()
    assert all(torch.equal(value, after[name]) for name, value in first.load_weights().items())


def test_the_header_says_what_the_weights_are(first: Run, tmp_path: Path) -> None:
    step = list(first.checkpoint_files())[1]
    lab.save_weights(str(first.folder), tmp_path / "w.safetensors", runs=tmp_path, step=step)
    with safe_open(tmp_path / "w.safetensors", framework="pt") as file:
        told = file.metadata()
    assert told["architecture"] == "lenet5"
    assert json.loads(told["class_names"]) == first.card("data")["class_names"]
    assert json.loads(told["normalisation"])["method"] == "z-score"
    assert told["step"] == str(step)
    assert torch.equal(load_file(tmp_path / "w.safetensors")["fc3.bias"], first.load_weights(step)["fc3.bias"])


def test_nothing_is_overwritten_unasked(first: Run, tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    path.write_text("mine")
    save = lab.save_weights
    with pytest.raises(InputError, match="is there already"):
        save(str(first.folder), path, runs=tmp_path)
    assert path.read_text() == "mine"
    save(str(first.folder), path, runs=tmp_path, force=True)
    assert set(torch.load(path, weights_only=True)) == set(first.load_weights())
    for bad, said in (
        (tmp_path / "w.bin", "one of .safetensors, .pt, .pth"), (tmp_path / "no" / "w.pt", "there is no folder"),
        (first.weights_path, "the run's own folder"), (first.folder / "more.pt", "the run's own folder"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said):
            save(str(first.folder), bad, runs=tmp_path, force=True)
    with pytest.raises(ModelError, match="torchvision has no network that computes what lenet5 does"):
        save(str(first.folder), tmp_path / "v.pt", runs=tmp_path, like="torchvision")
    assert not (tmp_path / "v.pt").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("stem", "fits"), [("imagenet", True), ("cifar", False)])
def test_another_library_gets_what_it_reads(stem: str, fits: bool, tmp_path: Path) -> None:
    for name in ("dark", "light"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(4):
            colour = (20 * i, 10, 90) if name == "dark" else (255, 20 * i, 200)
            Image.new("RGB", (32, 32), colour).save(tmp_path / "data" / name / f"{i}.png")
    knobs = {"model": "resnet18", "model_options": {"stem": stem}, "normalise": "imagenet", "validation": 0.0}
    train(tmp_path / "data", tmp_path, **knobs, epochs=0)
    assert store.find(tmp_path, "latest").card("data")["normalisation"]["offset"] == [123.675, 116.28, 103.53]
    for like in ("torchvision", "timm"):
        path = tmp_path / f"{like}.pt"
        if fits:
            lab.save_weights("latest", path, runs=tmp_path, like=like)
            written = torch.load(path, weights_only=True)
            assert written["conv1.weight"].shape == (64, 3, 7, 7)
            assert written["fc.weight"].shape == (2, 512)
        else:
            with pytest.raises(ModelError, match=r"conv1.weight is \(64, 3, 3, 3\) here and \(64, 3, 7, 7\) in"):
                lab.save_weights("latest", path, runs=tmp_path, like=like)
