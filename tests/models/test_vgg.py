"""The eight VGGs: the paper's stages, the stem for small images, first weights, and the smallest image."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from hollow import hollow, n_parameters, outputs, shapes_of
from torch import nn

from convoscope.errors import ModelError, RecipeError
from convoscope.models import build

DEPTHS = {
    "vgg11": (1, 1, 2, 2, 2), "vgg13": (2, 2, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4),
}  # fmt: skip
NAMES = tuple(f"{name}{norm}" for name in DEPTHS for norm in ("", "_bn"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("shape", "stem", "sides", "averaged", "n_hidden"),
    [
        ((3, 224, 224), "auto", (112, 56, 28, 14, 7), 7, 4096), ((1, 32, 32), "imagenet", (16, 8, 4, 2, 1), 7, 4096),
        ((3, 64, 64), "auto", (32, 16, 8, 4, 2), 7, 4096), ((3, 32, 32), "auto", (16, 8, 4, 2, 1), 1, 512),
        ((1, 28, 28), "auto", (14, 7, 4, 2, 1), 1, 512), ((3, 16, 16), "cifar", (8, 4, 2, 1, 1), 1, 512),
        ((3, 96, 96), "cifar", (48, 24, 12, 6, 3), 1, 512),
    ],
)  # fmt: skip
def test_every_stage_has_its_convolutions_and_its_size(
    name: str, shape: Any, stem: str, sides: tuple[int, ...], averaged: int, n_hidden: int
) -> None:
    model = hollow(name, shape, 7, stem=stem)
    at = outputs(model, shape)
    features = dict(model.get_submodule("features").named_children())
    pools = [place for place, layer in features.items() if isinstance(layer, nn.MaxPool2d)]
    widths = (64, 128, 256, 512, 512)
    assert [at[f"features.{place}"] for place in pools] == [(*one, one[1]) for one in zip(widths, sides, strict=True)]
    ends = [-1, *map(int, pools)]
    found = [
        sum(isinstance(features[str(place)], nn.Conv2d) for place in range(first + 1, last))
        for first, last in pairwise(ends)
    ]
    assert tuple(found) == DEPTHS[name.removesuffix("_bn")]
    assert at["avgpool"] == (512, averaged, averaged)
    assert [at[f"classifier.{place}"] for place in (0, 3, 6)] == [(n_hidden,), (n_hidden,), (7,)]


def test_the_stem_for_small_images_has_the_same_convolutions() -> None:
    small, large = (dict(shapes_of(hollow("vgg16_bn", (3, side, side), 10))) for side in (32, 224))
    assert list(small) == list(large)
    assert {name for name in small if small[name] != large[name]} == {
        "classifier.0.weight", "classifier.0.bias", "classifier.3.weight", "classifier.3.bias", "classifier.6.weight",
    }  # fmt: skip
    assert n_parameters(hollow("vgg16", (3, 32, 32), 10)) == 15_245_130


def test_weights_start_as_the_module_says() -> None:
    torch.manual_seed(0)
    for layer in build("vgg11_bn", (3, 32, 32), 10).modules():
        if isinstance(layer, nn.Conv2d):
            fan_out = layer.out_channels * math.prod(layer.kernel_size)
            assert layer.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.05)
        elif isinstance(layer, nn.Linear):
            assert layer.weight.std().item() == pytest.approx(0.01, rel=0.05)
        if isinstance(layer, nn.Conv2d | nn.Linear):
            assert layer.bias is not None
            assert not layer.bias.any()


@pytest.mark.parametrize(
    ("shape", "options", "said", "advice"),
    [
        ((3, 15, 40), {}, "vgg16 cannot take images with a side of 15 pixels.* at least 16 x 16", "--image-size 16"),
        ((3, 224, 31), {"stem": "imagenet"}, "imagenet stem it halves its maps 5 times.* 32 x 32", "--stem cifar"),
        ((1, 8, 8), {"stem": "imagenet"}, "at least 32 x 32", "--image-size 32 or more), or --model mlp"),
    ],
)
def test_it_says_the_smallest_image(shape: Any, options: dict[str, object], said: str, advice: str) -> None:
    with pytest.raises(ModelError, match=said) as raised:
        build("vgg16", shape, 10, options)
    assert advice in raised.value.hint


@pytest.mark.parametrize("options", [{"dropout": 1.0}, {"dropout": -0.1}, {"stem": "small"}])
def test_it_refuses_options_that_there_are_not(options: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=next(iter(options))):
        build("vgg11", (3, 32, 32), 10, options)


@pytest.mark.parametrize("name", ["vgg11", "vgg11_bn"])
def test_a_step_of_training_lowers_the_loss_of_its_batch(name: str) -> None:
    torch.manual_seed(0)
    model = build(name, (1, 16, 16), 4, {"dropout": 0.0}).train()
    x, labels = torch.randn(8, 1, 16, 16), torch.arange(8) % 4
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    for _ in range(4):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(x), labels)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] > losses[1] > losses[2] > losses[3]
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())
