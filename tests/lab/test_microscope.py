"""The microscope over real runs: any number, and any weight's change in any step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import bars, write_idx
from convoscope import lab
from convoscope.errors import ConvoscopeError, InputError, RunError, UnknownName
from convoscope.lab.microscope import place
from convoscope.look.expr import Number, Param
from convoscope.look.render_json import read


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bars")
    write_idx(folder, "train", bars(201, 1))
    write_idx(folder, "t10k", bars(41, 2))
    return folder


def train(folder: Path, runs: Path, **knobs: Any) -> list[Any]:
    recipe = lab.make_recipe(
        {"data": str(folder), "epochs": 2, "batch_size": 30, "validation": 0.1, "device": "cpu", **knobs}
    )
    return list(lab.train(recipe, runs=runs))


@pytest.fixture(scope="module")
def lenet(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    train(folder, runs, model="lenet5")
    return runs


def test_the_table_says_what_is_there(lenet: Path) -> None:
    facts = lab.look("latest", "test:3", runs=lenet)
    assert facts["n_parameters"] == sum(row["n_parameters"] for row in facts["nodes"])
    assert [row["node"] for row in facts["nodes"]][:4] == ["conv1", "act1", "pool1", "conv2"]
    assert sum(facts["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert facts["target"] == f"{bars(41, 2).labels[3]}"
    assert facts["nodes"][-1]["max"] == facts["loss"]
    assert next(row for row in facts["nodes"] if row["node"] == "conv2")["shape"] == [16, 2, 2]
    json.dumps(facts, allow_nan=False)


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("at", ["conv1[5,3,4]", "conv2[7,1,1]", "fc1[33]", "fc3[2]", "pool1[0, 2, 2]", "loss"])
def test_numbers_check(lenet: Path, at: str, direction: Any) -> None:
    why = lab.why("latest", at, "test:7", runs=lenet, direction=direction)
    assert why.gap is not None
    assert why.gap <= 1e-5 * why.scale + 1e-12
    assert read(why.json(None)["expression"]) is not None


def test_a_part_opens_in_turn_down_to_the_pixels(lenet: Path) -> None:
    why = lab.why("latest", "fc3[1]", "test:7", runs=lenet)
    seen = []
    for _ in range(60):
        seen.append(why.title)
        parts = [part for part in why.parts() if not isinstance(part, Number | Param)]
        if not parts or seen[-2:] == [why.title] * 2:
            break
        why = why.open(parts[0])
    assert any(title.startswith("conv2[") for title in seen)
    assert any(title.startswith("conv1[") for title in seen)
    assert seen[-1].startswith("input[")
    assert not any("a part of a part" in title for title in seen)


def test_the_graph_is_exported_once(lenet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.look("latest", "test:0", runs=lenet)
    monkeypatch.setattr("convoscope.lab.microscope.build_graph", lambda *_, **__: pytest.fail("exported again"))
    first = lab.why("latest", "conv2[1,1,1]", "test:0", runs=lenet)
    kept = next(lenet.glob("*/graph/eval.json"))
    good = kept.read_bytes()
    kept.write_bytes(good[:100])
    monkeypatch.undo()
    assert lab.why("latest", "conv2[1,1,1]", "test:0", runs=lenet).computed == first.computed  # damaged: made anew
    assert kept.read_bytes() == good


def test_an_image_file_and_a_target_of_ones_own(lenet: Path, tmp_path: Path) -> None:
    part = bars(41, 2)
    Image.fromarray(part.images[5, 0]).save(tmp_path / "five.png")
    of_file = lab.look("latest", str(tmp_path / "five.png"), runs=lenet)
    of_data = lab.look("latest", "test:5", runs=lenet)
    assert of_file["probabilities"] == of_data["probabilities"]
    assert of_file["target_is"] == "the class that the network names"
    other = lab.why("latest", "fc3[0]", "test:5", runs=lenet, direction="backward", target="0")
    assert (
        other.recorded != lab.why("latest", "fc3[0]", "test:5", runs=lenet, direction="backward", target="1").recorded
    )
    with pytest.raises(UnknownName, match="no class 'cat'"):
        lab.why("latest", "fc3[0]", "test:5", runs=lenet, target="cat")


def test_dropout_can_be_seen_in_train_mode(folder: Path, tmp_path: Path) -> None:
    train(folder, tmp_path, model="mlp", model_options={"dropout": 0.5, "hidden": (40,)})
    name = next(row["node"] for row in lab.look("latest", "test:0", runs=tmp_path)["nodes"] if "drop" in row["node"])
    kept = {"eval": 0, "train": 0}
    for mode in ("eval", "train"):
        before = lab.look("latest", "test:0", runs=tmp_path, mode=mode)["nodes"]
        assert before == lab.look("latest", "test:0", runs=tmp_path, mode=mode)["nodes"]  # the same mask each time
        for i in range(40):
            why = lab.why("latest", f"{name}[{i}]", "test:0", runs=tmp_path, mode=mode)
            assert why.gap is not None
            assert why.gap <= 1e-5 * why.scale
            kept[mode] += why.recorded != 0
    assert kept["train"] < kept["eval"]
    with pytest.raises(InputError, match="eval or train"):
        lab.look("latest", "test:0", runs=tmp_path, mode="test")  # type: ignore[arg-type]


UPDATES: list[dict[str, Any]] = [
    {"model": "lenet5"},
    {"model": "lenet5", "memory_format": "channels-last", "clip": 0.3},
    {"model": "mlp", "optimiser": "adamw", "l1": 1e-3, "l2": 1e-2, "clip": 0.05},
    {"model": "mlp", "optimiser": "adam", "weight_decay": 0.01, "model_options": {"dropout": 0.3}},
    {"model": "mlp", "optimiser": "sgd", "lr": 0.05, "weight_decay": 0.01, "loss": "hinge"},
    {"model": "linear", "optimiser": "momentum", "lr": 0.01, "shift": 0.1, "flip": True},
    {"model": "linear", "optimiser": "nesterov", "lr": 0.01, "momentum": 0.8},
]


@pytest.mark.parametrize("knobs", UPDATES, ids=lambda knobs: "-".join(map(str, knobs.values())))
def test_every_update_checks_in_any_step(folder: Path, tmp_path: Path, knobs: dict[str, Any]) -> None:
    train(folder, tmp_path, snapshots=3, **knobs)
    weights = lab.open_run("latest", runs=tmp_path).model.state_dict()
    generator = np.random.default_rng(0)
    for step in (1, 2, 6, 11, 14):
        for name, value in weights.items():
            index = ",".join(str(int(generator.integers(length))) for length in value.shape)
            why = lab.why_update("latest", f"{name}[{index}]", runs=tmp_path, step=step)
            assert why.gap is not None
            assert why.gap <= 1e-6 * why.scale, (step, why.text())
            assert why.title.startswith(name)
            break  # one parameter a step: each brings back a state of its own
        weights = dict(list(weights.items())[1:] + list(weights.items())[:1])


def test_what_the_log_recorded_is_what_the_update_ends_with(folder: Path, tmp_path: Path) -> None:
    train(folder, tmp_path, model="linear", snapshots=14)
    after = lab.open_run("latest", runs=tmp_path, step=7).model.state_dict()["fc.weight"][2, 50]
    assert lab.why_update("latest", "fc.weight[2,50]", runs=tmp_path, step=7).recorded == float(after)


@pytest.mark.parametrize(
    ("at", "image", "what"),
    [
        ("conv9[1]", "test:0", "no node"),
        ("conv2[1,1]", "test:0", "no unit"),
        ("conv2[99,0,0]", "test:0", "no unit"),
        ("conv2[a]", "test:0", "no place"),
        ("conv2[1,1,1]", "test:41", "images 0 to 40"),
        ("conv2[1,1,1]", "nowhere.png", "nowhere.png"),
    ],
)
def test_what_is_not_there_is_one_sentence(lenet: Path, at: str, image: str, what: str) -> None:
    with pytest.raises(ConvoscopeError, match=what) as error:
        lab.why("latest", at, image, runs=lenet)
    assert "\n" not in error.value.message


def test_steps_and_parameters_that_are_not_there(lenet: Path) -> None:
    with pytest.raises(RunError, match="steps 1 to"):
        lab.why_update("latest", "fc1.bias[0]", runs=lenet, step=10_000)
    with pytest.raises(UnknownName, match="no parameter"):
        lab.why_update("latest", "fc9.bias[0]", runs=lenet, step=2)
    with pytest.raises(InputError, match="no weight"):
        lab.why_update("latest", "fc1.bias[0,1]", runs=lenet, step=2)


def test_places() -> None:
    assert place(" conv2[5, 4,3] ") == ("conv2", (5, 4, 3))
    assert place("layer3.1.conv2") == ("layer3.1.conv2", ())
    assert place("loss[]") == ("loss", ())
