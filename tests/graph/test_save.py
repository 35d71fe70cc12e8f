from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import zoo
from torch import Tensor, nn

from convoscope.errors import RunError, StorageError
from convoscope.graph.build import build
from convoscope.graph.graph import Graph
from convoscope.graph.run import run, sources
from convoscope.graph.save import from_json, load, save, to_json

torch.set_num_threads(1)


def outputs(graph: Graph, state: dict[str, Tensor], inputs: tuple[Tensor, ...]) -> list[Tensor]:
    values = sources(graph, state) | dict(zip(graph.inputs, inputs, strict=True))
    torch.manual_seed(3)
    with torch.no_grad():
        run(graph.at(len(inputs[0])), values)
    return [values[name] for name in graph.outputs]


@pytest.mark.parametrize("name", zoo.ZOO)
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_a_graph_comes_back_whole_and_runs_on_a_state_dict(name: str, mode: str, tmp_path: Path) -> None:
    model = zoo.make(name)
    graph = zoo.graph_of(name, mode)
    save(graph, tmp_path / "graph.json")
    back = load(tmp_path / "graph.json")
    assert list(back.nodes.values()) == list(graph.nodes.values())
    assert [back.outputs, back.inputs, back.mode, back.batch] == [graph.outputs, graph.inputs, graph.mode, graph.batch]
    inputs = zoo.ZOO[name][1](3)
    ours, theirs = outputs(back, model.state_dict(), inputs), outputs(graph, model.state_dict(), inputs)
    assert all(map(torch.equal, ours, theirs))
    assert [path.name for path in tmp_path.iterdir()] == ["graph.json"]


class Infinite(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.masked_fill(x > 0, -math.inf).softmax(1) + torch.tensor([[1, 2, 3]], dtype=torch.int32)


def test_infinities_constants_and_losses_survive(tmp_path: Path) -> None:
    model, x, target = Infinite(), torch.tensor([[-1.0, 2.0, -3.0]]), torch.tensor([1])
    graph = build(model, x, loss=F.cross_entropy, target=target)
    save(graph, tmp_path / "graph.json")
    back = load(tmp_path / "graph.json")
    assert back.nodes["masked_fill"].argument("value") == -math.inf
    assert (back.loss, back.target) == ("loss", "target")
    assert torch.equal(back.constants["constant"], torch.tensor([[1, 2, 3]], dtype=torch.int32))
    json.loads((tmp_path / "graph.json").read_text(), parse_constant=lambda _: pytest.fail("not proper JSON"))


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    return to_json(build(zoo.make("lenet"), zoo.image(1, 1, 28)))


def damaged(record: dict[str, Any], node: str, **changes: object) -> dict[str, Any]:
    copy = json.loads(json.dumps(record))
    next(entry for entry in copy["nodes"] if entry["name"] == node).update(changes)
    return copy  # type: ignore[no-any-return]


def test_what_cannot_be_read_says_so(record: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "graph.json"
    with pytest.raises(RunError, match="cannot be read"):
        load(path)
    whole = json.dumps(record)
    dangling = damaged(record, "conv2", args=[{"ref": "nowhere"}] * 7)
    for text in (
        "",
        "[]",
        "{}",
        whole[: len(whole) // 2],
        json.dumps(dangling),
        whole.replace("convoscope graph", "x"),
    ):
        path.write_text(text)
        with pytest.raises(RunError, match=r"no graph of Convoscope's.*Build the graph anew"):
            load(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunError):
        load(path)


def test_other_versions_and_signatures_are_named(record: dict[str, Any]) -> None:
    with pytest.raises(RunError, match="version 99"):
        from_json(record | {"version": 99})
    names = next(entry for entry in record["nodes"] if entry["name"] == "conv1")["argument_names"]
    with pytest.raises(RunError, match=r"calls conv2d with input, weight, .* was built with input, kernel"):
        from_json(damaged(record, "conv1", argument_names=["input", "kernel", *names[2:]]))


@pytest.mark.parametrize(
    ("op", "overload", "args"),
    [
        ("relu_", "default", [{"ref": "conv1"}]),
        ("from_file", "default", ["/etc/passwd", True, 3, None, None, None, None]),
        ("conv2d", "secret", []),
    ],
)
def test_a_file_may_not_ask_for_more_than_arithmetic(
    record: dict[str, Any], op: str, overload: str, args: list[object], tmp_path: Path
) -> None:
    (tmp_path / "graph.json").write_text(
        json.dumps(damaged(record, "relu", op=op, overload=overload, args=args, argument_names=["x"] * len(args)))
    )
    with pytest.raises(RunError):
        load(tmp_path / "graph.json")


def test_a_full_disk_is_told_and_leaves_the_old_file(record: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="could not be written"):
        save(from_json(record), tmp_path / "no such folder" / "graph.json")
