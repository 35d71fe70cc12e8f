"""`convoscope suspects` in words: what was judged, which labels to look at, and that nothing is changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from convoscope import lab
from convoscope.cli import app as commands

ROW = {"split": "test", "index": 3, "name": "a[b]\nc.png", "label": "pear", "suggested": "apple", "margin": -0.61,
       "probability": 0.7}  # fmt: skip
FACTS = {"run": "runs/one", "n_doubted": 3, "n_judged": {"train": 1200, "test": 60}, "steps": [4], "whole": True,
         "notes": ["Of the data some were judged."], "suspects": [ROW]}  # fmt: skip


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, Any]:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(lab, "suspects", lambda run, **given: asked.append({"run": run, **given}) or FACTS)
    commands.app(["suspects", "one", *words], standalone_mode=False)
    return capsys.readouterr().out, asked[0]


def test_in_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text, asked = said(monkeypatch, capsys, "--csv", "again.csv", "--top", "1")
    assert "1,200 of the train part, 60 of the test part were judged; 3 stand in doubt" in text
    assert "a[b]\\nc.png" in text  # a name from outside prints as it is, on one line
    assert "-0.61" in text
    assert "Nothing has been changed. 2 more stand in lesser doubt." in text
    assert "Of the data some were judged." in text
    assert "Written to again.csv." in text
    assert asked == {"run": "one", "runs": Path("runs"), "top": 1, "table": Path("again.csv"), "force": False}


def test_in_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text, asked = said(monkeypatch, capsys, "--json")
    assert json.loads(text)["suspects"] == [ROW]
    assert asked["top"] == 40
