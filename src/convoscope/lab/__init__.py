"""The hall: open data, a model or a run; train, resume, judge, predict. The only thing the doors call."""

from __future__ import annotations

from convoscope.data import TextKnobs
from convoscope.lab.answers import Answer, answers, pick
from convoscope.lab.checkup import check_data
from convoscope.lab.control import Launch, Wish, launch, launch_resume, launched, steer
from convoscope.lab.kept import clear_kept, limit_kept, list_kept
from convoscope.lab.listing import (
    describe_data,
    get_data,
    list_data,
    list_runs,
    show,
)
from convoscope.lab.microscope import look, see, why
from convoscope.lab.neighbours import neighbours
from convoscope.lab.predict import predict
from convoscope.lab.rates import Rates, find_lr
from convoscope.lab.reading import usual_model
from convoscope.lab.ready import make_recipe, model_of, read_options
from convoscope.lab.sitting import resume, train
from convoscope.lab.split import split_data
from convoscope.lab.suspects import suspects
from convoscope.lab.trainee import Trainee, evaluate, open_run
from convoscope.lab.update import why_update
from convoscope.lab.usual import in_words
from convoscope.lab.weights import save_weights
from convoscope.lab.zoo import describe_model, describe_typed, list_models, read_shape

__all__ = [
    "Answer",
    "Launch",
    "Rates",
    "TextKnobs",
    "Trainee",
    "Wish",
    "answers",
    "check_data",
    "clear_kept",
    "describe_data",
    "describe_model",
    "describe_typed",
    "evaluate",
    "find_lr",
    "get_data",
    "in_words",
    "launch",
    "launch_resume",
    "launched",
    "limit_kept",
    "list_data",
    "list_kept",
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
    "split_data",
    "steer",
    "suspects",
    "train",
    "usual_model",
    "why",
    "why_update",
]
