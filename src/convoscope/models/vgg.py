"""VGG: nothing but 3x3 convolutions, pools and three fully connected layers, up to nineteen deep.

Simonyan, Zisserman: Very deep convolutional networks for large-scale image recognition, ICLR 2015. The names and
shapes of the state dict are torchvision's, whose networks with batch norm (Ioffe and Szegedy 2015) are not in the
paper.

    stage   output at 224x224   convolutions in      vgg11 (A)   vgg13 (B)   vgg16 (D)   vgg19 (E)
    1          64 x 112 x 112   3x3, 64 channels             1           2           2           2
    2         128 x  56 x  56   3x3, 128                     1           2           2           2
    3         256 x  28 x  28   3x3, 256                     2           2           3           4
    4         512 x  14 x  14   3x3, 512                     2           2           3           4
    5         512 x   7 x   7   3x3, 512                     2           2           3           4
    avgpool   512 x   7 x   7   means of other maps than 7 x 7
    classifier.0        4,096   then relu, dropout 0.5
    classifier.3        4,096   then relu, dropout 0.5
    classifier.6        1,000

    A stage ends in a 2x2 max pool; the sizes are those after it, and before it twice as high and wide.

               parameters for 1,000 classes                with batch norm
    vgg11                       132,863,336    vgg11_bn        132,868,840
    vgg13                       133,047,848    vgg13_bn        133,053,736
    vgg16                       138,357,544    vgg16_bn        138,365,992
    vgg19                       143,667,240    vgg19_bn        143,678,248

The stem for small images ("cifar") has the same convolutions, so that weights trained on photographs fit it; its
pools round up (28 pixels become 14, 7, 4, 2 and 1), the average pool leaves one number a channel, and the hidden
fully connected layers have 512 units: vgg16 then has 15,245,130 parameters for 3x32x32 and 10 classes.

Convolutions start from a normal distribution of variance 2 / fan-out (He et al. 2015), fully connected layers from
one of deviation 0.01, biases at 0, as in torchvision. The paper, without the former, trained the deep ones from the
shallow.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import partial

from torch import nn

from convoscope.errors import RecipeError
from convoscope.models.registry import MODELS, Architecture, Figure, Shape
from convoscope.models.stem import Stem, choose_stem, stem_option

_WIDTHS = (64, 128, 256, 512, 512)
_STEMS = {
    "imagenet": Stem("7x7 maps and 4,096 hidden units at the end", 32, "halves its maps 5 times"),
    "cifar": Stem("1x1 maps and 512 hidden units", 16, "halves its maps 4 times before its last convolutions"),
}


@dataclass(frozen=True)
class VGGOptions:
    """What can be chosen of a VGG."""

    stem: str = stem_option(_STEMS)
    dropout: float = field(
        default=0.5, metadata={"help": "share of each hidden layer's units set to 0 while training, 0 to below 1"}
    )


@dataclass(frozen=True)
class Variant:
    """One of the eight.

    Attributes:
        name: Its name.
        depths: How many convolutions each of the five stages has.
        batch_norm: Whether one stands behind each of them.
        published: Its figures.
    """

    name: str
    depths: tuple[int, int, int, int, int]
    batch_norm: bool
    published: tuple[Figure, ...]


def _variants() -> tuple[Variant, ...]:
    """Depth, the paper's best single-scale accuracy, then torchvision's without and with batch norm."""
    table = {
        "vgg11": ((1, 1, 2, 2, 2), 0.704, 0.6902, 0.7037),
        "vgg13": ((2, 2, 2, 2, 2), 0.713, 0.69928, 0.71586),
        "vgg16": ((2, 2, 3, 3, 3), 0.744, 0.71592, 0.7336),
        "vgg19": ((2, 2, 4, 4, 4), 0.745, 0.72376, 0.74218),
    }
    source = "torchvision, weights IMAGENET1K_V1"
    found = []
    for name, (depths, paper, plain, normed) in table.items():
        published = (
            Figure("ImageNet, whole images at one scale", paper, "Simonyan and Zisserman 2015, Table 3"),
            Figure("ImageNet, one crop", plain, source),
        )
        found.append(Variant(name, depths, batch_norm=False, published=published))
        normed_figure = Figure("ImageNet, one crop", normed, source)
        found.append(Variant(f"{name}_bn", depths, batch_norm=True, published=(normed_figure,)))
    return tuple(found)


VARIANTS = _variants()


def vgg(variant: Variant, shape: Shape, n_classes: int, options: VGGOptions) -> nn.Sequential:
    """A VGG for images of `shape` (C, H, W): float32 (N, C, H, W) to logits (N, n_classes).

    Raises:
        ModelError: an image smaller than 16 pixels a side, or than 32 with the stem "imagenet".
        RecipeError: a stem that there is not, or a dropout share outside 0 to 1.
    """
    small = choose_stem(variant.name, options.stem, shape, _STEMS) == "cifar"
    if not 0 <= options.dropout < 1:
        raise RecipeError(f"{variant.name} was asked for dropout {options.dropout}; it is a share from 0 to below 1.")
    side, n_hidden = (1, 512) if small else (7, 4096)
    model = nn.Sequential(
        OrderedDict(
            features=_features(variant, shape[0], rounds_up=small),
            avgpool=nn.AdaptiveAvgPool2d(side),
            flatten=nn.Flatten(),
            classifier=nn.Sequential(
                nn.Linear(_WIDTHS[-1] * side * side, n_hidden),
                nn.ReLU(),
                nn.Dropout(options.dropout),
                nn.Linear(n_hidden, n_hidden),
                nn.ReLU(),
                nn.Dropout(options.dropout),
                nn.Linear(n_hidden, n_classes),
            ),
        )
    )
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.01)
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return model


def _features(variant: Variant, C: int, *, rounds_up: bool) -> nn.Sequential:
    """The five stages: (N, C, H, W) to (N, 512, H / 32, W / 32), rounded up or down."""
    layers: list[nn.Module] = []
    n_inputs = C
    for width, depth in zip(_WIDTHS, variant.depths, strict=True):
        for _ in range(depth):
            layers.append(nn.Conv2d(n_inputs, width, 3, padding=1))
            if variant.batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU())
            n_inputs = width
        layers.append(nn.MaxPool2d(2, ceil_mode=rounds_up))
    return nn.Sequential(*layers)


for _variant in VARIANTS:
    MODELS.add(
        _variant.name,
        Architecture(
            make=partial(vgg, _variant),
            options=VGGOptions,
            summary=(
                f"{sum(_variant.depths)} convolutions of 3x3{', each with a batch norm' * _variant.batch_norm}, five "
                "pools, three fully connected layers."
            ),
            taught="Stacks of 3x3 convolutions see as far as large kernels with fewer weights; depth is what counts.",
            year=2015,
            paper="Simonyan, Zisserman: Very deep convolutional networks for large-scale image recognition",
            recipe={
                "optimiser": "nesterov",
                "lr": 0.03 if _variant.batch_norm else 0.01,
                "momentum": 0.9,
                "weight_decay": 0.0005,
                "schedule": "triangular",
                "warmup": 0.15,
                **({} if _variant.batch_norm else {"clip": 1.0}),
            },
            n_seen=900_000,
            native=((3, 224, 224), 1000),
            published=_variant.published,
        ),
    )
