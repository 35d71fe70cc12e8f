"""Reads an exported program into a graph: sources and ops, named, with their shapes for any batch size."""

from __future__ import annotations

import operator
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.export.graph_signature import InputKind, InputSpec

from convoscope.graph.calls import Call, Origin, Sizes, argument_names
from convoscope.graph.export import Exported, WithLoss, holds_for_any_batch, input_name
from convoscope.graph.functional import Alias, Functional
from convoscope.graph.graph import Argument, Graph, Kind, Mode, Node, Nodes, Ref
from convoscope.graph.names import Names, name_calls

KINDS: dict[InputKind, Kind] = {
    InputKind.PARAMETER: "parameter",
    InputKind.BUFFER: "buffer",
    InputKind.CONSTANT_TENSOR: "constant",
    InputKind.USER_INPUT: "input",
}


def read(module: nn.Module, exported: Exported, mode: Mode) -> Graph:
    """The graph of an exported program.

    Args:
        module: What was exported, a model or a `WithLoss`.
        exported: What torch.export made of it.
        mode: The mode it was in.

    Raises:
        ModelError: the program has an op that cannot be told functionally.
        SizeUnknownError: a shape depends on numbers, or on the batch size in no simple way.
    """
    reader = _Reader(module, exported)
    reader.placeholders()
    return reader.graph(mode)


