"""What each value of a pass can see of the input, followed op by op while the pass runs.

Along one axis a window with kernel k, dilation d, stride s and left padding p turns a field of size r, at steps of j
pixels, the first one starting at pixel f, into

    size  r + (d (k - 1)) j        step  s j        start  f - p j

(Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks", Distill 2019). Where paths meet,
as in a skip, the field reaches from the first start to the last end. The graph room has the same sizes for an exported
network; here no export is needed, so that a table of layers is there at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, TypeAlias

import torch
from torch import Tensor


@dataclass(frozen=True)
class Axis:
    """Place i along a dimension sees `size` places of the input's axis `source`, from `start + i * step` on."""

    source: int
    size: int = 1
    step: int = 1
    start: int = 0


class Whole(Enum):
    """A value whose numbers have no window of one size."""

    ALL = "each sees all of the input"
    MIXED = "they lie in one row, and together see all of it"
    UNKNOWN = "each its own part, or an op on the way is not known here"


Dims: TypeAlias = tuple[Axis | None, ...]  # one for each dimension; None where it is no axis of the input
Sight: TypeAlias = Dims | Whole
Seen: TypeAlias = Callable[[Tensor], Sight | None]  # None: the value does not depend on the input
Arguments: TypeAlias = Sequence[Any]  # what any op is given


def field_of(sight: Sight | None, n_axes: int) -> tuple[int, ...] | str | None:
    """The field along each axis of the input, "all", or None where there is no such size."""
    if sight is Whole.ALL:
        return "all"
    axes = {axis.source: axis.size for axis in sight if axis} if isinstance(sight, tuple) else {}
    return tuple(axes[source] for source in range(n_axes)) if n_axes and len(axes) == n_axes else None


def followed(op: Any, args: Arguments, y: Tensor, seen: Seen) -> Sight | None:  # noqa: ANN401 - torch._ops.OpOverload
    """The sight of an op's (first) value `y`, from those of its arguments."""
    tensors = [part for arg in args for part in (arg if isinstance(arg, (list, tuple)) else [arg])]
    known = [(part, sight) for part in tensors if isinstance(part, Tensor) and (sight := seen(part)) is not None]
    if not known:
        return None
    name = str(op.overloadpacket.__name__).strip("_")
    if torch.Tag.pointwise in op.tags or name in _SAME_PLACE:
        return _met([_spread(sight, part.ndim, y.ndim) for part, sight in known])
    sights = [sight for _, sight in known]
    if Whole.ALL in sights:
        return Whole.ALL
    if name in _PRODUCTS:
        return _product(known, y)
    if name == "cat":
        return _met(sights) if _has_no_place(sights, [args[1] if len(args) > 1 else 0]) else Whole.UNKNOWN
    if name == "embedding":
        indices = sights[0]
        return (*indices, None) if isinstance(indices, tuple) else indices
    (x, sight), rule = known[0], _RULES.get(name)
    if rule is None or len(known) > 1 or not isinstance(sight, tuple):
        return sight if name in _VIEWS and sight is Whole.MIXED else Whole.UNKNOWN
    return rule(sight, x, args, y)


def _spread(sight: Sight, ndim: int, wanted: int) -> Sight:
    """Broadcasting puts dimensions before the first."""
    return (None,) * (wanted - ndim) + sight if isinstance(sight, tuple) else sight


def _met(sights: Sequence[Sight]) -> Sight:
    """Of a value that several are put together in, place by place."""
    for whole in (Whole.ALL, Whole.UNKNOWN, Whole.MIXED):
        if whole in sights:
            return whole if whole is not Whole.MIXED or all(sight is whole for sight in sights) else Whole.UNKNOWN
    joined: list[Axis | None] = []
    for axes in zip(*(sight for sight in sights if isinstance(sight, tuple)), strict=True):
        there = [axis for axis in axes if axis is not None]
        if not there:
            joined.append(None)
        elif len({(axis.source, axis.step) for axis in there}) > 1:
            return Whole.UNKNOWN
        else:
            start = min(axis.start for axis in there)
            joined.append(replace(there[0], start=start, size=max(axis.start + axis.size for axis in there) - start))
    return tuple(joined)


def _has_no_place(sights: Sequence[Sight], dims: Sequence[int]) -> bool:
    return all(sight[dim] is None for sight in sights if isinstance(sight, tuple) for dim in dims)


