"""ResNet-9: its size, its stages, its scaled answer, and that it trains and opens."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hollow import hollow, n_multiply_adds, n_parameters, outputs
from torch import nn

from convoscope.errors import ModelError, RecipeError
from convoscope.graph.build import build as build_graph
from convoscope.look.rules import RULES
from convoscope.models import MODELS, build


def test_it_has_its_size() -> None:
    shape, n_classes = MODELS["resnet9"].native
    assert (shape, n_classes) == ((3, 32, 32), 10)
    model = hollow("resnet9", (3, 32, 32), 10)
    assert n_parameters(model) == 6_573_120
    assert {name: n_parameters(layer) for name, layer in model.named_children() if n_parameters(layer)} == {
        "conv1": 1_856, "conv2": 73_984, "residual1": 295_424, "conv3": 295_424, "conv4": 1_180_672,
        "residual2": 4_720_640, "fc": 5_120,
    }  # fmt: skip
    assert n_multiply_adds(model, (3, 32, 32)) == 379_261_952


@pytest.mark.parametrize(
    ("shape", "width", "sides"),
    [
        ((3, 32, 32), 64, ((32, 32), (16, 16), (8, 8), (4, 4))),
        ((1, 28, 28), 64, ((28, 28), (14, 14), (7, 7), (3, 3))),
        ((3, 8, 8), 5, ((8, 8), (4, 4), (2, 2), (1, 1))), ((2, 45, 17), 16, ((45, 17), (22, 8), (11, 4), (5, 2))),
    ],
)  # fmt: skip
def test_every_stage_has_its_size(shape: Any, width: int, sides: tuple[tuple[int, int], ...]) -> None:
    at = outputs(hollow("resnet9", shape, 3, width=width), shape)
    stages = ("conv1", "conv2", "conv3", "conv4")
    assert [at[name] for name in stages] == [(width * 2**number, *side) for number, side in enumerate(sides)]
    assert (at["residual1"], at["residual2"]) == (at["conv2"], at["conv4"])
    assert (at["pool"], at["fc"], at["scale"]) == ((8 * width, 1, 1), (3,), (3,))


def test_a_pair_is_added_to_its_input_the_largest_are_taken_and_the_answer_is_an_eighth() -> None:
    torch.manual_seed(0)
    model = build("resnet9", (1, 28, 28), 4, {"width": 4}).eval()
    seen: dict[str, Any] = {}
    for name in ("residual1", "residual1.conv2", "residual2", "pool", "fc", "scale"):
        model.get_submodule(name).register_forward_hook(lambda _, x, y, name=name: seen.update({name: (x[0], y)}))
    with torch.no_grad():
        logits = model(torch.randn(2, 1, 28, 28))
    x, y = seen["residual1"]
    assert torch.equal(y, x + seen["residual1.conv2"][1])
    assert torch.equal(seen["pool"][1].flatten(1), seen["residual2"][1].amax((2, 3)))
    assert torch.equal(logits, seen["fc"][1] / 8)


@pytest.mark.parametrize("shape", [(3, 7, 7), (1, 7, 40)])
def test_it_says_the_smallest_image(shape: Any) -> None:
    with pytest.raises(ModelError, match="halves its maps three times, which needs at least 8 x 8") as raised:
        build("resnet9", shape, 10)
    assert "--image-size 8" in raised.value.hint


def test_it_refuses_a_width_of_nothing() -> None:
    with pytest.raises(RecipeError, match="a width of 0"):
        build("resnet9", (3, 32, 32), 10, {"width": 0})


def test_it_learns_sixteen_images_by_heart() -> None:
    torch.manual_seed(0)
    model = build("resnet9", (1, 16, 16), 4, {"width": 8})
    x, labels = torch.randn(16, 1, 16, 16), torch.arange(16) % 4
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(30):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x), labels).backward()
        optimiser.step()
    assert (model(x).argmax(1) == labels).all()


def test_its_graph_opens_every_op() -> None:
    graph = build_graph(build("resnet9", (3, 16, 16), 3, {"width": 4}), torch.randn(1, 3, 16, 16), dynamic=False)
    assert {node.op for node in graph.nodes.values() if node.kind == "op"} <= set(RULES)
    assert graph.find("residual1").name == "residual1.add"
