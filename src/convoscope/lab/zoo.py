"""The architectures there are: as a history of the field, and one by one with the table of its layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from convoscope.errors import RecipeError
from convoscope.models import MODELS, architecture_of, build, layer_table, options_from_text, undrawn
from convoscope.models.registry import Architecture
from convoscope.models.table import COUNTS
from convoscope.shape import InputShape, Trees, Words, kind_of

_WORDS = 20_000  # of a vocabulary, where the architecture's paper has no texts
_FORMS = {
    "images": "channels x height x width, like 3x32x32, for images",
    "texts": "a number of words, like 256, for texts",
    "trees": "levels x nodes on the fullest level, like 12x20, for trees",
}


def list_models() -> list[dict[str, Any]]:
    """A line for each architecture, in the order of history; its parameters are those for the paper's input."""
    return [
        {
            "name": name,
            "year": entry.year,
            "summary": entry.summary,
            "n_parameters": native_parameters(name),
            "taught": entry.taught,
            "paper": entry.paper,
            "takes": list(entry.takes),
            "input_shape": shape_as_json(entry.native[0]),
            "n_classes": entry.native[1],
        }
        for name, entry in MODELS.items()
    ]


def describe_model(
    name: str,
    shape: InputShape | None = None,
    n_classes: int | None = None,
    options: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """One architecture: its layers, what they cost and see, its history, figures, options and usual recipe.

    Args:
        name: A registered name, `file.py:factory`, or a TOML file.
        shape: Of one example; the paper's own where None.
        n_classes: The paper's own where None.
        options: Of the architecture, in their own types.

    Raises:
        UnknownName: no such architecture.
        RecipeError: an option that it does not have, or of the wrong kind.
        ModelError: a kind of input, a shape or a class count that it cannot take.
    """
    entry = architecture_of(name)
    shape, n_classes = shape or entry.native[0], entry.native[1] if n_classes is None else n_classes
    with undrawn():
        network = build(name, shape, n_classes, options)
    rows = layer_table(network, shape)
    parameters = list(network.parameters())
    return {
        "name": name,
        "year": entry.year,
        "summary": entry.summary,
        "taught": entry.taught,
        "paper": entry.paper,
        "takes": list(entry.takes),
        "input_kind": kind_of(shape),
        "input_shape": shape_as_json(shape),
        "n_classes": n_classes,
        "n_parameters": sum(parameter.numel() for parameter in parameters),
        "n_trainable": sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        "n_buffers": sum(buffer.numel() for buffer in network.buffers()),
        "flops": sum(row.flops for row in rows),
        "multiply_adds": sum(row.multiply_adds for row in rows),
        "counts": COUNTS,
        "layers": [dataclasses.asdict(row) for row in rows],
        "published": [dataclasses.asdict(figure) for figure in entry.published],
        "ours": [dataclasses.asdict(figure) for figure in entry.ours],
        "options": _options(entry),
        "recipe": dict(entry.recipe),
        "batch_size": entry.batch_size,
        "n_seen": entry.n_seen,
        "is_fitted": entry.fit is not None and not any(parameter.requires_grad for parameter in parameters),
    }


def read_shape(name: str, text: str) -> InputShape:
    """The shape of one example for the architecture `name`, typed as text: 3x32x32, 256 words, a tree's 12x20.

    Raises:
        UnknownName: no such architecture.
        RecipeError: text that is no shape.
    """
    entry = architecture_of(name)
    parts = text.lower().replace("×", "x").replace(",", "x").split("x")
    sides = [int(part) if part.strip().isdecimal() else 0 for part in parts]
    shape = _shape_of(sides, getattr(entry.native[0], "n_words", _WORDS)) if all(sides) else None
    if shape is None or kind_of(shape) not in entry.takes:
        raise RecipeError(
            f"The shape was given as {text!r}; {name} takes {', or '.join(_FORMS[kind] for kind in entry.takes)}."
        )
    return shape


def _shape_of(sides: Sequence[int], n_words: int) -> InputShape | None:
    """How many numbers there are tells what they are of; None where no example has so many."""
    if len(sides) == 1:
        return Words(sides[0], n_words)
    if len(sides) == 2:
        return Trees(sides[0], sides[1], n_words)
    return (sides[0], sides[1], sides[2]) if len(sides) == 3 else None


def describe_typed(name: str, shape: str | None, n_classes: int | None, options: Mapping[str, str]) -> dict[str, Any]:
    """`describe_model` where the shape and the options were typed as text."""
    read = None if shape is None else read_shape(name, shape)
    return describe_model(name, read, n_classes, options_from_text(name, options))


def shape_as_json(shape: InputShape) -> list[int] | dict[str, int]:
    """[C, H, W] of images; what `Words` or `Trees` hold, by name."""
    return dataclasses.asdict(shape) if isinstance(shape, (Words, Trees)) else list(shape)


@cache
def native_parameters(name: str) -> int:
    """How many parameters the network `name` has for its paper's input and classes; UnknownName for none such."""
    shape, n_classes = architecture_of(name).native
    with undrawn():
        network = build(name, shape, n_classes)
    return sum(parameter.numel() for parameter in network.parameters())


def _options(entry: Architecture) -> list[dict[str, Any]]:
    return [
        {
            "name": item.name,
            "default": None if item.default is dataclasses.MISSING else item.default,
            "help": item.metadata.get("help", ""),
            "choices": list(item.metadata.get("choices", ())),
        }
        for item in dataclasses.fields(entry.options)
    ]
