"""What a rule is, where rules are kept, and what a rule reads of one pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convoscope.graph.graph import Argument, Graph, Node, Ref
from convoscope.look.expr import Column, Expression, Floats, Number, Of, Param, Places, Sum, Unit, total
from convoscope.look.expr_slope import ZERO
from convoscope.look.seen import Seen
from convoscope.registry import Registry

At = tuple[int, ...]
# A part of an op with several values reads as a node of its own whose last argument says which part it is.
OUTPUT = "output"


class NoRule(Exception):
    """A rule cannot tell from what was recorded; the message says what is missing."""


class Place(NamedTuple):
    """Which argument of a node: its schema name, and the position within it where it is a list (cat, stack)."""

    name: str
    item: int = -1


class Rule:
    """How one op's numbers are made: forward a unit's value, backward what it adds to an input's gradient."""

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """The value of the node at its full index."""
        raise NotImplementedError

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:
        """Its part of dloss/d(argument at `at`): the sum over its units y_j of dloss/dy_j · dy_j/d(argument)."""
        raise NotImplementedError


RULES: Registry[Rule] = Registry("rule")
R = TypeVar("R", bound=type[Rule])


def rule(*ops: str) -> Callable[[R], R]:
    """Registers one instance of a rule's class for each op."""

    def register(kind: R) -> R:
        for op in ops:
            instance = kind()
            instance.__doc__ = kind.__doc__
            RULES.add(op, instance)
        return kind

    return register


class See:
    """One pass, in the words of rules: leaves and columns of a node's values and gradients."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen
        self.graph: Graph = seen.graph
        self.memo: dict[tuple[str, str], Any] = {}
        self._tensors: dict[tuple[str, Of], Tensor] = {}

    def node(self, name: str) -> Node:
        """A node; a part of an op with several values comes as that op with one argument more, `output`."""
        node = self.graph.nodes[name]
        if node.op != "getitem" or not isinstance(node.args[0], Ref):
            return node
        maker = self.graph.nodes[node.args[0].node]
        return replace(
            maker, name=name, shape=node.shape, dtype=node.dtype,
            args=(*maker.args, node.args[1]), argument_names=(*maker.argument_names, OUTPUT),
        )  # fmt: skip

    def readers(self, name: str) -> list[Node]:
        """The nodes that read a node; for an op with several values each of its parts."""
        found: list[Node] = []
        for reader in self.graph.consumers[name]:
            parts = [part for part in self.graph.consumers[reader] if self.graph.nodes[part].op == "getitem"]
            found.extend(self.node(part) for part in parts or [reader])
        return found

    def shape(self, name: str) -> At:
        """The shape of a node's value in this pass."""
        return tuple(self.tensor(name).shape)

    def tensor(self, name: str, of: Of = "value") -> Tensor:
        """A node's value or gradient, whole.

        Raises:
            NoRule: no gradient of it was recorded.
        """
        found = self._tensors.get((name, of))
        if found is None:
            whole = self.seen.value(name) if of == "value" else self.seen.gradient(name)
            if whole is None:
                raise NoRule(f"no gradient of {name} was recorded")
            found = self._tensors[name, of] = whole.detach()
        return found

    def numbers(self, name: str, flat: Places, of: Of = "value") -> Floats:
        """What stands at these flat indices, of any shape, as recorded."""
        tensor, index = self.tensor(name, of), torch.from_numpy(np.ascontiguousarray(flat, np.int64))
        # A tensor in another memory order is indexed axis by axis: laying it flat would copy all of it.
        if tensor.is_contiguous():
            return tensor.view(-1)[index].cpu().numpy()
        return tensor[torch.unravel_index(index, tensor.shape)].cpu().numpy()

    def units(self, name: str, flat: Places, of: Of = "value") -> Column:
        """Many units of a node by their flat indices, of any shape."""
        index = np.asarray(flat, np.int64)
        given = self.graph.nodes[name].kind in ("parameter", "buffer")
        return Column("param" if given else "unit", self.numbers(name, index, of), name, index, self.shape(name), of)

    def unit(self, name: str, at: At, of: Of = "value") -> Expression:
        """One unit of a node."""
        value = self.tensor(name, of)[at]
        kind = Param if self.graph.nodes[name].kind in ("parameter", "buffer") else Unit
        return kind(name, at, float(value), of, str(value.dtype).removeprefix("torch."))

    def unit_at(self, name: str, flat: int, of: Of = "value") -> Expression:
        """One unit of a node by its flat index."""
        return self.unit(name, tuple(int(i) for i in np.unravel_index(int(flat), self.shape(name))), of)

    def gradient(self, node: Node, at: At) -> Expression:
        """dloss/dy of one unit."""
        return self.unit(node.name, at, "gradient")

    def gradients(self, node: Node, flat: Places) -> Column:
        """dloss/dy of many units."""
        return self.units(node.name, flat, "gradient")


def name_of(argument: Argument) -> str:
    """The node an argument names."""
    if not isinstance(argument, Ref):
        raise TypeError(f"{argument!r} is not another node's value")
    return argument.node


def optional(node: Node, name: str, default: Argument = None) -> Argument:
    """An argument by its schema's name, or `default` where the op has none of that name."""
    return node.argument(name) if name in node.argument_names else default


def places_of(node: Node, source: str) -> list[Place]:
    """Everywhere a node reads another."""
    found: list[Place] = []
    for name, argument in zip(node.argument_names, node.args, strict=False):
        items = argument if isinstance(argument, tuple) else (argument,)
        for item, part in enumerate(items):
            if isinstance(part, Ref) and part.node == source:
                found.append(Place(name, item if isinstance(argument, tuple) else -1))
    return found


def referred(node: Node, place: Place) -> str:
    """The node at a place."""
    argument = node.argument(place.name)
    return name_of(argument[place.item] if isinstance(argument, tuple) else argument)


def flat_of(at: Sequence[int], shape: Sequence[int]) -> int:
    """The row-major position of an index."""
    position = 0
    for index, size in zip(at, shape, strict=True):
        position = position * size + int(index)
    return position


def grid(shape: At, *axes: NDArray[np.int64] | int) -> Places:
    """The flat indices of all combinations of one index list for each axis, as one row."""
    if not axes:
        return np.zeros(1, np.int64)
    lists = np.ix_(*(np.atleast_1d(np.asarray(axis, np.int64)) for axis in axes))
    flat = lists[0]
    for index, size in zip(lists[1:], shape[1:], strict=True):
        flat = flat * size + index
    return np.asarray(flat).reshape(-1)


def broadcast(*columns: NDArray[np.int64]) -> list[Places]:
    """Arrays of indices that meet by broadcasting, each at full size, as rows."""
    return [np.ascontiguousarray(array).reshape(-1) for array in np.broadcast_arrays(*columns)]


def summed(template: Expression, count: int, why_none: str) -> Expression:
    """The sum over rows: 0 with its reason where there are none, the term itself where there is one."""
    if count == 0:
        return Number(0.0, why_none)
    made: Sum = total(template, count)
    return made.terms[0] if count == 1 else made


def none(why: str) -> Expression:
    """0, and why."""
    return replace(ZERO, meaning=why)


def size_of(shape: At) -> int:
    """How many units a shape has."""
    return math.prod(shape)
