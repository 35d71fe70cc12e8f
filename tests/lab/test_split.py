"""How data are split and remembered: the manifest that is written, the lists of a run, and classes matched by name."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convoscope import lab
from convoscope.data import open_data
from convoscope.errors import DataError, InputError, RecipeError
from convoscope.train.events import Event, Finished

COLOURS = {"red": (220, 30, 30), "green": (30, 220, 30), "blue": (30, 30, 220)}


@pytest.fixture(autouse=True)
def _no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing a report takes seconds, and nothing here looks at one."""
    monkeypatch.setattr("convoscope.lab.ending.write_report", lambda *_, **__: None)


def photos(root: Path, n: int = 12, names: tuple[str, ...] = ("red", "green", "blue"), seed: int = 0) -> Path:
    """N noisy photos of each colour, two of each "patient"; the class is easy to learn."""
    generator = np.random.default_rng(seed)
    for name in names:
        (root / name).mkdir(parents=True)
        for i in range(n):
            noise = generator.integers(-20, 20, (8, 8, 3))
            Image.fromarray((np.array(COLOURS[name]) + noise).clip(0, 255).astype(np.uint8)).save(
                root / name / f"{name}{i // 2}_{i}.png"
            )
    return root


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def trained(runs: Path, data: Path, **more: Any) -> Path:
    given = {"data": str(data), "model": "linear", "epochs": 2, "batch_size": 8, "device": "cpu", **more}
    return Path(finished(lab.train(lab.make_recipe(given), runs=runs)).run)


def finished(events: Iterator[Event]) -> Finished:
    """The last event; who asks for no more does not wait for the network's graph."""
    return next(event for event in events if isinstance(event, Finished))


def test_a_split_that_was_written_is_the_split_that_is_trained_on(tmp_path: Path) -> None:
    photos(tmp_path / "photos")
    out = tmp_path / "split.csv"
    facts = lab.split_data(str(tmp_path / "photos"), out, validation=0.2, test=0.25, seed=5)
    assert {part: sum(counts.values()) for part, counts in facts["parts"].items()} == {
        "train": 21, "validation": 6, "test": 9,
    }  # fmt: skip
    assert rows_of(out)[0].keys() == {"path", "label", "split"}
    assert not Path(rows_of(out)[0]["path"]).is_absolute()
    folder = open_data(tmp_path / "photos", validation=0.2, test=0.25, seed=5)
    assert open_data(out).fingerprint == folder.fingerprint
    with pytest.raises(InputError, match=r"split\.csv is there already"):
        lab.split_data(str(tmp_path / "photos"), out)
    lab.split_data(str(out), tmp_path / "again.tsv")
    assert open_data(tmp_path / "again.tsv").fingerprint == folder.fingerprint
    assert lab.split_data(str(tmp_path / "photos"), out, force=True)["n"] == 36


def test_folds_are_written_and_read_again(tmp_path: Path) -> None:
    photos(tmp_path / "photos")
    out = tmp_path / "split.csv"
    facts = lab.split_data(str(tmp_path / "photos"), out, folds=3, group=r"(\w+)_", test=0.2)
    assert sum(facts["folds"]) == 36 - sum(facts["parts"]["test"].values())
    rows = rows_of(out)
    fold_of = {row["group"]: row["fold"] for row in rows if row["split"] == "train"}
    assert all(fold_of[row["group"]] == row["fold"] for row in rows if row["split"] == "train")
    assert not {row["group"] for row in rows if row["split"] == "test"} & set(fold_of)
    opened = open_data(out, folds=3, fold=2)
    assert set(opened.groups["validation"]) == {group for group, fold in fold_of.items() if fold == "2"}


@pytest.mark.parametrize(
    ("data", "asked", "said"),
    [
        ("mnist", {}, "is no folder or manifest of image files"),
        ("parted", {"test": 0.2}, "has a test part of its own"),
        ("parted", {"folds": 3, "test": 0.2}, "has a test part of its own"),
        ("whole", {"out": "list.txt"}, "called as no table is"),
        ("whole", {"out": "nowhere/list.csv"}, "There is no folder"),
        ("whole", {"folds": 50}, "50 folds were asked"),
    ],
)
def test_what_cannot_be_split_is_refused_and_nothing_is_written(
    data: str, asked: dict[str, Any], said: str, tmp_path: Path
) -> None:
    photos(tmp_path / "whole")
    for part in ("train", "test"):
        photos(tmp_path / "parted" / part, 4)
    out = tmp_path / asked.pop("out", "list.csv")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=said):
        lab.split_data(data if data == "mnist" else str(tmp_path / data), out, **asked)
    assert sorted(tmp_path.iterdir()) == before


