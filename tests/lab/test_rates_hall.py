"""The learning-rate finder through the hall: what it says, and that it keeps nothing else."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from conftest import bars, write_idx
from convoscope import lab
from convoscope.errors import InputError, RecipeError
from convoscope.train.rates import Tried

KNOBS = {"model": "linear", "batch_size": 30, "device": "cpu", "threads": 1, "shards": 1, "precision": "float32",
         "memory_format": "contiguous"}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bars")
    write_idx(folder, "train", bars(200, 1))
    return folder


def test_steps_come_one_by_one_and_no_run_is_made(folder: Path, tmp_path: Path) -> None:
    recipe = lab.make_recipe({**KNOBS, "data": str(folder), "lr": 0.5})
    *steps, rates = lab.find_lr(recipe, runs=tmp_path / "runs", n_steps=40)
    assert isinstance(rates, lab.Rates)
    assert all(isinstance(step, Tried) for step in steps)
    assert tuple(steps) == rates.steps
    assert (rates.lr, rates.batch_size, rates.picture) == (0.5, 30, None)
    assert not (tmp_path / "runs").exists()
    document = rates.to_dict()
    assert json.loads(json.dumps(document)) == document
    assert {"suggested", "steepest", "least", "ended", "optimiser"} <= document.keys()
    assert [set(point) for point in document["points"]] == [{"step", "lr", "loss", "smoothed"}] * len(steps)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".html"])
def test_the_curve_as_a_picture(suffix: str, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / f"curve{suffix}"
    recipe = lab.make_recipe({**KNOBS, "data": str(folder)})
    list(lab.find_lr(recipe, runs=tmp_path / "runs", picture=path))
    content = path.read_bytes()
    if suffix == ".png":
        assert content.startswith(b"\x89PNG")
    elif suffix == ".svg":
        assert ET.fromstring(content).tag.endswith("svg")  # noqa: S314 - our own
        assert b"suggested" in content
    else:
        assert b"data:image/png;base64," in content
        assert content.count(b"<tr>") > 20
    with pytest.raises(InputError, match="is there already"):
        list(lab.find_lr(recipe, runs=tmp_path / "runs", picture=path))
    assert not (tmp_path / "runs").exists()


def test_texts_too(tmp_path: Path) -> None:
    rows = "\n".join(f"it was {('good', 'bad')[i % 2]} and long,{'pn'[i % 2]}" for i in range(100))
    (tmp_path / "texts.csv").write_text("text,label\n" + rows)
    recipe = lab.make_recipe({"data": str(tmp_path / "texts.csv"), "device": "cpu", "threads": 1, "shards": 1})
    *_, rates = lab.find_lr(recipe, runs=tmp_path / "runs", n_steps=40)
    assert isinstance(rates, lab.Rates)
    assert rates.found.suggested is not None


@pytest.mark.parametrize(
    ("knobs", "more", "error", "said"),
    [
        ({"model": "knn"}, {}, RecipeError, "has no learning rate"),
        ({}, {"low": 1.0, "high": 0.1}, RecipeError, "they rise"),
        ({}, {"n_steps": 5}, RecipeError, "are 20 or more"),
        ({}, {"picture": Path("curve.bmp")}, InputError, "one of .png, .svg, .html"),
        ({}, {"picture": Path("no/curve.png")}, InputError, "there is no folder"),
        ({"freeze": "nowhere"}, {}, RecipeError, "no module of that name"),
    ],
)
def test_what_cannot_be_found(knobs: dict, more: dict, error: type[Exception], said: str, folder: Path) -> None:
    settings = {"device": "cpu"} if knobs.get("model") == "knn" else KNOBS
    recipe = lab.make_recipe({**settings, "data": str(folder), **knobs})
    with pytest.raises(error, match=said):
        list(lab.find_lr(recipe, runs=folder / "runs", **more))
