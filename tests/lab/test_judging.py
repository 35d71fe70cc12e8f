"""How a run is judged from end to end: figures, comparisons and temperature, at its end and asked for later."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import bars, write_idx
from convoscope import lab
from convoscope.lab.screen.facts import Facts
from convoscope.runs import curves, figures, store
from convoscope.runs.calibration import read_calibration
from convoscope.train.events import Event, Finding, Finished
from convoscope.train.temperature import calibrate

KNOBS = {"model": "linear", "epochs": 2, "batch_size": 30, "device": "cpu", "threads": 1, "shards": 1}
KNOBS |= {"precision": "float32", "memory_format": "contiguous", "validation": 0.2, "snapshots": 0}
BESIDES = {"run", "data", "kind", "hardest"}  # what evaluate tells and a run does not keep


def trained(folder: Path, **knobs: object) -> list[Event]:
    events = []
    for event in lab.train(lab.make_recipe({**KNOBS, "data": str(folder / "data"), **knobs}), runs=folder / "runs"):
        events.append(event)
        if isinstance(event, Finished):
            break  # without the graph
    return events


def data_in(folder: Path) -> Path:
    (folder / "data").mkdir()
    write_idx(folder / "data", "train", bars(250, 1))
    write_idx(folder / "data", "t10k", bars(60, 2))
    return folder


def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports come without their pictures, which take longer than all the rest."""
    monkeypatch.setattr(curves, "curves", lambda *_: b"picture")
    monkeypatch.setattr(curves, "curve_panels", lambda *_: {})
    for name in ("confusion", "reliability", "hardest"):
        monkeypatch.setattr(figures, name, lambda *_, **__: b"picture")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data alone."""
    undrawn(monkeypatch)
    return data_in(tmp_path)


@pytest.fixture(scope="module")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and a run on them, for tests that read."""
    folder = data_in(tmp_path_factory.mktemp("once"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        undrawn(monkeypatch)
        trained(folder)
    return folder


def kept(folder: Path, name: str = "evaluation") -> dict[str, Any]:
    found: dict[str, Any] = store.find(folder / "runs", "latest").card(name)
    return found


def test_a_run_keeps_the_figures_that_evaluate_tells(run_once: Path) -> None:
    folder = run_once
    told = lab.evaluate("latest", runs=folder / "runs")
    assert {key: value for key, value in told.items() if key not in BESIDES} == kept(folder)
    assert [one["name"] for one in told["compared"]] == ["majority", "knn"]
    knn = told["compared"][1]
    assert (knn["n"], knn["n_references"], knn["k_from"]) == (60, 199, "validation")
    assert knn["network_accuracy"] == told["accuracy"]
    assert told["top_5_accuracy"] is None  # four classes
    json.dumps(told, allow_nan=False)


def test_the_temperature_is_that_of_the_validation_part(folder: Path) -> None:
    noisy = bars(250, 1)
    noisy.labels[::7] = (noisy.labels[::7] + 1) % 4  # some must be wrong: else there is no best temperature
    write_idx(folder / "data", "train", noisy)
    trained(folder)
    run = store.find(folder / "runs", "latest")
    trainee = lab.open_run("latest", runs=folder / "runs")
    part = trainee.opened().splits.validation
    expected = calibrate(trainee.logits(part).numpy(), part.labels, "validation")
    found = read_calibration(run)
    assert (found.split, found.n, found.why) == ("validation", len(part), "")
    assert found.temperature == pytest.approx(expected.temperature, rel=1e-4)
    assert found.temperature != 1
    assert found.loss_after is not None
    assert found.loss_before is not None
    assert found.loss_after < found.loss_before
    assert trainee.temperature == read_calibration(run).temperature == found.temperature
    assert lab.open_run("latest", runs=folder / "runs", step=0).temperature == 1
    assert kept(folder)["calibration"]["temperature"] == found.temperature


def test_without_a_validation_part_nothing_is_calibrated(folder: Path) -> None:
    trained(folder, validation=0.0)
    assert kept(folder, "calibration")["why"] == "no-part"
    assert kept(folder)["compared"][1]["k_from"] == "usual"


def test_without_a_test_part_the_validation_part_is_judged_and_said(folder: Path) -> None:
    for path in (folder / "data").glob("t10k*"):
        path.unlink()
    finished = trained(folder)[-1]
    assert isinstance(finished, Finished)
    assert finished.test_accuracy is None
    figures = kept(folder)
    assert (figures["split"], figures["n"]) == ("validation", 51)
    assert figures["compared"][1]["k_from"] == "usual"  # k is not chosen on what is judged
    page = store.find(folder / "runs", "latest").report_path.read_text(encoding="utf-8")
    assert "The data have no test part." in page
    detail = Facts(folder / "runs").detail("latest")
    assert detail.judged is not None
    assert detail.judged.split == "validation"


def test_a_network_that_learnt_nothing_is_told_in_words(folder: Path) -> None:
    events = trained(folder, epochs=1, lr=1e-9, flat_epochs=0)
    told = {event.name: event for event in events if isinstance(event, Finding)}
    assert told["not-better-than-knn"].level == "warning"
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert "not-better-than-knn" in finished.findings
    page = store.find(folder / "runs", "latest").report_path.read_text(encoding="utf-8")
    assert "not-better-than-knn" in page


def test_neighbours_are_not_compared_with_neighbours(folder: Path) -> None:
    given = {"model": "knn", "model_options": {"k": 3}, "data": str(folder / "data"), "device": "cpu"}
    for event in lab.train(lab.make_recipe(given), runs=folder / "runs"):
        if isinstance(event, Finished):
            break
    assert [one["name"] for one in kept(folder)["compared"]] == ["majority"]


def test_the_screen_has_the_figures_and_those_of_older_runs(run_once: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run_once, tmp_path / "copy"))
    run = store.find(folder / "runs", "latest")
    judged = Facts(folder / "runs").detail("latest").judged
    assert judged is not None
    assert judged.balanced_accuracy == kept(folder)["balanced_accuracy"]
    assert [one.name for one in judged.compared] == ["majority", "knn"]
    assert judged.calibration is not None
    assert judged.per_class[0].recall_95_low is not None
    older = kept(folder)
    for key in ("balanced_accuracy", "calibration", "compared", "calibration_error"):
        del older[key]
    for row in older["per_class"]:
        del row["recall_95_low"], row["recall_95_high"]
    (run.folder / "evaluation.json").write_text(json.dumps(older))
    judged = Facts(folder / "runs").detail("latest").judged
    assert judged is not None
    assert (judged.balanced_accuracy, judged.compared, judged.calibration) == (None, [], None)


def test_other_data_are_judged_with_the_same_figures(run_once: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run_once, tmp_path / "copy"))
    card = json.loads((store.find(folder / "runs", "latest").folder / "recipe.json").read_text())
    card["recipe"]["data"] = str(folder / "data")
    (store.find(folder / "runs", "latest").folder / "recipe.json").write_text(json.dumps(card))
    (folder / "other").mkdir()
    write_idx(folder / "other", "train", bars(40, 7))
    told = lab.evaluate("latest", runs=folder / "runs", data=str(folder / "other"))
    assert set(told) - BESIDES == set(kept(folder))
    assert told["compared"][1]["n"] == 40
    for path in (folder / "data").iterdir():
        path.unlink()
    told = lab.evaluate("latest", runs=folder / "runs", data=str(folder / "other"))
    assert told["compared"] == []  # what it learnt from is gone
    assert np.isfinite(told["balanced_accuracy"])
