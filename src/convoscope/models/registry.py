"""The registry of architectures, and how one is built for an image shape, a class count and options."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, get_type_hints

from torch import nn

from convoscope.errors import ModelError, RecipeError
from convoscope.registry import Registry

Shape: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True)
class Architecture:
    """One entry of the registry.

    Attributes:
        make: Builds the network: (image shape (C, H, W), n_classes, options) -> module that maps float32 (N, C, H, W)
            to logits (N, n_classes). Raises ModelError for a shape the architecture cannot take.
        options: The frozen dataclass of its options; each field's metadata has `help`, and
            `choices` where it takes one of some names.
        summary: One sentence of what it is.
        taught: What it taught the field.
        year: Year of publication.
        paper: The source.
        recipe: The knobs that train it well, overlaid on the recipe's general defaults.
        n_seen: Images, repeats counted, that it usually sees in training; gives the epochs where they are left open.
        batch_size: Its usual batch size.
    """

    make: Callable[[Shape, int, Any], nn.Module]
    options: type
    summary: str
    taught: str
    year: int
    paper: str
    recipe: Mapping[str, object] = field(default_factory=dict)
    n_seen: int = 600_000
    batch_size: int = 128


MODELS: Registry[Architecture] = Registry("model")


def build(name: str, shape: Shape, n_classes: int, options: Mapping[str, object] | None = None) -> nn.Module:
    """Builds the architecture `name` for images of `shape` (C, H, W) and `n_classes` classes.

    Raises:
        UnknownName: no such architecture.
        RecipeError: an option the architecture does not have, or a value of the wrong kind.
        ModelError: an image shape or a class count the architecture cannot take.
    """
    architecture = MODELS[name]
    if n_classes < 2:
        raise ModelError(
            f"{name} was asked to tell {n_classes} class apart; a classifier needs at least 2.",
            hint="Give images of a second class.",
        )
    return architecture.make(shape, n_classes, _make_options(name, architecture.options, options or {}))


def options_from_text(name: str, given: Mapping[str, str]) -> dict[str, object]:
    """Reads options typed as text (`{"hidden": "512,256"}`) into the types of the architecture's options.

    Raises:
        RecipeError: an unknown option, or text that is not of the option's type.
    """
    fields = get_type_hints(MODELS[name].options)
    read = {}
    for key, text in given.items():
        if key not in fields:
            raise _unknown_option(name, key, fields)
        read[key] = _from_text(name, key, text, fields[key])
    return read


def _from_text(name: str, key: str, text: str, kind: object) -> object:
    try:
        if kind is bool:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
        if kind is int:
            return int(text)
        if kind is float:
            return float(text)
        if kind == tuple[int, ...]:
            return tuple(int(part) for part in text.split(",") if part.strip())
    except (KeyError, ValueError):
        raise _wrong_kind(name, key, text, kind) from None
    return text


def _make_options(name: str, kind: type, given: Mapping[str, object]) -> object:
    known = [item.name for item in dataclasses.fields(kind)]
    for key in given:
        if key not in known:
            raise _unknown_option(name, key, known)
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    for key, wanted in get_type_hints(kind).items():
        if key in values and not _is_of_kind(values[key], wanted):
            raise _wrong_kind(name, key, given[key], wanted)
    return kind(**values)


def _is_of_kind(value: object, kind: object) -> bool:
    if kind == tuple[int, ...]:
        return isinstance(value, tuple) and all(type(part) is int for part in value)
    return type(value) in ((int, float) if kind is float else (kind,))


def _wrong_kind(name: str, key: str, value: object, kind: object) -> RecipeError:
    words = {bool: "yes or no", int: "a whole number", float: "a number", str: "a name"}
    wanted = words.get(kind, "whole numbers with commas between")  # type: ignore[call-overload]
    return RecipeError(f"The option {key} of {name} was given {value!r}; it takes {wanted}.")


def _unknown_option(name: str, key: str, known: Collection[str]) -> RecipeError:
    names = ", ".join(known) or "none"
    return RecipeError(f"{name} has no option {key!r}.", hint=f"Its options: {names} (see: convoscope models {name}).")
