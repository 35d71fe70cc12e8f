"""From a tree of layers to a network, for one shape of image: each layer is held against what it is given."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from torch import nn

from convoscope.errors import ModelError
from convoscope.models.arithmetic import arithmetic
from convoscope.models.described.expand import INPUT, Layer
from convoscope.models.described.joins import Add, Branches, Concat, Residual, Wired
from convoscope.models.described.kinds import KINDS, Made, Sizes, shaped


def assemble(layers: Sequence[Layer], shape: Sizes, n_classes: int) -> nn.Module:
    """The network that the layers stand for: float32 (N, *shape) to logits (N, n_classes).

    Raises:
        ModelError: a layer that does not fit, named with what it is given and by how much it falls short; or an end
            that is not one number for each class.
    """
    network, found = _row(layers, shape, n_classes)
    if found != (n_classes,):
        last = layers[-1].where if layers else "a network without layers"
        much = f"{shaped(found)} numbers" if len(found) == 1 else f"maps of {shaped(found)}"
        raise ModelError(
            f"The last is {last} and puts out {much}; a classifier ends in one number for each of the {n_classes} "
            "classes.",
            hint='End with {linear = "classes"}' + (', and "flatten" before it.' if len(found) > 1 else "."),
        )
    return network


def _row(layers: Sequence[Layer], shape: Sizes, n_classes: int) -> Made:
    """The layers of one list, and the shape of what the last puts out."""
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    shapes: dict[str, Sizes] = {INPUT: shape}
    reads: dict[str, tuple[str, ...]] = {}
    before, plain = INPUT, True
    for layer in layers:
        sources = (layer.source or before, *layer.others)
        plain = plain and sources == (before,)
        try:
            module, found = _made(layer, [shapes[name] for name in sources], n_classes)
        except ModelError as error:
            raise _placed(error, layer, before, modules.get(before), shapes, reads) from None
        except (MemoryError, RuntimeError):  # torch's allocator says it as a RuntimeError
            raise ModelError(f"{layer.where} does not fit in memory.", hint="Make it smaller.") from None
        modules[layer.name], shapes[layer.name], reads[layer.name] = module, found, sources
        before = layer.name
    network = nn.Sequential(modules) if plain else Wired(modules, reads)
    return network, shapes[before]


class _Placed(ModelError):
    """An error that says already which layer it is of."""


def _placed(
    error: ModelError,
    layer: Layer,
    before: str,
    module: nn.Module | None,
    shapes: Mapping[str, Sizes],
    reads: Mapping[str, tuple[str, ...]],
) -> ModelError:
    """The error with its layer before it, and in the hint how the layer before came by its shape."""
    if isinstance(error, _Placed):
        return error
    line = arithmetic(module, shapes[reads[before][0]]) if module is not None and not layer.source else ""
    how = f"The layer before, {before}, puts out {shaped(shapes[before])}: {line}." if line else ""
    return _Placed(f"{layer.where} {error.message}", hint=" ".join(part for part in (error.hint, how) if part))


def _made(layer: Layer, given: list[Sizes], n_classes: int) -> Made:
    """The module of one layer for inputs of these shapes, and the shape of its output."""
    shape = given[0]
    if layer.kind in KINDS:
        return KINDS[layer.kind].make(layer.values, shape, n_classes)
    if layer.kind == "block":
        return _row(layer.lists[0], shape, n_classes)
    if layer.kind == "residual":
        return _residual(layer, shape, n_classes)
    if layer.kind == "branches":
        rows = [_row(branch, shape, n_classes) for branch in layer.lists]
        found = [one for _, one in rows]
        branches = {f"branch{number}": module for number, (module, _) in enumerate(rows, start=1)}
        joined = _concatenated(found) if layer.values["join"] == "concat" else _added(found)
        return Branches(branches, layer.values["join"]), joined
    if layer.kind == "concat":
        return Concat(), _concatenated(given)
    projections = [_projected(other, shape, project=layer.values["project"]) for other in given[1:]]
    return Add(projections), shape


def _residual(layer: Layer, shape: Sizes, n_classes: int) -> Made:
    body, found = _row(layer.lists[0], shape, n_classes)
    project = _projected(shape, found, project=layer.values["project"])
    then, last = _row(layer.lists[1], found, n_classes)
    return Residual(body, project, then if layer.lists[1] else None), last


def _projected(shape: Sizes, wanted: Sizes, *, project: bool) -> nn.Module | None:
    """What brings `shape` to `wanted`: None where they are equal, else a 1x1 convolution with its batch norm.

    He et al. 2016, option B. Its stride is the one that comes to the sides wanted, rounded up.

    Raises:
        ModelError: they differ and no projection was asked for, or no stride comes to them.
    """
    if shape == wanted:
        return None
    if not project:
        raise ModelError(
            f"adds {shaped(wanted)} and {shaped(shape)}: {_difference(wanted, shape)}.",
            hint='Make their shapes equal, or project what goes past: project = true (of a block skip = "project").',
        )
    if len(shape) == len(wanted) == 1:
        return nn.Linear(shape[0], wanted[0], bias=False)
    strides = [math.ceil(side / other) for side, other in zip(shape[1:], wanted[1:], strict=False)]
    fits = len(shape) == len(wanted) and all(
        (side - 1) // stride + 1 == other for side, stride, other in zip(shape[1:], strides, wanted[1:], strict=True)
    )
    if not fits:
        raise ModelError(
            f"adds {shaped(wanted)} and {shaped(shape)}, and no stride of a 1x1 convolution brings the second to the "
            f"first: {_difference(wanted, shape)}.",
            hint="Pad the layers on the way so that they keep the sides or divide them, rounded up.",
        )
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(shape[0], wanted[0], 1, (strides[0], strides[1]), bias=False),
            norm=nn.BatchNorm2d(wanted[0]),
        )
    )


def _added(shapes: Sequence[Sizes]) -> Sizes:
    for shape in shapes[1:]:
        if shape != shapes[0]:
            raise ModelError(
                f"adds {shaped(shapes[0])} and {shaped(shape)}: {_difference(shapes[0], shape)}.",
                hint="Make the shapes of all branches equal.",
            )
    return shapes[0]


def _concatenated(shapes: Sequence[Sizes]) -> Sizes:
    for shape in shapes[1:]:
        if len(shape) != len(shapes[0]) or shape[1:] != shapes[0][1:]:
            raise ModelError(
                f"puts {shaped(shape)} behind {shaped(shapes[0])}: {_difference(shapes[0][1:], shape[1:], 1)}.",
                hint="Along the channels all need the same rows and columns; pad or pool them alike.",
            )
    return (sum(shape[0] for shape in shapes), *shapes[0][1:])


def _difference(one: Sizes, other: Sizes, first: int = 0) -> str:
    """How the second differs from the first: "16 channels fewer and 14 rows more"; axes from number `first`."""
    if len(one) != len(other):
        return "one is flat and the other has maps"
    axes = ("number",) if len(one) + first == 1 else ("channel", "row", "column")[first:]
    said = [
        f"{abs(theirs - ours)} {axis}{'s' if abs(theirs - ours) != 1 else ''} {'more' if theirs > ours else 'fewer'}"
        for ours, theirs, axis in zip(one, other, axes, strict=True)
        if ours != theirs
    ]
    return "the second has " + " and ".join(said)
