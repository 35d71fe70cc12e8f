"""A run in a line: its state at every stage of its life."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from convoscope.errors import RunError
from convoscope.runs import store
from convoscope.runs.describe import describe, headline
from convoscope.runs.store import Run, Writer
from convoscope.train.events import (
    Continued,
    EpochEnded,
    Event,
    Finding,
    Finished,
    Paused,
    Saved,
    Started,
    Step,
    Thinned,
    Trained,
)
from convoscope.train.gradient import Plan
from convoscope.train.recipe import Recipe

NOW = "2026-01-01T00:00:00+00:00"
STARTED = Started("run", 0, 20, 10, 100, 10, 5, "cpu", "float32", "contiguous", 1, 1, 1, NOW)
STEP = Step(7, 1, 0.5, 0.5, 0.001, 0.1, 100.0)
EPOCH = EpochEnded(1, 10, 0.1, 0.9, 0.2, 0.8, 1.0)
FINISHED = Finished("run", "finished", 20, 2.5, 0.8, 0.75, 0.1, 10, "weights.safetensors", None, NOW)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    cards = {"provenance": {"git": None}, "data": {"source": "bars"}, "plan": vars(Plan())}
    return store.create(tmp_path, "mlp-bars", Recipe(model="mlp", data="bars"), cards)


def tell(run: Run, *events: Event) -> None:
    writer = Writer(run)
    for event in events:
        writer.append(event)
    writer.close()


def test_a_run_that_has_not_begun(run: Run) -> None:
    assert headline(run) == {
        "name": "mlp-bars-1", "folder": str(run.folder), "model": "mlp", "data": "bars", "state": "interrupted",
        "step": 0, "n_steps": None, "validation_accuracy": None, "test_accuracy": None,
        "training_seconds": None, "started": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([STARTED, STEP], "interrupted"),
        ([STARTED, STEP, Trained(7, "stopped", 1.0)], "stopped"),
        ([STARTED, STEP, Trained(7, "stopped", 1.0), Started(**{**vars(STARTED), "step": 7})], "interrupted"),
        ([STARTED, STEP, Trained(7, "failed", 1.0)], "failed"),
        ([STARTED, STEP, Trained(20, "finished", 1.0)], "interrupted"),  # trained, not yet judged
        ([STARTED, STEP, Trained(20, "early stop", 1.0), FINISHED], "finished"),
        ([STARTED, STEP, FINISHED, Started(**{**vars(STARTED), "step": 20})], "interrupted"),
    ],
)
def test_the_state_of_a_run(run: Run, events: list[Event], state: str) -> None:
    tell(run, *events)
    assert headline(run)["state"] == state
    writer = Writer(run)
    assert headline(run)["state"] == "training"
    writer.close()


def test_the_figures_of_a_finished_run(run: Run) -> None:
    tell(run, STARTED, STEP, EPOCH, Trained(20, "finished", 2.5), FINISHED)
    line = headline(run)
    assert (line["step"], line["n_steps"], line["started"]) == (7, 20, NOW)
    assert (line["validation_accuracy"], line["test_accuracy"], line["training_seconds"]) == (0.8, 0.75, 2.5)


def test_a_run_whole(run: Run) -> None:
    def saved(step: int) -> Saved:
        return Saved(step, "epoch", f"checkpoints/step-{step:08d}.safetensors", 1, "00")

    for step in (0, 10):
        (run.folder / "checkpoints" / store.checkpoint_name(step)).write_bytes(b"x")
    finding = Finding("few", "warning", "Few images.", "Add some.", 0)
    tell(run, STARTED, finding, saved(0), saved(3), saved(5), Thinned(3, "checkpoints/x", "older"), EPOCH, saved(10))
    facts = describe(run)
    assert [row["step"] for row in facts["checkpoints"]] == [0, 10]
    assert facts["checkpoints"][0]["reason"] == "epoch"
    assert facts["checkpoints_missing"] == [5]
    assert [row["message"] for row in facts["findings"]] == ["Few images."]
    assert [row["epoch"] for row in facts["epochs"]] == [1]
    assert facts["evaluation"] is facts["weights"] is facts["report"] is None
    assert facts["plan"] == vars(Plan())
    json.dumps(facts)


def test_a_broken_run_is_a_line_too(run: Run) -> None:
    (run.folder / "plan.json").write_text("{")
    assert headline(run)["state"] == "interrupted"
    assert "cannot be read" in describe(run)["plan"]["error"]
    (run.folder / "recipe.json").write_text("{")
    line = headline(run)
    assert line["state"] == "broken"
    assert "cannot be read" in line["error"]
    with pytest.raises(RunError):
        describe(run)


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([STARTED, Paused(0)], "paused"),
        ([STARTED, STEP, Paused(7)], "paused"),
        ([STARTED, STEP, Paused(7), Continued(7)], "training"),
        ([STARTED, STEP, Paused(7), Continued(7), STEP, Paused(8)], "paused"),
        ([STARTED, STEP, Paused(7), Trained(7, "stopped", 1.0)], "training"),  # the writer has yet to close
        ([STARTED, STEP, Paused(7), Started(**{**vars(STARTED), "step": 7})], "training"),  # killed, and gone on with
    ],
)
def test_the_state_of_a_run_that_is_held(run: Run, events: list[Event], state: str) -> None:
    writer = Writer(run)
    for event in events:
        writer.append(event)
    assert headline(run)["state"] == state
    writer.close()
    assert headline(run)["state"] in {"interrupted", "stopped"}
