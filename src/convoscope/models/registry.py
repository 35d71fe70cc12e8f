"""The registry of architectures: what each is, what it takes, what it taught, and which figures belong to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from convoscope.registry import Registry
from convoscope.shape import InputShape, Shape, Trees, Words

__all__ = ["MODELS", "Architecture", "Figure", "InputShape", "Shape", "Trees", "Words"]


@dataclass(frozen=True)
class Figure:
    """How well an architecture did on a dataset.

    Attributes:
        data: The dataset, and what of the recipe differs from the model's usual one.
        accuracy: Share of test (or, for ImageNet, validation) examples named rightly, 0-1.
        source: The paper, or how it was measured.
        n_seeds: Over how many seeds it is the mean; 0 where the source does not say.
        low: The least of them; None where there is but one figure.
        high: The greatest of them.
    """

    data: str
    accuracy: float
    source: str
    n_seeds: int = 0
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Architecture:
    """One entry of the registry.

    Attributes:
        make: Builds the network: (input shape, n_classes, options) -> module that maps float32 (N, C, H, W), or int64
            of the shape that `Words` and `Trees` tell, to logits (N, n_classes). Raises ModelError for a shape the
            architecture cannot take.
        options: The frozen dataclass of its options; each field's metadata has `help`, and
            `choices` where it takes one of some names.
        summary: One sentence of what it is.
        taught: What it taught the field.
        year: Year of publication.
        paper: The source.
        recipe: The knobs that train it well, overlaid on the recipe's general defaults.
        n_seen: Images, repeats counted, that it usually sees in training; gives the epochs where they are left open.
        batch_size: Its usual batch size.
        takes: What it can be built for: "images", "texts", "trees".
        native: The input shape and the number of classes that the paper has.
        published: Figures of the paper, or of the library whose network it is.
        ours: Figures measured with its usual recipe.
        fit: For what is found without steps of gradients: (the network, the training batches in order, each a pair of
            normalised inputs and labels) -> None; fills in the network's buffers or weights before the first step. It
            may be some of them, and steps find the rest, or all. None where steps find all.
        fit_images: How many of the training images `fit` is shown, evenly spread over them; None is all.
    """

    make: Callable[[Any, int, Any], nn.Module]
    options: type
    summary: str
    taught: str
    year: int
    paper: str
    recipe: Mapping[str, object] = field(default_factory=dict)
    n_seen: int = 600_000
    batch_size: int = 128
    takes: tuple[str, ...] = ("images",)
    native: tuple[InputShape, int] = ((1, 28, 28), 10)
    published: tuple[Figure, ...] = ()
    ours: tuple[Figure, ...] = ()
    fit: Callable[[nn.Module, Iterable[tuple[Tensor, Tensor]]], None] | None = None
    fit_images: int | None = None


MODELS: Registry[Architecture] = Registry("model")
