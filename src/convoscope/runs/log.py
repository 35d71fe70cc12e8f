"""The log of a run: one JSON object a line, appended and never rewritten; a torn line never hides the others."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from convoscope.errors import RunError
from convoscope.runs.disk import storing, sync_folder
from convoscope.train.events import (
    Continued,
    Event,
    Finding,
    Finished,
    Paused,
    Saved,
    Started,
    Trained,
    from_json,
    to_json,
)

_OF_STEPS = (b'{"event": "step"', b'{"event": "statistics"')  # how their lines begin
_BLOCK = 1 << 16  # bytes of a log's end that are read first


def now() -> str:
    """The present time in UTC, ISO 8601 with seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Log:
    """Appends events to `events.jsonl`; each line reaches the operating system before the next event is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with storing("The log of events", path):
            self._file: BinaryIO = path.open("ab", buffering=0)
            sync_folder(path.parent)
            self._end_torn_line()

    def append(self, event: Event) -> dict[str, Any]:
        """Appends one event; returns it as the JSON object that stands there."""
        line = to_json(event)
        content = (json.dumps(line, ensure_ascii=False) + "\n").encode()
        with storing("The log of events", self.path):
            written = self._file.write(content)
            while written < len(content):  # a full disk takes a part first and refuses the rest
                written += self._file.write(content[written:])
            if isinstance(event, Saved):
                os.fsync(self._file.fileno())
        return line

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _end_torn_line(self) -> None:
        # A process that was killed may have left half a line: the next event must not be glued to it.
        if self._file.tell() > 0:
            with self.path.open("rb") as reader:
                reader.seek(-1, os.SEEK_END)
                if reader.read(1) != b"\n":
                    self._file.write(b"\n")


def read_log(path: Path, *, from_line: int = 0, steps: bool = True) -> Iterator[tuple[int, Event]]:
    """The events of a log in order with their line numbers (from 0); lines that cannot be read are passed over.

    No log is an empty one.

    Args:
        path: The log.
        from_line: Where to begin.
        steps: Whether to read what comes with each step too; without it a long log costs a small part.

    Raises:
        RunError: there is one, and the disk does not give it.
    """
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file):
                if number < from_line or (not steps and raw.startswith(_OF_STEPS)):
                    continue
                event = _event(raw)
                if event is not None:
                    yield number, event
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unreadable(path, error) from None


def _event(raw: bytes) -> Event | None:
    try:
        return from_json(json.loads(raw))
    except (ValueError, AttributeError):
        return None  # torn by a kill, or damaged


def _unreadable(path: Path, error: OSError) -> RunError:
    return RunError(f"The log {path} cannot be read: {error.strerror}.", hint="Restore it from a copy.")


def history(path: Path, *, steps: bool = True) -> list[Event]:
    """The events that hold: where a run went on from a checkpoint, what had been logged beyond it is left out.

    Args:
        path: The log.
        steps: As in `read_log`.
    """
    held: list[Event] = []
    for _, event in read_log(path, steps=steps):
        if isinstance(event, Started):
            held = _still_holding(held, event.step)
        held.append(event)
    return held


def _still_holding(held: list[Event], step: int) -> list[Event]:
    """What of the events holds once the run goes on from a step; what was found in judging is found again."""
    ended = next((i for i, old in enumerate(held) if isinstance(old, Trained) and old.step >= step), len(held))
    return [
        old for i, old in enumerate(held) if not (_is_beyond(old, step) or (i > ended and isinstance(old, Finding)))
    ]


def _is_beyond(event: Event, step: int) -> bool:
    at = getattr(event, "step", None)
    if isinstance(event, Started | Saved) or not isinstance(at, int):
        return False
    # What ended or held an earlier sitting no longer does once the run goes on.
    return at > step or (at == step and isinstance(event, Paused | Continued | Trained | Finished))


def last_of(path: Path, *kinds: type[Event]) -> Event | None:
    """The last event of one of these kinds in a log, read from its end: a long log costs no more than a short one.

    Raises:
        RunError: there is a log, and the disk does not give it.
    """
    try:
        with path.open("rb") as file:
            first = file.seek(0, os.SEEK_END)
            length = _BLOCK
            while first > 0:
                first = max(0, first - length)
                file.seek(first)
                # The first line may be a part of one: it is read whole in the next, longer block.
                for raw in reversed(file.read().split(b"\n")):
                    event = _event(raw)
                    if isinstance(event, kinds):
                        return event
                length *= 4
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from None
    return None
