"""Airbench: its size, its stages, the layer found from the data, and that it trains and opens."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hollow import hollow, n_multiply_adds, n_parameters, outputs
from torch import Tensor, nn
from torch.nn import functional as F

from convoscope.errors import ModelError, RecipeError
from convoscope.graph.build import build as build_graph
from convoscope.look.rules import RULES
from convoscope.models import MODELS, build


def patches(x: Tensor) -> Tensor:
    """Every patch of 2 x 2 pixels: (n, C, H, W) -> (C 2 2, patches)."""
    return F.unfold(x, 2).movedim(1, 0).flatten(1)


def test_it_has_its_size() -> None:
    shape, n_classes = MODELS["airbench"].native
    assert (shape, n_classes) == ((3, 32, 32), 10)
    model = hollow("airbench", (3, 32, 32), 10)
    assert {name: n_parameters(layer) for name, layer in model.named_children() if n_parameters(layer)} == {
        "whiten": 312, "block1": 50_944, "block2": 738_304, "block3": 1_180_672, "head": 2_560,
    }  # fmt: skip
    assert n_parameters(model) == 1_972_792
    # Jordan 2024, section 3: 3.6e14 FLOPs for 9.9 epochs of 50,000, forward and backward, six a multiply-add.
    assert n_multiply_adds(model, (3, 32, 32)) == pytest.approx(3.6e14 / 9.9 / 50_000 / 6, rel=0.05)


@pytest.mark.parametrize(
    ("shape", "width", "sides"),
    [
        ((3, 32, 32), 64, ((31, 31), (15, 15), (7, 7), (3, 3))),
        ((1, 28, 28), 8, ((27, 27), (13, 13), (6, 6), (3, 3))),
        ((3, 9, 9), 5, ((8, 8), (4, 4), (2, 2), (1, 1))), ((2, 45, 17), 16, ((44, 16), (22, 8), (11, 4), (5, 2))),
    ],
)  # fmt: skip
def test_every_stage_has_its_size(shape: Any, width: int, sides: tuple[tuple[int, int], ...]) -> None:
    at = outputs(hollow("airbench", shape, 3, width=width), shape)
    widths = (8 * shape[0], width, 4 * width, 4 * width)
    stages = ("whiten", "block1", "block2", "block3")
    assert [at[name] for name in stages] == [(n, *side) for n, side in zip(widths, sides, strict=True)]
    assert (at["pool"], at["head"]) == ((4 * width, 1, 1), (3,))


def test_its_first_layer_answers_patches_with_numbers_of_equal_spread_and_no_likeness() -> None:
    torch.manual_seed(0)
    model = build("airbench", (3, 16, 16), 4, {"width": 4})
    # Neighbours alike and channels alike, as in photographs.
    x = F.avg_pool2d(torch.randn(300, 1, 18, 18), 3, 1) * 3 + 0.3 * torch.randn(300, 3, 16, 16)
    MODELS["airbench"].fit(model, [(x[:100], torch.zeros(100)), (x[100:], torch.zeros(200))])
    answers = model.whiten.weight.flatten(1) @ patches(x)  # (24, patches)
    products = answers[:12] @ answers[:12].t() / answers.shape[1]
    torch.testing.assert_close(products, torch.eye(12), atol=0.02, rtol=0)
    assert torch.equal(answers[12:], -answers[:12])
    assert not model.whiten.weight.requires_grad
    assert not model.whiten.bias.requires_grad


def test_a_direction_without_any_spread_is_not_blown_up() -> None:
    model = build("airbench", (1, 9, 9), 2, {"width": 2})
    MODELS["airbench"].fit(model, [(torch.ones(3, 1, 9, 9), torch.zeros(3))])
    assert model.whiten.weight.abs().max() < 50
    assert model(torch.randn(2, 1, 9, 9)).isfinite().all()


def test_it_says_that_it_needs_images() -> None:
    with pytest.raises(ModelError, match="no training image"):
        MODELS["airbench"].fit(build("airbench", (3, 9, 9), 2, {"width": 2}), [])


def test_convolutions_begin_as_near_the_identity_as_their_shapes_allow() -> None:
    model = build("airbench", (1, 16, 16), 4, {"width": 4})
    x = torch.randn(2, 8, 15, 15)
    assert torch.equal(model.block1.conv1(x), x[:, :4])  # fewer outputs than inputs
    y = torch.randn(2, 4, 7, 7)
    assert torch.equal(model.block2.conv1(y)[:, :4], y)  # more


def test_smaller_images_go_through_the_same_network() -> None:
    model = build("airbench", (3, 32, 32), 4, {"width": 4}).eval()
    assert model(torch.randn(2, 3, 18, 20)).shape == (2, 4)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 8, 40)])
def test_it_says_the_smallest_image(shape: Any) -> None:
    with pytest.raises(ModelError, match="which needs at least 9 x 9") as raised:
        build("airbench", shape, 10)
    assert "--image-size 9" in raised.value.hint


def test_it_refuses_a_width_of_nothing() -> None:
    with pytest.raises(RecipeError, match="a width of 0"):
        build("airbench", (3, 32, 32), 10, {"width": 0})


def test_it_learns_sixteen_images_by_heart() -> None:
    torch.manual_seed(0)
    model = build("airbench", (1, 16, 16), 4, {"width": 8})
    x, labels = torch.randn(16, 1, 16, 16), torch.arange(16) % 4
    MODELS["airbench"].fit(model, [(x, labels)])
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.01)
    for _ in range(30):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x), labels).backward()
        optimiser.step()
    assert (model(x).argmax(1) == labels).all()


def test_its_graph_opens_every_op() -> None:
    graph = build_graph(build("airbench", (3, 16, 16), 3, {"width": 4}), torch.randn(1, 3, 16, 16), dynamic=False)
    assert {node.op for node in graph.nodes.values() if node.kind == "op"} - {"getitem"} <= set(RULES)
    assert graph.find("block1.norm1").name == "block1.norm1"
