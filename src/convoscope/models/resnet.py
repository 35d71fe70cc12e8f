"""ResNet: blocks that learn what to add to their input, so that a hundred layers train as well as ten.

He, Zhang, Ren, Sun: Deep residual learning for image recognition, CVPR 2016. The bottleneck has its stride in the 3x3
convolution ("v1.5": Goyal et al. 2017, and torchvision), and the state dict has torchvision's names and shapes;
resnet50_v1 has its stride in the first 1x1, as the paper's own.

    layer    output at 224x224    resnet18, resnet34            resnet50, resnet101, resnet152
    conv1       64 x 112 x 112    7x7, stride 2                 7x7, stride 2
    maxpool     64 x  56 x  56    3x3, stride 2                 3x3, stride 2
    layer1       w x  56 x  56    blocks of 3x3 64, 3x3 64      blocks of 1x1  64, 3x3  64, 1x1  256
    layer2      2w x  28 x  28    blocks of 3x3 128, 3x3 128    blocks of 1x1 128, 3x3 128, 1x1  512
    layer3      4w x  14 x  14    blocks of 3x3 256, 3x3 256    blocks of 1x1 256, 3x3 256, 1x1 1024
    layer4      8w x   7 x   7    blocks of 3x3 512, 3x3 512    blocks of 1x1 512, 3x3 512, 1x1 2048
    avgpool     8w x   1 x   1    the mean of each map
    fc             classes        w = 64                        w = 256

               blocks of layer1 to layer4    parameters for 1,000 classes
    resnet18             2, 2,  2, 2                 11,689,512
    resnet34             3, 4,  6, 3                 21,797,672
    resnet50             3, 4,  6, 3                 25,557,032
    resnet50_v1          3, 4,  6, 3                 25,557,032
    resnet101            3, 4, 23, 3                 44,549,160
    resnet152            3, 8, 36, 3                 60,192,808

Every convolution has a batch norm behind it and no bias. The stem for small images ("cifar") is a 3x3 convolution of
stride 1 without the pool, so that layer1 works on every pixel; the paper's own CIFAR networks are narrower ones.

Convolutions start from a normal distribution of variance 2 / fan-out (He et al. 2015), batch norms as the identity. So
does the last one of each block, as in the paper: Goyal et al. 2017 start it at 0, which trains very large batches a
little better and hides all residual branches from the first passes.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from convoscope.models.registry import MODELS, Architecture, Figure, Shape
from convoscope.models.stem import Stem, choose_stem, stem_option

_WIDTHS = (64, 128, 256, 512)
_STEMS = {
    "imagenet": Stem("7x7, stride 2, then a pool", 32, "halves its maps 5 times"),
    "cifar": Stem("3x3, stride 1", 8, "halves its maps 3 times"),
}


@dataclass(frozen=True)
class ResNetOptions:
    """What can be chosen of a ResNet."""

    stem: str = stem_option(_STEMS)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a skip: relu(residual(x) + skip(x)).

    Args:
        n_inputs: Channels of the input.
        width: Channels of both convolutions.
        stride: Of the first convolution, and of the skip's.
    """

    widening = 1

    def __init__(self, n_inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_inputs, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _projection(n_inputs, width * self.widening, stride)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, n_inputs, H, W) to (N, width, H / stride, W / stride), sides rounded up."""
        residual = self.relu1(self.bn1(self.conv1(x)))
        residual = self.bn2(self.conv2(residual))
        skip = x if self.downsample is None else self.downsample(x)
        y: Tensor = self.relu2(residual + skip)
        return y


class Bottleneck(nn.Module):
    """A 1x1 convolution to fewer channels, a 3x3 there, a 1x1 to four times as many, and a skip.

    Args:
        n_inputs: Channels of the input.
        width: Channels of the first two convolutions; the block puts out four times as many.
        stride: Of the 3x3 convolution, and of the skip's.
    """

    widening = 4
    strided = 2  # which of the three convolutions has the stride

    def __init__(self, n_inputs: int, width: int, stride: int) -> None:
        super().__init__()
        strides = [stride if number == self.strided else 1 for number in (1, 2)]
        self.conv1 = nn.Conv2d(n_inputs, width, 1, strides[0], bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, strides[1], padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(width, width * self.widening, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * self.widening)
        self.downsample = _projection(n_inputs, width * self.widening, stride)
        self.relu3 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, n_inputs, H, W) to (N, 4 width, H / stride, W / stride), sides rounded up."""
        residual = self.relu1(self.bn1(self.conv1(x)))
        residual = self.relu2(self.bn2(self.conv2(residual)))
        residual = self.bn3(self.conv3(residual))
        skip = x if self.downsample is None else self.downsample(x)
        y: Tensor = self.relu3(residual + skip)
        return y


class FirstStrideBottleneck(Bottleneck):
    """The paper's own bottleneck, with the stride in the first 1x1: three of four positions of its input go unseen."""

    strided = 1


@dataclass(frozen=True)
class Variant:
    """One of the six.

    Attributes:
        name: Its name.
        block: Its kind of block.
        depths: How many of them layer1 to layer4 have.
        published: Its figures.
    """

    name: str
    block: type[BasicBlock | Bottleneck]
    depths: tuple[int, int, int, int]
    published: tuple[Figure, ...]


