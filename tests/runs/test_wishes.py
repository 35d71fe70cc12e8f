"""Wishes for a run, and the lock that tells whether someone trains it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from convoscope.errors import StorageError
from convoscope.runs import lock
from convoscope.runs.control import Control, Helm, clear_control, read_control, write_control
from convoscope.runs.store import Run


@pytest.mark.parametrize(
    ("control", "courses"),
    [
        (Control(), ["go", "go", "go"]),
        (Control(pause_at=0), ["pause", "pause", "pause"]),
        (Control(pause_at=1), ["go", "pause", "pause"]),
        (Control(stop=True), ["stop", "stop", "stop"]),
        (Control(pause_at=0, stop=True), ["stop", "stop", "stop"]),
    ],
)
def test_what_is_wished_is_followed(tmp_path: Path, control: Control, courses: list[str]) -> None:
    run = Run(tmp_path)
    helm = Helm(run)
    assert helm.course(5) == "go"
    write_control(run, control)
    assert read_control(run) == control
    assert [helm.course(step) for step in range(3)] == courses
    write_control(run, Control(pause_at=2))
    assert [helm.course(step) for step in range(3)] == ["go", "go", "pause"]
    clear_control(run)
    clear_control(run)
    assert helm.course(2) == "go"


def test_the_file_is_read_only_when_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(tmp_path)
    write_control(run, Control(pause_at=2))
    helm = Helm(run)
    assert helm.course(2) == "pause"
    monkeypatch.setattr("convoscope.runs.control.read_control", lambda _: pytest.fail("read again"))
    assert helm.course(3) == "pause"


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the folder is gone"):
        write_control(Run(tmp_path / "nowhere"), Control())


def test_who_looks_does_not_hide_or_pretend_a_holder(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    assert not lock.is_held(path)
    handle = lock.take(path)
    assert handle is not None
    assert lock.is_held(path)
    assert lock.take(path) is None
    os.close(handle)
    looking = os.open(path, os.O_RDWR)  # as one who looks at this very moment
    assert lock._try(looking, "with others")
    assert not lock.is_held(path)
    os.close(looking)
