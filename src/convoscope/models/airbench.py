"""Airbench: six convolutions behind a layer found from the data, made to learn small photographs in seconds.

Jordan: 94% on CIFAR-10 in 3.29 seconds on a single GPU, 2024 (arXiv 2404.00498, section 3); its first layer is that of
Page 2019 (How to train your ResNet 8: bag of tricks) and of tysam-code 2023 (hlb-CIFAR10).

    layer      output at 32x32                                            parameters
    whiten         24 x 31 x 31   2x2, gelu; found from the data, fixed          312
    block1         64 x 15 x 15   3x3, 2x2 max pool, norm, gelu; 3x3, norm, gelu   50,944
    block2        256 x  7 x  7   the same                                     738,304
    block3        256 x  3 x  3   the same                                   1,180,672
    pool          256 x  1 x  1   the largest of each map
    head             classes      without bias                                   2,560    1,972,792 for 10 classes

The filters of the first layer are the directions in which patches of 2x2 pixels differ, each brought to the same spread
(whitened), and the same ones negative; no step moves them. Every other convolution begins as close to the identity as
its shape allows, so that the image reaches the last layers from the first step on. Pools stand before norms and gelus,
which then work on a quarter of the numbers. Norms have biases and no scales, and follow the weights at once.

The largest of each map is taken wherever it lies, so images of any size serve, smaller ones at first (--grow).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convoscope.errors import ModelError, RecipeError
from convoscope.models.registry import MODELS, Architecture, Figure, Shape

_PATCH = 2  # pixels a side of what the first layer sees
_SMALLEST_SIDE = 2**3 + _PATCH - 1  # three halvings, each with something to halve
_SPREAD_FLOOR = 5e-4  # added to each direction's variance: one that hardly varies is not blown up (Jordan 2024)
_MOMENTUM = 0.4  # of the norms' running figures: so few steps leave no time to average over many
_FIT_IMAGES = 5000  # their patches, some millions, tell the directions as well as those of all


@dataclass(frozen=True)
class AirbenchOptions:
    """What can be chosen of Airbench."""

    width: int = field(
        default=64, metadata={"help": "channels of the first block; the second and the third have 4 times as many"}
    )


class Block(nn.Sequential):
    """Two 3x3 convolutions, the first with a pool that halves its maps, each with a norm and a gelu.

    Args:
        n_inputs: Channels that come in.
        n_outputs: Channels of both convolutions.
    """

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        super().__init__(
            OrderedDict(
                conv1=_convolution(n_inputs, n_outputs), pool=nn.MaxPool2d(2), norm1=_norm(n_outputs), gelu1=nn.GELU(),
                conv2=_convolution(n_outputs, n_outputs), norm2=_norm(n_outputs), gelu2=nn.GELU(),
            )
        )  # fmt: skip


def airbench(shape: Shape, n_classes: int, options: AirbenchOptions) -> nn.Sequential:
    """Airbench for images of `shape` (C, H, W): float32 (N, C, H, W) to logits (N, n_classes).

    Raises:
        ModelError: an image smaller than 9 pixels a side.
        RecipeError: a width below 1.
    """
    C, H, W = shape
    if min(H, W) < _SMALLEST_SIDE:
        raise ModelError(
            f"airbench cannot take images of {H} x {W} pixels: it looks at patches of {_PATCH} x {_PATCH} and halves "
            f"its maps three times, which needs at least {_SMALLEST_SIDE} x {_SMALLEST_SIDE}.",
            hint=f"Use larger images (--image-size {_SMALLEST_SIDE} or more), or --model mlp or linear.",
        )
    if options.width < 1:
        raise RecipeError(f"airbench was asked for a width of {options.width}; it is a number of channels, 1 or more.")
    width, n_filters = options.width, 2 * C * _PATCH**2
    whiten = nn.Conv2d(C, n_filters, _PATCH)
    model = nn.Sequential(
        OrderedDict(
            whiten=whiten,
            gelu=nn.GELU(),
            block1=Block(n_filters, width),
            block2=Block(width, 4 * width),
            block3=Block(4 * width, 4 * width),
            pool=nn.AdaptiveMaxPool2d(1),
            flatten=nn.Flatten(),
            head=nn.Linear(4 * width, n_classes, bias=False),
        )
    )
    whiten.requires_grad_(False)
    nn.init.zeros_(whiten.bias)  # type: ignore[arg-type]
    # Jordan draws it 4 width times as large and divides what it gives by as much: the same network and, at a rate that
    # is smaller by the square, the same steps.
    nn.init.normal_(model.get_submodule("head").weight, std=1 / (4 * width))  # type: ignore[arg-type]
    return model


@torch.no_grad()
def fit(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Finds the filters of the first layer from the patches of all batches, normalised images (n, C, H, W).

    Filter k is direction k of the patches, in the order of their variance, over the square root of that variance and a
    little; the second half are the same ones negative.

    Raises:
        ModelError: no images.
    """
    whiten = model.get_submodule("whiten")
    assert isinstance(whiten, nn.Conv2d)
    n, products = 0, torch.zeros(())
    for x, _ in batches:
        patches = F.unfold(x.cpu().double(), _PATCH).movedim(1, -1).flatten(0, 1)  # (patches, C kh kw)
        n, products = n + len(patches), products + patches.t() @ patches
    if not n:
        raise ModelError("airbench was given no training image; its first layer is found from them.")
    variances, directions = torch.linalg.eigh(products / n)
    filters = (directions / (variances + _SPREAD_FLOOR).sqrt()).t()
    whiten.weight.copy_(torch.cat((filters, -filters)).view_as(whiten.weight))


def _convolution(n_inputs: int, n_outputs: int) -> nn.Conv2d:
    """A 3x3 convolution whose first outputs are its inputs, as many as there are of both; the rest is drawn."""
    layer = nn.Conv2d(n_inputs, n_outputs, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(layer.weight[: min(n_inputs, n_outputs)])
    return layer


def _norm(n_channels: int) -> nn.BatchNorm2d:
    """A batch norm without a scale to learn."""
    norm = nn.BatchNorm2d(n_channels, momentum=_MOMENTUM)
    norm.weight.requires_grad_(False)
    return norm


MODELS.add(
    "airbench",
    Architecture(
        make=airbench,
        options=AirbenchOptions,
        summary="Six convolutions that begin near the identity, behind whitened patches: small photographs in seconds.",
        taught="What the data tell at a glance need not be learnt: the first layer is computed, the others begin open.",
        year=2024,
        paper="Jordan: 94% on CIFAR-10 in 3.29 seconds on a single GPU",
        recipe={
            "optimiser": "muon",
            "hold": True,
            "lr": 0.24,
            "momentum": 0.6,
            "rest": "nesterov",
            "rest_lr": 1180.0,
            "head_lr": 0.23,
            "schedule": "triangular",
            "warmup": 0.0,
            "label_smoothing": 0.2,
            "shift": 0.0625,
            "border": "reflect",
        },
        n_seen=400_000,
        batch_size=2000,
        native=((3, 32, 32), 10),
        published=(Figure("CIFAR-10", 0.9401, "Jordan 2024 (8 epochs with Muon, 2.59 seconds on an A100)"),),
        ours=(Figure("CIFAR-10", 0.9402, "--recipe speed, 10 epochs of growing images, six views", 3, 0.9397, 0.9408),),
        fit=fit,
        fit_images=_FIT_IMAGES,
    ),
)
