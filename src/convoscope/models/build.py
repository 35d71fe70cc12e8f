"""From a name to a network: finds the architecture, reads its options and builds it for an input shape and classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import get_type_hints

from torch import nn

from convoscope.errors import ModelError, RecipeError
from convoscope.models import described, yours
from convoscope.models.pinned import Pinned
from convoscope.models.registry import MODELS, Architecture, InputShape
from convoscope.shape import kind_of


def architecture_of(name: str) -> Architecture:
    """The architecture called `name`: of the registry, else a Python file's (net.py:make) or a TOML file's (net.toml).

    A Python file is executed: only a name that the user of this machine has given may come here, or a run's `Pinned`.

    Raises:
        UnknownName: there is none; near names are in the hint.
        ModelError: a file that is not there, or has no network in it.
    """
    if name in MODELS:
        return MODELS[name]
    if isinstance(name, Pinned):
        return name.architecture()
    if yours.is_python(name):
        return yours.read_python(name)
    if name.lower().endswith(described.SUFFIX):
        return described.read_file(Path(name))
    return MODELS[name]


def build(name: str, shape: InputShape, n_classes: int, options: Mapping[str, object] | None = None) -> nn.Module:
    """Builds the architecture `name` for examples of `shape` and `n_classes` classes.

    Raises:
        UnknownName: no such architecture.
        RecipeError: an option the architecture does not have, or a value of the wrong kind.
        ModelError: a kind of input, a shape or a class count the architecture cannot take.
    """
    architecture = architecture_of(name)
    if kind_of(shape) not in architecture.takes:
        others = ", ".join(other for other, entry in MODELS.items() if kind_of(shape) in entry.takes)
        raise ModelError(
            f"{name} takes {' and '.join(architecture.takes)}, and the data are {kind_of(shape)}.",
            hint=f"Choose a model for them: {others}.",
        )
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
    fields = get_type_hints(architecture_of(name).options)
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
