"""A run with every way of changing what is learnt from: its steps are brought back with the same bits."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import torch

from conftest import bars, write_idx
from convoscope import lab
from convoscope.errors import RecipeError
from convoscope.lab.update import step_taken
from convoscope.runs import store
from convoscope.train.events import Trained

CHANGED = {
    "flip": True, "alternate": True, "rotate": 10, "shift": 0.1, "crop": 0.6, "aspect": 1.3, "border": "reflect",
    "brightness": 0.2, "contrast": 0.2, "mask": 0.05, "mixup": 0.3, "cutmix": 1.0,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bars"
    folder.mkdir()
    for part, n, seed in (("train", 61, 1), ("t10k", 21, 2)):
        write_idx(folder, part, bars(n, seed))
    return folder


@pytest.mark.parametrize("balance", [pytest.param("weights", marks=pytest.mark.slow), "sampling"])
def test_a_step_is_trained_again_with_the_same_bits(folder: Path, tmp_path: Path, balance: str) -> None:
    recipe = lab.make_recipe(
        {
            "data": str(folder), "model": "linear", "epochs": 2, "batch_size": 9, "balance": balance, "validation": 0.1,
            "precision": "float32", "memory_format": "contiguous", "shards": 2, "threads": 1, "seed": 4, **CHANGED,
        }
    )  # fmt: skip
    with closing(lab.train(recipe, runs=tmp_path)) as events:  # type: ignore[type-var]
        assert any(isinstance(event, Trained) for event in events)  # and no report: nobody reads this one
    kept = [step for step in store.find(tmp_path, "latest").checkpoint_files() if step]
    assert len(kept) > 5
    for step in kept[:: len(kept) // 4]:
        taken = step_taken("latest", runs=tmp_path, step=step)
        recorded = lab.open_run("latest", runs=tmp_path, step=step).model.state_dict()
        assert all(torch.equal(taken.after.tensors[f"model.{name}"], value) for name, value in recorded.items())
        why = taken.why("fc.weight", (2, 50))
        assert why.gap is not None
        assert why.gap <= 1e-6 * why.scale, (step, why.text())


@pytest.mark.parametrize(
    ("model", "knobs", "what"),
    [
        ("knn", {"mixup": 0.2}, "knn was given --mixup"),
        ("linear_regression", {"cutmix": 1.0, "balance": "weights"}, "--cutmix and --balance"),
        ("lenet5", {"hue": 10}, "the images are grey"),
        ("lenet5", {"saturation": 0.1}, "the images are grey"),
    ],
)
def test_what_cannot_be_is_refused_before_there_is_a_run(
    folder: Path, tmp_path: Path, model: str, knobs: dict, what: str
) -> None:
    with pytest.raises(RecipeError, match=what):
        list(lab.train(lab.make_recipe({"data": str(folder), "model": model, **knobs}), runs=tmp_path / "runs"))
    assert not list((tmp_path / "runs").glob("*"))


@pytest.mark.parametrize("knob", [{"mixup": 0.2}, {"flip": True}, {"brightness": 0.1}, {"border": "edge"}])
def test_texts_are_not_changed_as_images_are(tmp_path: Path, knob: dict) -> None:
    table = tmp_path / "t.csv"
    table.write_text("text,label\n" + "".join(f"word{i} more,{'ab'[i % 2]}\n" for i in range(20)), encoding="utf-8")
    with pytest.raises(RecipeError, match=f"--{next(iter(knob))} was given; it is for images"):
        list(lab.train(lab.make_recipe({"data": str(table), **knob}), runs=tmp_path / "runs"))
