"""A small example of every kind of input, and for every architecture what it is built for where that is to be cheap."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from convoscope.models import MODELS, build, undrawn
from convoscope.shape import PADDING, UNKNOWN, InputShape, Trees, Words, kind_of

Node = Any
"""A binary tree: a word number, or a pair of trees."""

SHAPES: dict[str, InputShape] = {"images": (3, 20, 18), "texts": Words(5, 12), "trees": Trees(4, 5, 12)}
# Images for those that cannot work on so small ones, or whose graph grows with the rows.
IMAGES: dict[str, InputShape] = {
    "alexnet_2012": (3, 67, 67), "rnn": (2, 3, 6), "lstm": (2, 3, 6), "gru": (2, 3, 6), "tree": (2, 7, 6),
}  # fmt: skip
# Options that make an architecture cheap, or able to do what is tested.
OPTIONS: dict[str, dict[str, object]] = {
    "knn": {"k": 1},  # by heart: the nearest is the image itself
    "mlp": {"hidden": (32, 16)},
    "rnn": {"hidden": 16, "embedding": 8},
    "lstm": {"hidden": 16, "embedding": 8},
    "gru": {"hidden": 16, "embedding": 8},
    "tree": {"hidden": 16},
    "textcnn": {"embedding": 8, "maps": 8, "dropout": 0.0},
}
# Very deep ones, and those without norms, learn sixteen images by heart at these rates of Adam; 0.001 is too much.
RATES = {
    "alexnet": 3e-4,
    "vgg11": 3e-4,
    "vgg13": 1e-4,
    "vgg16": 1e-4,
    "vgg19": 1e-4,
    "vgg19_bn": 3e-4,
    "alexnet_2012": 1e-4,
}
QUICK = 1_000_000  # parameters; forty steps with fewer take under a second
SHALLOW = 100  # layers; opening every one of them takes two seconds


def cases() -> list[tuple[str, str]]:
    """Every architecture with each kind of input that it takes."""
    return [(name, kind) for name, entry in MODELS.items() for kind in entry.takes]


def shape_for(name: str, kind: str) -> InputShape:
    """The shape that an architecture is tried at."""
    return IMAGES.get(name, SHAPES[kind]) if kind == "images" else SHAPES[kind]


def made(name: str, kind: str, n_classes: int = 5, **options: object) -> nn.Module:
    """An architecture, small."""
    return build(name, shape_for(name, kind), n_classes, {**OPTIONS.get(name, {}), **options})


def fitted(name: str, model: nn.Module, x: Tensor, labels: Tensor) -> nn.Module:
    """The model, filled in by what its architecture finds without steps."""
    fit = MODELS[name].fit
    if fit is not None:
        fit(model, [(x, labels)])
    return model


def is_quick(name: str) -> bool:
    """Whether it is so small that the default run of the tests can train it and open it."""
    with undrawn():
        model = made(name, MODELS[name].takes[0])
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    return n_parameters < QUICK and sum(1 for _ in model.modules()) < SHALLOW


def examples(shape: InputShape, n: int, seed: int = 0) -> Tensor:
    """Random examples of a shape; of texts and trees the first is as long, or as deep, as there is room for."""
    generator = torch.Generator().manual_seed(seed)
    if kind_of(shape) == "images":
        return torch.randn(n, *shape, generator=generator)  # type: ignore[misc]  # the shape of an image
    if isinstance(shape, Words):
        return words(shape, n, generator)
    assert isinstance(shape, Trees)
    deep: Node = _word(shape.n_words, generator)
    for _ in range(shape.n_levels - 1):
        deep = (_word(shape.n_words, generator), deep)
    grown = [deep, *(random_tree(shape, generator) for _ in range(n - 1))]
    return torch.stack([encoded(one, shape) for one in grown])


def words(shape: Words, n: int, generator: torch.Generator) -> Tensor:
    """Texts of one to `length` words, padded: int64 (n, length)."""
    text = torch.randint(UNKNOWN, shape.n_words, (n, shape.length), generator=generator)
    lengths = torch.randint(1, shape.length + 1, (n, 1), generator=generator)
    lengths[0] = shape.length
    return text.masked_fill(torch.arange(shape.length) >= lengths, PADDING)


def random_tree(shape: Trees, generator: torch.Generator, depth: int = 0) -> Node:
    """A binary tree that has room in the shape: full nowhere below its third level."""
    draw = float(torch.rand((), generator=generator))
    if depth == min(shape.n_levels - 1, 2) or draw < 0.2 * depth:
        return _word(shape.n_words, generator)
    return random_tree(shape, generator, depth + 1), random_tree(shape, generator, depth + 1)


def encoded(root: Node, shape: Trees) -> Tensor:
    """A tree as `Trees` tells it, level by level from the root down: int64 (n_levels, width, 3)."""
    x = torch.zeros(shape.n_levels, shape.width, 3, dtype=torch.int64)
    nodes = [root]
    for level in reversed(range(shape.n_levels)):
        below: list[Node] = []
        for place, node in enumerate(nodes):
            if isinstance(node, tuple):
                below.extend(node)
                x[level, place] = torch.tensor([0, len(below) - 1, len(below)])
            else:
                x[level, place, 0] = node
        nodes = below
    assert not nodes
    return x


def _word(n_words: int, generator: torch.Generator) -> int:
    return int(torch.randint(UNKNOWN, n_words, (), generator=generator))
