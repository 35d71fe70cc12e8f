"""AlexNet as the paper has it: the network that won ImageNet in 2012 and made the field turn to deep learning.

Krizhevsky, Sutskever, Hinton: ImageNet classification with deep convolutional neural networks, NIPS 2012. Two GPUs held
half of its maps each, which is why conv2, conv4 and conv5 have two groups that do not see each other.

    layer   output at 227x227                                                    parameters
    conv1       96 x 55 x 55    11x11, stride 4, then relu                           34,944
    norm1       96 x 55 x 55    local response norm
    pool1       96 x 27 x 27    3x3, stride 2: the windows overlap
    conv2      256 x 27 x 27    5x5, 2 groups, then relu                            307,456
    norm2      256 x 27 x 27    local response norm
    pool2      256 x 13 x 13    3x3, stride 2
    conv3      384 x 13 x 13    3x3, then relu                                      885,120
    conv4      384 x 13 x 13    3x3, 2 groups, then relu                            663,936
    conv5      256 x 13 x 13    3x3, 2 groups, then relu                            442,624
    pool5      256 x  6 x  6    3x3, stride 2
    fc6                4,096    then relu and dropout 0.5                        37,752,832
    fc7                4,096    then relu and dropout 0.5                        16,781,312
    fc8                1,000                                                      4,097,000    60,965,224 in all

The text says 224 pixels, of which 11x11 windows at a stride of 4 do not make the 55 x 55 maps that it names; 227 do.

The local response norm (section 3.3) divides each number a by (k + alpha sum a^2)^beta, the sum over the five channels
around it at the same place, with k = 2, alpha = 10^-4, beta = 0.75. torch's LocalResponseNorm is not that: it takes the
mean in place of the sum.

Weights start from a normal distribution of deviation 0.01, the biases of conv2, conv4, conv5 and the hidden fully
connected layers at 1, so that their rectifiers begin in the half that passes something on, other biases at 0
(section 5). From there the loss stands still for the first epochs, and a run of few would end at chance: the usual
recipe draws the weights after He et al. 2015 instead; --initialisation default gives the paper's.

The paper's own training is near to --optimiser momentum --lr 0.01 --weight-decay 0.0005 --batch-size 128 --epochs 90
--schedule step --decay-every 0.25 --warmup 0 --flip; it lowered the rate by hand, three times.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional

from convoscope.errors import ModelError, RecipeError
from convoscope.models.registry import MODELS, Architecture, Figure, Shape

_SMALLEST_SIDE = 67  # 15 after conv1, then 7, 3 and 1 after the pools
_STARTS_AT_ONE = ("conv2", "conv4", "conv5", "fc6", "fc7")


@dataclass(frozen=True)
class AlexNet2012Options:
    """What can be chosen of the paper's AlexNet."""

    dropout: float = field(
        default=0.5, metadata={"help": "share of the units of fc6 and fc7 set to 0 while training, 0 to below 1"}
    )


