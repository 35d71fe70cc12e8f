"""The five ResNets: torchvision's names and shapes, the paper's sizes, both stems, and that they train and open."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hollow import hollow, outputs
from torch import nn

from convoscope.errors import ModelError, RecipeError
from convoscope.graph.build import build as build_graph
from convoscope.look.rules import RULES
from convoscope.models import build, undrawn
from small import cases, made

DEEP = ("resnet50", "resnet50_v1", "resnet101", "resnet152")
NAMES = ("resnet18", "resnet34", *DEEP)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("side", "stem", "sides"),
    [
        (224, "auto", (112, 56, 56, 28, 14, 7)), (32, "auto", (32, None, 32, 16, 8, 4)),
        (63, "auto", (63, None, 63, 32, 16, 8)), (64, "auto", (32, 16, 16, 8, 4, 2)),
        (32, "imagenet", (16, 8, 8, 4, 2, 1)), (96, "cifar", (96, None, 96, 48, 24, 12)),
    ],
)  # fmt: skip
def test_every_stage_has_its_size(name: str, side: int, stem: str, sides: tuple[int | None, ...]) -> None:
    shape = (3, side, side)
    last = outputs(hollow(name, shape, 7, stem=stem), shape)
    wide = 4 if name in DEEP else 1
    channels = (64, 64, *(wide * 64 * 2**stage for stage in range(4)))
    layers = ("conv1", "maxpool", "layer1", "layer2", "layer3", "layer4")
    for layer, C, at in zip(layers, channels, sides, strict=True):
        assert last.get(layer) == (None if at is None else (C, at, at))
    assert (last["avgpool"], last["fc"]) == ((512 * wide, 1, 1), (7,))


@pytest.mark.parametrize(("name", "expected"), [("resnet50", [1, 2, 1]), ("resnet50_v1", [2, 1, 1])])
def test_the_stride_of_a_bottleneck_is_in_its_3x3_convolution_and_in_the_first_1x1_of_the_papers(
    name: str, expected: list[int]
) -> None:
    model = hollow(name, (3, 224, 224), 10)
    for stage in (2, 3, 4):
        convolutions = [model.get_submodule(f"layer{stage}.0.conv{number}") for number in (1, 2, 3)]
        strides = [layer.stride for layer in convolutions if isinstance(layer, nn.Conv2d)]
        assert strides == [(stride, stride) for stride in expected]


@pytest.mark.parametrize(
    ("name", "shape"), [("resnet18", (1, 28, 28)), ("resnet18", (3, 8, 41)), ("resnet50", (1, 64, 70))]
)
def test_it_takes_other_images_and_is_the_sum_of_its_branches(name: str, shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    model = build(name, shape, 5).eval()
    seen: dict[str, torch.Tensor] = {}
    block = model.get_submodule("layer2.1")
    block.register_forward_hook(lambda _, x, y: seen.update(x=x[0], y=y))
    last = max(key for key, _ in block.named_children() if key.startswith("bn"))
    block.get_submodule(last).register_forward_hook(lambda *parts: seen.update(residual=parts[2]))
    with torch.no_grad():
        logits = model(torch.randn(2, *shape))
    assert logits.shape == (2, 5)
    assert logits.isfinite().all()
    torch.testing.assert_close(seen["y"], (seen["residual"] + seen["x"]).clamp(min=0), rtol=0, atol=0)


def test_a_step_of_training_lowers_the_loss_of_its_batch() -> None:
    torch.manual_seed(0)
    model = build("resnet18", (1, 16, 16), 4).train()
    x, labels = torch.randn(8, 1, 16, 16), torch.arange(8) % 4
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
    losses = []
    for _ in range(3):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(x), labels)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] > losses[1] > losses[2]
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


def test_weights_start_as_the_module_says() -> None:
    torch.manual_seed(0)
    model = build("resnet18", (3, 32, 32), 10)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            fan_out = layer.out_channels * math.prod(layer.kernel_size)
            assert layer.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.1)
        elif isinstance(layer, nn.BatchNorm2d):
            assert (layer.weight == 1).all()
            assert not layer.bias.any()


@pytest.mark.parametrize(
    ("shape", "options", "said", "advice"),
    [
        ((3, 7, 40), {}, r"side of 7 pixels.* cifar stem .* 3 times.* at least 8 x 8", "--image-size 8"),
        ((1, 31, 31), {"stem": "imagenet"}, r"imagenet stem .* 5 times.* at least 32 x 32", "--stem cifar"),
        ((1, 5, 5), {"stem": "imagenet"}, "at least 32 x 32", "--image-size 32 or more), or --model mlp"),
    ],
)
def test_it_says_the_smallest_image(shape: Any, options: dict[str, object], said: str, advice: str) -> None:
    with pytest.raises(ModelError, match=said) as raised:
        build("resnet34", shape, 10, options)
    assert advice in raised.value.hint


def test_a_stem_that_there_is_not() -> None:
    with pytest.raises(RecipeError, match="stem of resnet18 was given 'small'; it is one of auto, imagenet, cifar"):
        build("resnet18", (3, 32, 32), 10, {"stem": "small"})


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_its_graph_reads_like_the_paper_and_every_op_has_a_rule(name: str) -> None:
    torch.manual_seed(0)
    # Small and without a loss, since an export takes its time; tests/look opens the numbers of all five.
    graph = build_graph(build(name, (3, 16, 16), 3), torch.randn(2, 3, 16, 16), dynamic=False)
    ops = [node for node in graph.nodes.values() if node.kind == "op"]
    assert {node.op for node in ops} <= set(RULES)
    block = [node.name.removeprefix("layer2.0.") for node in ops if node.name.startswith("layer2.0.")]
    inside = [f"{kind}{number}" for number in range(1, 4) for kind in ("conv", "bn", "relu")]
    kept = inside[:-1] if name == "resnet50" else inside[:5]
    assert block == [*kept, "downsample.0", "downsample.1", "add", f"relu{3 if name == 'resnet50' else 2}"]
    assert set(graph.nodes["layer2.0.add"].inputs) == {f"layer2.0.{kept[-1]}", "layer2.0.downsample.1"}
    assert set(graph.nodes["layer2.1.add"].inputs) == {f"layer2.1.{kept[-1]}", f"layer2.0.{block[-1]}"}


@pytest.mark.parametrize(("name", "kind"), cases())
def test_undrawn_draws_nothing_and_changes_nothing_else(name: str, kind: str) -> None:
    before = torch.get_rng_state()
    with undrawn():
        unfilled = made(name, kind)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.device("meta"), undrawn():
        shapes = {key: (value.shape, value.dtype) for key, value in made(name, kind).state_dict().items()}
    assert {key: (value.shape, value.dtype) for key, value in unfilled.state_dict().items()} == shapes


def test_a_network_built_undrawn_and_filled_is_the_same() -> None:
    torch.manual_seed(0)
    drawn = build("resnet18", (1, 16, 16), 4).eval()
    with undrawn():
        filled = build("resnet18", (1, 16, 16), 4).eval()
    filled.load_state_dict(drawn.state_dict())
    x = torch.randn(2, 1, 16, 16)
    assert torch.equal(filled(x), drawn(x))
    torch.manual_seed(0)
    assert torch.equal(build("resnet18", (1, 16, 16), 4).eval()(x), drawn(x))  # and drawing goes on as before
