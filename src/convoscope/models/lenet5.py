"""LeNet-5, the network that read cheques: two convolutions, two average pools, three fully connected layers.

LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, Proceedings of the IEEE 86(11),
1998. As it is drawn today: full connections in the second convolution, plain average pools, a linear last layer.

    layer   output at 32x32   parameters
    conv1       6 x 28 x 28          156
    pool1       6 x 14 x 14
    conv2      16 x 10 x 10        2,416
    pool2      16 x  5 x  5
    fc1                 120       48,120
    fc2                  84       10,164
    fc3                  10          850      61,706 in all
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from torch import nn

from convoscope.errors import ModelError
from convoscope.models.activations import LEARNABLE, activation
from convoscope.models.registry import MODELS, Architecture, Figure, Shape

_KERNEL = 5
_PAPER_SIDE = 32
_SMALLEST_SIDE = 12


@dataclass(frozen=True)
class LeNet5Options:
    """What can be chosen of LeNet-5."""

    activation: str = field(
        default="relu",
        metadata={"help": "after every layer but the last: relu as today, tanh as in the paper", "choices": LEARNABLE},
    )


def lenet5(shape: Shape, n_classes: int, options: LeNet5Options) -> nn.Sequential:
    """LeNet-5 for images of `shape` (C, H, W): float32 (N, C, H, W) to logits (N, n_classes).

    The paper puts its 28-pixel digits on a 32-pixel ground; the first convolution's padding does the same, so
    smaller images keep the paper's maps down to 28 pixels. Larger images make larger maps and a larger first
    fully connected layer.

    Raises:
        ModelError: an image smaller than 12 pixels a side, for which the second pool would have nothing left.
        UnknownName: an activation that is not registered.
    """
    C, H, W = shape
    if min(H, W) < _SMALLEST_SIDE:
        raise ModelError(
            f"lenet5 cannot take images of {H} x {W} pixels: two 5x5 convolutions and two halvings need at least "
            f"{_SMALLEST_SIDE} x {_SMALLEST_SIDE}.",
            hint=f"Use larger images (--image-size {_SMALLEST_SIDE} or more), or --model mlp or linear.",
        )
    padding = (_padding(H), _padding(W))
    height, width = (((side + 2 * p - 4) // 2 - 4) // 2 for side, p in zip((H, W), padding, strict=True))
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(C, 6, _KERNEL, padding=padding),
            act1=activation(options.activation),
            pool1=nn.AvgPool2d(2),
            conv2=nn.Conv2d(6, 16, _KERNEL),
            act2=activation(options.activation),
            pool2=nn.AvgPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(16 * height * width, 120),
            act3=activation(options.activation),
            fc2=nn.Linear(120, 84),
            act4=activation(options.activation),
            fc3=nn.Linear(84, n_classes),
        )
    )


def _padding(side: int) -> int:
    """Zeros put on each end of a side so that it comes to 32 pixels, at most two ("same" for a 5x5 kernel)."""
    return min(_KERNEL // 2, max(0, (_PAPER_SIDE - side + 1) // 2))


MODELS.add(
    "lenet5",
    Architecture(
        make=lenet5,
        options=LeNet5Options,
        summary="Two convolutions, two average pools, three fully connected layers.",
        taught="Local receptive fields and shared weights beat hand-made features, trained end to end by gradients.",
        year=1998,
        paper="LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition",
        recipe={
            "optimiser": "muon",
            "lr": 0.02,
            "momentum": 0.9,
            "weight_decay": 0.01,
            "schedule": "triangular",
            "warmup": 0.1,
            "label_smoothing": 0.1,
        },
        n_seen=54_000,
        batch_size=192,
        ours=(
            Figure("MNIST", 0.9921, "the usual recipe", n_seeds=10, low=0.9906, high=0.9931),
            Figure(
                "Fashion-MNIST, --flip --epochs 6", 0.9172, "the usual recipe else", n_seeds=3, low=0.9144, high=0.9199
            ),
        ),
        published=(Figure("MNIST", 0.9905, "LeCun et al. 1998, section III-C (the paper's own, see lenet5_1998)"),),
    ),
)
