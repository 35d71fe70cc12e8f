"""The hall: open data, a model or a run; train, resume, judge, predict. The only thing the doors call."""

from __future__ import annotations

from convoscope.lab.listing import (
    describe_data,
    describe_model,
    get_data,
    list_data,
    list_models,
    list_runs,
    show,
)
from convoscope.lab.microscope import look, see, why, why_update
from convoscope.lab.sitting import make_recipe, read_options, resume, train
from convoscope.lab.trainee import Trainee, evaluate, open_run, predict

__all__ = [
    "Trainee",
    "describe_data",
    "describe_model",
    "evaluate",
    "get_data",
    "list_data",
    "list_models",
    "list_runs",
    "look",
    "make_recipe",
    "open_run",
    "predict",
    "read_options",
    "resume",
    "see",
    "show",
    "train",
    "why",
    "why_update",
]
