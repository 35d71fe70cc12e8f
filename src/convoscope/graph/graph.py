"""The graph: every value a model computes, as a node with a name, an op, inputs and a shape."""

from __future__ import annotations

import difflib
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, TypeAlias, overload

from torch import Tensor

from convoscope.errors import UnknownName

Kind: TypeAlias = Literal["input", "parameter", "buffer", "constant", "op", "output"]
Mode: TypeAlias = Literal["eval", "train"]


@dataclass(frozen=True)
class Ref:
    """An argument that is another node's value."""

    node: str


class Size(int):
    """An int that grows with the batch: `times * batch + plus`, and equal to that at the graph's own batch size.

    Everything that reads a graph may treat it as a plain int; `Graph.at` computes it anew for another batch size.
    """

    times: int
    plus: int

    def __new__(cls, batch: int, times: int, plus: int = 0) -> Size:
        """The size at a batch size: `times * batch + plus`."""
        size = super().__new__(cls, times * batch + plus)
        size.times, size.plus = times, plus
        return size


Argument: TypeAlias = "Ref | int | float | bool | str | tuple[Argument, ...] | None"


@dataclass(frozen=True)
class Node:
    """One value of the model: an input, a parameter, a buffer, or what an op computed.

    Attributes:
        name: Unique in the graph: the module path the value comes from ("conv1", "layer3.1.conv2"), with a suffix where
            a module makes several values or is used twice; a parameter's or buffer's own path ("conv1.weight").
        kind: What sort of value it is.
        op: The aten op without its overload ("conv2d", "linear", "relu", "batch_norm"), "getitem" for one value of an
            op that makes several; "" where kind is not "op".
        module: The path of the module the op was called in ("" for the root).
        ordinal: Which of the module's ops of this name it is, from 0: (module, op, ordinal) outlives torch versions.
        args: The op's arguments by position, defaults filled in from the op's schema; tensors are `Ref`s, dtypes and
            memory formats are texts that begin with "torch.".
        argument_names: The schema's name of each argument.
        shape: The value's shape, batch axis first for what depends on the input; () where the op makes several values.
        dtype: As torch prints it, without "torch."; "tuple" where the op makes several values.
        where: File and line of the model that called the op, "" where unknown.
        overload: The op's overload ("default", "Tensor", "dim"): with `op` it names the function that is run.
    """

    name: str
    kind: Kind
    op: str = ""
    module: str = ""
    ordinal: int = 0
    args: tuple[Argument, ...] = ()
    argument_names: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    dtype: str = "float32"
    where: str = ""
    overload: str = "default"

    def argument(self, name: str) -> Argument:
        """The argument the op's schema calls `name`; raises KeyError where it has none such."""
        try:
            return self.args[self.argument_names.index(name)]
        except ValueError:
            raise KeyError(f"{self.op} has no argument {name!r}; it has {self.argument_names}") from None

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The names of the nodes it reads, in argument order, nested ones included, repeats kept."""
        return tuple(_refs(self.args))


class Nodes(Sequence[Node]):
    """Nodes in the order they are computed, by place, or by name: `nodes[0]`, `nodes["conv2"]`, `"conv2" in nodes`.

    Iterating gives the nodes; `names` gives what they are called, and `values` and `items` serve as a mapping's do.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._by_name = {node.name: node for node in nodes}
        self._in_order = tuple(self._by_name.values())

    @overload
    def __getitem__(self, key: int | str) -> Node: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Node, ...]: ...
    def __getitem__(self, key: int | str | slice) -> Node | tuple[Node, ...]:
        return self._by_name[key] if isinstance(key, str) else self._in_order[key]

    def __len__(self) -> int:
        return len(self._in_order)

    def __iter__(self) -> Iterator[Node]:
        return iter(self._in_order)

    def __contains__(self, key: object) -> bool:
        return key in self._by_name if isinstance(key, str) else key in self._in_order

    @property
    def names(self) -> KeysView[str]:
        """The nodes' names, in order."""
        return self._by_name.keys()

    def values(self) -> tuple[Node, ...]:
        """The nodes, in order."""
        return self._in_order

    def items(self) -> ItemsView[str, Node]:
        """Pairs of name and node, in order."""
        return self._by_name.items()


