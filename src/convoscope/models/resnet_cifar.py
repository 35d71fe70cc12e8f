"""The narrow ResNets of the paper's CIFAR-10 section: 16, 32 and 64 channels, twenty to a hundred and ten layers deep.

He, Zhang, Ren, Sun: Deep residual learning for image recognition, CVPR 2016, section 4.2. Skips have no parameters
(option A): where the maps get smaller and more, a skip takes every second row and column and adds channels of zeros.

    layer    output at 32x32
    conv1       16 x 32 x 32   3x3
    layer1      16 x 32 x 32   n blocks of 3x3 16, 3x3 16
    layer2      32 x 16 x 16   n blocks of 3x3 32, 3x3 32, the first with stride 2
    layer3      64 x  8 x  8   n blocks of 3x3 64, 3x3 64, the first with stride 2
    avgpool     64 x  1 x  1   the mean of each map
    fc             classes

                   n    parameters for 3x32x32 and 10 classes
    resnet20       3        269,722
    resnet32       5        464,154
    resnet44       7        658,586
    resnet56       9        853,018
    resnet110     18      1,727,962

Every convolution has a batch norm behind it and no bias, and starts from a normal distribution of variance 2 /
fan-out (He et al. 2015).

The usual recipe is for photographs and few epochs; --no-flip where a mirrored image is another one, as with digits. The
paper's own, 64,000 steps, is:

    convoscope train --data cifar10 --model resnet20 --optimiser momentum --lr 0.1 --momentum 0.9 --weight-decay 0.0001
        --schedule step --decay 0.1 --decay-every 0.375 --warmup 0 --batch-size 128 --epochs 182 --flip --shift 0.125
        --label-smoothing 0

The paper lowers the rate after 32,000 and 48,000 steps; falls at equal distances come nearest with 24,000 and 48,000.
It starts resnet110 with a tenth of the rate for some 400 steps; --warmup 0.01, a rise over 640, comes near.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from convoscope.errors import ModelError
from convoscope.models.registry import MODELS, Architecture, Figure, Shape

_WIDTHS = (16, 32, 64)
_SMALLEST_SIDE = 4  # two halvings, each with something to halve


@dataclass(frozen=True)
class ResNetCIFAROptions:
    """The paper's CIFAR networks leave nothing to choose but their depth, which their names say."""


class Shortcut(nn.Module):
    """A skip without parameters: every second row and column, and channels of zeros behind (the paper's option A).

    Args:
        n_new: How many channels of zeros.
    """

    def __init__(self, n_new: int) -> None:
        super().__init__()
        self.n_new = n_new

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, C, H, W) to (N, C + n_new, H / 2, W / 2), sides rounded up."""
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.n_new))

    def extra_repr(self) -> str:
        """How many channels of zeros, for print."""
        return f"n_new={self.n_new}"


class Block(nn.Module):
    """Two 3x3 convolutions and a skip: relu(residual(x) + skip(x)).

    Args:
        n_inputs: Channels of the input.
        width: Channels of both convolutions; where it is not n_inputs, the first has stride 2.
    """

    def __init__(self, n_inputs: int, width: int) -> None:
        super().__init__()
        narrows = width != n_inputs
        self.conv1 = nn.Conv2d(n_inputs, width, 3, 2 if narrows else 1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = Shortcut(width - n_inputs) if narrows else None
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, n_inputs, H, W) to (N, width, H, W), or to sides half as long, rounded up, where it narrows."""
        residual = self.relu1(self.bn1(self.conv1(x)))
        residual = self.bn2(self.conv2(residual))
        skip = x if self.shortcut is None else self.shortcut(x)
        y: Tensor = self.relu2(residual + skip)
        return y


@dataclass(frozen=True)
class Variant:
    """One of the five: its number of layers, 6 n + 2, the paper's figure (Table 6), and ours."""

    n_layers: int
    published: Figure
    ours: tuple[Figure, ...] = ()

    @property
    def name(self) -> str:
        """Its name in the registry."""
        return f"resnet{self.n_layers}"

    @property
    def depth(self) -> int:
        """How many blocks each of the three stages has."""
        return (self.n_layers - 2) // 6


_PAPER = "He et al. 2016, Table 6 (182 epochs)"
VARIANTS = (
    Variant(20, Figure("CIFAR-10", 0.9125, _PAPER), (Figure("CIFAR-10", 0.8872, "the usual recipe, 16 epochs", 1),)),
    Variant(32, Figure("CIFAR-10", 0.9249, _PAPER)),
    Variant(44, Figure("CIFAR-10", 0.9283, _PAPER)),
    Variant(56, Figure("CIFAR-10", 0.9303, _PAPER)),
    Variant(110, Figure("CIFAR-10", 0.9339, f"{_PAPER}; the best is 0.9357", n_seeds=5)),
)


def resnet_cifar(variant: Variant, shape: Shape, n_classes: int, options: ResNetCIFAROptions) -> nn.Sequential:  # noqa: ARG001 - one signature
    """A CIFAR ResNet for images of `shape` (C, H, W): float32 (N, C, H, W) to logits (N, n_classes).

    Raises:
        ModelError: an image smaller than 4 pixels a side.
    """
    C, H, W = shape
    if min(H, W) < _SMALLEST_SIDE:
        raise ModelError(
            f"{variant.name} cannot take images of {H} x {W} pixels: it halves its maps twice, which needs at least "
            f"{_SMALLEST_SIDE} x {_SMALLEST_SIDE}.",
            hint=f"Use larger images (--image-size {_SMALLEST_SIDE} or more), or --model mlp or linear.",
        )
    layers = OrderedDict[str, nn.Module](
        conv1=nn.Conv2d(C, _WIDTHS[0], 3, padding=1, bias=False), bn1=nn.BatchNorm2d(_WIDTHS[0]), relu=nn.ReLU()
    )
    n_inputs = _WIDTHS[0]
    for number, width in enumerate(_WIDTHS, start=1):
        rest = (Block(width, width) for _ in range(variant.depth - 1))
        layers[f"layer{number}"] = nn.Sequential(Block(n_inputs, width), *rest)
        n_inputs = width
    layers["avgpool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["fc"] = nn.Linear(n_inputs, n_classes)
    model = nn.Sequential(layers)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return model


for _variant in VARIANTS:
    MODELS.add(
        _variant.name,
        Architecture(
            make=partial(resnet_cifar, _variant),
            options=ResNetCIFAROptions,
            summary=(
                f"{3 * _variant.depth} residual blocks of 16 to 64 channels for small images, their skips without "
                "parameters."
            ),
            taught="Residual networks get better with depth where plain ones get worse, on the same small images.",
            year=2016,
            paper="He, Zhang, Ren, Sun: Deep residual learning for image recognition (section 4.2)",
            recipe={
                "optimiser": "muon",
                "lr": 0.01,
                "momentum": 0.9,
                "weight_decay": 0.02,
                "schedule": "triangular",
                "warmup": 0.15,
                "label_smoothing": 0.1,
                "flip": True,
                "shift": 0.125,
            },
            n_seen=720_000,
            native=((3, 32, 32), 10),
            published=(_variant.published,),
            ours=_variant.ours,
        ),
    )
