"""Ops that only move numbers: one map from each unit to the one it comes from, and its inverse.

Three ways to have the map, none of them written op by op. A view's map is its strides: the op is run on a tensor
without memory, and the strides it comes back with say where unit `at` lies. Ops that copy in an irregular order are
run on the positions 1, 2, 3, ... in place of the values. Padding, rolling and repeating work axis by axis (`line`).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convoscope.graph.graph import Argument, Node, Ref
from convoscope.look.expr import Expression, Number, Places, one_of
from convoscope.look.expr_functions import apply
from convoscope.look.rules.rule import (
    OUTPUT,
    At,
    NoRule,
    Place,
    Rule,
    See,
    flat_of,
    grid,
    name_of,
    none,
    optional,
    referred,
    rule,
    size_of,
    summed,
)

SORTS = frozenset({"sort", "topk", "kthvalue"})  # give values, and the positions these were found at


@rule(
    "contiguous", "clone", "to", "_to_copy", "alias", "lift_fresh_copy", "type_as", "positive",
    "output",
)  # fmt: skip
class Same(Rule):
    """y = x: 3 gives 3 and dloss/dx = dloss/dy."""

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """The unit itself; its whole part where it becomes a whole number, 1 or 0 where it becomes a bool."""
        source = see.unit(name_of(node.args[0]), at)
        given, made = see.tensor(name_of(node.args[0])).dtype, see.tensor(node.name).dtype
        if made == torch.bool and given != torch.bool:
            return one_of("it is not 0", leaf_of(source) != 0, 0.0, 1.0)
        return apply("trunc", source) if given.is_floating_point and not made.is_floating_point else source

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:
        """dloss/dy itself."""
        return see.gradient(node, at) if place.name == node.argument_names[0] else none("only its dtype is read")


@rule("detach")
class Detach(Same):
    """y = x, but nothing goes back: 3 gives 3 and dloss/dx = 0."""

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:  # noqa: ARG002 - a constant
        """Nothing, as the model asked."""
        return none("the model detached it")


@rule(
    "view", "reshape", "flatten", "unflatten", "permute", "transpose", "swapaxes", "swapdims", "t",
    "numpy_T", "mT", "movedim", "moveaxis", "squeeze", "unsqueeze", "expand", "expand_as", "view_as",
    "reshape_as", "slice", "select", "narrow", "diagonal", "split", "split_with_sizes", "chunk", "tensor_split",
    "unbind", "broadcast_to", "unfold", "ravel", "atleast_1d", "atleast_2d",
    "atleast_3d",
)  # fmt: skip
class View(Rule):
    """The same numbers under other indices: (1, 2, 3, 4) as 2 by 2 has 3 at [1, 0], and its gradient goes back to 2."""

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """The unit that lies there."""
        source = name_of(node.args[0])
        view = self._view(node, see)
        flat = view.storage_offset() + sum(i * stride for i, stride in zip(at, view.stride(), strict=True))
        return see.unit_at(source, int(flat))

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:
        """dloss/dy at every index that the unit lies under."""
        if place.name != node.argument_names[0]:
            return none("only its shape is read")
        view = self._view(node, see)
        places = _indices(flat_of(at, see.shape(referred(node, place))), view)
        return summed(see.gradients(node, places), len(places), f"{node.name} leaves it out")

    def _view(self, node: Node, see: See) -> Tensor:
        key = ("view", node.name)
        if key not in see.memo:
            see.memo[key] = run(node, lambda ref: torch.empty(see.shape(ref.node), device="meta"))
        found: Tensor = see.memo[key]
        return found


def leaf_of(unit: Expression) -> float:
    """The value of a leaf."""
    return float(getattr(unit, "value", 0.0))


def _indices(flat: int, view: Tensor) -> Places:
    """The indices of a view under which position `flat` of its base lies, as flat indices of the view."""
    shape, strides = tuple(view.shape), view.stride()
    rest = flat - int(view.storage_offset())
    axes: list[Any] = [np.arange(size) if stride == 0 else 0 for size, stride in zip(shape, strides, strict=True)]
    if view.numel() == 0 or rest < 0:
        return np.zeros(0, np.int64)
    order = sorted((k for k in range(len(shape)) if strides[k] and shape[k] > 1), key=lambda k: -strides[k])
    if any(strides[b] * (shape[b] - 1) >= strides[a] for a, b in pairwise(order)):
        return _search(flat, view)  # windows that overlap: a position may lie under several indices
    for k in order:
        axes[k], rest = divmod(rest, int(strides[k]))
        if axes[k] >= shape[k]:
            return np.zeros(0, np.int64)
    return grid(shape, *axes) if rest == 0 else np.zeros(0, np.int64)


def _search(flat: int, view: Tensor) -> Places:
    positions = np.full((), view.storage_offset())
    for size, stride in zip(view.shape, view.stride(), strict=True):
        positions = np.add.outer(positions, np.arange(size) * stride)
    return np.flatnonzero(positions.reshape(-1) == flat)


@rule(
    "hstack", "vstack", "gather", "index", "index_select",
    "take_along_dim", "take", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "im2col", "tril", "triu",
    "select_scatter", "slice_scatter", "diag_embed", "rot90", "broadcast_tensors",
    "scatter", "index_put", "diag", "sort", "topk", "kthvalue",
)  # fmt: skip
class Moved(Rule):
    """The same numbers in another order: (1, 2) and (3,) joined have 3 at place 2; picking (2, 2) gives 3 twice.

    Which number goes where is found by running the op on positions: all inputs are numbered through, from 1 on, and 0
    is what the op fills in itself.
    """

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """The unit that was moved there; where it came from, for an op's second value."""
        if node.op in SORTS and optional(node, OUTPUT, 0) == 1:
            return Number(float(see.tensor(node.name)[at]), "position it was found at, as recorded")
        moved, starts = self._map(node, see)
        position = int(moved[flat_of(at, see.shape(node.name))])
        if position == 0:
            return Number(0.0, "filled in by the op")
        source, start = [(name, start) for name, start in starts if start < position][-1]
        return see.unit_at(source, position - start - 1)

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:
        """dloss/dy at every place that the unit was moved to."""
        if node.op in SORTS and optional(node, OUTPUT, 0) == 1:
            return none("a position has no slope")
        refs = self._refs(node)
        if place not in refs:
            return none("only its numbers as positions are read")
        moved, starts = self._map(node, see)
        source, start = starts[refs.index(place)]
        places = np.flatnonzero(moved == start + 1 + flat_of(at, see.shape(source)))
        return summed(see.gradients(node, places), len(places), f"{node.name} leaves it out")

    def _refs(self, node: Node) -> list[Place]:
        """The arguments whose numbers are moved: not those that say where to."""
        found: list[Place] = []
        for name, argument in zip(node.argument_names, node.args, strict=False):
            if name not in ("index", "indices", OUTPUT):
                items = enumerate(argument) if isinstance(argument, tuple) else [(-1, argument)]
                found.extend(Place(name, item) for item, part in items if isinstance(part, Ref))
        return found

    def _map(self, node: Node, see: See) -> tuple[Places, list[tuple[str, int]]]:
        if optional(node, "accumulate", False) or (node.op == "scatter" and node.overload != "src"):
            raise NoRule(f"{node.op} in this form has no rule")
        key = ("moved", node.name)
        if key not in see.memo:
            if node.op in SORTS:
                see.memo[key] = self._by_indices(node, see)
            else:
                see.memo[key] = self._by_positions(node, see)
        found: tuple[Places, list[tuple[str, int]]] = see.memo[key]
        return found

    def _by_positions(self, node: Node, see: See) -> tuple[Places, list[tuple[str, int]]]:
        starts: list[tuple[str, int]] = []
        numbered: dict[Place, Tensor] = {}
        start = 0
        for place in self._refs(node):
            shape = see.shape(referred(node, place))
            # float64 counts exactly to 2^53, and every op takes it.
            numbered[place] = torch.arange(start + 1, start + 1 + size_of(shape), dtype=torch.float64).view(shape)
            starts.append((referred(node, place), start))
            start += size_of(shape)
        moved = run(node, lambda ref: see.tensor(ref.node).cpu(), numbered)
        return moved.reshape(-1).numpy().astype(np.int64), starts

    def _by_indices(self, node: Node, see: See) -> tuple[Places, list[tuple[str, int]]]:
        source = name_of(node.args[0])
        values = see.tensor(source)
        axis = int(optional(node, "dim", -1))  # type: ignore[arg-type]  # its schema says int
        picked: Tensor = run(node, lambda ref: see.tensor(ref.node), output=1)
        keep = bool(optional(node, "keepdim", False)) or node.op != "kthvalue"
        positions = torch.arange(1, 1 + values.numel()).view(values.shape)
        moved = torch.gather(positions, axis, picked if keep else picked.unsqueeze(axis))
        return moved.reshape(-1).numpy(), [(source, 0)]


