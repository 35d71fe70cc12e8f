"""ResNet-9: a shallow, wide residual network made to train fast on small images.

Page: How to train your ResNet 4: architecture, myrtle.ai, 2018: the network that took CIFAR-10 to 94 % in 79 seconds
on one V100, the measure of the DAWNBench competition (Coleman et al. 2017).

    layer      output at 32x32                                            parameters
    conv1          64 x 32 x 32   3x3                                          1,856
    conv2         128 x 16 x 16   3x3, then a 2x2 max pool                    73,984
    residual1     128 x 16 x 16   x + two 3x3                                295,424
    conv3         256 x  8 x  8   3x3, then a 2x2 max pool                   295,424
    conv4         512 x  4 x  4   3x3, then a 2x2 max pool                 1,180,672
    residual2     512 x  4 x  4   x + two 3x3                              4,720,640
    pool          512 x  1 x  1   the largest of each map
    fc               classes      without bias, then times 0.125               5,120    6,573,120 for 10 classes

Every convolution has a batch norm and a relu behind it and no bias. The last layer's outputs times 0.125 keep the first
losses small at high learning rates.

The recipe does without mirrored images, so that it serves digits and photographs alike; --flip helps on the latter.
With --width 16 the network has a sixteenth of the weights and of the work.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from torch import Tensor, nn

from convoscope.errors import ModelError, RecipeError
from convoscope.models.registry import MODELS, Architecture, Figure, Shape

_SMALLEST_SIDE = 8  # three halvings, each with something to halve
_SCALE = 0.125


@dataclass(frozen=True)
class ResNet9Options:
    """What can be chosen of ResNet-9."""

    width: int = field(
        default=64, metadata={"help": "channels of the first convolution; the others have 2, 4 and 8 times as many"}
    )


class Residual(nn.Module):
    """x plus two 3x3 convolutions of it, each with batch norm and relu.

    Args:
        width: Channels of all of them.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = _convolution(width, width)
        self.conv2 = _convolution(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, width, H, W) to the same shape."""
        y: Tensor = x + self.conv2(self.conv1(x))
        return y


class Scale(nn.Module):
    """Every number times the same one.

    Args:
        factor: What they are multiplied by.
    """

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Maps x of any shape to factor x."""
        return x * self.factor

    def extra_repr(self) -> str:
        """The factor, for print."""
        return f"{self.factor:g}"


def resnet9(shape: Shape, n_classes: int, options: ResNet9Options) -> nn.Sequential:
    """ResNet-9 for images of `shape` (C, H, W): float32 (N, C, H, W) to logits (N, n_classes).

    Raises:
        ModelError: an image smaller than 8 pixels a side.
        RecipeError: a width below 1.
    """
    C, H, W = shape
    if min(H, W) < _SMALLEST_SIDE:
        raise ModelError(
            f"resnet9 cannot take images of {H} x {W} pixels: it halves its maps three times, which needs at least "
            f"{_SMALLEST_SIDE} x {_SMALLEST_SIDE}.",
            hint=f"Use larger images (--image-size {_SMALLEST_SIDE} or more), or --model mlp or linear.",
        )
    if options.width < 1:
        raise RecipeError(f"resnet9 was asked for a width of {options.width}; it is a number of channels, 1 or more.")
    width = options.width
    model = nn.Sequential(
        OrderedDict(
            conv1=_convolution(C, width),
            conv2=_convolution(width, 2 * width, halves=True),
            residual1=Residual(2 * width),
            conv3=_convolution(2 * width, 4 * width, halves=True),
            conv4=_convolution(4 * width, 8 * width, halves=True),
            residual2=Residual(8 * width),
            pool=nn.MaxPool2d((H // 8, W // 8)),
            flatten=nn.Flatten(),
            fc=nn.Linear(8 * width, n_classes, bias=False),
            scale=Scale(_SCALE),
        )
    )
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return model


def _convolution(n_inputs: int, n_outputs: int, *, halves: bool = False) -> nn.Sequential:
    """A 3x3 convolution with batch norm and relu, and a pool behind where the maps are to be halved."""
    layers = OrderedDict[str, nn.Module](
        conv=nn.Conv2d(n_inputs, n_outputs, 3, padding=1, bias=False), bn=nn.BatchNorm2d(n_outputs), relu=nn.ReLU()
    )
    if halves:
        layers["pool"] = nn.MaxPool2d(2)
    return nn.Sequential(layers)


MODELS.add(
    "resnet9",
    Architecture(
        make=resnet9,
        options=ResNet9Options,
        summary="Eight convolutions, two pairs of them residual, and a scaled linear layer: made for speed.",
        taught="A shallow network and a good schedule reach in a minute what took deep ones hours.",
        year=2018,
        paper="Page: How to train your ResNet 4: architecture",
        recipe={
            "optimiser": "muon",
            "lr": 0.01,
            "momentum": 0.9,
            "weight_decay": 0.02,
            "schedule": "triangular",
            "warmup": 0.2,
            "label_smoothing": 0.1,
            "shift": 0.125,
        },
        n_seen=324_000,
        batch_size=256,
        native=((3, 32, 32), 10),
        published=(Figure("CIFAR-10", 0.94, "Page 2018 (24 epochs, 79 seconds on a V100)"),),
    ),
)
