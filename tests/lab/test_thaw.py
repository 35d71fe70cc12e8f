"""Runs whose frozen part thaws: the log, going on, and looking at single steps before, at and after the thaw."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from conftest import bars, write_idx
from convoscope import lab
from convoscope.errors import InputError
from convoscope.lab.update import step_taken
from convoscope.runs import store
from convoscope.runs.store import Run
from convoscope.train.events import Event, Finding, Finished

# 180 images in batches of 30: 6 steps an epoch, 12 in all, the convolutions frozen for the first 8.
KNOBS = {
    "model": "lenet5", "epochs": 2, "batch_size": 30, "snapshots": 2, "device": "cpu", "threads": 1, "shards": 1,
    "precision": "float32", "memory_format": "contiguous", "freeze": "conv1,conv2", "thaw": 4 / 3, "thaw_lr": 0.3,
    "flat_epochs": 0, "optimiser": "adamw",
}  # fmt: skip
THAWS = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bars")
    write_idx(folder, "train", bars(200, 1))
    write_idx(folder, "t10k", bars(41, 2))
    return folder


@pytest.fixture(scope="module", autouse=True)
def _no_report() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("convoscope.lab.ending.write_report", lambda *_, **__: None)
        patch.setattr("convoscope.lab.sitting._keep_graph", lambda *_: None)
        yield


def train(data: Path, runs: Path, stop: int | None = None, **knobs: Any) -> tuple[Run, list[Event]]:
    """A run, to its end or to the end of step `stop`."""
    asked = iter(range(1, (stop or 1_000_000) + 1))
    recipe = lab.make_recipe({**KNOBS, "data": str(data), **knobs})
    events = list(lab.train(recipe, runs=runs, should_stop=lambda: next(asked) == stop))
    return store.find(runs, "latest"), events


@pytest.fixture(scope="module")
def straight(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of AdamW to its end."""
    return train(folder, tmp_path_factory.mktemp("straight"))[0]


def thawed(events: list[Event]) -> list[Finding]:
    return [event for event in events if isinstance(event, Finding) and event.name == "thawed"]


def test_the_run_says_when_what_thawed(folder: Path, straight: Run) -> None:
    (told,) = thawed(straight.events())
    assert (told.level, told.step) == ("note", THAWS + 1)
    assert told.message.startswith("From step 9 (epoch 2) on conv1,conv2 learns too, 2,572 parameters, at 0.3 times")
    shown = {row["name"]: row["message"] for row in lab.show(str(straight.folder), runs=straight.folder)["findings"]}
    assert shown["thawed"] == told.message
    assert "for 1.33333 epochs" in shown["frozen-as-drawn"]


@pytest.mark.parametrize("stop", [3, THAWS, THAWS + 1, 10])
def test_a_run_that_was_stopped_comes_to_the_same_end(stop: int, folder: Path, straight: Run, tmp_path: Path) -> None:
    run, events = train(folder, tmp_path, stop)
    assert bool(thawed(events)) is (stop > THAWS)
    assert isinstance([*lab.resume(run.name, runs=tmp_path)][-1], Finished)
    assert run.weights_path.read_bytes() == straight.weights_path.read_bytes()
    assert [event.step for event in thawed(run.events())] == [THAWS + 1]


@pytest.mark.parametrize("optimiser", ["adamw", "nesterov", "muon"])
def test_the_change_of_a_weight_is_exact_on_both_sides_of_the_thaw(
    optimiser: str, folder: Path, straight: Run, tmp_path: Path
) -> None:
    run = straight
    if optimiser != "adamw":
        run, _ = train(folder, tmp_path, optimiser=optimiser, weight_decay=0.1, clip=1.0, l2=0.01)
    runs = run.folder.parent
    with pytest.raises(InputError, match=r"conv1.weight is still frozen in step 8: it thaws after 1.3+ epochs"):
        lab.why_update(run.name, "conv1.weight[0,0,1,1]", runs=runs, step=THAWS)
    for step in (2, THAWS, THAWS + 1, THAWS + 2):
        taken = step_taken(run.name, runs=runs, step=step)
        names = ("fc1.weight", "fc3.bias", *(("conv1.weight", "conv2.bias") if step > THAWS else ()))
        for name in names:
            weight = taken.weight(name)
            at = tuple(size // 2 for size in weight.shape)
            found = taken.why(name, at)
            assert found.gap is not None
            assert found.gap <= 2e-6 * found.scale + 1e-9, found.text()
            assert ("lr_factor" in found.text()) is name.startswith("conv")
            assert bool(taken.change(name).abs().max() > 0)
    # A state of its own: what has thawed is at its first step of the optimiser.
    if optimiser == "adamw":
        at_first = step_taken(run.name, runs=runs, step=THAWS + 2).before.tensors
        assert (at_first["optimiser.conv1.weight.step"], at_first["optimiser.fc1.weight.step"]) == (1, 9)


def test_in_training_mode_a_network_is_shown_as_it_worked(folder: Path, tmp_path: Path) -> None:
    """Batch norms that thaw take the batch's figures from then on, and have a graph of their own."""
    knobs = {"model": "resnet20", "epochs": 2, "batch_size": 60, "snapshots": 0, "freeze": "conv1,bn1", "thaw": 1}
    run, _ = train(folder, tmp_path, **knobs)
    for step, frozen in ((3, False), (0, True), (None, False)):
        seen = lab.see("latest", "test:0", runs=tmp_path, mode="train", step=step)
        node = next(node for node in seen.captured.graph.nodes.values() if node.module == "bn1" and node.kind == "op")
        with torch.no_grad():
            judged = seen.trainee.model.get_submodule("bn1")(seen.captured.value(node.inputs[0]))
        assert torch.allclose(seen.captured.value(node.name), judged, atol=1e-5) is frozen
        assert all(parameter.requires_grad for parameter in seen.trainee.model.parameters())
    assert {path.name for path in (run.folder / "graph").glob("train*")} >= {"train.json", "train-thawed.json"}


@pytest.mark.slow
def test_two_processes_thaw_together(folder: Path, tmp_path: Path) -> None:
    words = [
        "-m", "convoscope", "train", "--json", "--data", str(folder), "--model", "lenet5", "--epochs", "2",
        "--batch-size", "25", "--threads", "1", "--precision", "float32", "--memory-format", "contiguous", "--freeze",
        "conv1,conv2", "--thaw", "1.5", "--clip", "1", "--ema", "0.9", "--device", "cpu",
    ]  # fmt: skip
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    weights = []
    for name, python, shards in (("one", [], "2"), ("two", launcher, "1")):
        command = [sys.executable, *python, *words, "--shards", shards, "--runs", str(tmp_path / name)]
        subprocess.run(command, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True)
        weights.append(load_file(store.find(tmp_path / name, "latest").weights_path))
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