@dataclass(frozen=True, eq=False)
class Graph:
    """All nodes in the order they are computed.

    Attributes:
        nodes: By place or by name: inputs, parameters, buffers and constants first, then ops, each after what it reads.
        mode: The mode that was exported.
        outputs: The names of the model's outputs, in order.
        model: The name of the model's class.
        extras: Anything else worth keeping, as text ("torch": the version that exported it).
        inputs: The names of the input nodes in the order the model takes them, the target last where there is a loss.
        loss: The name of the loss's node, "" where none was built in.
        target: The name of the target's input node, "" where there is none.
        batch: The batch size the shapes are written for.
        dynamic: Whether `at` may give the same graph for another batch size.
        constants: The tensors that are in no state dict, by node name: literals of the code, non-persistent buffers.
    """

    nodes: Nodes
    mode: Mode
    outputs: tuple[str, ...]
    model: str = ""
    extras: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    loss: str = ""
    target: str = ""
    batch: int = 1
    dynamic: bool = False
    constants: Mapping[str, Tensor] = field(default_factory=dict)

    @cached_property
    def consumers(self) -> dict[str, tuple[str, ...]]:
        """For each node the nodes that read it, in order, each once."""
        readers: dict[str, dict[str, None]] = {name: {} for name in self.nodes.names}
        for node in self.nodes.values():
            for source in node.inputs:
                readers[source][node.name] = None
        return {name: tuple(found) for name, found in readers.items()}

    def find(self, name: str) -> Node:
        """The node of that name, or the last one made in the module of that path, modules within it included.

        Raises:
            UnknownName: there is neither; near names are listed.
        """
        if name in self.nodes.names:
            return self.nodes[name]
        for node in reversed(tuple(self.nodes.values())):
            if node.kind == "op" and name and f"{node.module}.".startswith(f"{name}."):
                return node
        modules = {node.module: None for node in self.nodes.values() if node.module}
        near = difflib.get_close_matches(name, [*self.nodes.names, *modules], n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(self.nodes.names)}."
        raise UnknownName(f"{self.model} has no node or module called {name!r}.", hint=hint)

    @cached_property
    def _at(self) -> dict[int, Graph]:
        return {self.batch: self}

    def at(self, batch: int) -> Graph:
        """The same graph with shapes and arguments for another batch size.

        Raises:
            ValueError: it is not dynamic.
        """
        if batch not in self._at:
            if not self.dynamic:
                raise ValueError(f"this graph holds for a batch of {self.batch}, not of {batch}")

            def resize(size: Size) -> Argument:
                return Size(batch, size.times, size.plus)

            nodes = Nodes(_resized(node, resize) for node in self.nodes)
            self._at[batch] = replace(self, nodes=nodes, batch=batch)
        return self._at[batch]


def map_sizes(argument: Argument, change: Callable[[Size], Argument]) -> Argument:
    """The argument with each `Size` in it, at any depth, replaced by what `change` makes of it."""
    if isinstance(argument, tuple):
        return tuple(map_sizes(part, change) for part in argument)
    return change(argument) if isinstance(argument, Size) else argument


def _resized(node: Node, change: Callable[[Size], Argument]) -> Node:
    args, shape = map_sizes(node.args, change), map_sizes(node.shape, change)
    return replace(node, args=args, shape=shape)  # type: ignore[arg-type]  # a tuple stays a tuple


def _refs(arguments: tuple[Argument, ...]) -> list[str]:
    found: list[str] = []
    for argument in arguments:
        if isinstance(argument, Ref):
            found.append(argument.node)
        elif isinstance(argument, tuple):
            found.extend(_refs(argument))
    return found
