"""What there is: runs and datasets, in lists and one by one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from convoscope import data as data_room
from convoscope.data import TextKnobs
from convoscope.runs import store
from convoscope.runs.describe import describe, headline


def list_runs(runs: Path) -> list[dict[str, Any]]:
    """A line for each run, newest first: name, model, data, state, step, steps in all, figures, start."""
    return [headline(run) for run in store.all_runs(runs)]


def show(name: str, *, runs: Path) -> dict[str, Any]:
    """All that is known of a run: its headline, recipe, provenance, data, epochs, checkpoints, findings and figures."""
    return describe(store.find(runs, name))


def describe_data(
    name: str, *, image_size: int | None = None, broken: str = "stop", texts: TextKnobs | None = None
) -> dict[str, Any]:
    """What a dataset holds: its parts, classes and findings; the sizes and channels of images, the words of texts."""
    return data_room.describe(
        data_room.open_data(name, image_size=image_size, broken=broken, texts=texts or TextKnobs())
    )


def list_data() -> list[dict[str, str]]:
    """The datasets known by name, each with one sentence."""
    return [{"name": name, "summary": entry.description} for name, entry in data_room.DATASETS.items()]


def get_data(name: str, *, source: str | None = None, progress: Callable[[int, int], None] | None = None) -> Path:
    """Fetches a dataset into the user's cache, or takes it from a copy on the disk; returns its folder."""
    return data_room.get(name, source=source, progress=progress)
