"""What was never trained by steps, from the command to the report: knn and linear regression, and who voted."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from conftest import bars, write_idx
from convoscope import lab
from convoscope.cli.app import app
from convoscope.errors import InputError, ModelError, RecipeError, RunError
from convoscope.lab.neighbours import shifted
from convoscope.runs import store
from convoscope.runs.difference import half_box, parts_of
from convoscope.runs.voters import heat
from convoscope.train.events import Finished, Started


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bars")
    write_idx(folder, "train", bars(160, 1))
    write_idx(folder, "t10k", bars(41, 2))
    return folder


def train(folder: Path, runs: Path, **knobs: Any) -> list[Any]:
    recipe = lab.make_recipe({"data": str(folder), "validation": 0.1, "device": "cpu", **knobs})
    found = []
    for event in lab.train(recipe, runs=runs):
        found.append(event)
        if isinstance(event, Finished):
            break  # what follows is the export of the graph, which takes seconds
    return found


@pytest.fixture(scope="module")
def knn(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    runs = tmp_path_factory.mktemp("runs")
    return runs, train(folder, runs, model="knn")


def test_a_run_of_knn_is_a_run_like_any_other(knn: tuple[Path, list[Any]]) -> None:
    runs, events = knn
    (started,) = [event for event in events if isinstance(event, Started)]
    assert (started.n_parameters, started.n_steps, started.precision) == (0, 0, "float32")
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.reason == "finished"
    assert finished.test_accuracy == 1.0
    trainee = lab.open_run("latest", runs=runs)
    assert trainee.recipe.epochs == 0
    assert lab.evaluate("latest", runs=runs)["accuracy"] == 1.0
    assert lab.evaluate("latest", runs=runs, step=0)["accuracy"] == 1.0
    assert len(lab.pick(lab.answers("latest", runs=runs), limit=100)) == 41
    assert lab.show("latest", runs=runs)["test_accuracy"] == 1.0
    with pytest.raises(RunError, match="has finished"):
        list(lab.resume("latest", runs=runs))


def test_its_report_shows_who_voted(knn: tuple[Path, list[Any]]) -> None:
    page = store.find(knn[0], "latest").report_path.read_text(encoding="utf-8")
    section = page.split('<section id="voters"')[1].split("</section>")[0]
    assert section.startswith(" >")
    assert section.count("<img") == 6 * (1 + 3 + 1)
    assert "centred box" in section
    assert section.count("<figcaption>") == 30


def test_a_killed_run_goes_on(folder: Path, tmp_path: Path) -> None:
    recipe = lab.make_recipe({"data": str(folder), "model": "knn", "device": "cpu"})
    events = lab.train(recipe, runs=tmp_path)
    next(events)  # only begun
    events.close()  # type: ignore[attr-defined]
    assert lab.show("latest", runs=tmp_path)["test_accuracy"] is None
    assert list(lab.resume("latest", runs=tmp_path))[-1].test_accuracy == 1.0


def test_what_no_step_can_move_is_not_trained(folder: Path, tmp_path: Path) -> None:
    for model in ("knn", "linear_regression"):
        with pytest.raises(RecipeError, match="asked to train for 3 epochs"):
            train(folder, tmp_path, model=model, epochs=3)
    with pytest.raises(ModelError, match="1000 neighbours"):
        train(folder, tmp_path, model="knn", model_options={"k": 1000})


def test_neighbours_are_those_of_a_plain_search(knn: tuple[Path, list[Any]]) -> None:
    compare(knn[0], {})


def test_neighbours_by_another_metric_of_other_numbers(folder: Path, tmp_path: Path) -> None:
    options = {"weights": "distance", "metric": "l1", "k": 5}
    train(folder, tmp_path, model="knn", model_options=options, normalise="z-score")
    compare(tmp_path, options)


def compare(runs: Path, options: dict[str, Any]) -> None:
    """The neighbours of one image against all distances, computed plainly."""
    facts = lab.neighbours("latest", "test:7", runs=runs)
    trainee = lab.open_run("latest", runs=runs)
    part = trainee.opened().splits.train
    (offset,), (scale,) = trainee.normalisation.offset, trainee.normalisation.scale
    x, r = ((images.reshape(len(images), -1) - offset) / scale for images in (bars(41, 2).images[7:8], part.values))
    metric = options.get("metric", "l2")
    away = np.linalg.norm(r - x, axis=1, ord=1 if metric == "l1" else 2)
    order = np.argsort(away, kind="stable")[: options.get("k", 3)]
    assert [row["image"] for row in facts["neighbours"]] == [f"train:{i}" for i in order]
    assert [row["distance"] for row in facts["neighbours"]] == pytest.approx(away[order], rel=1e-5, abs=1e-6)
    assert [row["class"] for row in facts["neighbours"]] == [str(part.labels[i]) for i in order]
    votes = 1 / away[order] if "weights" in options else np.ones(len(order))
    assert [row["share"] for row in facts["neighbours"]] == pytest.approx(votes / votes.sum(), rel=1e-5)
    assert sum(facts["votes"].values()) == pytest.approx(1)
    assert facts["predicted"] == max(facts["votes"], key=lambda name: facts["votes"][name])
    nearest_other = away[part.labels != bars(41, 2).labels[7]].min()
    assert facts["moved"]["nearest_other_class"] == pytest.approx(nearest_other, rel=1e-5, abs=1e-6)
    moved = [shifted(bars(41, 2).images[7], y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
    if metric == "l2":
        from_itself = [np.linalg.norm((one - 1.0 * bars(41, 2).images[7]) / scale) for one in moved]
        assert facts["moved"]["by"][0]["median"] == pytest.approx(np.median(from_itself), rel=1e-5)
        assert facts["moved"]["by"][0]["moved_further"] == sum(one > nearest_other for one in from_itself)


def test_an_image_file_and_one_of_its_own(knn: tuple[Path, list[Any]], tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    Image.fromarray(bars(41, 2).images[3, 0]).save(path)
    facts = lab.neighbours("latest", str(path), runs=knn[0])
    assert facts["class"] is None
    assert facts["neighbours"] == lab.neighbours("latest", "test:3", runs=knn[0])["neighbours"]
    own = lab.neighbours("latest", "train:5", runs=knn[0])
    assert own["neighbours"][0] == {"image": "train:5", "class": own["class"], "distance": 0.0, "share": 1 / 3}
    assert own["difference"]["outside_half"] is None


def test_an_image_that_there_is_not(knn: tuple[Path, list[Any]]) -> None:
    with pytest.raises(InputError, match="test:99"):
        lab.neighbours("latest", "test:99", runs=knn[0])


def test_the_command(knn: tuple[Path, list[Any]]) -> None:
    words = ["neighbours", "latest", "--image", "test:7", "--runs", str(knn[0])]
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0, shown.output
    facts = lab.neighbours("latest", "test:7", runs=knn[0])
    for row in facts["neighbours"]:
        assert row["image"] in shown.output
    assert facts["meanings"]["outside_half"] in shown.output
    assert json.loads(CliRunner().invoke(app, [*words, "--json"]).output) == json.loads(json.dumps(facts))


def test_looking_inside(knn: tuple[Path, list[Any]]) -> None:
    facts = lab.look("latest", "test:7", runs=knn[0])
    assert "neighbours.distances" in [row["node"] for row in facts["nodes"]]
    why = lab.why("latest", "neighbours.distances[9]", "test:7", runs=knn[0])
    assert why.gap is not None
    assert why.gap <= 1e-12 * why.scale
    back = lab.why("latest", "flatten[9]", "test:7", runs=knn[0], direction="backward")
    assert "no slope" in back.note


@pytest.mark.parametrize("solve", ["exact", "gradient"])
def test_linear_regression_by_both_ways(folder: Path, tmp_path: Path, solve: str) -> None:
    knobs = {"epochs": 2} if solve == "gradient" else {}
    events = train(folder, tmp_path, model="linear_regression", model_options={"solve": solve}, **knobs)
    assert events[-1].test_accuracy == 1.0
    assert next(event for event in events if isinstance(event, Started)).n_parameters == 144 * 4 + 4
    assert (events[-1].step > 0) == (solve == "gradient")
    page = store.find(tmp_path, "latest").report_path.read_text(encoding="utf-8")
    assert '<section id="filters" >' in page
    assert '<section id="voters" hidden>' in page
    assert (store.find(tmp_path, "latest").report_path.parent / "filters.png").is_file()
    with pytest.raises(RunError, match="only knn"):
        lab.neighbours("latest", "test:0", runs=tmp_path)


def test_a_template_of_three_channels_with_the_hinge(tmp_path: Path) -> None:
    for name in ("red", "blue"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(20):
            pixels = np.full((8, 8, 3), 40 + i, np.uint8)
            pixels[2:6, 2:6, 0 if name == "red" else 2] = 200
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{i}.png")
    train(tmp_path / "data", tmp_path / "runs", model="linear", loss="hinge", l2=0.01, epochs=3, validation=0.2)
    run = store.find(tmp_path / "runs", "latest")
    assert "2 × 3 × 8 × 8" in run.report_path.read_text(encoding="utf-8")
    assert lab.evaluate("latest", runs=tmp_path / "runs", split="validation")["accuracy"] == 1.0


def test_the_figures_of_a_difference() -> None:
    one, other = np.zeros((1, 10, 10)), np.zeros((1, 10, 10))
    other[0, 0, 0], other[0, 5, 5] = 3, 4
    found = parts_of(one, other)
    assert found["outside_half"] == pytest.approx(9 / 25)
    assert found["largest_tenth"] == 1
    assert found["brightness"] == pytest.approx(100 * 0.07**2 / 25)
    assert found["paper"] == pytest.approx(0.98)
    assert parts_of(one, one + 5)["brightness"] == pytest.approx(1)
    assert parts_of(one, one + 5)["largest_tenth"] == pytest.approx(0.1)
    assert parts_of(one, one) == {"outside_half": None, "largest_tenth": None, "brightness": None, "paper": 1.0}
    colours = np.zeros((3, 1, 2))
    colours[0, 0, 0] = 1
    assert parts_of(colours, np.zeros((3, 1, 2)))["paper"] == 0.5
    for H, W in ((1, 1), (2, 2), (28, 28), (5, 40)):
        rows, columns = half_box(H, W)
        area = (rows.stop - rows.start) * (columns.stop - columns.start) / (H * W)
        assert math.isclose(area, 0.5, abs_tol=0.1) or H * W < 9
        assert rows.start >= 0 < rows.stop <= H
    assert heat(np.array([[0.0, 1.0]])).tolist() == [[[255, 255, 255], [217, 102, 15]]]


def test_shifted_repeats_the_edge() -> None:
    image = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    assert shifted(image, 0, 1).tolist() == [[[0, 0, 1], [3, 3, 4]]]
    assert shifted(image, -1, 0).tolist() == [[[3, 4, 5], [3, 4, 5]]]
    assert shifted(image, 5, -5).tolist() == [[[2, 2, 2], [2, 2, 2]]]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("knobs", "least"), [({"loss": "hinge"}, 0.915), ({}, 0.92)])
def test_linear_on_mnist(tmp_path: Path, knobs: dict[str, Any], least: float) -> None:
    events = list(lab.train(lab.make_recipe({"data": "mnist", "model": "linear", **knobs}), runs=tmp_path))
    assert events[-1].test_accuracy >= least  # type: ignore[union-attr]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_knn_on_mnist(tmp_path: Path) -> None:
    events = list(lab.train(lab.make_recipe({"data": "mnist", "model": "knn"}), runs=tmp_path))
    assert events[-1].test_accuracy >= 0.97  # type: ignore[union-attr]
