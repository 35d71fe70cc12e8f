"""What happens in a run, one frozen record each: the loop yields them, the log keeps them, the doors read them.

On disk and on the wire an event is one JSON object with the record's fields and `event`, its name.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Started:
    """A run begins, or goes on: `step` is the step it begins at (0, or where the checkpoint stands)."""

    run: str
    step: int
    n_steps: int
    steps_per_epoch: int
    n_train: int
    n_validation: int
    n_parameters: int
    device: str
    precision: str
    memory_format: str
    shards: int
    threads: int
    n_processes: int
    recorded_at: str


@dataclass(frozen=True)
class Step:
    """One update of the weights, numbered from 1.

    `loss` and `accuracy` are means over the step's batch, before the update; `loss` includes the penalties.
    `gradient_norm` is the length of the whole gradient before clipping, None where it was not measured. `seconds` is
    the training time so far, without evaluation.
    """

    step: int
    epoch: int
    loss: float
    accuracy: float
    lr: float
    seconds: float
    images_per_second: float
    gradient_norm: float | None = None


@dataclass(frozen=True)
class Statistics:
    """What each parameter looked like at one step.

    By name: `mean` and `std` of its values, `gradient_norm`, the length of its gradient, and `update_ratio`, the length
    of the step as a share of the parameter's own (about 0.001 is healthy).
    """

    step: int
    parameters: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class EpochEnded:
    """Every training image was seen once more. Validation figures are None where there is no validation part."""

    epoch: int
    step: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float


@dataclass(frozen=True)
class Saved:
    """A checkpoint is on the disk, synced: from here the run can go on whatever happens.

    `reason` is "epoch" (the start, or an epoch's end), "snapshot" (between, for looking back), "safety" (only to go on
    from, replaced by the next) or "stopped" (likewise).
    """

    step: int
    reason: str
    file: str
    n_bytes: int
    sha256: str


@dataclass(frozen=True)
class Thinned:
    """A checkpoint was removed, as the recipe's `keep` asks, or because a newer one replaces a safety checkpoint."""

    step: int
    file: str
    why: str


@dataclass(frozen=True)
class Finding:
    """Something the user should know: what happened, and what to try. `level` is "note", "warning" or "fatal"."""

    name: str
    level: str
    message: str
    hint: str
    step: int | None = None


@dataclass(frozen=True)
class Paused:
    """The run waits after `step`, whose state has been saved, until it is told to go on or to stop."""

    step: int


@dataclass(frozen=True)
class Continued:
    """A run that waited goes on; the wait counts into no time that is reported."""

    step: int


@dataclass(frozen=True)
class Trained:
    """The loop has ended: `reason` is "finished", "early stop", "stopped" (can go on) or "failed"."""

    step: int
    reason: str
    seconds: float


@dataclass(frozen=True)
class Finished:
    """The last line of a run: the final weights, judged once on the test part (None where the data has none)."""

    run: str
    reason: str
    step: int
    training_seconds: float
    validation_accuracy: float | None
    test_accuracy: float | None
    test_loss: float | None
    n_test: int
    weights: str
    report: str | None
    recorded_at: str
    findings: tuple[str, ...] = field(default=())


Event: TypeAlias = (
    Started | Step | Statistics | EpochEnded | Saved | Thinned | Finding | Paused | Continued | Trained | Finished
)

NAMES: dict[str, type] = {
    "started": Started,
    "step": Step,
    "statistics": Statistics,
    "epoch": EpochEnded,
    "saved": Saved,
    "thinned": Thinned,
    "finding": Finding,
    "paused": Paused,
    "continued": Continued,
    "trained": Trained,
    "finished": Finished,
}
_NAME_OF = {record: name for name, record in NAMES.items()}


def to_json(event: Event) -> dict[str, Any]:
    """The event as a JSON object: its name under "event", then its fields; numbers that are not finite become null."""
    # Steps come by the hundred in a second: their fields are flat, and asdict's deep copy would cost ten times this.
    values = dict(vars(event)) if isinstance(event, Step) else dataclasses.asdict(event)
    return {"event": _NAME_OF[type(event)], **{key: _finite(value) for key, value in values.items()}}


def from_json(line: Mapping[str, Any]) -> Event | None:
    """The event of a JSON object, or None for one that this version does not know: a newer log still opens."""
    record = NAMES.get(str(line.get("event")))
    if record is None:
        return None
    names = {item.name for item in dataclasses.fields(record)}
    try:
        event: Event = record(**{key: value for key, value in line.items() if key in names})
    except TypeError:
        return None
    return event


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    return value
