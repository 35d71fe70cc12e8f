"""The hall: open data, a model or a run; train, resume, judge, predict. The only thing the doors call."""

from __future__ import annotations

from convoscope.data import TextKnobs
from convoscope.lab.answers import Answer, answers, pick
from convoscope.lab.control import Launch, Wish, launch, launch_resume, launched, steer
from convoscope.lab.listing import (
    describe_data,
    get_data,
    list_data,
    list_runs,
    show,
)
from convoscope.lab.microscope import look, see, why
from convoscope.lab.neighbours import neighbours
from convoscope.lab.reading import usual_model
from convoscope.lab.ready import make_recipe, model_of, read_options
from convoscope.lab.sitting import resume, train
from convoscope.lab.trainee import Trainee, evaluate, open_run, predict
from convoscope.lab.update import why_update
from convoscope.lab.weights import save_weights
from convoscope.lab.zoo import describe_model, describe_typed, list_models, read_shape

__all__ = [
    "Answer",
    "Launch",
    "TextKnobs",
    "Trainee",
    "Wish",
    "answers",
    "describe_data",
    "describe_model",
    "describe_typed",
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
    "model_of",
    "neighbours",
    "open_run",
    "pick",
    "predict",
    "read_options",
    "read_shape",
    "resume",
    "save_weights",
    "see",
    "show",
    "steer",
    "train",
    "usual_model",
    "why",
    "why_update",
]
