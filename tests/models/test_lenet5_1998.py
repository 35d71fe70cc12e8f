"""The paper's LeNet-5: 60,000 parameters, Table I, weighted pools, scaled tanh, codes, and its loss beside ours."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hollow import hollow, n_parameters, outputs
from torch import nn

from convoscope.errors import ModelError
from convoscope.graph.build import build as build_graph
from convoscope.graph.extent import extents
from convoscope.look.rules import RULES
from convoscope.models import MODELS, build
from convoscope.models.lenet5_1998 import Distances, PartialConvolution, ScaledTanh, Subsampling, digits, tosses

# Table I as printed: a row for each map of S2, a column for each map of C3.
TABLE = (
    "X...XXX..XXXX.XX",
    "XX...XXX..XXXX.X",
    "XXX...XXX..X.XXX",
    ".XXX..XXXX..X.XX",
    "..XXX..XXXX.XX.X",
    "...XXX..XXXX.XXX",
)


@pytest.mark.parametrize("shape", [(1, 32, 32), (1, 28, 28)])
def test_it_has_the_maps_and_the_size_of_the_paper(shape: Any) -> None:
    model = hollow("lenet5_1998", shape, 10)
    assert n_parameters(model) == 60_000
    assert {name: n_parameters(layer) for name, layer in model.named_children() if n_parameters(layer)} == {
        "c1": 156, "s2": 12, "c3": 1_516, "s4": 32, "c5": 48_120, "f6": 10_164,
    }  # fmt: skip
    at = outputs(model, shape)
    assert {name: at[name] for name in ("c1", "s2", "c3", "s4", "c5", "f6", "output")} == {
        "c1": (6, 28, 28), "s2": (6, 14, 14), "c3": (16, 10, 10), "s4": (16, 5, 5), "c5": (120, 1, 1), "f6": (84,),
        "output": (10,),
    }  # fmt: skip
    assert MODELS["lenet5_1998"].native == ((1, 32, 32), 10)


def test_each_map_of_c3_sees_the_maps_of_table_1_and_no_others() -> None:
    torch.manual_seed(0)
    c3 = PartialConvolution()
    x = torch.randn(1, 6, 5, 5)
    base = c3(x)[0, :, 0, 0]
    for seen, row in enumerate(TABLE):
        moved = x.clone()
        moved[:, seen] += 1
        changed = c3(moved)[0, :, 0, 0] != base
        assert "".join("X" if change else "." for change in changed.tolist()) == row


def test_c3_is_a_full_convolution_with_zeros_where_the_table_has_none() -> None:
    torch.manual_seed(0)
    c3 = PartialConvolution().double()
    x = torch.randn(2, 6, 9, 7, dtype=torch.float64)
    given = iter([*c3.threes.weight, *c3.fours.weight, *c3.six.weight])
    full = torch.zeros(16, 6, 5, 5, dtype=torch.float64)
    for o in range(16):
        full[o, [row[o] == "X" for row in TABLE]] = next(given)
    bias = torch.cat([layer.bias for layer in (c3.threes, c3.fours, c3.six) if layer.bias is not None])
    torch.testing.assert_close(c3(x), nn.functional.conv2d(x, full, bias))


def test_a_pool_is_a_weighted_sum() -> None:
    s2 = Subsampling(2)
    x = torch.arange(2 * 2 * 4 * 6.0).reshape(2, 2, 4, 6)
    torch.testing.assert_close(s2(x), nn.functional.avg_pool2d(x, 2))
    with torch.no_grad():
        s2.weight.copy_(torch.tensor([2.0, -1.0]))
        s2.bias.copy_(torch.tensor([0.5, 3.0]))
    y = s2(x)
    assert y[0, 0, 0, 0].item() == 2 * (0 + 1 + 6 + 7) + 0.5
    assert y[1, 1, 1, 2].item() == -(88 + 89 + 94 + 95) + 3.0


def test_the_squashing_is_the_papers() -> None:
    y = ScaledTanh()(torch.tensor([-1.0, 0.0, 1.0, 100.0]))
    assert y.tolist() == pytest.approx([-1, 0, 1, 1.7159], abs=1e-4)


def test_codes_are_ten_drawings_that_differ() -> None:
    drawn = torch.tensor(digits())
    assert drawn.shape == (10, 84)
    assert drawn.abs().eq(1).all()
    differing = (drawn[:, None] != drawn[None]).sum(-1)
    assert differing[~torch.eye(10, dtype=torch.bool)].min() >= 6
    one = drawn[1].view(12, 7)
    assert (one[1:11, 3] == 1).all()
    assert (one[0] == -1).all()


@pytest.mark.parametrize("n_classes", [2, 11, 300])
def test_other_class_counts_have_codes_of_their_own_always_the_same(n_classes: int) -> None:
    assert tosses(n_classes) == tosses(n_classes)
    assert len({tuple(code) for code in tosses(n_classes)}) == n_classes
    model = build("lenet5_1998", (3, 20, 18), n_classes)
    assert model(torch.zeros(2, 3, 20, 18)).shape == (2, n_classes)
    assert model.state_dict()["output.codes"].tolist() == tosses(n_classes)
    assert n_parameters(model) == 60_000 + 2 * 150  # two more channels


def test_answers_are_distances_and_cross_entropy_is_the_papers_loss_without_its_constant() -> None:
    torch.manual_seed(0)
    output = Distances(10)
    x = torch.randn(3, 84)
    logits = output(x)
    expected = [[-sum((a - b) ** 2 for a, b in zip(row, code, strict=True)) for code in digits()] for row in x.tolist()]
    torch.testing.assert_close(logits, torch.tensor(expected))
    near = x * 0.1 + output.codes[[7, 1, 4]]
    logits, labels = output(near), torch.tensor([7, 1, 3])
    distances = -logits.double()
    losses = [
        row[label] + math.log(math.exp(-800) + sum(math.exp(-each) for each in row))
        for row, label in zip(distances.tolist(), labels.tolist(), strict=True)
    ]
    ours = nn.functional.cross_entropy(logits.double(), labels, reduction="none")
    assert ours.tolist() == pytest.approx(losses, abs=1e-9)


def test_it_starts_as_the_paper_says() -> None:
    torch.manual_seed(0)
    model = build("lenet5_1998", (1, 32, 32), 10)
    fans = {"c1": 25, "c3.threes": 75, "c3.fours": 100, "c3.six": 150, "c5": 400, "f6": 120}
    for name, fan in fans.items():
        weight = model.get_parameter(f"{name}.weight")
        assert 0.9 * 2.4 / fan < weight.abs().max().item() <= 2.4 / fan
        assert not model.get_parameter(f"{name}.bias").any()


@pytest.mark.parametrize(
    ("shape", "around"), [((1, 28, 28), (2, 2, 2, 2)), ((1, 31, 5), (13, 14, 0, 1)), ((3, 1, 32), (0, 0, 15, 16))]
)
def test_smaller_images_have_zeros_around(shape: Any, around: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    model = build("lenet5_1998", shape, 10)
    torch.manual_seed(0)
    whole = build("lenet5_1998", (shape[0], 32, 32), 10)
    x = torch.randn(2, *shape)
    torch.testing.assert_close(model(x), whole(nn.functional.pad(x, around)))
    assert "pad" not in dict(whole.named_children())


@pytest.mark.parametrize("shape", [(1, 33, 33), (3, 20, 40)])
def test_it_says_the_largest_image(shape: Any) -> None:
    with pytest.raises(ModelError, match=f"{shape[1]} x {shape[2]} pixels: .*reads 32 x 32") as raised:
        build("lenet5_1998", shape, 10)
    assert "--image-size 32" in raised.value.hint


def test_its_graph_opens_every_op_and_a_unit_of_c5_sees_all() -> None:
    graph = build_graph(build("lenet5_1998", (1, 32, 32), 10), torch.zeros(1, 1, 32, 32), dynamic=False)
    assert {node.op for node in graph.nodes.values() if node.kind == "op"} <= set(RULES)
    found = extents(graph)
    for name, size in (("c1", 5), ("s2", 6), ("c3", 14), ("s4", 16), ("c5", 32)):
        axes = found[graph.find(name).name].axes
        assert axes is not None
        assert [axis.size for axis in axes] == [size, size]