class ResponseNorm(nn.Module):
    """Local response norm: x / (k + alpha Σ x²)^beta, the sum over the channels around each (section 3.3).

    Args:
        n_around: Over how many channels the sum goes, the number's own in their middle; an odd number.
        k: What is added to the sum.
        alpha: What the sum is multiplied by.
        beta: The power.
    """

    def __init__(self, n_around: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75) -> None:
        super().__init__()
        self.n_around, self.k, self.alpha, self.beta = n_around, k, alpha, beta

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, C, H, W) to the same shape; past the first and the last channel there are zeros."""
        beside, C = self.n_around // 2, x.shape[1]
        squares = functional.pad(x.square(), (0, 0, 0, 0, beside, beside))  # (N, C + 2 beside, H, W)
        around = reduce(torch.add, (squares[:, first : first + C] for first in range(self.n_around)))
        return x / (self.k + self.alpha * around) ** self.beta

    def extra_repr(self) -> str:
        """Its constants, for print."""
        return f"{self.n_around}, k={self.k:g}, alpha={self.alpha:g}, beta={self.beta:g}"


def alexnet_2012(shape: Shape, n_classes: int, options: AlexNet2012Options) -> nn.Sequential:
    """The paper's AlexNet for images of `shape` (C, H, W): float32 (N, C, H, W) to logits (N, n_classes).

    Images of other sizes than 227 x 227 make maps and a first fully connected layer of other sizes.

    Raises:
        ModelError: an image smaller than 67 pixels a side, of which the last pool would have nothing left.
        RecipeError: a dropout share outside 0 to 1.
    """
    C, H, W = shape
    if min(H, W) < _SMALLEST_SIDE:
        raise ModelError(
            f"alexnet_2012 cannot take images of {H} x {W} pixels: an 11x11 convolution of stride 4 and three pools "
            f"need at least {_SMALLEST_SIDE} x {_SMALLEST_SIDE}, and the paper has 227 x 227.",
            hint=f"Use larger images (--image-size 227, or {_SMALLEST_SIDE} at least), or --model alexnet, which has a "
            "stem for small images.",
        )
    if not 0 <= options.dropout < 1:
        raise RecipeError(f"alexnet_2012 was asked for dropout {options.dropout}; it is a share from 0 to below 1.")
    height, width = (_pooled(_pooled(_pooled((side - 11) // 4 + 1))) for side in (H, W))
    model = nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(C, 96, 11, stride=4),
            relu1=nn.ReLU(),
            norm1=ResponseNorm(),
            pool1=nn.MaxPool2d(3, stride=2),
            conv2=nn.Conv2d(96, 256, 5, padding=2, groups=2),
            relu2=nn.ReLU(),
            norm2=ResponseNorm(),
            pool2=nn.MaxPool2d(3, stride=2),
            conv3=nn.Conv2d(256, 384, 3, padding=1),
            relu3=nn.ReLU(),
            conv4=nn.Conv2d(384, 384, 3, padding=1, groups=2),
            relu4=nn.ReLU(),
            conv5=nn.Conv2d(384, 256, 3, padding=1, groups=2),
            relu5=nn.ReLU(),
            pool5=nn.MaxPool2d(3, stride=2),
            flatten=nn.Flatten(),
            fc6=nn.Linear(256 * height * width, 4096),
            relu6=nn.ReLU(),
            drop6=nn.Dropout(options.dropout),
            fc7=nn.Linear(4096, 4096),
            relu7=nn.ReLU(),
            drop7=nn.Dropout(options.dropout),
            fc8=nn.Linear(4096, n_classes),
        )
    )
    _start_as_the_paper(model)
    return model


def _pooled(side: int) -> int:
    """A side after a 3x3 pool of stride 2."""
    return (side - 3) // 2 + 1


def _start_as_the_paper(model: nn.Module) -> None:
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.normal_(layer.weight, std=0.01)
            assert layer.bias is not None
            nn.init.constant_(layer.bias, 1.0 if name in _STARTS_AT_ONE else 0.0)


MODELS.add(
    "alexnet_2012",
    Architecture(
        make=alexnet_2012,
        options=AlexNet2012Options,
        summary="Five convolutions, of which three in two groups, local response norms, three fully connected layers.",
        taught=(
            "Depth, a million labelled photographs and GPUs beat every hand-made feature; rectifiers train several "
            "times faster than tanh, and dropout holds back overfitting."
        ),
        year=2012,
        paper="Krizhevsky, Sutskever, Hinton: ImageNet classification with deep convolutional neural networks",
        recipe={
            "initialisation": "kaiming",
            "optimiser": "nesterov",
            "lr": 0.01,
            "momentum": 0.9,
            "weight_decay": 0.0005,
            "schedule": "triangular",
            "warmup": 0.1,
        },
        n_seen=900_000,
        native=((3, 227, 227), 1000),
        published=(Figure("ImageNet, ten crops", 0.593, "Krizhevsky et al. 2012, Table 2 (one network, validation)"),),
    ),
)
