"""Places: which numbers of an op's inputs a set of its output's numbers depends on, axis by axis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convoscope.graph.graph import Argument, Graph, Node, Ref
from convoscope.graph.run import compute, is_pointwise
from convoscope.graph.taps import GRIDS, grid_places, words

Mask: TypeAlias = NDArray[np.bool_]
Places: TypeAlias = tuple[Mask, ...]  # one mask an axis; a number is meant where all its axes are
Found: TypeAlias = tuple[str, Places, bool]  # an input, its places, and whether they are exact

# Each number depends on the numbers at its own place; torch tags most such ops "pointwise", these it does not.
SAME_PLACE = words(
    "dropout feature_dropout alpha_dropout contiguous to type_as detach clone prelu hardswish log_sigmoid "
    "divide multiply subtract true_divide alias native_dropout"
)
# Each number is one of the input's, elsewhere.
MOVES = words(
    "view view_as reshape reshape_as _unsafe_view flatten unflatten squeeze unsqueeze permute transpose t "
    "movedim swapaxes swapdims select slice narrow expand expand_as repeat tile cat concat stack split "
    "split_with_sizes chunk unbind tensor_split pad constant_pad_nd reflection_pad1d reflection_pad2d "
    "replication_pad1d replication_pad2d flip roll rot90 pixel_shuffle pixel_unshuffle channel_shuffle "
    "select_scatter slice_scatter diagonal diagonal_scatter tril triu upsample_nearest1d "
    "upsample_nearest2d upsample_nearest3d repeat_interleave index index_select"
)
REDUCTIONS = words("sum mean amax amin max min prod var std var_mean logsumexp norm linalg_vector_norm median nansum")
ALONG = words("softmax _softmax log_softmax _log_softmax cumsum cumprod softmin")
NOTHING = words(
    "zeros_like ones_like full_like empty_like rand_like randn_like new_zeros new_ones new_full new_empty bernoulli"
)


def everywhere(shape: tuple[int, ...]) -> Places:
    """All places of a shape."""
    return tuple(np.ones(length, dtype=bool) for length in shape)


def sources_of(graph: Graph, node: Node, places: Places) -> Iterator[Found]:
    """The places of each tensor that an op reads which the places of its output depend on.

    Args:
        graph: The graph.
        node: An op; one value of an op that makes several stands for that op.
        places: Of the node's value.
    """
    part = None
    if node.op == "getitem" and isinstance(node.args[0], Ref):
        part, node = int(str(node.args[1])), graph.nodes[node.args[0].node]
    inputs = list(dict.fromkeys(node.inputs))
    shapes = {name: graph.nodes[name].shape for name in inputs}
    if node.op in NOTHING or not inputs:
        return
    if node.op in MOVES and all(graph.nodes[name].dtype != "tuple" for name in inputs):
        yield from _moved(graph, node, places, part)
    elif node.op in GRIDS:
        yield inputs[0], grid_places(node, places, shapes), True
        for name in inputs[1:]:
            yield name, everywhere(shapes[name]), True
    elif node.op in SAME_PLACE or is_pointwise(node):
        for name in inputs:
            yield name, _broadcast(places, shapes[name]), True
    else:
        yield from _spread(node, places, shapes)


def _spread(node: Node, places: Places, shapes: dict[str, tuple[int, ...]]) -> Iterator[Found]:
    """The ops that sum over whole axes."""
    first, *others = shapes
    if node.op in ("linear", "matmul", "mm", "bmm", "addmm", "baddbmm"):
        yield from _product(node, places, shapes)
    elif node.op == "scaled_dot_product_attention":
        yield from _attention(node, places, shapes)
    elif node.op == "embedding":
        yield others[0], places[:-1], True
    elif (axes := _axes(node, len(shapes[first]))) is not None:
        yield first, _widened(node, places, shapes[first], axes), True
        for name in others:
            yield name, everywhere(shapes[name]), True
    elif node.op == "glu":
        axis = int(str(node.argument("dim"))) % len(places)
        yield first, (*places[:axis], np.tile(places[axis], 2), *places[axis + 1 :]), True
    else:
        for name, shape in shapes.items():
            yield name, everywhere(shape), not places  # a number made of everything, or an op not known here


def _axes(node: Node, dims: int) -> tuple[int, ...] | None:
    """The axes of its first input that each number of the op's value depends on in whole; None for other ops."""
    if node.op in REDUCTIONS or node.op in ALONG:
        if "dim" not in node.argument_names:
            return tuple(range(dims))
        dim = node.argument("dim")
        axes = dim if isinstance(dim, tuple) else () if dim is None else (dim,)
        return tuple(int(str(axis)) % dims for axis in axes) or tuple(range(dims))
    if node.op == "layer_norm":
        shape = node.argument("normalized_shape")
        return tuple(range(dims - (len(shape) if isinstance(shape, tuple) else 1), dims))
    if node.op == "batch_norm":
        return tuple(axis for axis in range(dims) if axis != 1) if node.argument("training") else ()
    if node.op == "instance_norm":
        return tuple(range(2, dims)) if node.argument("use_input_stats") else ()
    return tuple(range(1, dims)) if node.op == "group_norm" else None


