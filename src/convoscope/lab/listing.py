"""What there is: runs, architectures and datasets, in lists and one by one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from convoscope import data as data_room
from convoscope.models import MODELS, build, layer_table
from convoscope.runs import store
from convoscope.runs.describe import describe, headline


def list_runs(runs: Path) -> list[dict[str, Any]]:
    """A line for each run, newest first: name, model, data, state, step, steps in all, figures, start."""
    return [headline(run) for run in store.all_runs(runs)]


def show(name: str, *, runs: Path) -> dict[str, Any]:
    """All that is known of a run: its headline, recipe, provenance, data, epochs, checkpoints, findings and figures."""
    return describe(store.find(runs, name))


def list_models() -> list[dict[str, Any]]:
    """A line for each architecture, in the order of the field's history."""
    return [
        {"name": name, "year": entry.year, "summary": entry.summary, "taught": entry.taught, "paper": entry.paper}
        for name, entry in MODELS.items()
    ]


def describe_model(name: str, shape: tuple[int, int, int], n_classes: int) -> dict[str, Any]:
    """One architecture for images of `shape` (C, H, W): its layers, parameters, options and usual recipe."""
    entry = MODELS[name]
    model = build(name, shape, n_classes)
    return {
        "name": name,
        "year": entry.year,
        "summary": entry.summary,
        "taught": entry.taught,
        "paper": entry.paper,
        "input_shape": list(shape),
        "n_classes": n_classes,
        "n_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "layers": [dataclasses.asdict(row) for row in layer_table(model, shape)],
        "options": [
            {"name": item.name, "default": item.default, "help": item.metadata["help"]}
            for item in dataclasses.fields(entry.options)
        ],
        "recipe": dict(entry.recipe),
    }


def describe_data(name: str, *, image_size: int | None = None, broken: str = "stop") -> dict[str, Any]:
    """What a dataset holds: its parts, classes, sizes, channel figures and findings."""
    return data_room.describe(data_room.open_data(name, image_size=image_size, broken=broken))


def list_data() -> list[dict[str, str]]:
    """The datasets known by name, each with one sentence."""
    return [{"name": name, "summary": entry.description} for name, entry in data_room.DATASETS.items()]


def get_data(name: str, *, source: str | None = None, progress: Callable[[int, int], None] | None = None) -> Path:
    """Fetches a dataset into the user's cache, or takes it from a copy on the disk; returns its folder."""
    return data_room.get(name, source=source, progress=progress)
