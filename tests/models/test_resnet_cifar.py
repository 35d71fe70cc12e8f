"""The paper's five CIFAR networks: sizes, stages, skips without parameters, and that they train and open."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hollow import hollow, n_multiply_adds, n_parameters, outputs
from torch import nn

from convoscope.errors import ModelError
from convoscope.graph.build import build as build_graph
from convoscope.graph.extent import extents
from convoscope.look.rules import RULES
from convoscope.models import MODELS, build
from convoscope.models.resnet_cifar import Shortcut

N_PARAMETERS = {
    "resnet20": 269_722, "resnet32": 464_154, "resnet44": 658_586, "resnet56": 853_018, "resnet110": 1_727_962,
}  # fmt: skip
MILLIONS = {"resnet20": 0.27, "resnet32": 0.46, "resnet44": 0.66, "resnet56": 0.85, "resnet110": 1.7}


@pytest.mark.parametrize("name", N_PARAMETERS)
def test_it_has_the_size_of_the_paper(name: str) -> None:
    shape, n_classes = MODELS[name].native
    assert (shape, n_classes) == ((3, 32, 32), 10)
    model = hollow(name, (3, 32, 32), 10)
    assert n_parameters(model) == N_PARAMETERS[name]
    assert N_PARAMETERS[name] / 1e6 == pytest.approx(MILLIONS[name], abs=0.03 if name == "resnet110" else 0.0072)
    n_layers = sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in model.modules())
    assert n_layers == int(name.removeprefix("resnet"))


def test_its_work_is_known() -> None:
    # The paper gives none; 3x3 convolutions of the table's maps and a layer of 64 x 10 come to this.
    first = 32 * 32 * 16 * 27
    stages = [(1024, 16, 16, 16), (256, 16, 32, 32), (64, 32, 64, 64)]
    blocks = sum(n * 9 * (before * width + 5 * width * same) for n, before, width, same in stages)
    assert n_multiply_adds(hollow("resnet20", (3, 32, 32), 10), (3, 32, 32)) == first + blocks + 640 == 40_551_040


@pytest.mark.parametrize(
    ("shape", "sides"),
    [
        ((3, 32, 32), ((32, 32), (16, 16), (8, 8))), ((1, 28, 28), ((28, 28), (14, 14), (7, 7))),
        ((3, 4, 4), ((4, 4), (2, 2), (1, 1))), ((2, 33, 18), ((33, 18), (17, 9), (9, 5))),
    ],
)  # fmt: skip
def test_every_stage_has_its_size(shape: Any, sides: tuple[tuple[int, int], ...]) -> None:
    for name in ("resnet20", "resnet110"):
        at = outputs(hollow(name, shape, 3), shape)
        assert [at[f"layer{number}"] for number in (1, 2, 3)] == [
            (width, *side) for width, side in zip((16, 32, 64), sides, strict=True)
        ]
        assert (at["conv1"], at["avgpool"], at["fc"]) == ((16, *sides[0]), (64, 1, 1), (3,))


def test_a_skip_takes_every_second_place_and_adds_zeros() -> None:
    x = torch.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    y = Shortcut(2)(x)
    assert y.shape == (2, 5, 2, 3)
    assert torch.equal(y[:, :3], x[:, :, ::2, ::2])
    assert not y[:, 3:].any()
    assert not list(Shortcut(2).parameters())


def test_a_block_is_the_sum_of_its_branches() -> None:
    torch.manual_seed(0)
    model = build("resnet20", (1, 28, 28), 5).eval()
    for path in ("layer1.1", "layer2.0"):
        seen: dict[str, torch.Tensor] = {}
        block = model.get_submodule(path)
        hooks = [
            block.register_forward_hook(lambda _, x, y, seen=seen: seen.update(x=x[0], y=y)),
            block.get_submodule("bn2").register_forward_hook(lambda *parts, seen=seen: seen.update(residual=parts[2])),
        ]
        with torch.no_grad():
            model(torch.randn(2, 1, 28, 28))
        skip = seen["x"] if path == "layer1.1" else Shortcut(16)(seen["x"])
        assert torch.equal(seen["y"], (seen["residual"] + skip).clamp(min=0))
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize("shape", [(3, 3, 3), (1, 3, 40)])
def test_it_says_the_smallest_image(shape: Any) -> None:
    with pytest.raises(ModelError, match=r"resnet32 cannot take .* halves its maps twice.* at least 4 x 4") as raised:
        build("resnet32", shape, 10)
    assert "--image-size 4" in raised.value.hint


def test_a_step_of_training_lowers_the_loss_of_its_batch() -> None:
    torch.manual_seed(0)
    model = build("resnet20", (1, 12, 12), 4).train()
    x, labels = torch.randn(8, 1, 12, 12), torch.arange(8) % 4
    optimiser = torch.optim.SGD(model.parameters(), lr=0.02)
    losses = []
    for _ in range(3):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(x), labels)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] > losses[1] > losses[2]
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


def test_its_graph_opens_every_op_and_knows_what_each_unit_sees() -> None:
    graph = build_graph(build("resnet20", (3, 12, 12), 3), torch.randn(1, 3, 12, 12), dynamic=False)
    assert {node.op for node in graph.nodes.values() if node.kind == "op"} <= set(RULES)
    assert graph.find("layer2.0.shortcut").name == "layer2.0.shortcut.pad"
    found = extents(graph)
    # 3x3 convolutions: 1 + 2, then 6 x 2, then the first of stride 2 and five that step over two pixels.
    for name, size in (("conv1", 3), ("layer1", 15), ("layer2.0.shortcut", 15), ("layer2", 37), ("layer3", 81)):
        axes = found[graph.find(name).name].axes
        assert axes is not None
        assert axes[0].size == size
