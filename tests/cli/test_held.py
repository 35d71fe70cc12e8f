"""A run that others pause, as the command line that trains it tells it."""

from __future__ import annotations

import json

import pytest

from convoscope.cli import render
from convoscope.train.events import Continued, Event, Paused, Started, Trained

EVENTS: list[Event] = [
    Started("runs/mlp-1", 0, 20, 10, 100, 10, 5, "cpu", "float32", "contiguous", 1, 1, 1, "2026-01-01T00:00:00+00:00"),
    Paused(7), Continued(7), Paused(8), Trained(8, "stopped", 1.0),
]  # fmt: skip


def test_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert render.training(iter(EVENTS), as_json=False).stopped
    assert capsys.readouterr().out.splitlines()[1:] == [
        "Paused after step 7, all saved.",
        "Going on.",
        "Paused after step 8, all saved.",
        "Stopped at step 8, all saved. Go on with: convoscope resume mlp-1",
    ]


def test_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert render.training(iter(EVENTS), as_json=True).stopped
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[1:4] == [
        {"event": "paused", "step": 7},
        {"event": "continued", "step": 7},
        {"event": "paused", "step": 8},
    ]
