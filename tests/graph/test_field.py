"""Fields against the truth: which pixels have a gradient, in float64, for weights that cancel nothing."""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import zoo
from torch import Tensor, nn

from convoscope.errors import InputError
from convoscope.graph import field as field_room
from convoscope.graph.build import build
from convoscope.graph.extent import extents
from convoscope.graph.field import field
from convoscope.graph.graph import Graph, Node
from convoscope.graph.places import sources_of
from convoscope.graph.run import run, sources

torch.set_num_threads(1)
Unit = tuple[int, ...]


class Dilated(nn.Module):
    """Dilation, even kernels, a stride above the kernel, lopsided pads, a skip that is cropped."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(2, 4, (3, 2), dilation=(2, 3), padding=(2, 1), groups=2)
        self.b = nn.Conv2d(4, 4, 2, stride=3, padding=1)
        self.c = nn.Conv2d(4, 2, 3, padding="same", dilation=2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(F.pad(x, (0, 3, 1, 0), value=0.7))
        z = self.b(y)
        return self.c(z) + y[:, 1:3, : z.shape[2], : z.shape[3]]


class Pools(nn.Module):
    """Every pooling, with ceil_mode and pads, and adaptive ones that do not divide."""

    def forward(self, x: Tensor) -> Tensor:
        y = F.avg_pool2d(x, 3, 2, 1, ceil_mode=True)
        z = F.max_pool2d(x, (2, 3), (2, 2), (1, 1), ceil_mode=True)
        w = F.adaptive_avg_pool2d(x, (3, 4)) + F.adaptive_max_pool2d(x, (3, 4))
        return F.adaptive_avg_pool2d(y, (3, 4)) + w + z[:, :, :3, :4]


class Resized(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(2, 2, 3, 2, 1, output_padding=1, groups=2)
        self.down = nn.Conv2d(2, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        b = F.interpolate(x, size=(14, 14), mode="bilinear", align_corners=True)
        c = F.pixel_shuffle(torch.cat([x, x.flip(2), x.roll(1, 3), self.down(x)], 1), 2)
        return torch.cat([a + b, self.up(x), F.interpolate(x, scale_factor=2), c], 1).transpose(2, 3)


class Line(nn.Module):
    """One grid axis, a cumulative sum and a causal attention."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(2, 4, 3, dilation=2, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        y = F.glu(y, 1) + F.pad(x, (1, 0), mode="replicate")[:, :, :-1].cumsum(2)
        q = y.transpose(1, 2)[:, None]
        return F.scaled_dot_product_attention(q, q.flip(3), q * 2, is_causal=True)


ODD: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "dilated": (Dilated(), (1, 2, 13, 12)),
    "pools": (Pools(), (1, 2, 9, 10)),
    "resized": (Resized(), (1, 2, 7, 7)),
    "line": (Line(), (2, 2, 9)),
}


def support(
    graph: Graph, model: nn.Module, example: Tensor, units: dict[str, list[Unit]]
) -> dict[tuple[str, Unit], Tensor]:
    """Where each unit has a gradient, for any of several inputs: a maximum shows one of its places at a time."""
    found: dict[tuple[str, Unit], Tensor] = {}
    for seed in range(25):
        torch.manual_seed(seed)
        values = sources(graph, model)
        for name, tensor in values.items():
            if graph.nodes[name].kind == "parameter":
                values[name] = torch.rand_like(tensor) + 0.1
        x = torch.randn_like(example).requires_grad_()
        values[graph.inputs[0]] = x
        run(graph, values)
        for name, chosen in units.items():
            for unit in chosen:
                number = values[name][unit]
                gradient = None
                if number.requires_grad:
                    gradient = torch.autograd.grad(number, x, retain_graph=True, allow_unused=True)[0]
                here = torch.zeros_like(x, dtype=torch.bool) if gradient is None else gradient != 0
                found[name, unit] = found.get((name, unit), torch.zeros_like(here)) | here
    return found


def check(model: nn.Module, example: Tensor, per_node: int) -> None:
    graph = build(model.double(), example)
    random = np.random.default_rng(0)
    nodes = [node for node in graph.nodes.values() if node.kind == "op" and node.dtype == "float64"]
    units: dict[str, list[Unit]] = {}
    for node in nodes:
        edge = [tuple(0 for _ in node.shape), tuple(length - 1 for length in node.shape)]
        units[node.name] = [*edge, *(tuple(int(random.integers(n)) for n in node.shape) for _ in range(per_node))]
    for (name, unit), here in support(graph, model, example, units).items():
        places = here.nonzero(as_tuple=True)
        box = tuple((int(axis.min()), int(axis.max())) for axis in places) if here.any() else ()
        seen = field(graph, name, unit)
        assert (seen.box, seen.exact) == (box, True), f"{name}{unit}"


