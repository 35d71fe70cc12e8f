"""How a recipe's data are opened, which knobs speak to them, and which model takes them where none is named."""

from __future__ import annotations

from typing import Any

from convoscope import data as data_room
from convoscope.data import Opened, Policy, TextKnobs
from convoscope.errors import ModelError, RecipeError
from convoscope.models import MODELS, architecture_of
from convoscope.train.recipe import Recipe

USUAL = {"images": Recipe.model, "texts": "textcnn", "trees": "tree"}
"""The model for each kind of data, where none is named."""

OF_IMAGES = ("image_size", "normalise", "rotate", "shift", "flip", "crop", "mask")
OF_TEXTS = ("vocabulary", "text_length", "text_column", "label_column")


def open_data(
    recipe: Recipe, *, data: str | None = None, validation: float | None = None, policy: Policy | None = None
) -> Opened:
    """Opens a recipe's data, or other data, as the recipe says.

    Args:
        recipe: Whose knobs.
        data: Other data, by name or path.
        validation: Another share held out.
        policy: How a run reads every example, where it has been trained; without it the recipe's image size holds.

    Raises:
        InputError: as `data.open_data`.
    """
    return data_room.open_data(
        data or recipe.data,
        validation=recipe.validation if validation is None else validation,
        seed=recipe.seed,
        image_size=recipe.image_size if policy is None else None,
        broken=recipe.broken,
        texts=text_knobs(recipe),
        policy=policy,
    )


def text_knobs(recipe: Recipe) -> TextKnobs:
    """What of a recipe decides how texts are read."""
    return TextKnobs(recipe.vocabulary, recipe.text_length, recipe.text_column, recipe.label_column)


def usual_model(data: Any = None, **columns: Any) -> str:  # noqa: ANN401 - knobs as they were given
    """The model for data where none is named: lenet5 for images, textcnn for texts, tree for trees.

    Args:
        data: A dataset by name or path; None for the recipe's default.
        columns: The knobs text_column and label_column, where they were given.
    """
    asked = TextKnobs(**{name: value for name, value in columns.items() if value is not None})
    return USUAL[data_room.kind_of_data(str(data or Recipe.data), asked)]


def check_kind(recipe: Recipe) -> None:
    """Looks whether model and knobs go with the data, by a glance at these: before they are read, which takes long.

    Raises:
        ModelError: the model takes data of another kind.
        RecipeError: a knob was turned that speaks to data of another kind.
    """
    kind = data_room.kind_of_data(recipe.data, text_knobs(recipe))
    takes = architecture_of(recipe.model).takes
    if kind not in takes:
        others = ", ".join(name for name, entry in MODELS.items() if kind in entry.takes)
        raise ModelError(
            f"{recipe.model} takes {' and '.join(takes)}, and {recipe.data} holds {kind}.",
            hint=f"Choose a model for them: {others}.",
        )
    strange, theirs = (OF_TEXTS, "texts") if kind == "images" else (OF_IMAGES, "images")
    turned = [name for name in strange if getattr(recipe, name) != getattr(Recipe, name)]
    if turned:
        flags = " and ".join(f"--{name.replace('_', '-')}" for name in turned)
        raise RecipeError(
            f"{flags} {'were' if len(turned) > 1 else 'was'} given; {'they are' if len(turned) > 1 else 'it is'} for "
            f"{theirs}, and {recipe.data} holds {kind}.",
            hint="Leave it out." if len(turned) == 1 else "Leave them out.",
        )
