"""What others wish of a run that is being trained: a small file in its folder, looked at in every step.

control.json        {"pause_at": step or null, "stop": false}

The run waits before it takes a further step once it has done `pause_at` of them: 0 pauses it now, null lets it go on,
and one more than it has done makes a single step. Writing the same wish twice is wishing it once.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from convoscope.errors import RunError
from convoscope.runs.disk import read_json, storing, write_json
from convoscope.runs.store import Run
from convoscope.train.loop import Course


@dataclass(frozen=True)
class Control:
    """What is wished of a run.

    Attributes:
        pause_at: The step after which it waits, None to go on.
        stop: Whether it is to save and end this sitting.
    """

    pause_at: int | None = None
    stop: bool = False

    def course(self, step: int) -> Course:
        """What the run is to do after `step`."""
        if self.stop:
            return "stop"
        return "pause" if self.pause_at is not None and step >= self.pause_at else "go"


def read_control(run: Run) -> Control:
    """What is wished of the run now: nothing where there is no file, or none that makes sense."""
    try:
        said = read_json(_path(run), "The wishes for the run")
    except RunError:
        return Control()
    pause_at, stop = (said.get("pause_at"), said.get("stop")) if isinstance(said, dict) else (None, False)
    return Control(pause_at if type(pause_at) is int else None, stop is True)


def write_control(run: Run, control: Control) -> None:
    """Tells the run's trainer what is wished.

    Raises:
        StorageError: the disk refused.
    """
    write_json(_path(run), dataclasses.asdict(control), "The wishes for the run")


def clear_control(run: Run) -> None:
    """Takes back what was wished of an earlier sitting.

    Raises:
        StorageError: the disk refused.
    """
    with storing("The wishes for the run", _path(run)):
        _path(run).unlink(missing_ok=True)


class Helm:
    """Follows the wishes for a run as they change: one look at the folder for each question."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._path = _path(run)
        self._seen: tuple[int, int, int] | None = None
        self._control = Control()

    def course(self, step: int) -> Course:
        """What the run is to do after `step`."""
        try:
            found = self._path.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)  # each wish is a file of its own
        except OSError:
            seen = None
        if seen != self._seen:
            self._seen, self._control = seen, read_control(self._run)
        return self._control.course(step)


def _path(run: Run) -> Path:
    return run.folder / "control.json"
