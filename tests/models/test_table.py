"""The table of layers: counted by hand, and against the graph's own counts and fields."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from convoscope.graph.build import build as export
from convoscope.graph.extent import extents
from convoscope.models import build, layer_table, undrawn
from convoscope.models.table import LayerRow
from convoscope.shape import Trees, Words


def rows_of(model: nn.Module, *shape: int) -> dict[str, LayerRow]:
    C, H, W = shape
    return {row.name: row for row in layer_table(model, (C, H, W))}


def test_lenet_by_hand() -> None:
    rows = rows_of(build("lenet5", (1, 28, 28), 10), 1, 28, 28)
    assert rows["conv1"].input == (1, 28, 28)
    assert rows["conv1"].output == (6, 28, 28)
    assert rows["conv1"].n_parameters == 6 * 25 + 6
    assert rows["conv1"].multiply_adds == 6 * 28 * 28 * 25
    assert rows["conv2"].flops == 2 * rows["conv2"].multiply_adds == 2 * 16 * 10 * 10 * 6 * 25
    assert [rows[name].field for name in ("conv1", "pool1", "conv2", "pool2", "flatten", "fc1")] == [
        (5, 5), (6, 6), (14, 14), (16, 16), None, "all",
    ]  # fmt: skip
    assert rows["conv2"].arithmetic == "floor((14 - 5 + 2*0)/1) + 1 = 10"
    assert rows["act1"].flops == rows["act1"].n_parameters == 0


@pytest.mark.parametrize(
    ("name", "shape"),
    [("lenet5", (1, 28, 28)), ("resnet18", (3, 32, 32)), ("resnet20", (3, 32, 32)), ("vgg11_bn", (3, 32, 32))],
)
def test_as_the_graph_has_it(name: str, shape: tuple[int, int, int]) -> None:
    model = build(name, shape, 10).eval()
    graph = export(model, torch.zeros(1, *shape))
    seen = {graph.nodes[node].module: extent for node, extent in extents(graph).items()}
    compared = 0
    for row in layer_table(model, shape):
        extent = seen.get(row.name)
        if extent is not None and extent.axes is not None:
            assert row.field == tuple(axis.size for axis in extent.axes), row.name
            compared += 1
    assert compared >= 5
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, *shape))
    assert sum(row.flops for row in layer_table(model, shape)) == counter.get_total_flops()


class Odd(nn.Module):
    """What a stranger's network may do: its own parameter, a function, a layer used twice, tied weights, a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3, 1, 1))
        self.conv = nn.Conv2d(3, 3, 3, stride=2, padding=1, dilation=1)
        self.twice = nn.Conv2d(3, 3, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.pair = Pair()
        self.one, self.other = nn.Linear(3, 5), nn.Linear(3, 5, bias=False)
        self.other.weight = self.one.weight
        self.one.requires_grad_(requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv(x * self.scale))
        x = self.twice(self.twice(x))
        x, _ = self.pair(F.max_pool2d(x, 3, 2))
        x = F.conv2d(x, self.twice.weight)
        x = x.mean((2, 3))
        if float(x.sum()) > 1e9:  # what a value decides
            return self.one(x)
        logits: Tensor = self.one(x) + self.other(x)
        return logits


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


def test_a_network_of_any_kind() -> None:
    model = Odd()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, 33, 33))
    rows = rows_of(model, 3, 33, 33)
    assert sum(row.flops for row in rows.values()) == counter.get_total_flops()
    assert sum(row.n_parameters for row in rows.values()) == sum(p.numel() for p in model.parameters())
    assert rows[""].n_parameters == 3  # the network's own
    assert rows[""].flops == 2 * 3 * 3 * 9 * 6 * 6
    assert rows["twice"].n_calls == 2
    assert rows["twice"].field == (11, 11)  # 3, then twice 4 more
    assert rows["pair"].field == (15, 15)
    assert rows["one"].n_parameters == 20
    assert rows["one"].n_trainable == rows["other"].n_parameters == 0
    assert rows["one"].field == "all"
    assert model.training
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in model.modules())


def test_sides_that_differ_and_dilation() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, (3, 5), dilation=(2, 1)), nn.AvgPool2d((1, 3), stride=(1, 2)))
    rows = rows_of(model, 1, 9, 20)
    assert rows["0"].field == (5, 5)
    assert rows["1"].field == (5, 7)
    assert rows["1"].output == (2, 5, 7)


def test_what_has_no_size_says_none() -> None:
    rows = rows_of(
        nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(1, 1, 3), nn.Flatten(), nn.Linear(4, 2)), 1, 2, 2
    )
    assert [row.field for row in rows.values()] == [None] * 4


def test_a_layer_that_does_not_fit_is_torch_s_to_refuse() -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        layer_table(nn.Sequential(nn.Flatten(), nn.Linear(5, 2)), (1, 2, 2))
    with pytest.raises(RuntimeError, match=r"[Kk]ernel"):
        layer_table(nn.Sequential(nn.Conv2d(1, 1, 5)), (1, 2, 2))


def test_texts_and_trees() -> None:
    words = Words(9, 30)
    embedded = layer_table(build("textcnn", words, 2), words)
    assert {row.name: row.field for row in embedded}["conv4"] == (4,)
    trees = Trees(4, 5, 30)
    assert layer_table(build("tree", trees, 2), trees)[-1].output == (2,)
    rows = {row.name: row for row in layer_table(build("lstm", words, 2), words)}
    assert max(row.n_calls for row in rows.values()) == 9


def test_blocks_are_what_is_more_than_a_sequence() -> None:
    with undrawn():
        model = build("resnet18", (3, 64, 64), 10)
    rows = {row.name: row for row in layer_table(model, (3, 64, 64))}
    block = rows["layer2.0.downsample.0"].block
    assert (block.name, block.kind, block.output) == ("layer2.0", "BasicBlock", (128, 8, 8))
    assert block.field == rows["layer2.0.relu2"].field
    assert rows["conv1"].block.name == "conv1"