def _slid(axis: Axis | None, kernel: int, stride: int, padding: int, dilation: int) -> Axis | None:
    if axis is None:
        return None
    size = axis.size + dilation * (kernel - 1) * axis.step
    return replace(axis, size=size, step=axis.step * stride, start=axis.start - padding * axis.step)


def _along(values: Any, n: int, default: Sequence[int]) -> Sequence[int]:  # noqa: ANN401 - an int, or one for each axis
    given = [values] if isinstance(values, int) else list(values)
    return list(default) if not given else given * n if len(given) == 1 else given


def _windows(dims: Dims, kernel: Sequence[int], stride: Any, padding: Any, dilation: Any) -> Sight:  # noqa: ANN401
    n = len(kernel)
    steps = zip(_along(stride, n, kernel), _along(padding, n, [0] * n), _along(dilation, n, [1] * n), strict=True)
    slid = [_slid(axis, k, *step) for axis, k, step in zip(dims[-n:], kernel, steps, strict=True)]
    return (*dims[:-n], *slid)


def _convolution(dims: Dims, _: Tensor, args: Arguments, y: Tensor) -> Sight:  # noqa: ARG001 - one signature
    weight, stride, padding, dilation, is_transposed = args[1], *args[3:7]
    if is_transposed or dims[1] is not None:
        return Whole.UNKNOWN
    return _windows(dims, weight.shape[2:], stride, padding, dilation)


def _pool(dims: Dims, _: Tensor, args: Arguments, y: Tensor, *, is_max: bool) -> Sight:  # noqa: ARG001
    kernel, stride, padding, dilation = [*args, *([], 0, 1)[len(args) - 2 :]][1:5]
    return _windows(dims, kernel, stride, padding, dilation if is_max else 1)


def _adaptive(dims: Dims, x: Tensor, _: Arguments, y: Tensor) -> Sight:
    if x.shape == y.shape:
        return dims
    places = [dim for dim, axis in enumerate(dims) if axis is not None]
    return Whole.ALL if places and all(y.shape[dim] == 1 for dim in places) else Whole.UNKNOWN


def _reduced(dims: Dims, x: Tensor, args: Arguments, y: Tensor) -> Sight:
    """A sum, mean, least or greatest over some dimensions."""
    given = args[1] if len(args) > 1 and args[1] is not None else []
    gone = {int(dim) % x.ndim for dim in ([given] if isinstance(given, int) else given)} or set(range(x.ndim))
    left = [None if dim in gone else axis for dim, axis in enumerate(dims)]
    places = [axis for axis in dims if axis is not None]
    if places and not any(left):
        return Whole.ALL
    if sum(axis is not None for axis in left) < len(places):
        return Whole.UNKNOWN
    return tuple(left) if y.ndim == x.ndim else tuple(axis for dim, axis in enumerate(left) if dim not in gone)


def _viewed(dims: Dims, x: Tensor, _: Arguments, y: Tensor) -> Sight:
    """Another shape of the same numbers: dimensions of more than one place keep their meaning where they are whole."""
    if x.shape == y.shape:
        return dims
    before = [(length, axis) for length, axis in zip(x.shape, dims, strict=True) if length > 1]
    if [length for length, _ in before] != [length for length in y.shape if length > 1]:
        return Whole.MIXED
    kept = iter(axis for _, axis in before)
    found = tuple(next(kept) if length > 1 else None for length in y.shape)
    n_lost = sum(axis is not None for axis in dims) - sum(axis is not None for axis in found)
    return found if not n_lost else Whole.UNKNOWN if any(found) else Whole.MIXED


def _permuted(dims: Dims, x: Tensor, args: Arguments, y: Tensor) -> Sight:  # noqa: ARG001
    order = args[1] if len(args) == 2 else None
    if order is not None:
        return tuple(dims[dim] for dim in order)
    one, other = (int(dim) % x.ndim for dim in args[1:3]) if len(args) > 2 else (0, x.ndim - 1)
    swapped = list(dims)
    swapped[one], swapped[other] = dims[other], dims[one]
    return tuple(swapped)


def _selected(dims: Dims, x: Tensor, args: Arguments, y: Tensor) -> Sight:  # noqa: ARG001
    dim = int(args[1] if len(args) > 1 else 0) % x.ndim
    return Whole.UNKNOWN if dims[dim] is not None else (*dims[:dim], *dims[dim + 1 :])


