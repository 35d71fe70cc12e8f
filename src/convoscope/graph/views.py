"""Views: what an in-place write to part of a tensor does to the whole of it, said without writing in place."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor

from convoscope.graph.calls import Call, Sizes, Target, argument_names
from convoscope.graph.graph import Argument, Ref

aten = torch.ops.aten

RESHAPES = frozenset(
    {"view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as", "reshape_as"}
)
SAME = frozenset({"dropout", "feature_dropout", "alias", "detach", "contiguous", "to", "lift_fresh", "expand"})
SWAPS = frozenset({"transpose", "t", "swapaxes", "swapdims", "movedim"})
ANOTHER_NAME = {aten.bernoulli_.float: aten.bernoulli.p, aten.normal_.default: aten.normal_functional.default}
PARTS = frozenset({"split", "split_with_sizes", "chunk", "tensor_split"})


class NoInverseError(Exception):
    """A view that cannot be written through; the op's name is its text."""


def undo(view: Call, base: Ref, new: Ref, base_fake: Tensor, sizes: Sizes) -> tuple[Target, tuple[Argument, ...]]:
    """The call that gives the whole tensor after the view `view` of it became `new`.

    Args:
        view: The call that made the view from the whole.
        base: The whole tensor before the write.
        new: The view's new value.
        base_fake: A fake tensor with the whole's shape.
        sizes: Reads symbolic sizes.

    Raises:
        NoInverseError: a view whose positions in the whole are not known here.
    """
    given = dict(zip(argument_names(view.target), view.args, strict=False))
    shape = sizes.shape(base_fake)
    same_shape = shape == sizes.shape(view.fake)
    if view.op in RESHAPES or (view.op in SAME and same_shape):
        return aten.reshape.default, (new, shape)
    if view.op in SWAPS:
        if view.op == "movedim":
            return view.target, (new, given["destination"], given["source"])
        return view.target, (new, *view.args[1:])
    if view.op == "permute":
        order = [int(axis) % base_fake.dim() for axis in _ints(given["dims"])]
        return aten.permute.default, (new, tuple(order.index(axis) for axis in range(len(order))))
    if view.op == "select":
        return aten.select_scatter.default, (base, new, given["dim"], given["index"])
    if view.op == "slice":
        return aten.slice_scatter.default, (base, new, *view.args[1:])
    if view.op == "diagonal":
        return aten.diagonal_scatter.default, (base, new, *view.args[1:])
    raise NoInverseError(view.op)


def undo_part(many: Call, index: int, base: Ref, new: Ref, sizes: Sizes) -> tuple[Target, tuple[Argument, ...]]:
    """The call that gives the whole tensor after part `index` of what `many` (split, chunk, unbind) made became `new`.

    Raises:
        NoInverseError: an op whose parts' positions in the whole are not known here.
    """
    given = dict(zip(argument_names(many.target), many.args, strict=False))
    if many.op == "unbind":
        return aten.select_scatter.default, (base, new, given["dim"], index)
    if many.op not in PARTS:
        raise NoInverseError(many.op)
    dim = given["dim"]
    lengths = [sizes.shape(part)[int(str(dim))] for part in many.fake]
    start = sum(lengths[:index])
    return aten.slice_scatter.default, (base, new, dim, start, start + lengths[index], 1)


def is_whole_slice(target: Target, args: tuple[Any, ...], fake: Tensor, base: Tensor) -> bool:
    """Whether a slice takes everything, as the first of `x[:, 1]` does."""
    if target is not aten.slice.Tensor:
        return False
    start, step, axis = args[2], args[4], args[1]
    return start in (0, None) and step == 1 and str(fake.shape[axis]) == str(base.shape[axis])


def functional(target: Target) -> Target | None:
    """The op that computes what `target` writes, with the same arguments less `out`; None where there is none."""
    if target in ANOTHER_NAME:
        return ANOTHER_NAME[target]
    names = tuple(name for name in argument_names(target) if name != "out")
    name = target.overloadpacket.__name__
    name = name if "out" in argument_names(target) else name.removesuffix("_")
    packet = getattr(getattr(torch.ops, target.namespace), name, None)
    candidates = [] if packet is None else [getattr(packet, overload) for overload in packet.overloads()]
    own = target._overloadname  # noqa: SLF001 - torch's only door to it
    for candidate in candidates:
        theirs = argument_names(candidate)
        # `add_.Tensor` is `add.Tensor`, `dropout_(self, ...)` is `dropout(input, ...)`.
        same = theirs[1:] == names[1:] if candidate._overloadname == own else theirs == names  # noqa: SLF001
        if same and not written(candidate):
            return candidate
    return None


def written(target: Target) -> tuple[int, ...]:
    """The positions of the arguments that the op writes to."""
    if target is operator.getitem:
        return ()
    return tuple(
        position
        for position, argument in enumerate(target._schema.arguments)  # noqa: SLF001
        if argument.alias_info is not None and argument.alias_info.is_write
    )


def _ints(argument: Argument) -> tuple[int, ...]:
    return tuple(part for part in argument if isinstance(part, int)) if isinstance(argument, tuple) else ()
