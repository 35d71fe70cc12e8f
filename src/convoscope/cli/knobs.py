"""Makes the options of `convoscope train` from the recipe's record: a knob more there is an option more here."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

from convoscope.train.knob import Knob
from convoscope.train.recipe import Recipe, knobs

_NOT_OPTIONS = {"model_options"}
_SPELLINGS = {"optimiser": "--optimizer", "initialisation": "--initialization", "normalise": "--normalize"}


def takes_knobs(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command that ends in `**knobs` one option for each knob of the recipe; those not given are None."""
    signature = inspect.signature(command, eval_str=True)
    own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    made = [_parameter(name, knob) for name, knob in knobs().items() if name not in _NOT_OPTIONS]
    keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in [*made, *own]]
    command.__signature__ = signature.replace(parameters=keyword)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in keyword} | {"return": None}
    return command


def _parameter(name: str, knob: Knob) -> inspect.Parameter:
    kind = get_type_hints(Recipe)[name]
    plain = next((part for part in getattr(kind, "__args__", (kind,)) if part is not type(None)), kind)
    flag = "--" + name.replace("_", "-")
    names = [f"{flag}/--no-{name}"] if plain is bool else [flag]
    if name in _SPELLINGS:
        names.append(_SPELLINGS[name])
    option = typer.Option(
        *names,
        help=_help(name, knob),
        rich_help_panel=knob.group.capitalize(),
        metavar=_metavar(plain, knob),
        show_default=False,
        autocompletion=(lambda incomplete: [c for c in knob.choices if c.startswith(incomplete)])
        if knob.choices
        else None,
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[plain | None, option]
    )


def _help(name: str, knob: Knob) -> str:
    """Meaning, unit, bounds, default, source and cost of a knob in one text."""
    default = getattr(Recipe, name)
    facts = [
        f"{knob.bounds}{' ' + knob.unit if knob.unit and knob.bounds else ''}" if knob.bounds else knob.unit,
        "" if default is None else f"default {_shown(default)}",
        knob.source,
    ]
    told = "; ".join(fact for fact in facts if fact)
    return " ".join(part for part in (knob.help, f"({told})" if told else "", knob.cost) if part)


def _shown(default: Any) -> str:  # noqa: ANN401 - a field of any type
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"{default:.4g}" if isinstance(default, float) else str(default)


def _metavar(kind: type, knob: Knob) -> str | None:
    if kind is bool:
        return None
    if knob.choices:
        return "NAME"
    return {int: "N", float: "X", str: "TEXT"}[kind]
