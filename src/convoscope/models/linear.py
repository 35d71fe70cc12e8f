"""The linear classifier: one weight for every pixel and class; each row of weights is a template.

With cross-entropy it is multinomial logistic regression (Cox 1958), with the hinge loss a multi-class support vector
machine (Weston and Watkins 1999).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from convoscope.models.registry import MODELS, Architecture, Figure, Shape


@dataclass(frozen=True)
class LinearOptions:
    """A linear classifier leaves nothing to choose."""


def linear(shape: Shape, n_classes: int, options: LinearOptions) -> nn.Sequential:  # noqa: ARG001 - one signature
    """A linear classifier for images of `shape` (C, H, W): float32 (N, C, H, W) to logits (N, n_classes)."""
    C, H, W = shape
    fc = nn.Linear(C * H * W, n_classes)
    # The loss has no other valley to fall into, and what no image moves stays blank in the templates.
    nn.init.zeros_(fc.weight)
    nn.init.zeros_(fc.bias)
    return nn.Sequential(OrderedDict(flatten=nn.Flatten(), fc=fc))


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
        ours=(Figure("MNIST", 0.9230, "the usual recipe", n_seeds=3, low=0.9223, high=0.9241),),
        published=(
            Figure("MNIST", 0.88, "LeCun et al. 1998, figure 9: Linear, 12.0 % wrong"),
            Figure("MNIST, digits deslanted", 0.916, "LeCun et al. 1998, figure 9: Linear, 8.4 % wrong"),
            Figure("MNIST, one for each pair of classes", 0.924, "LeCun et al. 1998, figure 9: Pairwise, 7.6 % wrong"),
        ),
    ),
)
