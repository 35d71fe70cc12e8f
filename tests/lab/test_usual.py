"""What suits data with no knob turned: decided by a glance, and never over what was given."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import bars, write_idx
from convoscope import lab
from convoscope.cli import app as commands
from convoscope.lab.usual import _duration, may_be_mirrored, usual_knobs
from convoscope.models import MODELS
from convoscope.train.recipe import Recipe


def photos(
    folder: Path, *sizes: tuple[int, int], names: tuple[str, ...] = ("apple", "pear"), mode: str = "RGB", n: int = 6
) -> str:
    """A folder of classes with n noisy images each, whose sizes (width, height) take turns."""
    draw = np.random.default_rng(0)
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            width, height = sizes[i % len(sizes)]
            pixels = draw.integers(0, 256, (height, width) if mode == "L" else (height, width, 3)).astype(np.uint8)
            Image.fromarray(pixels, mode).save(folder / name / f"{i}.png")
    return str(folder)


def test_what_is_no_folder_of_images_has_the_models_own(tmp_path: Path) -> None:
    write_idx(tmp_path, "train", bars(20, 1))
    (tmp_path / "texts.csv").write_text("text,label\nfine words,good\nbad words,bad\n" * 5)
    (tmp_path / "empty").mkdir()
    for data in (None, "mnist", "cifar10", str(tmp_path), str(tmp_path / "texts.csv"), str(tmp_path / "empty"),
                 str(tmp_path / "nowhere"), "https://example.org/{00..09}.tar"):  # fmt: skip
        assert usual_knobs({"data": data}) == {}
    assert lab.make_recipe({"data": "mnist"}).model == Recipe.model
    assert lab.in_words(lab.make_recipe({"data": "mnist"})) == ""
    assert lab.make_recipe({"data": str(tmp_path / "texts.csv")}).model == "textcnn"


def test_photographs_are_cut_and_lit_otherwise_and_their_hue_stays(tmp_path: Path) -> None:
    recipe = lab.make_recipe({"data": photos(tmp_path / "photos", (100, 90), (90, 120))})
    assert (recipe.model, recipe.image_size, recipe.flip, recipe.shift, recipe.hue) == ("resnet9", 64, True, 0.0, 0.0)
    assert recipe.crop < 1 < recipe.aspect
    assert min(recipe.brightness, recipe.contrast, recipe.saturation) > 0
    assert recipe.optimiser == MODELS["resnet9"].recipe["optimiser"]


def test_grey_images_are_neither_mirrored_nor_coloured(tmp_path: Path) -> None:
    recipe = lab.make_recipe({"data": photos(tmp_path / "scans", (100, 90), mode="L")})
    assert (recipe.flip, recipe.saturation, recipe.hue) == (False, 0.0, 0.0)
    assert recipe.contrast > 0


def test_small_images_keep_their_size_and_are_moved_a_little(tmp_path: Path) -> None:
    recipe = lab.make_recipe({"data": photos(tmp_path / "icons", (28, 28))})
    assert (recipe.image_size, recipe.crop, recipe.brightness) == (None, 1.0, 0.0)
    assert 0 < recipe.shift <= 0.125
    assert lab.make_recipe({"data": photos(tmp_path / "signs", (30, 35), (50, 40), (44, 60))}).image_size == 40
    assert lab.make_recipe({"data": photos(tmp_path / "dots", (9, 9), (10, 8))}).image_size == 16


@pytest.mark.parametrize(
    ("names", "may_be"),
    [
        (("apple", "pear"), True),
        (("leftover", "copyright"), True),
        (("7 segments", "b"), True),
        (("0", "1", "12"), False),
        (("a", "b", "字"), False),
        (("00014", "00015"), False),
        (("turn_left", "stop"), False),
        (("KeepRight", "stop"), False),
        (("向左转", "停"), False),
        (("Links abbiegen", "Halt"), False),
    ],
)
def test_a_class_that_a_mirror_would_belie_is_known_by_its_name(names: tuple[str, ...], may_be: bool) -> None:
    assert may_be_mirrored(names) == may_be


def test_what_is_given_goes_before_it(tmp_path: Path) -> None:
    data = photos(tmp_path / "photos", (100, 90))
    recipe = lab.make_recipe({"data": data, "epochs": 3, "crop": 1.0, "aspect": 1.0, "flip": False, "image_size": 48})
    assert (recipe.epochs, recipe.crop, recipe.flip, recipe.image_size) == (3, 1.0, False, 48)
    assert recipe.brightness > 0  # what was left open
    named = lab.make_recipe({"data": data, "model": "resnet9"})
    assert (named.epochs, named.crop, named.image_size, dict(named.model_options)) == (None, 1.0, None, {})
    narrow = lab.make_recipe({"data": data, "model_options": {"width": 4}})
    assert (narrow.model, narrow.crop, dict(narrow.model_options)) == ("resnet9", recipe_of(data).crop, {"width": 4})
    assert usual_knobs({"data": data, "init": "weights.pth"}) == {}


def recipe_of(data: str) -> Recipe:
    return lab.make_recipe({"data": data})


def test_an_option_on_the_command_line_names_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, seen = photos(tmp_path / "photos", (100, 90)), []

    def train(recipe: Recipe, **_: Any) -> Any:
        seen.append(recipe)
        return iter(())

    monkeypatch.setattr(lab, "train", train)
    monkeypatch.setattr(sys, "argv", ["convoscope"])
    commands.app(["train", "--data", data, "--width", "4", "--json"], standalone_mode=False)
    assert "No model was named: resnet9, width 4 at 64 x 64 pixels" in capsys.readouterr().err
    assert (seen[0].model, seen[0].crop, dict(seen[0].model_options)) == ("resnet9", recipe_of(data).crop, {"width": 4})


def test_more_images_are_seen_more_often_in_all_and_less_often_each() -> None:
    counts = (1, 20, 60, 600, 6_000, 60_000, 1_300_000)
    found = [_duration(n) for n in counts]
    epochs = [one["epochs"] for one in found]
    assert epochs == sorted(epochs, reverse=True)
    assert 1 < epochs[-1] < epochs[0] <= 100
    seen = [n * one["epochs"] for n, one in zip(counts, found, strict=True)]
    assert seen == sorted(seen)
    assert all(16 <= one["batch_size"] <= 128 for one in found)


def test_a_folder_trains_from_it_and_the_run_says_what_was_chosen(tmp_path: Path) -> None:
    data = photos(tmp_path / "icons", (24, 24), n=10)
    recipe = lab.make_recipe({"data": data, "model_options": {"width": 2}, "epochs": 1, "device": "cpu", "threads": 1})
    finished = next(event for event in lab.train(recipe, runs=tmp_path / "runs") if type(event).__name__ == "Finished")
    kept = json.loads((Path(finished.run) / "recipe.json").read_text())["recipe"]
    assert (kept["model"], kept["flip"], kept["model_options"]) == ("resnet9", True, {"width": 2})


def test_a_broken_file_among_those_looked_at_stops_nothing(tmp_path: Path) -> None:
    data = photos(tmp_path / "photos", (100, 90))
    (tmp_path / "photos" / "apple" / "0.png").write_bytes(b"no image")
    assert usual_knobs({"data": data})["model"] == "resnet9"
    for path in Path(data).rglob("*.png"):
        path.write_bytes(b"no image")
    assert usual_knobs({"data": data}) == {}  # whoever opens them says why
