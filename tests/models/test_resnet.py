"""The five ResNets: torchvision's names and shapes, the paper's sizes, both stems, and that they train and open."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from convoscope.errors import ModelError, RecipeError
from convoscope.graph.build import build as build_graph
from convoscope.look.rules import RULES
from convoscope.models import MODELS, build, layer_table, undrawn

DEPTHS = {
    "resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3),
    "resnet152": (3, 8, 36, 3),
}  # fmt: skip
N_PARAMETERS = {
    "resnet18": 11_689_512, "resnet34": 21_797_672, "resnet50": 25_557_032, "resnet101": 44_549_160,
    "resnet152": 60_192_808,
}  # fmt: skip
DEEP = ("resnet50", "resnet101", "resnet152")


def unfilled(name: str, shape: tuple[int, int, int], n_classes: int, **options: object) -> nn.Module:
    """A network of shapes without numbers: building and running it costs next to nothing."""
    with torch.device("meta"), undrawn():
        return build(name, shape, n_classes, options)


def norm(name: str, channels: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (channels,)
    yield f"{name}.num_batches_tracked", ()


def expected(name: str, n_classes: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The state dict of the paper's table in torchvision's names, written down anew and in order."""
    yield "conv1.weight", (64, 3, 7, 7)
    yield from norm("bn1", 64)
    wide = 4 if name in DEEP else 1
    n_inputs = 64
    for stage, depth in enumerate(DEPTHS[name]):
        width = 64 * 2**stage
        for block in range(depth):
            path = f"layer{stage + 1}.{block}"
            kernels = [(width, 1), (width, 3), (4 * width, 1)] if name in DEEP else [(width, 3), (width, 3)]
            inputs = n_inputs
            for number, (outputs, side) in enumerate(kernels, start=1):
                yield f"{path}.conv{number}.weight", (outputs, inputs, side, side)
                yield from norm(f"{path}.bn{number}", outputs)
                inputs = outputs
            if n_inputs != wide * width:
                yield f"{path}.downsample.0.weight", (wide * width, n_inputs, 1, 1)
                yield from norm(f"{path}.downsample.1", wide * width)
            n_inputs = wide * width
    yield "fc.weight", (n_classes, n_inputs)
    yield "fc.bias", (n_classes,)


@pytest.mark.parametrize("name", DEPTHS)
def test_the_state_dict_is_torchvisions_and_the_size_the_papers(name: str) -> None:
    model = unfilled(name, (3, 224, 224), 1000)
    assert [(key, tuple(value.shape)) for key, value in model.state_dict().items()] == list(expected(name, 1000))
    assert sum(parameter.numel() for parameter in model.parameters()) == N_PARAMETERS[name]


@pytest.mark.parametrize("name", DEPTHS)
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
    rows = layer_table(unfilled(name, shape, 7, stem=stem), shape)
    last = {row.name.split(".")[0]: row.output for row in rows}
    wide = 4 if name in DEEP else 1
    channels = (64, 64, *(wide * 64 * 2**stage for stage in range(4)))
    layers = ("conv1", "maxpool", "layer1", "layer2", "layer3", "layer4")
    for layer, C, at in zip(layers, channels, sides, strict=True):
        assert last.get(layer) == (None if at is None else (C, at, at))
    assert (last["avgpool"], last["fc"]) == ((512 * wide, 1, 1), (7,))


def test_the_stride_of_a_bottleneck_is_in_its_3x3_convolution() -> None:
    model = unfilled("resnet50", (3, 224, 224), 10)
    for stage in (2, 3, 4):
        convolutions = [model.get_submodule(f"layer{stage}.0.conv{number}") for number in (1, 2, 3)]
        strides = [layer.stride for layer in convolutions if isinstance(layer, nn.Conv2d)]
        assert strides == [(1, 1), (2, 2), (1, 1)]


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


@pytest.mark.parametrize("name", [*MODELS])
def test_undrawn_draws_nothing_and_changes_nothing_else(name: str) -> None:
    before = torch.get_rng_state()
    with undrawn():
        hollow = build(name, (3, 16, 16), 4)
    assert torch.equal(torch.get_rng_state(), before)
    shapes = {key: (value.shape, value.dtype) for key, value in unfilled(name, (3, 16, 16), 4).state_dict().items()}
    assert {key: (value.shape, value.dtype) for key, value in hollow.state_dict().items()} == shapes


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
