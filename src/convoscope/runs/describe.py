"""What is known of a run, in a line and whole, read from its folder alone."""

from __future__ import annotations

from typing import Any

from convoscope.errors import ConvoscopeError
from convoscope.runs.log import history, last_of, read_log
from convoscope.runs.store import Run, is_being_written
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
    to_json,
)

LIVELY = (Started, Step, Paused, Continued, Trained)  # events that tell where a run that is being trained stands


def headline(run: Run) -> dict[str, Any]:
    """A run in a line.

    `state` is "training" or "paused" while a process trains it, else "finished", "stopped", "failed", "interrupted" or
    "broken".
    """
    try:
        recipe = run.recipe()
        events = history(run.log_path, steps=False)
        newest = last_of(run.log_path, Started, Step)
    except ConvoscopeError as error:
        return {"name": run.name, "folder": str(run.folder), "state": "broken", "error": error.message}
    started = [event for event in events if isinstance(event, Started)]
    ends = [event for event in events if isinstance(event, EpochEnded)]
    finished = next((event for event in reversed(events) if isinstance(event, Finished)), None)
    return {
        "name": run.name,
        "folder": str(run.folder),
        "model": recipe.model,
        "data": recipe.data,
        "state": _state(run, events),
        "step": newest.step if isinstance(newest, Started | Step) else 0,
        "n_steps": started[-1].n_steps if started else None,
        "validation_accuracy": ends[-1].validation_accuracy if ends else None,
        "test_accuracy": finished.test_accuracy if finished else None,
        "training_seconds": finished.training_seconds if finished else None,
        "started": started[0].recorded_at if started else None,
    }


def living_state(last: Event | None) -> str:
    """The state of a run that is being trained, from the last event of `LIVELY`: "paused" or "training"."""
    return "paused" if isinstance(last, Paused) else "training"


def describe(run: Run) -> dict[str, Any]:
    """A run whole: headline, recipe, provenance, data, epochs, checkpoints, findings and figures."""
    recipe = run.recipe()
    events = history(run.log_path, steps=False)
    said = [event for _, event in read_log(run.log_path, steps=False)]
    gone = {event.step for event in said if isinstance(event, Thinned)}
    saved = {event.step: event for event in said if isinstance(event, Saved)}
    there = run.checkpoint_files()
    return {
        **headline(run),
        "recipe": recipe.to_dict(),
        "provenance": _card(run, "provenance"),
        "data_card": _card(run, "data"),
        "plan": _card(run, "plan"),
        "epochs": [to_json(event) for event in events if isinstance(event, EpochEnded)],
        "findings": [to_json(event) for event in events if isinstance(event, Finding)],
        "checkpoints": [
            {"step": step, "reason": saved[step].reason if step in saved else "", "file": str(path)}
            for step, path in there.items()
        ],
        "checkpoints_missing": sorted(set(saved) - set(there) - gone),
        "evaluation": _card(run, "evaluation") if (run.folder / "evaluation.json").exists() else None,
        "weights": str(run.weights_path) if run.weights_path.exists() else None,
        "report": str(run.report_path) if run.report_path.exists() else None,
    }


def _state(run: Run, events: list[Event]) -> str:
    if is_being_written(run):
        last = next((event for event in reversed(events) if isinstance(event, LIVELY)), None)
        return living_state(last)
    for event in reversed(events):
        if isinstance(event, Finished):
            return "finished"
        if isinstance(event, Trained):
            return {"failed": "failed", "stopped": "stopped"}.get(event.reason, "interrupted")
    return "interrupted"


def _card(run: Run, name: str) -> dict[str, Any]:
    try:
        return run.card(name)
    except ConvoscopeError as error:
        return {"error": error.message}
