"""Predictions: the same answer alone and in company, files found and written, and memory that stays the same."""

from __future__ import annotations

import csv
import dataclasses
import importlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from convoscope import lab
from convoscope.data import Dataset, ImagePolicy
from convoscope.data.normalise import Normalisation
from convoscope.errors import InputError, RunError, StorageError
from convoscope.lab.trainee import Trainee
from convoscope.models import build
from convoscope.runs.calibration import write_calibration
from convoscope.runs.store import Run
from convoscope.train.device import Machine
from convoscope.train.events import Finished
from convoscope.train.gradient import Plan
from convoscope.train.recipe import Recipe
from convoscope.train.temperature import Calibration

room = importlib.import_module("convoscope.lab.predict")  # `lab.predict` is its function

KNOBS = {"model": "linear", "epochs": 1, "batch_size": 16, "snapshots": 0, "device": "cpu", "threads": 1, "shards": 1,
         "precision": "float32", "memory_format": "contiguous", "flat_epochs": 0, "image_size": 8}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """data/ with three classes of photos, and runs/ with a run on it."""
    folder = tmp_path_factory.mktemp("predict")
    chance = np.random.default_rng(0)
    for k, name in enumerate(("ant", "bee", "cow")):
        (folder / "data" / name).mkdir(parents=True)
        for i in range(20):
            pixels = chance.integers(0, 80, (12, 10, 3), np.uint8)
            pixels[..., k] += 120
            Image.fromarray(pixels).save(folder / "data" / name / f"{i}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("convoscope.lab.ending.write_report", lambda *_, **__: None)
        patch.setattr("convoscope.lab.sitting._keep_graph", lambda *_: None)
        events = list(lab.train(lab.make_recipe({**KNOBS, "data": str(folder / "data")}), runs=folder / "runs"))
    assert isinstance(events[-1], Finished)
    return folder


def predict(place: Path, *paths: str | Path, **more: Any) -> list[dict[str, Any]]:
    return list(lab.predict("latest", paths, runs=place / "runs", **more))


# The same answer alone and in company


class Sums(nn.Module):
    """Long sums, whose last bits show in which order they were added up."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels = nn.Conv2d(3, 64, 3)
        self.norm = nn.BatchNorm2d(64)
        self.wide = nn.Linear(64 * 18 * 18, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.wide(self.norm(self.kernels(x)).relu().flatten(1))
        return y


def trainee_of(model: nn.Module, side: int, plan: Plan, *, n_classes: int = 3) -> Trainee:
    torch.manual_seed(0)
    for buffer in model.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    model = model.eval().to(
        memory_format=torch.channels_last if plan.memory_format == "channels-last" else torch.contiguous_format
    )  # type: ignore[call-overload]
    names = tuple(map(str, range(n_classes)))
    scale = Normalisation("z-score", (120.0, 110.0, 100.0), (60.0, 61.0, 62.0))
    return Trainee(Run(Path("run")), Recipe(), model, names, ImagePolicy(3, side, side), scale, Machine("cpu"), plan)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("memory_format", ["contiguous", "channels-last"])
@pytest.mark.parametrize("name", ["sums", "mlp", "resnet20", "alexnet"])
def test_an_image_has_the_same_bits_alone_and_in_company(name: str, memory_format: str, precision: str) -> None:
    torch.manual_seed(1)
    side = {"sums": 20, "alexnet": 64}.get(name, 32)
    model = Sums() if name == "sums" else build(name, (3, side, side), 3, {})
    trainee = trainee_of(model, side, Plan(precision, memory_format, shards=2, threads=1))
    size = room.batch_size(trainee.policy, "cpu")  # type: ignore[arg-type]
    chance = np.random.default_rng(0)
    images = chance.integers(0, 256, (size + 3, 3, side, side), np.uint8)
    together = room.alike(trainee, images)
    assert together.shape == (size + 3, 3)
    order = chance.permutation(len(images))
    assert torch.equal(room.alike(trainee, images[order]), together[order])
    for i in (0, size - 1, size + 2):
        assert torch.equal(room.alike(trainee, images[i : i + 1])[0], together[i])


def test_it_is_the_batch_of_one_size_that_makes_them_alike() -> None:
    """The bits do differ where an image goes through alone: else the test above could not fail."""
    torch.manual_seed(1)
    trainee = trainee_of(build("mlp", (3, 32, 32), 3, {"hidden": (2048, 1024)}), 32, Plan())
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 32, 32), np.uint8)
    together = room.alike(trainee, images)
    x = trainee.feed(trainee_images(trainee, images)).batch(torch.arange(40), 0)[0]
    with torch.inference_mode():
        alone = torch.cat([trainee.model(x[i : i + 1]) for i in range(40)])
    assert not torch.equal(alone, together)
    torch.testing.assert_close(alone, together, atol=1e-4, rtol=1e-4)


def trainee_images(trainee: Trainee, images: np.ndarray) -> Any:
    return Dataset(images, np.zeros(len(images), np.int64), trainee.class_names, "images")


@pytest.mark.parametrize(("side", "n"), [(1, 64), (28, 64), (64, 32), (65, 16), (128, 8), (224, 4), (4096, 4)])
def test_the_size_of_a_batch_hangs_on_the_images_alone(side: int, n: int) -> None:
    assert room.batch_size(ImagePolicy(3, side, side), "cpu") == n
    assert room.batch_size(ImagePolicy(3, side, side), "cuda") >= n


def test_rows_are_the_same_alone_and_in_company(place: Path) -> None:
    rows = predict(place, place / "data", top=3)
    assert len(rows) == 60
    for row in rows[::13]:
        assert predict(place, row["path"], top=3) == [row]
    both = predict(place, rows[0]["path"], rows[0]["path"])
    assert both[0] == both[1]


# What is asked about


def test_folders_patterns_and_what_cannot_be_read(place: Path, tmp_path: Path) -> None:
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    good = (place / "data" / "bee" / "3.png").read_bytes()
    for name, content in (
        ("two\nlines.png", good), ("broken.png", good[:60]), ("deep/数字.png", good), ("deep/notes.txt", b"no image"),
    ):  # fmt: skip
        (tmp_path / "photos" / name).write_bytes(content)
    rows = predict(place, tmp_path / "photos", str(tmp_path / "**" / "*.gif"), tmp_path / "photos/deep/notes.txt")
    told = [(Path(row["path"]).name, row["predicted"]) for row in rows]
    assert told == [
        ("broken.png", None), ("two\nlines.png", "bee"), ("数字.png", "bee"), ("*.gif", None), ("notes.txt", None),
    ]  # fmt: skip
    for row in rows:
        assert (row["error"] is None) == (row["predicted"] is not None)
        if row["error"]:
            assert row["error"].startswith(row["path"])
            assert row["error"].endswith(".")
            assert (row["probability"], row["top"]) == (None, [])


def test_nothing_at_all_is_an_error(place: Path) -> None:
    with pytest.raises(InputError, match="No file and no text was given"):
        predict(place)
    with pytest.raises(InputError, match="takes images, and was given 1 texts"):
        predict(place, texts=["a"])


def test_more_classes_than_there_are(place: Path) -> None:
    (row,) = predict(place, place / "data/ant/1.png", top=10)
    assert row["top"][0]["class"] == row["predicted"] == "ant"
    assert len(row["top"]) == 3
    assert sum(entry["probability"] for entry in row["top"]) == pytest.approx(1, abs=1e-12)


def test_rows_come_in_order_while_few_are_held(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are asked for as they are needed: a list without an end is answered too, and a pipe that has gone wrong."""
    monkeypatch.setattr(room, "_MOST", 4)
    monkeypatch.setattr(room, "_HELD", 8)
    n_asked = 0

    def names() -> Iterator[Path]:
        nonlocal n_asked
        for i in itertools.count():
            n_asked += 1
            yield place / "data" / ("ant", "nowhere")[i % 7 > 2] / f"{i % 20}.png"

    rows = lab.predict("latest", names(), runs=place / "runs")
    for i, row in enumerate(itertools.islice(rows, 300)):
        assert row["path"].endswith(f"{('ant', 'nowhere')[i % 7 > 2]}/{i % 20}.png")
        assert n_asked <= i + 40
    rows.close()  # type: ignore[attr-defined]


# Probabilities


def test_probabilities_are_calibrated_by_the_runs_temperature(place: Path) -> None:
    run = Run(place / "runs" / "linear-data-1")
    path, kept = run.folder / "calibration.json", None
    kept = path.read_bytes() if path.exists() else None
    image = place / "data/cow/4.png"
    try:
        write_calibration(run, dataclasses.replace(Calibration(), temperature=2.0))
        (raw,) = predict(place, image, raw=True)
        (told,) = predict(place, image)
        (at_checkpoint,) = predict(place, image, step=max(run.checkpoint_files()))
        softened = np.array([entry["probability"] for entry in raw["top"]]) ** 0.5
        assert [entry["probability"] for entry in told["top"]] == pytest.approx(softened / softened.sum())
        assert told["predicted"] == raw["predicted"]
        assert told["probability"] < raw["probability"]
        assert at_checkpoint == raw
    finally:
        path.write_bytes(kept) if kept else path.unlink()


def test_classes_that_are_not_the_networks_are_refused(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build("linear", (3, 8, 8), 4, {})
    trainee = trainee_of(model, 8, Plan(), n_classes=3)
    monkeypatch.setattr(room, "open_run", lambda *_, **__: trainee)
    with pytest.raises(RunError, match="tells 4 classes apart, and the run names 3"):
        predict(place, place / "data/cow/4.png")


# Files of rows


@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl", ".parquet"])
def test_rows_are_written_as_they_are_given(suffix: str, place: Path, tmp_path: Path) -> None:
    out = tmp_path / f"rows{suffix}"
    asked = [place / "data" / "ant" / "1.png", tmp_path / "none.png", place / "data" / "cow"]
    rows = predict(place, *asked, top=2, out=out)
    paths, classes, errors = ([row[key] for row in rows] for key in ("path", "predicted", "error"))
    if suffix == ".csv":
        with out.open(newline="", encoding="utf-8") as file:
            read = list(csv.DictReader(file))
        assert [row["path"] for row in read] == paths
        assert [row["class"] or None for row in read] == classes
        assert [row["error"] or None for row in read] == errors
        assert [float(row["probability_2"]) for row in read if row["class"]] == [
            row["top"][1]["probability"] for row in rows if row["top"]
        ]
    elif suffix == ".parquet":
        read = pytest.importorskip("pyarrow.parquet").read_table(out).to_pydict()
        assert (read["path"], read["class"], read["error"]) == (paths, classes, errors)
    elif suffix == ".json":
        assert json.loads(out.read_text())["predictions"] == rows
    else:
        assert [json.loads(line) for line in out.read_text().splitlines()] == rows
    assert [one.name for one in tmp_path.iterdir()] == [out.name]


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_read(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, out = place / "data/cow/4.png", tmp_path / "rows.csv"
    out.write_text("mine")
    with monkeypatch.context() as patch:
        patch.setattr(room, "open_run", lambda *_, **__: pytest.fail("the run was opened"))
        for path, said in (
            (out, "is there already"), (tmp_path / "rows.xls", "one of .csv, .tsv, .json, .jsonl, .parquet"),
            (tmp_path / "no" / "rows.csv", "there is no folder"), (tmp_path, "one of"),
        ):  # fmt: skip
            with pytest.raises(InputError, match=said):
                predict(place, image, out=path)
    assert out.read_text() == "mine"
    predict(place, image, out=out, force=True)
    assert out.read_text().startswith("path,class")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("convoscope.data.output._cells", full)
    with pytest.raises(StorageError, match="the disk is full") as caught:
        predict(place, image, out=out, force=True)
    assert caught.value.hint == "Choose another place for the file."
    assert out.read_text().startswith("path,class")


def test_texts_are_found_and_written_too(tmp_path: Path) -> None:
    rows = "\n".join(f"it was {('good', 'bad')[i % 2]} and long,{'pn'[i % 2]}" for i in range(40))
    (tmp_path / "texts.csv").write_text("text,label\n" + rows)
    recipe = lab.make_recipe({"data": str(tmp_path / "texts.csv"), "epochs": 0, "snapshots": 0, "device": "cpu"})
    for event in lab.train(recipe, runs=tmp_path / "runs"):
        if isinstance(event, Finished):
            break
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "a.txt").write_text("it was good")
    (folder / "b.csv").write_text("text\nlong and bad\nunheard\n")
    (folder / "c.png").write_bytes(b"no text")
    out = tmp_path / "rows.jsonl"
    told = list(lab.predict("latest", [folder], texts=["was it"], runs=tmp_path / "runs", out=out))
    assert [row["path"] for row in told] == [
        str(folder / "a.txt"), f"{folder / 'b.csv'} row 2", f"{folder / 'b.csv'} row 3", "was it",
    ]  # fmt: skip
    assert [bool(row["error"]) for row in told] == [False, False, True, False]
    assert [json.loads(line) for line in out.read_text().splitlines()] == told
