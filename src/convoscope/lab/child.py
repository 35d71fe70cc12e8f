"""The process that `lab.control` starts: trains what a launch asks for, and tells how the start went.

    python -m convoscope.lab.child FOLDER      where FOLDER holds the launch's request.json

All else that happens is in the run's log; its folder is the only channel.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from convoscope.errors import ConvoscopeError
from convoscope.lab.control import Launch, refused, requested, tell
from convoscope.lab.sitting import resume, train
from convoscope.train.events import Event, Started
from convoscope.train.recipe import from_dict

_COMMAND = ("page",)  # in the run's provenance: it was asked for on the page, by no command


def main(folder: Path) -> int:
    """Trains to the end; returns the exit code. The outcome is told as soon as there is a run, or an error."""
    started = False
    try:
        for event in _events(requested(folder), _asked_to_stop()):
            if isinstance(event, Started):
                tell(folder, Launch("started", run=Path(event.run).name))
                started = True
    except ConvoscopeError as error:
        if not started:
            tell(folder, refused(error))
        print(error, file=sys.stderr)  # noqa: T201 - for who looks into the launch's folder
        return 1
    return 0


def _events(request: dict[str, Any], should_stop: Callable[[], bool]) -> Iterator[Event]:
    runs = Path(request["runs"])
    if "resume" in request:
        return resume(request["resume"], runs=runs, should_stop=should_stop)
    return train(from_dict(request["recipe"]), runs=runs, should_stop=should_stop, command=_COMMAND)


def _asked_to_stop() -> Callable[[], bool]:
    """Whether the system has asked this process to end: it then saves and stops."""
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
        asked.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    return lambda: bool(asked)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
