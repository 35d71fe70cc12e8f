"""Both AlexNets: the paper's sizes, groups, response norm and first weights; small images; what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hollow import hollow, n_multiply_adds, n_parameters, outputs
from torch import nn

from convoscope.errors import ModelError, RecipeError
from convoscope.graph.build import build as build_graph
from convoscope.graph.extent import extents
from convoscope.graph.field import field
from convoscope.look.rules import RULES
from convoscope.models import MODELS, build
from convoscope.models.alexnet_2012 import ResponseNorm


def test_the_papers_network_has_the_papers_size() -> None:
    shape, n_classes = MODELS["alexnet_2012"].native
    assert (shape, n_classes) == ((3, 227, 227), 1000)
    model = hollow("alexnet_2012", (3, 227, 227), 1000)
    assert n_parameters(model) == 60_965_224
    assert {name: n_parameters(layer) for name, layer in model.named_children() if n_parameters(layer)} == {
        "conv1": 34_944, "conv2": 307_456, "conv3": 885_120, "conv4": 663_936, "conv5": 442_624, "fc6": 37_752_832,
        "fc7": 16_781_312, "fc8": 4_097_000,
    }  # fmt: skip
    assert n_multiply_adds(model, (3, 227, 227)) == 724_406_816
    at = outputs(model, (3, 227, 227))
    assert {name: at[name] for name in at if name[:4] in ("conv", "norm", "pool") or name[:2] == "fc"} == {
        "conv1": (96, 55, 55), "norm1": (96, 55, 55), "pool1": (96, 27, 27), "conv2": (256, 27, 27),
        "norm2": (256, 27, 27), "pool2": (256, 13, 13), "conv3": (384, 13, 13), "conv4": (384, 13, 13),
        "conv5": (256, 13, 13), "pool5": (256, 6, 6), "fc6": (4096,), "fc7": (4096,), "fc8": (1000,),
    }  # fmt: skip


def test_conv2_conv4_and_conv5_do_not_see_the_other_half() -> None:
    layers = dict(hollow("alexnet_2012", (3, 67, 67), 2).named_children())
    groups = {name: layer.groups for name, layer in layers.items() if isinstance(layer, nn.Conv2d)}
    assert groups == {"conv1": 1, "conv2": 2, "conv3": 1, "conv4": 2, "conv5": 2}
    assert [name for name in layers if name[:4] in ("relu", "norm", "pool")][:3] == ["relu1", "norm1", "pool1"]


def test_the_response_norm_is_the_papers_and_not_torchs() -> None:
    x = torch.randn(2, 7, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 20
    expected = torch.empty_like(x)
    for i in range(7):
        around = x[:, max(0, i - 2) : i + 3].square().sum(1)
        expected[:, i] = x[:, i] / (2 + 1e-4 * around) ** 0.75
    torch.testing.assert_close(ResponseNorm()(x), expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)(x), expected, rtol=1e-12, atol=0)
    assert (nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)(x) - expected).abs().max() > 0.01


def test_it_starts_as_the_paper_says() -> None:
    torch.manual_seed(0)
    for name, layer in build("alexnet_2012", (3, 67, 67), 5).named_children():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            assert layer.weight.std().item() == pytest.approx(0.01, rel=0.03)
            assert layer.bias is not None
            assert (layer.bias == (1 if name in ("conv2", "conv4", "conv5", "fc6", "fc7") else 0)).all()


@pytest.mark.parametrize(
    ("shape", "last_maps"), [((3, 67, 67), (256, 1, 1)), ((1, 224, 231), (256, 5, 6)), ((3, 99, 70), (256, 2, 1))]
)
def test_the_papers_network_takes_other_images(shape: Any, last_maps: tuple[int, int, int]) -> None:
    at = outputs(hollow("alexnet_2012", shape, 3), shape)
    assert (at["pool5"], at["fc8"]) == (last_maps, (3,))


@pytest.mark.parametrize(
    ("name", "shape", "options", "said", "advice"),
    [
        ("alexnet_2012", (3, 66, 300), {}, "66 x 300 pixels.* at least 67 x 67.* 227 x 227", "--model alexnet"),
        ("alexnet", (3, 40, 7), {}, "side of 7 pixels: with the cifar stem it halves its maps 3 times", "size 8"),
        ("alexnet", (1, 62, 62), {"stem": "imagenet"}, "imagenet stem .* at least 63 x 63", "--stem cifar"),
    ],
)
def test_it_says_the_smallest_image(name: str, shape: Any, options: Any, said: str, advice: str) -> None:
    with pytest.raises(ModelError, match=said) as raised:
        build(name, shape, 10, options)
    assert advice in raised.value.hint


@pytest.mark.parametrize(("name", "shape"), [("alexnet_2012", (3, 67, 67)), ("alexnet", (3, 32, 32))])
@pytest.mark.parametrize("options", [{"dropout": 1.0}, {"dropout": -0.1}, {"stem": "small"}])
def test_it_refuses_options_that_there_are_not(name: str, shape: Any, options: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=f"{next(iter(options))}"):
        build(name, shape, 10, options)


@pytest.mark.parametrize(
    ("shape", "stem", "maps", "n_hidden"),
    [
        ((3, 224, 224), "auto", [(64, 55, 55), (64, 27, 27), (192, 13, 13), (256, 6, 6), (256, 6, 6)], 4096),
        ((3, 63, 63), "imagenet", [(64, 15, 15), (64, 7, 7), (192, 3, 3), (256, 1, 1), (256, 6, 6)], 4096),
        ((3, 32, 32), "auto", [(64, 32, 32), (64, 16, 16), (192, 8, 8), (256, 4, 4), (256, 4, 4)], 1024),
        ((1, 28, 28), "auto", [(64, 28, 28), (64, 14, 14), (192, 7, 7), (256, 4, 4), (256, 4, 4)], 1024),
        ((3, 8, 90), "auto", [(64, 8, 90), (64, 4, 45), (192, 2, 23), (256, 1, 12), (256, 4, 4)], 1024),
    ],
)
def test_every_stage_of_torchvisions_has_its_size(shape: Any, stem: str, maps: list[Any], n_hidden: int) -> None:
    model = hollow("alexnet", shape, 7, stem=stem)
    at = outputs(model, shape)
    assert [at[f"features.{place}"] for place in (0, 2, 5, 12)] + [at["avgpool"]] == maps
    assert [at[f"classifier.{place}"] for place in (1, 4, 6)] == [(n_hidden,), (n_hidden,), (7,)]


def test_the_stem_for_small_images_is_as_large_as_its_module_says() -> None:
    assert n_parameters(hollow("alexnet", (3, 32, 32), 10)) == 7_706_442


@pytest.mark.parametrize(
    ("name", "shape", "lr"), [("alexnet", (1, 16, 16), 0.05), ("alexnet_2012", (1, 67, 67), 0.001)]
)
def test_a_step_of_training_lowers_the_loss_of_its_batch(name: str, shape: Any, lr: float) -> None:
    torch.manual_seed(0)
    model = build(name, shape, 4, {"dropout": 0.0}).train()
    x, labels = torch.randn(8, *shape), torch.arange(8) % 4
    optimiser = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(3):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(x), labels)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] > losses[1] > losses[2]
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


def test_a_unit_of_the_papers_last_pool_sees_195_pixels_and_every_op_has_a_rule() -> None:
    graph = build_graph(build("alexnet_2012", (1, 67, 67), 3), torch.zeros(1, 1, 67, 67), dynamic=False)
    assert {node.op for node in graph.nodes.values() if node.kind == "op"} <= set(RULES)
    sizes = {"conv1": 11, "norm1": 11, "pool1": 19, "conv2": 51, "pool2": 67, "conv3": 99, "conv4": 131, "conv5": 163,
             "pool5": 195}  # fmt: skip
    found = extents(graph)
    for name, size in sizes.items():
        axes = found[graph.find(name).name].axes
        assert axes is not None
        assert [axis.size for axis in axes] == [size, size]
    seen = field(graph, "norm1", (0, 40, 7, 7))
    assert seen.exact
    assert seen.pixels == ((28, 38), (28, 38))
