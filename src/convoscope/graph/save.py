"""A graph on disk: one JSON file that says everything, so that nothing is exported twice and nothing is unpickled."""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from convoscope.errors import ModelError, RunError, StorageError
from convoscope.graph.calls import argument_names
from convoscope.graph.graph import Argument, Graph, Node, Nodes, Ref, Size
from convoscope.graph.run import overload
from convoscope.graph.views import written

VERSION = 1
Json: TypeAlias = Any

# Ops that reach outside the program: no model exports them, and a file from elsewhere may not ask for them.
FORBIDDEN = frozenset({"from_file", "set_data", "_cufft_set_plan_cache_max_size", "_linalg_check_errors"})


def save(graph: Graph, path: Path) -> None:
    """Writes a graph, aside first and then in place, so that a reader never sees half of one.

    Args:
        graph: The graph.
        path: The file, "graph.json" next to a run.

    Raises:
        StorageError: the disk said no.
    """
    text = json.dumps(to_json(graph), allow_nan=False, separators=(",", ":"))
    aside = path.with_name(path.name + ".part")
    try:
        with aside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        raise StorageError(f"{path} could not be written: {error.strerror}.", hint="Is the disk full?") from error


def load(path: Path) -> Graph:
    """Reads a graph that `save` wrote.

    Raises:
        RunError: the file is missing, damaged, of another version, or asks for ops that this torch does not have.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path} cannot be read: {error}.", hint="Build the graph anew from the model.") from error
    try:
        return from_json(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise RunError(f"{path} is no graph of Convoscope's: {error!r}.", hint="Build the graph anew.") from error


def to_json(graph: Graph) -> dict[str, Json]:
    """The graph as JSON's kinds of value, constants as base64 of their little-endian bytes."""
    return {
        "format": "convoscope graph",
        "version": VERSION,
        "mode": graph.mode,
        "model": graph.model,
        "inputs": list(graph.inputs),
        "outputs": list(graph.outputs),
        "loss": graph.loss,
        "target": graph.target,
        "batch": graph.batch,
        "dynamic": graph.dynamic,
        "extras": dict(graph.extras),
        "nodes": [_node_to_json(node) for node in graph.nodes.values()],
        "constants": {name: _tensor_to_json(tensor) for name, tensor in graph.constants.items()},
    }


def from_json(record: Mapping[str, Json]) -> Graph:
    """The graph that `to_json` wrote.

    Raises:
        RunError: it is of another version, or asks for ops that this torch does not have.
        ValueError: it is no graph.
    """
    if record.get("format") != "convoscope graph":
        raise ValueError("its format is not 'convoscope graph'")
    if record["version"] != VERSION:
        raise RunError(
            f"This graph is of version {record['version']}; this Convoscope reads version {VERSION}.",
            hint="Build the graph anew from the model.",
        )
    batch = int(record["batch"])
    nodes: dict[str, Node] = {}
    for entry in record["nodes"]:
        node = _node_from_json(entry, batch)
        if node.name in nodes or any(name not in nodes for name in node.inputs):
            raise ValueError(f"node {node.name!r} is there twice, or reads what is not there yet")
        if node.kind == "op":
            _check_op(node)
        nodes[node.name] = node
    graph = Graph(
        Nodes(nodes.values()), record["mode"], tuple(record["outputs"]), record["model"], record["extras"],
        tuple(record["inputs"]),
        record["loss"], record["target"], batch, bool(record["dynamic"]),
        {name: _tensor_from_json(entry) for name, entry in record["constants"].items()},
    )  # fmt: skip
    unknown = {*graph.inputs, *graph.outputs, *graph.constants} - set(nodes)
    if unknown or graph.mode not in ("eval", "train"):
        raise ValueError(f"it names nodes that are not there: {sorted(unknown)}" if unknown else "its mode is neither")
    return graph


def _node_to_json(node: Node) -> dict[str, Json]:
    record: dict[str, Json] = {"name": node.name, "kind": node.kind, "dtype": node.dtype}
    record["shape"] = [_to_json(length) for length in node.shape]
    if node.module:
        record["module"] = node.module
    if node.kind == "op":
        record |= {"op": node.op, "overload": node.overload, "ordinal": node.ordinal, "where": node.where}
        record |= {"args": _to_json(node.args), "argument_names": list(node.argument_names)}
    return record


def _node_from_json(record: Mapping[str, Json], batch: int) -> Node:
    args, shape = _from_json(record.get("args", []), batch), _from_json(record["shape"], batch)
    if (
        not isinstance(args, tuple)
        or not isinstance(shape, tuple)
        or len(args) != len(record.get("argument_names", []))
    ):
        raise ValueError(f"node {record['name']!r} has no proper arguments or shape")
    return Node(
        record["name"], record["kind"], record.get("op", ""), record.get("module", ""), int(record.get("ordinal", 0)),
        args, tuple(record.get("argument_names", ())), shape,  # type: ignore[arg-type]  # lengths, as `at` needs
        record["dtype"], record.get("where", ""), record.get("overload", "default"),
    )  # fmt: skip


def _to_json(argument: Argument) -> Json:
    if isinstance(argument, Ref):
        return {"ref": argument.node}
    if isinstance(argument, Size):
        return {"times": argument.times, "plus": argument.plus}
    if isinstance(argument, tuple):
        return [_to_json(part) for part in argument]
    if isinstance(argument, float) and not math.isfinite(argument):
        return {"float": str(argument)}
    return argument


def _from_json(record: Json, batch: int) -> Argument:
    if isinstance(record, list):
        return tuple(_from_json(part, batch) for part in record)
    if isinstance(record, dict):
        if "ref" in record:
            return Ref(str(record["ref"]))
        return float(record["float"]) if "float" in record else Size(batch, int(record["times"]), int(record["plus"]))
    if record is None or isinstance(record, (bool, int, float, str)):
        return record
    raise ValueError(f"{record!r} is no argument")


def _tensor_to_json(tensor: Tensor) -> dict[str, Json]:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    data = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    return {"dtype": str(tensor.dtype)[6:], "shape": list(tensor.shape), "data": base64.b64encode(data).decode()}


def _tensor_from_json(record: Mapping[str, Json]) -> Tensor:
    dtype = getattr(torch, record["dtype"])
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"{record['dtype']!r} is no dtype")
    data = bytearray(base64.b64decode(record["data"], validate=True))
    return (torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)).reshape(record["shape"])


def _check_op(node: Node) -> None:
    """Refuses an op that this torch does not have, has with other arguments, or that does more than compute."""
    if node.op == "getitem":
        return
    try:
        function = overload(node.op, node.overload)
    except ModelError as error:
        raise RunError(f"This graph was built with another torch: {error.message}", hint=error.hint) from None
    if node.op in FORBIDDEN or written(function):
        raise ValueError(f"node {node.name!r} calls {node.op}, which does more than compute a value")
    if argument_names(function) != node.argument_names:
        raise RunError(
            f"torch {torch.__version__} calls {node.op} with {', '.join(argument_names(function))};"
            f" this graph was built with {', '.join(node.argument_names)}.",
            hint="Build the graph anew from the model.",
        )
