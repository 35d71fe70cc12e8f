"""Before a sitting of training: the recipe settled, the data opened, the network with its first weights."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from convoscope.data import Dataset, Examples, Opened
from convoscope.data.normalise import Normalisation
from convoscope.errors import RecipeError
from convoscope.lab.presets import PRESETS
from convoscope.lab.reading import check_kind, open_data, usual_model
from convoscope.lab.usual import usual_knobs
from convoscope.models import Architecture, architecture_of, build, options_from_text
from convoscope.models.activations import ACTIVATIONS
from convoscope.models.pinned import is_file
from convoscope.process import give_back
from convoscope.train.device import Machine
from convoscope.train.feed import Feed, growth_of
from convoscope.train.freeze import freeze
from convoscope.train.initialise import initialise
from convoscope.train.recipe import OF_MUON, Recipe, from_dict, knobs

_FIT_BATCH = 1000

# What suits one optimiser or loss does not suit another: these figures of a model go with its choice.
TOGETHER = {"optimiser": ("lr", "weight_decay", "momentum", *OF_MUON), "loss": ("label_smoothing",)}


@dataclasses.dataclass(frozen=True)
class Ready:
    """Everything a sitting of training needs."""

    opened: Opened
    model: nn.Module
    normalisation: Normalisation
    recipe: Recipe
    machine: Machine
    architecture: Architecture | None = None


def make_recipe(given: Mapping[str, Any], preset: str | None = None) -> Recipe:
    """A recipe: the general defaults, overlaid by what suits the model, overlaid by what was given.

    Where no model is given, it is the usual one for the data (see `usual_model`), trained as suits them (see
    `usual_knobs`).

    Args:
        given: Knobs by name.
        preset: A recipe by name, whose knobs stand in for those not given.

    Raises:
        UnknownName: no such model, or no such preset.
        RecipeError: a knob that does not exist, or a value outside its bounds.
    """
    given = _filled(given, preset)
    name = model_of(given)
    architecture = architecture_of(name)
    for option in dataclasses.fields(architecture.options):
        if is_file(name) and option.name in knobs():
            raise RecipeError(
                f"{name} has an option {option.name}, which is the name of a knob of the recipe.",
                hint="Call the option otherwise.",
            )
    usual = dict(architecture.recipe)
    for choice, figures in TOGETHER.items():
        if choice in given and given[choice] != usual.get(choice, getattr(Recipe, choice)):
            usual = {knob: value for knob, value in usual.items() if knob not in figures}
    return from_dict({**usual, **given, "model": name})


def model_of(given: Mapping[str, Any], preset: str | None = None) -> str:
    """The model among given knobs or of a preset, or the usual one for the data among them."""
    given = _filled(given, preset)
    if given.get("model") is not None:
        return str(given["model"])
    return usual_model(given.get("data"), **{name: given.get(name) for name in ("text_column", "label_column")})


def _filled(given: Mapping[str, Any], preset: str | None) -> Mapping[str, Any]:
    """The knobs given, over those of the preset or, where neither names a model, those that suit the data."""
    if preset is not None:
        return PRESETS[preset].filled(given)
    if given.get("model") is not None:
        return given
    usual = usual_knobs(given)
    options = given.get("model_options") or {}
    if isinstance(options, Mapping):  # anything else is refused with the recipe
        options = {**usual.get("model_options", {}), **options}
    return {**usual, **given, "model_options": options}


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


def prepare(recipe: Recipe, *, strict: bool = False) -> Ready:
    """Opens the data, builds the model with its first weights, and settles what the recipe leaves open.

    `strict` holds for a run that is begun now: see `reading.open_data`.
    The first weights are drawn; those that `init` names are taken over by `lab.weights.begin`.
    """
    _refuse_what_cannot_learn(recipe)
    check_kind(recipe)
    opened = open_data(recipe, strict=strict)
    part = opened.splits.train
    architecture = architecture_of(recipe.model)
    given = recipe.epochs
    recipe = recipe.settled(len(part), n_seen=architecture.n_seen, batch_size=architecture.batch_size)
    machine = Machine(recipe.device)
    torch.manual_seed(recipe.seed)
    model = build(recipe.model, part.shape, part.n_classes, recipe.model_options)
    initialise(model, recipe.initialisation)
    normalisation = _normalisation(recipe, part)
    recipe = _without_steps(recipe, given, model)
    freeze(model, recipe.freeze, part.n_classes)
    _refuse_sizes(recipe, model, part)
    if architecture.fit is not None:
        architecture.fit(model, _batches(part, normalisation, machine, architecture.fit_images))
    give_back()
    return Ready(opened, machine.prepare(model), normalisation, recipe, machine, architecture)


def _without_steps(recipe: Recipe, given: int | None, model: nn.Module) -> Recipe:
    """The recipe with no epochs where nothing of the network takes gradients; RecipeError where some were asked for."""
    if any(parameter.requires_grad for parameter in model.parameters()):
        return recipe
    asked = [f"--{name}" for name in ("init", "freeze") if getattr(recipe, name)]
    if asked:
        raise RecipeError(
            f"{recipe.model} was given {' and '.join(asked)}; it is found from the data in one go, not in steps from "
            "first weights.",
            hint="Leave them out." if len(asked) > 1 else "Leave it out.",
        )
    if given:
        raise RecipeError(
            f"{recipe.model} was asked to train for {given} epochs; it is found at once, and no step can move it.",
            hint="Leave --epochs out.",
        )
    changed = ("mixup", "cutmix", "balance", "grow")
    asked = [f"--{name}" for name in changed if getattr(recipe, name) != getattr(Recipe, name)]
    if asked:
        raise RecipeError(
            f"{recipe.model} was given {' and '.join(asked)}; these change what a step of training sees, and it is "
            "found at once, without steps.",
            hint="Leave them out." if len(asked) > 1 else "Leave it out.",
        )
    return dataclasses.replace(recipe, epochs=0)


def _refuse_sizes(recipe: Recipe, model: nn.Module, part: Examples) -> None:
    """Raises RecipeError where images are to grow and the network cannot take one of their sizes."""
    growth = growth_of(recipe)
    if growth.is_off or not isinstance(part, Dataset):
        return
    C, H, W = part.shape
    was_training = model.training
    model.eval()
    for h, w in growth.sizes(H, W):
        try:
            with torch.no_grad():
                model(torch.zeros(1, C, h, w))
        except RuntimeError:
            raise RecipeError(
                f"grow {recipe.grow:g} was asked, which begins with images of {growth.side(H, 0)} x "
                f"{growth.side(W, 0)} pixels, and {recipe.model}, made for {H} x {W}, cannot take {h} x {w}.",
                hint="Use a network that takes images of any size (airbench, resnet18), a greater --grow, or --grow 1.",
            ) from None
    model.train(was_training)


def _normalisation(recipe: Recipe, part: Examples) -> Normalisation:
    """By the training images; word numbers stay as they are."""
    if not isinstance(part, Dataset):
        return Normalisation("none", (0.0,), (1.0,))
    return Normalisation.fit(recipe.normalise, part.images)


def _batches(
    part: Examples, normalisation: Normalisation, machine: Machine, most: int | None
) -> Iterator[tuple[Tensor, Tensor]]:
    """A part in order, or `most` of it evenly spread: normalised inputs and labels, a thousand at a time."""
    feed = Feed(part, normalisation, machine.device)
    n = len(feed) if most is None else min(most, len(feed))
    for index in torch.split(torch.arange(n) * len(feed) // max(1, n), _FIT_BATCH):
        yield feed.batch(index, 0)


def _refuse_what_cannot_learn(recipe: Recipe) -> None:
    name = recipe.model_options.get("activation")
    why = ACTIVATIONS[name].cannot_learn if isinstance(name, str) and name in ACTIVATIONS else ""
    if why:
        raise RecipeError(
            f"{recipe.model} was asked to learn with the activation {name}. {why}",
            hint="Use sigmoid, its smooth likeness, or relu; the step threshold serves forward passes only.",
        )
