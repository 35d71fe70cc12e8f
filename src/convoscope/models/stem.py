"""How a network for photographs begins, and with which beginning it takes small images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from convoscope.errors import ModelError, RecipeError
from convoscope.models.registry import Shape

_LARGEST_CIFAR_SIDE = 63


@dataclass(frozen=True)
class Stem:
    """One way to begin.

    Attributes:
        means: What it is, for the option's help.
        smallest: The least pixels that each side of an image must have for it.
        why: What the network does with a side so that it needs as many: "halves its maps 5 times".
    """

    means: str
    smallest: int
    why: str


def stem_option(stems: Mapping[str, Stem]) -> Any:  # noqa: ANN401 - a dataclass field passes for its value
    """The option `stem` of an architecture that has these two, "imagenet" and "cifar", as a dataclass field."""
    ways = ", ".join(f"{name} ({stem.means})" for name, stem in stems.items())
    return field(
        default="auto",
        metadata={
            "help": f"how it begins: {ways}, or auto: cifar where the image has a side below "
            f"{_LARGEST_CIFAR_SIDE + 1} pixels",
            "choices": ("auto", *stems),
        },
    )


def choose_stem(name: str, asked: str, shape: Shape, stems: Mapping[str, Stem]) -> str:
    """Which of its stems the architecture `name` has for images of `shape` (C, H, W).

    Raises:
        RecipeError: a stem that there is not.
        ModelError: an image with a side smaller than the stem's smallest.
    """
    side = min(shape[1:])
    chosen = asked if asked != "auto" else "cifar" if side <= _LARGEST_CIFAR_SIDE else "imagenet"
    if chosen not in stems:
        raise RecipeError(
            f"The option stem of {name} was given {asked!r}; it is one of auto, {', '.join(stems)}.",
            hint=f"See: convoscope models {name}",
        )
    stem = stems[chosen]
    if side < stem.smallest:
        other = " or --stem cifar" if chosen == "imagenet" and side >= stems["cifar"].smallest else ""
        raise ModelError(
            f"{name} cannot take images with a side of {side} pixels: with the {chosen} stem it {stem.why}, which "
            f"needs at least {stem.smallest} x {stem.smallest}.",
            hint=f"Use larger images (--image-size {stem.smallest} or more){other}, or --model mlp or linear.",
        )
    return chosen