def _figures(paper: float, table: str, torchvision: float | None = None) -> tuple[Figure, ...]:
    """The paper's accuracy by ten crops, and that of torchvision's first weights by one, which took its recipe."""
    found = [Figure("ImageNet, ten crops", paper, f"He et al. 2016, {table}")]
    if torchvision is not None:
        found.append(Figure("ImageNet, one crop", torchvision, "torchvision, weights IMAGENET1K_V1"))
    return tuple(found)


_NEWER = "torchvision, weights IMAGENET1K_V2: 600 epochs and a newer recipe"
VARIANTS = (
    Variant("resnet18", BasicBlock, (2, 2, 2, 2), _figures(0.7212, "Table 2 (skips of option A)", 0.69758)),
    Variant("resnet34", BasicBlock, (3, 4, 6, 3), _figures(0.7548, "Table 3 (option B)", 0.73314)),
    Variant(
        "resnet50_v1",
        FirstStrideBottleneck,
        (3, 4, 6, 3),
        (*_figures(0.7715, "Table 3"), Figure("ImageNet, one crop", 0.753, "the authors' weights, published 2016")),
    ),
    Variant(
        "resnet50",
        Bottleneck,
        (3, 4, 6, 3),
        (
            Figure("ImageNet, one crop", 0.764, "Goyal et al. 2017, Table 1 (batch size 256)"),
            Figure("ImageNet, one crop", 0.7613, "torchvision, weights IMAGENET1K_V1"),
            Figure("ImageNet, one crop", 0.80858, _NEWER),
        ),
    ),
    Variant(
        "resnet101",
        Bottleneck,
        (3, 4, 23, 3),
        (
            *_figures(0.7825, "Table 3 (stride in the first 1x1)", 0.77374),
            Figure("ImageNet, one crop", 0.81886, _NEWER),
        ),
    ),
    Variant(
        "resnet152",
        Bottleneck,
        (3, 8, 36, 3),
        (
            *_figures(0.7857, "Table 3 (stride in the first 1x1)", 0.78312),
            Figure("ImageNet, one crop", 0.82284, _NEWER),
        ),
    ),
)


def resnet(variant: Variant, shape: Shape, n_classes: int, options: ResNetOptions) -> nn.Sequential:
    """A ResNet for images of `shape` (C, H, W): float32 (N, C, H, W) to logits (N, n_classes).

    Raises:
        ModelError: an image smaller than 8 pixels a side, or than 32 with the stem "imagenet".
        RecipeError: a stem that there is not.
    """
    layers = _stem(shape[0], choose_stem(variant.name, options.stem, shape, _STEMS))
    n_inputs = _WIDTHS[0]
    for number, (width, depth) in enumerate(zip(_WIDTHS, variant.depths, strict=True), start=1):
        blocks = []
        for position in range(depth):
            blocks.append(variant.block(n_inputs, width, 2 if number > 1 and position == 0 else 1))
            n_inputs = width * variant.block.widening
        layers[f"layer{number}"] = nn.Sequential(*blocks)
    layers["avgpool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["fc"] = nn.Linear(n_inputs, n_classes)
    model = nn.Sequential(layers)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return model


def _stem(C: int, stem: str) -> OrderedDict[str, nn.Module]:
    """The layers before the first block."""
    first = (
        nn.Conv2d(C, _WIDTHS[0], 3, padding=1, bias=False)
        if stem == "cifar"
        else nn.Conv2d(C, _WIDTHS[0], 7, stride=2, padding=3, bias=False)
    )
    layers = OrderedDict[str, nn.Module](conv1=first, bn1=nn.BatchNorm2d(_WIDTHS[0]), relu=nn.ReLU())
    if stem == "imagenet":
        layers["maxpool"] = nn.MaxPool2d(3, stride=2, padding=1)
    return layers


def _projection(n_inputs: int, n_outputs: int, stride: int) -> nn.Sequential | None:
    """What brings a block's input to the shape of its output; None where it has that shape (the paper's option B)."""
    if stride == 1 and n_inputs == n_outputs:
        return None
    return nn.Sequential(nn.Conv2d(n_inputs, n_outputs, 1, stride, bias=False), nn.BatchNorm2d(n_outputs))


for _variant in VARIANTS:
    MODELS.add(
        _variant.name,
        Architecture(
            make=partial(resnet, _variant),
            options=ResNetOptions,
            summary=(
                f"{sum(_variant.depths)} residual blocks of {2 if _variant.block is BasicBlock else 3} convolutions, "
                "each added to its own input"
                f"{', the stride in the first 1x1' if _variant.block is FirstStrideBottleneck else ''}."
            ),
            taught="A layer that only adds to its input can be left out at no cost, so depth never has to hurt.",
            year=2016,
            paper="He, Zhang, Ren, Sun: Deep residual learning for image recognition",
            recipe={
                "optimiser": "nesterov",
                "lr": 0.03,
                "momentum": 0.9,
                "weight_decay": 0.0005,
                "schedule": "triangular",
                "warmup": 0.15,
                "label_smoothing": 0.1,
            },
            n_seen=900_000,
            native=((3, 224, 224), 1000),
            published=_variant.published,
        ),
    )