def test_a_run_keeps_who_was_where_and_what_was_left_out(tmp_path: Path) -> None:
    photos(tmp_path / "photos")
    (tmp_path / "photos" / "red" / "bad.png").write_text("no image")
    asked = {"group": r"/(\w+)_", "test": 0.25, "broken": "quarantine"}
    with pytest.raises(DataError, match=r"have no such thing: red/bad\.png"):
        trained(tmp_path / "runs", tmp_path / "photos", **asked)
    asked["group"] = r"/([a-z]+\d*)"
    run = trained(tmp_path / "runs", tmp_path / "photos", **asked)
    rows = rows_of(run / "split.csv")
    assert len(rows) == 36
    parts = {part: {row["group"] for row in rows if row["split"] == part} for part in ("train", "validation", "test")}
    assert all(parts.values())
    assert not parts["train"] & parts["test"]
    assert not parts["train"] & parts["validation"]
    assert {row["label"] for row in rows} == {"red", "green", "blue"}
    (left_out,) = json.loads((run / "quarantine.json").read_text())
    assert left_out["path"] == str(tmp_path / "photos" / "red" / "bad.png")
    assert "reason" in left_out
    assert lab.evaluate(run.name, runs=tmp_path / "runs")["n"] == len([row for row in rows if row["split"] == "test"])


def test_classes_are_matched_by_name_whatever_their_order_and_number(tmp_path: Path) -> None:
    run = trained(tmp_path / "runs", photos(tmp_path / "photos"), epochs=8, lr=0.05)
    other = photos(tmp_path / "other", 5, ("blue", "red"), seed=1)
    told = lab.evaluate(run.name, runs=tmp_path / "runs", data=str(other))
    assert (told["n"], told["split"], told["classes_absent"]) == (10, "all", ["green"])
    assert told["accuracy"] == 1.0  # by number, red would be judged as green
    (tmp_path / "list.csv").write_text(
        "path,label\n" + "".join(f"{path},{path.parent.name}\n" for path in sorted(other.rglob("*.png")))
    )
    assert lab.evaluate(run.name, runs=tmp_path / "runs", data=str(tmp_path / "list.csv"))["accuracy"] == 1.0
    photos(tmp_path / "single" / "test", 4, ("green",))
    told = lab.evaluate(run.name, runs=tmp_path / "runs", data=str(tmp_path / "single"))
    assert (told["n"], told["split"], told["accuracy"]) == (4, "test", 1.0)
    with pytest.raises(DataError, match="has no validation part; it has test"):
        lab.evaluate(run.name, runs=tmp_path / "runs", data=str(tmp_path / "single"), split="validation")
    (other / "red").rename(other / "crimson")
    with pytest.raises(DataError, match=rf"has 1 classes that the run {run.name} lacks: crimson") as error:
        lab.evaluate(run.name, runs=tmp_path / "runs", data=str(other))
    assert "The run has: blue, green, red." in error.value.hint


def test_a_new_run_is_refused_what_an_old_one_goes_on_with(tmp_path: Path) -> None:
    for part, seed in (("train", 0), ("val", 1)):
        photos(tmp_path / "parted" / part, 6, seed=seed)
    with pytest.raises(RecipeError, match=r"validation was asked as 0\.5, and .* has a validation part of its own"):
        trained(tmp_path / "runs", tmp_path / "parted", validation=0.5)
    run = trained(tmp_path / "runs", tmp_path / "parted")
    recipe = json.loads((run / "recipe.json").read_text())
    recipe["recipe"]["validation"] = 0.5  # as runs were begun when nobody refused it
    (run / "recipe.json").write_text(json.dumps(recipe))
    assert lab.evaluate(run.name, runs=tmp_path / "runs", split="validation")["n"] == 18


def test_a_run_on_a_manifest_goes_on_after_a_stop(tmp_path: Path) -> None:
    photos(tmp_path / "photos")
    lab.split_data(str(tmp_path / "photos"), tmp_path / "split.csv", test=0.25, group=r"(\w+)_")
    given = {"data": str(tmp_path / "split.csv"), "model": "linear", "epochs": 3, "batch_size": 8, "device": "cpu"}
    whole = trained(tmp_path / "runs", tmp_path / "split.csv", epochs=3)
    seen = 0

    def stop() -> bool:
        nonlocal seen
        seen += 1
        return seen > 4

    first = list(lab.train(lab.make_recipe(given), runs=tmp_path / "runs", should_stop=stop))
    name = Path(first[0].run).name
    assert (tmp_path / "runs" / name / "split.csv").read_bytes() == (whole / "split.csv").read_bytes()
    finished(lab.resume(name, runs=tmp_path / "runs"))
    assert (tmp_path / "runs" / name / "weights.safetensors").read_bytes() == (
        whole / "weights.safetensors"
    ).read_bytes()


def test_data_that_have_changed_are_told_apart_by_name(tmp_path: Path) -> None:
    run = trained(tmp_path / "runs", photos(tmp_path / "photos"), test=0.25, epochs=1)
    assert lab.evaluate(run.name, runs=tmp_path / "runs")["split"] == "test"
    names = [row["name"] for row in rows_of(run / "split.csv")]
    (tmp_path / "photos" / names[0]).rename(tmp_path / "photos" / "red" / "new.png")
    with pytest.raises(DataError, match=r"1 are new \(red/new\.png\); 1 are gone") as error:
        lab.evaluate(run.name, runs=tmp_path / "runs")
    assert f"--data {tmp_path / 'photos'}" in error.value.hint
    assert lab.evaluate(run.name, runs=tmp_path / "runs", data=str(tmp_path / "photos"))["n"] == 36
