"""The linear classifier: one weight for every pixel and class; each row of weights is a template.

With cross-entropy it is multinomial logistic regression (Cox 1958), with the hinge loss a multi-class support vector
machine (Weston and Watkins 1999).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from convoscope.models.registry import MODELS, Architecture, Shape


@dataclass(frozen=True)
class LinearOptions:
    """A linear classifier leaves nothing to choose."""


def linear(shape: Shape, n_classes: int, options: LinearOptions) -> nn.Sequential:  # noqa: ARG001 - one signature
    """A linear classifier for images of `shape` (C, H, W): float32 (N, C, H, W) to logits (N, n_classes)."""
    C, H, W = shape
    return nn.Sequential(OrderedDict(flatten=nn.Flatten(), fc=nn.Linear(C * H * W, n_classes)))


MODELS.add(
    "linear",
    Architecture(
        make=linear,
        options=LinearOptions,
        summary="One weight for every pixel and class.",
        taught="A score for each class is one template laid over the image; what templates cannot do needs depth.",
        year=1958,
        paper="Cox: The regression analysis of binary sequences",
        recipe={"optimiser": "adamw", "lr": 0.001},
        n_seen=270_000,
    ),
)