def run(
    node: Node,
    tensor_of: Callable[[Ref], Tensor],
    numbered: dict[Place, Tensor] | None = None,
    output: int | None = None,
) -> Tensor:
    """A node's op on other tensors in place of its inputs; one of its values where it has several."""
    numbered = numbered or {}

    def given(argument: Argument, place: Place) -> object:
        if isinstance(argument, Ref):
            return numbered[place] if place in numbered else tensor_of(argument)
        if isinstance(argument, tuple):
            return [given(part, Place(place.name, item)) for item, part in enumerate(argument)]
        return argument

    names = [name for name in node.argument_names if name != OUTPUT]
    first, *rest = [given(argument, Place(name)) for name, argument in zip(names, node.args, strict=False)]
    function = getattr(torch.ops.aten, node.op)
    function = getattr(function, node.overload, function)
    by_name = dict(zip(names[1:], rest, strict=True))
    result = function(first, **by_name)
    part = optional(node, OUTPUT) if output is None else output
    made: Tensor = result if part is None or isinstance(result, Tensor) else result[part]
    return made


@rule("cat", "concat", "concatenate")
class Joined(Rule):
    """Values one behind the other: (1, 2) and (3,) give (1, 2, 3); the 3 takes dloss/dy of place 2."""

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """The unit of the value that this stretch of the axis is."""
        names, axis = self._joined(node, len(at))
        place = at[axis]
        for name in names:
            size = see.shape(name)[axis] if len(see.shape(name)) == len(at) else 0
            if place < size:
                return see.unit(name, (*at[:axis], place, *at[axis + 1 :]))
            place -= size
        raise IndexError(f"{node.name} has no unit {at}")

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:
        """dloss/dy at its place behind those in front."""
        names, axis = self._joined(node, len(at))
        before = sum(see.shape(name)[axis] for name in names[: place.item] if len(see.shape(name)) == len(at))
        return see.gradient(node, (*at[:axis], at[axis] + before, *at[axis + 1 :]))

    def _joined(self, node: Node, n_axes: int) -> tuple[list[str], int]:
        tensors: Any = node.args[0]
        dim: Any = optional(node, "dim", 0)
        return [name_of(tensor) for tensor in tensors], int(dim) % n_axes


@rule("stack")
class Stacked(Rule):
    """Values side by side on an axis of their own: (1, 2) and (3, 4) have 3 at [1, 0]; its dloss/dy goes back to 3."""

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """The unit of the value that the axis counts to."""
        tensors: Any = node.args[0]
        axis = self._axis(node, len(at))
        return see.unit(name_of(tensors[at[axis]]), (*at[:axis], *at[axis + 1 :]))

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:
        """dloss/dy of the one place that it is stacked to."""
        axis = self._axis(node, len(at) + 1)
        return see.gradient(node, (*at[:axis], place.item, *at[axis:]))

    def _axis(self, node: Node, n_axes: int) -> int:
        dim: Any = optional(node, "dim", 0)
        return int(dim) % n_axes