def _indexed(dims: Dims, x: Tensor, args: Arguments, y: Tensor) -> Sight:
    """Some of the channels, in any order: x[:, [0, 2]]."""
    by = [index is not None for index in args[1]]
    return dims if sum(by) == 1 and x.ndim == y.ndim and dims[by.index(True)] is None else Whole.UNKNOWN


def _picked(dims: Dims, x: Tensor, args: Arguments, y: Tensor) -> Sight:  # noqa: ARG001
    return dims if dims[int(args[1])] is None else Whole.UNKNOWN


def _sliced(dims: Dims, x: Tensor, args: Arguments, y: Tensor) -> Sight:  # noqa: ARG001
    given: list[Any] = [*args[1:]]
    dim, start, _, step = given + [0, None, None, 1][len(given) :]
    axis = dims[dim % x.ndim]
    if axis is None:
        return dims
    begin = int(start or 0) + (x.shape[dim] if (start or 0) < 0 else 0)
    moved = replace(axis, start=axis.start + begin * axis.step, step=axis.step * int(step))
    return tuple(moved if place == dim % x.ndim else other for place, other in enumerate(dims))


def _padded(dims: Dims, x: Tensor, args: Arguments, y: Tensor) -> Sight:  # noqa: ARG001
    found = list(dims)
    for place, left in enumerate(args[1][::2], start=1):  # the last dimension comes first
        axis = found[-place]
        found[-place] = None if axis is None else replace(axis, start=axis.start - left * axis.step)
    return tuple(found)


def _normalised(dims: Dims, x: Tensor, args: Arguments, y: Tensor) -> Sight:  # noqa: ARG001
    """Layer norm over the last dimensions."""
    return Whole.ALL if any(dims[-len(args[1]) :]) else dims


def _over_maps(dims: Dims, x: Tensor, args: Arguments, y: Tensor) -> Sight:  # noqa: ARG001
    """Group norm: each number is measured by whole maps."""
    return Whole.ALL


def _along_one(dims: Dims, x: Tensor, args: Arguments, y: Tensor) -> Sight:  # noqa: ARG001
    """Softmax along one dimension."""
    return dims if dims[int(args[1])] is None else Whole.UNKNOWN


def _product(known: Sequence[tuple[Tensor, Sight]], y: Tensor) -> Sight:
    """A matrix product whose first factor comes from the input, and whose second is weights."""
    _, sight = known[0]
    if len(known) > 1 or not isinstance(sight, tuple):
        return Whole.ALL if len(known) == 1 and sight is Whole.MIXED else Whole.UNKNOWN
    kept = (*sight[:-1], None)
    return kept if sight[-1] is None and len(kept) == y.ndim else Whole.UNKNOWN


_BATCH_NORMS = ("native_batch_norm", "native_batch_norm_legit", "native_batch_norm_legit_no_training")
_SAME_PLACE = frozenset({*_BATCH_NORMS, "native_dropout", "clone", "to_copy", "detach", "alias", "lift_fresh"})
_PRODUCTS = frozenset({"mm", "addmm", "bmm", "baddbmm"})
_VIEWS = frozenset({"view", "unsafe_view", "reshape", "unsqueeze", "squeeze", "expand"})
_RULES: dict[str, Callable[[Dims, Tensor, Arguments, Tensor], Sight]] = {
    "convolution": _convolution,
    **{f"max_pool{n}d_with_indices": lambda *given: _pool(*given, is_max=True) for n in (2, 3)},
    **{f"avg_pool{n}d": lambda *given: _pool(*given, is_max=False) for n in (2, 3)},
    **dict.fromkeys(("adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool2d"), _adaptive),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "max", "min", "logsumexp"), _reduced),
    **dict.fromkeys(_VIEWS, _viewed),
    **dict.fromkeys(("permute", "transpose", "t"), _permuted),
    **dict.fromkeys(("select", "unbind"), _selected),
    "index": _indexed,
    "index_select": _picked,
    "slice": _sliced,
    "constant_pad_nd": _padded,
    "native_layer_norm": _normalised,
    "native_group_norm": _over_maps,
    **dict.fromkeys(("softmax", "log_softmax"), _along_one),
}
