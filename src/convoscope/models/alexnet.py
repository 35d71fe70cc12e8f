"""AlexNet as torchvision has it: one column of maps without groups and without response norms.

Krizhevsky: One weird trick for parallelizing convolutional neural networks, arXiv 1404.5997, 2014. The names and
shapes of the state dict are torchvision's.

    layer           output at 224x224                                            parameters
    features.0          64 x 55 x 55    11x11, stride 4, padding 2, then relu        23,296
    features.2          64 x 27 x 27    max pool 3x3, stride 2
    features.3         192 x 27 x 27    5x5, then relu                              307,392
    features.5         192 x 13 x 13    max pool 3x3, stride 2
    features.6         384 x 13 x 13    3x3, then relu                              663,936
    features.8         256 x 13 x 13    3x3, then relu                              884,992
    features.10        256 x 13 x 13    3x3, then relu                              590,080
    features.12        256 x  6 x  6    max pool 3x3, stride 2
    avgpool            256 x  6 x  6    means of other maps than 6 x 6
    classifier.1               4,096    after dropout 0.5, then relu             37,752,832
    classifier.4               4,096    after dropout 0.5, then relu             16,781,312
    classifier.6               1,000                                              4,097,000    61,100,840 in all

The stem for small images ("cifar") has a first convolution of 5x5 and stride 1, and pools that see one pixel past the
edge: 32 pixels become 16, 8 and 4 (28 become 14, 7 and 4), the average pool gives 4 x 4, and the hidden fully
connected layers have 1,024 units: 7,706,442 parameters for 3x32x32 and 10 classes.

Weights start as torch's layers do, as in torchvision.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from torch import nn

from convoscope.errors import RecipeError
from convoscope.models.registry import MODELS, Architecture, Figure, Shape
from convoscope.models.stem import Stem, choose_stem, stem_option

_STEMS = {
    "imagenet": Stem("11x11, stride 4", 63, "begins with a stride of 4 and pools three times"),
    "cifar": Stem("5x5, stride 1", 8, "halves its maps 3 times"),
}


@dataclass(frozen=True)
class AlexNetOptions:
    """What can be chosen of torchvision's AlexNet."""

    stem: str = stem_option(_STEMS)
    dropout: float = field(
        default=0.5,
        metadata={"help": "share of the inputs of the two hidden layers set to 0 while training, 0 to below 1"},
    )


def alexnet(shape: Shape, n_classes: int, options: AlexNetOptions) -> nn.Sequential:
    """AlexNet for images of `shape` (C, H, W): float32 (N, C, H, W) to logits (N, n_classes).

    Raises:
        ModelError: an image smaller than 8 pixels a side, or than 63 with the stem "imagenet".
        RecipeError: a stem that there is not, or a dropout share outside 0 to 1.
    """
    small = choose_stem("alexnet", options.stem, shape, _STEMS) == "cifar"
    if not 0 <= options.dropout < 1:
        raise RecipeError(f"alexnet was asked for dropout {options.dropout}; it is a share from 0 to below 1.")
    side, n_hidden = (4, 1024) if small else (6, 4096)
    return nn.Sequential(
        OrderedDict(
            features=_features(shape[0], small=small),
            avgpool=nn.AdaptiveAvgPool2d(side),
            flatten=nn.Flatten(),
            classifier=nn.Sequential(
                nn.Dropout(options.dropout),
                nn.Linear(256 * side * side, n_hidden),
                nn.ReLU(),
                nn.Dropout(options.dropout),
                nn.Linear(n_hidden, n_hidden),
                nn.ReLU(),
                nn.Linear(n_hidden, n_classes),
            ),
        )
    )


def _features(C: int, *, small: bool) -> nn.Sequential:
    """The convolutions and their pools: (N, C, H, W) to (N, 256, height, width)."""
    padding = 1 if small else 0
    first = nn.Conv2d(C, 64, 5, padding=2) if small else nn.Conv2d(C, 64, 11, stride=4, padding=2)
    return nn.Sequential(
        first,
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=padding),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=padding),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=padding),
    )


MODELS.add(
    "alexnet",
    Architecture(
        make=alexnet,
        options=AlexNetOptions,
        summary="Five convolutions and three fully connected layers, the one-column AlexNet that torchvision has.",
        taught="Neither the two columns nor the response norms were what made AlexNet work.",
        year=2014,
        paper="Krizhevsky: One weird trick for parallelizing convolutional neural networks",
        recipe={
            "optimiser": "nesterov",
            "lr": 0.02,
            "momentum": 0.9,
            "weight_decay": 0.0005,
            "schedule": "triangular",
            "warmup": 0.15,
            "clip": 1.0,
        },
        n_seen=900_000,
        native=((3, 224, 224), 1000),
        published=(Figure("ImageNet, one crop", 0.56522, "torchvision, weights IMAGENET1K_V1"),),
    ),
)
