"""How a recipe's data are opened, which knobs speak to them, and which model takes them where none is named."""

from __future__ import annotations

from typing import Any

from convoscope import data as data_room
from convoscope.data import Opened, Policy, TextKnobs
from convoscope.errors import ModelError, RecipeError
from convoscope.models import MODELS, architecture_of
from convoscope.train.recipe import Recipe, knobs

USUAL = {"images": Recipe.model, "texts": "textcnn", "trees": "tree"}
"""The model for each kind of data, where none is named."""

OF_IMAGES = (
    "image_size", "memory", "normalise", *(name for name, knob in knobs().items() if knob.group == "augmentation"),
)  # fmt: skip
OF_TEXTS = ("vocabulary", "text_length", "text_column")
OF_TABLES = ("label_column",)


def open_data(recipe: Recipe, *, data: str | None = None, policy: Policy | None = None, strict: bool = False) -> Opened:
    """Opens a recipe's data, cut as it says; or other data, to be judged, in the parts that they have.

    Args:
        recipe: Whose knobs.
        data: Other data, by name or path.
        policy: How a run reads every example, where it has been trained; without it the recipe's image size holds.
        strict: Whether a part that the data have themselves is refused where the recipe asks for another; a run that
            was begun goes on with the one it has.

    Raises:
        InputError: as `data.open_data`.
    """
    return data_room.open_data(
        data or recipe.data,
        validation=recipe.validation,
        test=recipe.test,
        folds=recipe.folds,
        fold=recipe.fold,
        group=recipe.group if data is None else None,
        seed=recipe.seed,
        image_size=recipe.image_size if policy is None else None,
        broken=recipe.broken,
        memory=recipe.memory,
        texts=text_knobs(recipe, data),
        policy=policy,
        strict=strict,
        judged=data is not None,
    )


def text_knobs(recipe: Recipe, data: str | None = None) -> TextKnobs:
    """What of a recipe decides how texts and tables are read; of other data, its columns only where they are tables."""
    knobs = TextKnobs(recipe.vocabulary, recipe.text_length, recipe.text_column, recipe.label_column)
    if data is None or data_room.is_table(data):
        return knobs
    return TextKnobs(knobs.vocabulary, knobs.length)


def usual_model(data: Any = None, **columns: Any) -> str:  # noqa: ANN401 - knobs as they were given
    """The model for data where none is named: lenet5 for images, textcnn for texts, tree for trees.

    Args:
        data: A dataset by name or path; None for the recipe's default.
        columns: The knobs text_column and label_column, where they were given.
    """
    return USUAL[kind_of(str(data or Recipe.data), **columns)]


def kind_of(data: str, **columns: Any) -> str:  # noqa: ANN401 - knobs as they were given
    """What one example of data is; `columns` as in `usual_model`."""
    asked = TextKnobs(**{name: value for name, value in columns.items() if value is not None})
    return data_room.kind_of_data(data, asked)


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
    if kind == "images" and not data_room.is_table(recipe.data):
        strange, theirs = (*strange, *OF_TABLES), "texts and tables"
    turned = [name for name in strange if getattr(recipe, name) != getattr(Recipe, name)]
    if turned:
        flags = " and ".join(f"--{name.replace('_', '-')}" for name in turned)
        raise RecipeError(
            f"{flags} {'were' if len(turned) > 1 else 'was'} given; {'they are' if len(turned) > 1 else 'it is'} for "
            f"{theirs}, and {recipe.data} holds {kind}.",
            hint="Leave it out." if len(turned) == 1 else "Leave them out.",
        )