def _widened(node: Node, places: Places, shape: tuple[int, ...], axes: tuple[int, ...]) -> Places:
    """The output's places on the input's axes, with `axes` in whole."""
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    if len(places) != len(shape):
        places = _at(places, kept, shape)
    wide = [np.ones(length, dtype=bool) if axis in axes else places[axis] for axis, length in enumerate(shape)]
    if node.op == "group_norm":
        groups = np.asarray(places[1].reshape(int(str(node.argument("num_groups"))), -1).any(axis=1))
        wide[1] = np.repeat(groups, shape[1] // len(groups))
    if node.op in ("cumsum", "cumprod"):
        last = int(np.flatnonzero(places[axes[0]])[-1])
        wide[axes[0]] = np.arange(shape[axes[0]]) <= last
    return tuple(wide)


def _at(places: Places, kept: list[int], shape: tuple[int, ...]) -> Places:
    wide = list(everywhere(shape))
    for axis, mask in zip(kept, places, strict=True):
        wide[axis] = mask
    return tuple(wide)


def _broadcast(places: Places, shape: tuple[int, ...]) -> Places:
    """The places on an input that is broadcast to the output, or everywhere where it is not."""
    own = places[len(places) - len(shape) :] if shape else ()
    if len(shape) > len(places) or any(length not in (1, len(mask)) for mask, length in zip(own, shape, strict=True)):
        return everywhere(shape)  # PReLU's weights, which have an axis of their own
    return tuple(mask if length > 1 else np.ones(1, bool) for mask, length in zip(own, shape, strict=True))


def _product(node: Node, places: Places, shapes: dict[str, tuple[int, ...]]) -> Iterator[Found]:
    """Linear layers and matrix products: rows of the one, columns of the other, all of the axis that is summed over."""
    names = [argument.node for argument in node.args if isinstance(argument, Ref)]
    if node.op in ("addmm", "baddbmm"):
        bias = names.pop(0)
        yield bias, _broadcast(places, shapes[bias]), True
    left, right = names[:2]
    if node.op == "linear":
        yield left, (*places[:-1], np.ones(shapes[left][-1], bool)), True
        for name in names[1:]:
            yield name, everywhere(shapes[name]), True
        return
    one, other = shapes[left], shapes[right]
    rows = places[: -1 if len(other) > 1 else None]
    batch = rows[:-1] if len(one) > 1 else rows
    row = rows[-1:] if len(one) > 1 else ()
    columns = places[-1:] if len(other) > 1 else ()
    summed = np.ones(one[-1], bool)
    yield left, (*_broadcast(batch, one[:-2]), *row, summed), True
    yield right, (*_broadcast(batch, other[:-2]), summed, *columns), True


def _attention(node: Node, places: Places, shapes: dict[str, tuple[int, ...]]) -> Iterator[Found]:
    query, key, value = (argument.node for argument in node.args[:3] if isinstance(argument, Ref))
    seen = np.ones(shapes[key][-2], bool)
    if node.argument("is_causal"):
        seen = np.arange(len(seen)) <= int(np.flatnonzero(places[-2])[-1])
    known = node.argument("attn_mask") is None and not node.argument("enable_gqa")
    yield query, (*places[:-1], np.ones(shapes[query][-1], bool)), known
    yield key, (*_broadcast(places[:-2], shapes[key][:-2]), seen, np.ones(shapes[key][-1], bool)), known
    yield value, (*_broadcast(places[:-2], shapes[value][:-2]), seen, places[-1]), known


def _moved(graph: Graph, node: Node, places: Places, part: int | None) -> Iterator[Found]:
    """Runs the op on numbered places, and reads off which numbers end where; 0 is no place."""
    values: dict[str, Tensor] = {}
    start = 1
    for name in node.inputs:
        shape = graph.nodes[name].shape
        if name in graph.constants:
            values[name] = graph.constants[name]
        elif name not in values:
            size = int(np.prod(shape))
            values[name] = torch.arange(start, start + size, dtype=torch.float64).reshape(shape)
            start += size
    indices = [name for name in values if graph.nodes[name].dtype in ("int64", "bool", "int32")]
    if node.op.startswith("index") and any(name not in graph.constants for name in indices):
        for name in node.inputs:
            yield name, everywhere(graph.nodes[name].shape), False
        return
    made = compute(_without_fill(node), values, device=torch.device("cpu"))
    made = made if part is None else made[part]
    chosen = made.numpy()[np.ix_(*places)].astype(np.int64).ravel() if places else made.numpy().astype(np.int64).ravel()
    start = 1
    for name in dict.fromkeys(node.inputs):
        if name in graph.constants:
            continue
        shape = graph.nodes[name].shape
        size = int(np.prod(shape))
        here = chosen[(chosen >= start) & (chosen < start + size)] - start
        at = np.unravel_index(here, shape) if shape else ()
        yield name, tuple(np.isin(np.arange(length), axis) for length, axis in zip(shape, at, strict=True)), True
        start += size


def _without_fill(node: Node) -> Node:
    """The op with its padding made of zeros, which are no place."""
    if node.op not in ("pad", "constant_pad_nd"):
        return node
    args: tuple[Argument, ...] = tuple(
        0.0 if name == "value" and argument is not None else argument
        for name, argument in zip(node.argument_names, node.args, strict=True)
    )
    return Node(node.name, "op", node.op, args=args, argument_names=node.argument_names, overload=node.overload)
