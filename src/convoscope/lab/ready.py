"""Before a sitting of training: the recipe settled, the data opened, the network with its first weights."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from convoscope import data as data_room
from convoscope.data import Dataset, Opened
from convoscope.data.normalise import Normalisation
from convoscope.errors import RecipeError
from convoscope.models import architecture_of, build, options_from_text
from convoscope.models.activations import ACTIVATIONS
from convoscope.train.device import Machine
from convoscope.train.feed import Feed
from convoscope.train.initialise import initialise
from convoscope.train.recipe import Recipe, from_dict, knobs

_FIT_BATCH = 1000

# What suits one optimiser or loss does not suit another: these figures of a model go with its choice.
TOGETHER = {"optimiser": ("lr", "weight_decay", "momentum"), "loss": ("label_smoothing",)}


@dataclasses.dataclass(frozen=True)
class Ready:
    """Everything a sitting of training needs."""

    opened: Opened
    model: nn.Module
    normalisation: Normalisation
    recipe: Recipe
    machine: Machine


def make_recipe(given: Mapping[str, Any]) -> Recipe:
    """A recipe: the general defaults, overlaid by what suits the model, overlaid by what was given.

    Raises:
        UnknownName: no such model.
        RecipeError: a knob that does not exist, or a value outside its bounds.
    """
    name = str(given.get("model", Recipe.model))
    usual = dict(architecture_of(name).recipe)
    for choice, figures in TOGETHER.items():
        if choice in given and given[choice] != usual.get(choice, getattr(Recipe, choice)):
            usual = {knob: value for knob, value in usual.items() if knob not in figures}
    return from_dict({**usual, **given, "model": name})


def read_options(model: str, given: Mapping[str, str]) -> dict[str, object]:
    """Options of a model typed as text, in their own types; RecipeError with the near names for one it has not."""
    known = [item.name for item in dataclasses.fields(architecture_of(model).options)]
    for name in given:
        if name not in known:
            flags = {other.replace("_", "-"): other for other in (*known, *knobs()) if other != "model_options"}
            near = difflib.get_close_matches(name.replace("_", "-"), flags, n=3, cutoff=0.6)
            guess = f"Did you mean {' or '.join('--' + flag for flag in near)}? " if near else ""
            raise RecipeError(
                f"There is no option --{name.replace('_', '-')}, neither of training nor of {model}.",
                hint=f"{guess}See: convoscope train --help and convoscope models {model}.",
            )
    return options_from_text(model, given)


def prepare(recipe: Recipe) -> Ready:
    """Opens the data, builds the model with its first weights, and settles what the recipe leaves open."""
    _refuse_what_cannot_learn(recipe)
    opened = data_room.open_data(
        recipe.data, validation=recipe.validation, seed=recipe.seed, image_size=recipe.image_size, broken=recipe.broken
    )
    part = opened.splits.train
    architecture = architecture_of(recipe.model)
    recipe = recipe.settled(len(part), n_seen=architecture.n_seen, batch_size=architecture.batch_size)
    machine = Machine(recipe.device)
    torch.manual_seed(recipe.seed)
    model = build(recipe.model, part.shape, part.n_classes, recipe.model_options)
    initialise(model, recipe.initialisation)
    normalisation = Normalisation.fit(recipe.normalise, part.images)
    if architecture.fit is not None:
        architecture.fit(model, _batches(part, normalisation, machine))
    return Ready(opened, machine.prepare(model), normalisation, recipe, machine)


def _batches(part: Dataset, normalisation: Normalisation, machine: Machine) -> Iterator[tuple[Tensor, Tensor]]:
    """All of a part in order: normalised inputs and labels, a thousand at a time."""
    feed = Feed(part, normalisation, machine.device)
    for index in torch.split(torch.arange(len(feed)), _FIT_BATCH):
        yield feed.batch(index, 0)


def _refuse_what_cannot_learn(recipe: Recipe) -> None:
    name = recipe.model_options.get("activation")
    why = ACTIVATIONS[name].cannot_learn if isinstance(name, str) else ""
    if why:
        raise RecipeError(
            f"{recipe.model} was asked to learn with the activation {name}. {why}",
            hint="Use sigmoid, its smooth likeness, or relu; the step threshold serves forward passes only.",
        )
