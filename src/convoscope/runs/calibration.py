"""How sure a run's answers may be taken to be: the temperature of its probabilities, kept in calibration.json."""

from __future__ import annotations

import dataclasses
import math

from convoscope.runs.disk import read_json, write_json
from convoscope.runs.store import Run
from convoscope.train.temperature import Calibration

_FILE = "calibration.json"
_FIELDS = {item.name for item in dataclasses.fields(Calibration)}


def write_calibration(run: Run, calibration: Calibration) -> None:
    """Keeps it with the run; raises StorageError where the disk refuses."""
    write_json(run.folder / _FILE, calibration.to_dict(), "The calibration")


def read_calibration(run: Run, step: int | None = None) -> Calibration:
    """What was written; a temperature of 1 where the run has none, or at a checkpoint, for which none was found.

    Raises:
        RunError: the file is damaged.
    """
    if step is not None:
        return Calibration(why="checkpoint")
    path = run.folder / _FILE
    if not path.exists():
        return Calibration(why="not-kept")
    card = read_json(path, "The calibration of the run")
    if not isinstance(card, dict) or not _is_temperature(card.get("temperature")):
        raise run.garbled("calibration")
    return Calibration(**{name: value for name, value in card.items() if name in _FIELDS})


def _is_temperature(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