@pytest.mark.parametrize("name", ODD)
def test_the_field_is_where_the_gradient_is(name: str) -> None:
    model, shape = ODD[name]
    check(model, torch.randn(shape, dtype=torch.float64), 6)


@pytest.mark.parametrize("name", ["resnet", "grouped", "unet", "attention", "inplace"])
def test_the_field_of_whole_models(name: str) -> None:
    check(zoo.make(name), zoo.ZOO[name][1](2)[0].double(), 1)


def test_lenet_is_as_the_books_say() -> None:
    graph = build(zoo.make("lenet"), zoo.image(1, 1, 28))
    sizes = {name: str(extent) for name, extent in extents(graph).items()}
    assert [sizes[name] for name in ("conv1", "pool1", "conv2", "max_pool2d", "fc1")] == [
        "5×5",
        "6×6",
        "14×14",
        "16×16",
        "all",
    ]
    assert field(graph, "conv1", (0, 0, 0, 0)).pixels == ((0, 2), (0, 2))
    assert field(graph, "conv2", (0, 7, 4, 5)).pixels == ((6, 19), (8, 21))
    assert field(graph, "fc2", (0, 3)).pixels == ((0, 27), (0, 27))


@pytest.mark.parametrize("name", ["dilated", "pools"])
def test_the_closed_form_is_the_field_of_a_unit_away_from_the_edge(name: str) -> None:
    model, (n, channels, _, _) = ODD[name]
    graph = build(model.double(), torch.randn(n, channels, 64, 64, dtype=torch.float64))
    compared = 0
    for node, extent in extents(graph).items():
        if extent.axes is None or graph.nodes[node].shape[2] < 6:  # a crop never leaves the edge
            continue
        middle = tuple(length // 2 for length in graph.nodes[node].shape[2:])
        first = [axis.start + at * axis.step for axis, at in zip(extent.axes, middle, strict=True)]
        seen = field(graph, node, (0, 0, *middle)).pixels
        assert seen == tuple((at, at + axis.size - 1) for at, axis in zip(first, extent.axes, strict=True)), node
        compared += 1
    assert compared >= 2


def test_what_is_not_known_is_said_and_taken_whole() -> None:
    class Sorted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.conv2d(x, torch.ones(1, 1, 2, 2)).sort(3)[0]

    seen = field(build(Sorted(), torch.randn(1, 1, 6, 6)), "sort.values", (0, 0, 2, 2))
    assert not seen.exact
    assert seen.pixels == ((0, 5), (0, 5))


def test_batch_statistics_see_every_image() -> None:
    graph = zoo.graph_of("resnet", "train").at(3)
    assert field(graph, "layer1.0.bn1", (1, 0, 4, 4)).box[0] == (0, 2)
    assert field(graph, "layer1.0.conv1", (1, 0, 4, 4)).box[0] == (1, 1)


def test_of_two_inputs_either_may_be_asked_for() -> None:
    graph = zoo.graph_of("two")
    assert graph.inputs == ("image_input", "word_input")
    assert field(graph, "image", (1, 2)).box == ((1, 1), (0, 3))
    assert field(graph, "image", (1, 2), source="word_input").box == ()
    assert field(graph, "mul", (1, 2), source="word_input").box == ((1, 1),)


def test_a_unit_out_of_range_is_refused() -> None:
    graph = build(zoo.make("lenet"), zoo.image(1, 1, 28))
    for unit in ((0, 6, 0, 0), (0, 0, 0), (0, -1, 0, 0)):
        with pytest.raises(InputError, match=r"shape is \(1, 6, 28, 28\)"):
            field(graph, "conv1", unit)


def test_records_say_what_they_are() -> None:
    assert Node("x", "input").inputs == ()


class Loop(nn.Module):
    """A recurrent cell, written out over the rows: a gate lets some of the state through as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.read, self.state = nn.Linear(3, 6), nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        state = torch.zeros(x.shape[0], 6)
        for row in x.flatten(1, 2).unbind(1):
            new = self.read(row) + self.state(state)
            state = state * new.sigmoid() + new.tanh()
        return state


def test_a_turn_of_a_loop_sees_what_was_read_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows 0 to t, and all of them are found in about as many strides as there are nodes: not by as many for each."""
    n_rows = 40
    graph = build(Loop(), torch.zeros(2, 1, n_rows, 3), "eval").at(1)
    n_strides = 0

    def counted(*given: object) -> object:
        nonlocal n_strides
        n_strides += 1
        return sources_of(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(field_room, "sources_of", counted)
    ops = [
        node for node in graph.nodes.values() if node.kind == "op" and node.dtype != "tuple" and len(node.shape) == 2
    ]
    seen = {node.name: field(graph, node.name, tuple(length // 2 for length in node.shape)).pixels for node in ops}
    turns = [seen[node.name][0] for node in ops if node.op == "tanh"]
    assert turns == [(0, turn) for turn in range(n_rows)]
    assert n_strides < 6 * len(graph.nodes)
