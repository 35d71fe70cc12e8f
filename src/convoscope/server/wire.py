"""What the server adds to the screen's records: events with their names, launches, wishes and refusals."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, RootModel, create_model

from convoscope.lab.screen.records import State
from convoscope.train.events import NAMES as EVENTS

# Numbers and texts that come from outside are bounded, so that none is a surprise further in.
MOST = (1 << 31) - 1
SHORT, LONG = 200, 4096  # characters


def _event_model(name: str, record: type) -> type[BaseModel]:
    """The record of an event as it stands on the wire: its name under "event", then its fields."""
    hints = get_type_hints(record)
    fields: dict[str, Any] = {"event": (Literal[name], ...)}
    fields |= {item.name: (_sent(hints[item.name]), ...) for item in dataclasses.fields(record)}
    said = (record.__doc__ or "").strip()
    return create_model(record.__name__, __doc__=said, __config__=ConfigDict(frozen=True), **fields)


def _sent(hint: Any) -> Any:  # noqa: ANN401 - a type
    """A type as JSON carries it: a number that is not finite is null there, wherever it stands."""
    if hint is float:
        return float | None
    kind: Any = get_origin(hint)
    if kind is Mapping:
        key, value = get_args(hint)
        return kind[key, _sent(value)]
    return hint


EVENT_MODELS = tuple(_event_model(name, record) for name, record in EVENTS.items())
Event: Any = functools.reduce(operator.or_, EVENT_MODELS)


class Told(BaseModel):
    """One line of a run's log; lines are numbered from 0, and one that holds no event has no number here."""

    line: int
    event: Event = Field(discriminator="event")


class EventPage(BaseModel):
    """Lines of a run's log, and the line to ask from next.

    A first line with a smaller number than was asked for means that the log is another one: begin anew.
    """

    next: int
    events: list[Told]


class LiveMessage(RootModel[list[Told]]):
    """What a live socket sends: lines in order; [] says that all is well and nothing new."""


class Health(BaseModel):
    """That the server is there, and whose runs it shows."""

    name: Literal["convoscope"]
    version: str
    runs: str
    processor: str
    torch: str


class DataQuestion(BaseModel):
    """A dataset to look at: a known name, or the path of a folder or a table on the server's machine."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=LONG, pattern=r"^[^\x00-\x1f]+$")
    image_size: int | None = Field(None, ge=1, le=4096)
    text_column: str | None = Field(None, min_length=1, max_length=SHORT)
    label_column: str | None = Field(None, min_length=1, max_length=SHORT)


class NewRun(BaseModel):
    """The knobs of a run to start, by name; what is left out is decided by the recipe."""

    model_config = ConfigDict(extra="forbid")

    values: dict[str, Any] = Field(max_length=SHORT)


class Launch(BaseModel):
    """A start: "starting" while it prepares, "started" once there is a run, "failed" with why."""

    id: str
    state: Literal["starting", "started", "failed"]
    run: str | None
    error: str
    hint: str


Wish: TypeAlias = Literal["pause", "go", "step", "stop", "resume"]


class Steering(BaseModel):
    """What a run being trained shall do; "resume" goes on with one that was stopped or interrupted."""

    model_config = ConfigDict(extra="forbid")

    wish: Wish


class Steered(BaseModel):
    """The run's state as the wish was taken; `launch` is the id of the process that resumes it, else null."""

    state: State
    launch: str | None


@dataclass(frozen=True)
class Refusal:
    """Why a request was refused: the kind, the rule in a sentence, and what to do."""

    error: str
    message: str
    hint: str
