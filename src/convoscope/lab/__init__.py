"""The hall: open data, a model or a run; train, resume, judge, predict. The only thing the doors call."""

from __future__ import annotations

from convoscope.lab.answers import Answer, answers, pick
from convoscope.lab.control import Launch, Wish, launch, launch_resume, launched, steer
from convoscope.lab.listing import (
    describe_data,
    describe_model,
    get_data,
    list_data,
    list_models,
    list_runs,
    show,
)
from convoscope.lab.microscope import look, see, why
from convoscope.lab.ready import make_recipe, read_options
from convoscope.lab.sitting import resume, train
from convoscope.lab.trainee import Trainee, evaluate, open_run, predict
from convoscope.lab.update import why_update

__all__ = [
    "Answer",
    "Launch",
    "Trainee",
    "Wish",
    "answers",
    "describe_data",
    "describe_model",
    "evaluate",
    "get_data",
    "launch",
    "launch_resume",
    "launched",
    "list_data",
    "list_models",
    "list_runs",
    "look",
    "make_recipe",
    "open_run",
    "pick",
    "predict",
    "read_options",
    "resume",
    "see",
    "show",
    "steer",
    "train",
    "why",
    "why_update",
]