class _Reader:
    """Turns one exported program into a graph."""

    def __init__(self, module: nn.Module, exported: Exported) -> None:
        self.module, self.program, self.exported = module, exported.program, exported
        self.model = module.model if isinstance(module, WithLoss) else module
        self.sizes = Sizes(exported.batch)
        self.functional = Functional(self.sizes)
        self.names = Names()
        self.known: dict[torch.fx.Node, Any] = {}
        self.sources: dict[str, Node] = {}  # id to node
        self.constants: dict[str, Tensor] = {}
        self.tensors: dict[str, Tensor] = dict(module.named_parameters(remove_duplicate=False))
        self.tensors |= dict(module.named_buffers(remove_duplicate=False))
        self.paths = {self._path(path) for path, _ in module.named_modules()}
        self.persistent = set(module.state_dict(keep_vars=True))

    def placeholders(self) -> None:
        """Makes a node of every input, parameter, buffer and constant; names of the state dict come first."""
        specs = {spec.arg.name: spec for spec in self.program.graph_signature.input_specs}
        nodes = [node for node in self.program.graph.nodes if node.op == "placeholder"]
        first: dict[int, torch.fx.Node] = {}
        for node in sorted(nodes, key=lambda node: specs[node.name].kind is InputKind.USER_INPUT):
            spec = specs[node.name]
            if not isinstance(node.meta.get("val"), Tensor) or spec.kind not in KINDS:
                continue
            tensor = self.tensors.get(str(spec.target))
            same = first.setdefault(id(tensor), node) if tensor is not None else node
            if same is not node:  # tied weights are one node, named after the first of them
                self.known[node] = self.known[same]
                continue
            self.known[node] = self.functional.placeholder(
                node.name, node.meta["val"], literal=spec.kind is InputKind.CONSTANT_TENSOR
            )
            self._source(node, spec)

    def _source(self, node: torch.fx.Node, spec: InputSpec) -> None:
        """The node of one placeholder, and its tensor where no state dict has it."""
        fake, is_input, path = node.meta["val"], spec.kind is InputKind.USER_INPUT, str(spec.target)
        wish = self._source_name(spec)
        # A module that is called as an input is keeps its name.
        name = self.names.take(f"{wish}_input" if is_input and wish in self.paths else wish)
        module = name.rpartition(".")[0] if spec.kind is InputKind.PARAMETER else ""
        self.sources[node.name] = Node(
            name, KINDS[spec.kind], module=module, shape=self.sizes.shape(fake), dtype=_dtype(fake)
        )
        if spec.kind is InputKind.CONSTANT_TENSOR:
            self.constants[name] = self.program.constants[path].detach()
        elif not is_input and not self._is_in_state_dict(path):
            self.constants[name] = self.tensors[path].detach()

    def _is_in_state_dict(self, path: str) -> bool:
        """Whether the model's state dict holds it; the loss's own weights are not the model's."""
        return path in self.persistent and (path.startswith("model.") or not isinstance(self.module, WithLoss))

    def _source_name(self, spec: InputSpec) -> str:
        if spec.kind is not InputKind.USER_INPUT:
            path = self._path(str(spec.target))
            return "constant" if path.rpartition(".")[2].startswith("lifted_tensor_") else path
        if isinstance(self.module, WithLoss):
            users = [s.arg.name for s in self.program.graph_signature.input_specs if s.kind is InputKind.USER_INPUT]
            position = users.index(spec.arg.name)
            return "target" if position == len(users) - 1 else input_name(self.model, position)
        return str(spec.arg.name)

    def _path(self, path: str) -> str:
        """A path in the model from one in the module that was exported."""
        if not isinstance(self.module, WithLoss):
            return path
        if path == "model" or path.startswith("model."):
            return path.removeprefix("model").removeprefix(".")
        return path or "loss"

    def graph(self, mode: Mode) -> Graph:
        """Translates the ops and puts the graph together."""
        outputs = [alias for alias in self.functional.translate(self.program.graph_module, self.known) if alias]
        ends = [self.functional.id_of(alias) for alias in outputs if isinstance(alias, Alias)]
        calls = _living(self.functional.calls, ends)
        for call in calls:
            call.origin = Origin(call.origin.call, self._path(call.origin.module), call.origin.where)
        leaves = {self._path(path) for path, part in self.module.named_modules() if not any(part.children())}
        loss = ends[-1] if isinstance(self.module, WithLoss) else ""
        named = {node_id: node.name for node_id, node in self.sources.items()}
        named |= name_calls(calls, self.names, leaves - {""}, loss)
        nodes = {node.name: node for node in self.sources.values()}
        nodes |= {node.name: node for node in self._nodes(calls, named)}
        inputs = [self.sources[node.name].name for node in self.known if self._is_input(node)]
        target = inputs[-1] if loss else ""
        return Graph(
            Nodes(nodes.values()),
            mode,
            tuple(named[end] for end in (ends[:-1] if loss else ends)),
            type(self.model).__name__,
            {"torch": str(torch.__version__)},
            tuple(inputs),
            named.get(loss, ""),
            target,
            self.exported.batch,
            self._is_dynamic(),
            self.constants,
        )

    def _is_input(self, node: torch.fx.Node) -> bool:
        return node.name in self.sources and self.sources[node.name].kind == "input"

    def _is_dynamic(self) -> bool:
        """Whether every input's batch axis stayed open."""
        lengths = [node.meta["val"].shape[0] for node in self.known if self._is_input(node) and node.meta["val"].dim()]
        is_open = self.exported.dynamic and all(isinstance(length, torch.SymInt) for length in lengths)
        return is_open and holds_for_any_batch(self.program)

    def _nodes(self, calls: list[Call], named: dict[str, str]) -> list[Node]:
        ordinals: Counter[tuple[str, str]] = Counter()
        nodes = []
        for call in calls:
            several = not isinstance(call.fake, Tensor)
            key = (call.origin.module, call.op)
            nodes.append(
                Node(
                    named[call.id],
                    "op",
                    call.op,
                    call.origin.module,
                    ordinals[key],
                    tuple(_renamed(argument, named) for argument in call.args),
                    argument_names(call.target),
                    () if several else self.sizes.shape(call.fake),
                    "tuple" if several else _dtype(call.fake),
                    call.origin.where,
                    _overload(call),
                )
            )
            ordinals[key] += 1
        return nodes


def _living(calls: list[Call], ends: list[str]) -> list[Call]:
    """The calls that the outputs depend on: counters of batches and views taken for nothing drop out."""
    wanted, living = set(ends), []
    for call in reversed(calls):
        if call.id in wanted:
            living.append(call)
            wanted.update(Node("", "op", args=call.args).inputs)
    return living[::-1]


def _renamed(argument: Argument, named: dict[str, str]) -> Argument:
    if isinstance(argument, Ref):
        return Ref(named[argument.node])
    return tuple(_renamed(part, named) for part in argument) if isinstance(argument, tuple) else argument


def _overload(call: Call) -> str:
    if call.target is operator.getitem:
        return ""
    namespace, overload = call.target.namespace, call.target._overloadname  # noqa: SLF001 - torch's only door to it
    return str(overload) if namespace == "aten" else f"{namespace}::{overload}"


def _dtype(fake: Tensor) -> str:
    return str(fake.dtype).removeprefix("torch.")
