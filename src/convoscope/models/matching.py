"""Whether weights are a network's own: taken over whole, or refused with the first name or shape that differs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from convoscope.errors import ConvoscopeError, ModelError
from convoscope.models.build import architecture_of, build
from convoscope.models.naming import SHARED, ours
from convoscope.models.registry import MODELS, InputShape
from convoscope.models.undrawn import undrawn
from convoscope.models.weights import Weights

Head: TypeAlias = Literal["auto", "keep", "new"]

_COUNTER = "num_batches_tracked"  # batch norms have it since 2018, and read no number from it here
_LARGE_SIDE = 224


@dataclass(frozen=True)
class Built:
    """What a network was built as.

    Attributes:
        name: Of the architecture.
        shape: Of one example.
        n_classes: How many classes it tells apart.
        options: Of the architecture, as given.
    """

    name: str
    shape: InputShape
    n_classes: int
    options: Mapping[str, object] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Taken:
    """What a network took over.

    Attributes:
        head: Its last layer, None where no layer ends in the classes.
        drawn: Why the last layer keeps the numbers it was drawn with, as a clause; "" where it was taken over too.
    """

    head: str | None
    drawn: str = ""


def head_of(model: nn.Module, n_classes: int) -> str | None:
    """The path of the last layer with numbers of its own, where all of them have a row for each class; else None."""
    layers = [(path, layer) for path, layer in model.named_modules() if path and _own(layer)]
    path, last = layers[-1] if layers else ("", nn.Identity())
    ends_in_classes = all(value.ndim and value.shape[0] == n_classes for value in _own(last).values())
    return path if path and ends_in_classes else None


def _own(layer: nn.Module) -> dict[str, Tensor]:
    """What a layer itself keeps, without that of the layers inside it."""
    return {key: value for key, value in layer.state_dict().items() if "." not in key}


@torch.no_grad()
def take(model: nn.Module, built: Built, weights: Weights, head: Head = "auto") -> Taken:
    """Fills a network with the weights of a file, in the network's own number format.

    Names may be ours, which are torchvision's, or timm's. A network is filled whole or left as it was.

    Args:
        model: The network; what it does not take over keeps its numbers.
        built: What it was built as.
        weights: The file's tensors.
        head: Of the last layer: "auto" takes it where it fits, and leaves it where the file has none or only the
            number of classes differs; "keep" takes it, "new" leaves it.

    Raises:
        ModelError: a name or a shape differs, a tensor holds no real numbers, or one that is not finite; or "new" is
            asked of a network that has no last layer with a row for each class.
    """
    assert head in get_args(Head)
    own = model.state_dict()
    found = ours(weights.tensors, own)
    last = head_of(model, built.n_classes)
    if head == "new" and last is None:
        raise ModelError(
            f"The last layer of {built.name} was to be drawn anew, and it has none with a row for each class.",
            hint="Leave --head new away, or --init.",
        )
    drawn = _why_drawn(own, found, last, built.n_classes, head)
    skipped = {key for key in own if drawn and key.startswith(f"{last}.")}
    wanted = {key: value for key, value in own.items() if key not in skipped}
    given = {key: value for key, value in found.items() if key not in skipped}
    if any(_misfits(wanted, given)):
        raise _misfit(built, weights, wanted, given, hint=_advice(built, own, found))
    taken = {key: given[key] for key in wanted if key in given}
    for key, value in taken.items():
        _check_numbers(weights, key, value, own[key])
    for key, value in taken.items():
        own[key].copy_(value)
    return Taken(last, drawn)


def _why_drawn(own: Mapping[str, Tensor], found: Mapping[str, Tensor], last: str | None, n: int, head: Head) -> str:
    """Why the last layer is not taken over, "" where it is; ModelError where it was to be kept and cannot be."""
    if last is None:
        return ""
    if head == "new":
        return "as was asked"
    rows = {key: value for key, value in own.items() if key.startswith(f"{last}.")}
    there = {key: found[key] for key in rows if key in found}
    if not there:
        why = f"The weights have no {last}"
    elif len(there) < len(rows) or not all(_rows_alone_differ(rows[key], value) for key, value in there.items()):
        return ""  # it fits, or is a misfit like any other
    else:
        why = f"The weights tell {len(next(iter(there.values()))):,} classes apart and the data have {n:,}"
    if head == "keep":
        raise ModelError(
            f"{why}: {last} cannot be kept.",
            hint="Use --head auto, which draws it anew and takes over all else, or --head new.",
        )
    return why


def _rows_alone_differ(own: Tensor, other: Tensor) -> bool:
    return own.shape != other.shape and other.ndim == own.ndim and own.shape[1:] == other.shape[1:]


def _misfits(own: Mapping[str, Tensor], found: Mapping[str, Tensor], name: str = "") -> Iterator[str]:
    """What differs from the network `name`, a clause each: in its own order, then what the file has besides."""
    for key, value in own.items():
        if key not in found:
            if not key.endswith(_COUNTER):
                yield f"{key} {_shape(value)} is not in the file"
        elif found[key].shape != value.shape:
            yield f"{key} is {_shape(found[key])} in the file and {_shape(value)} in {name}"
    for key, value in found.items():
        if key not in own:
            yield f"the file has {key} {_shape(value)}, which {name} lacks"


def _misfit(
    built: Built, weights: Weights, own: Mapping[str, Tensor], found: Mapping[str, Tensor], *, hint: str
) -> ModelError:
    first = next(_misfits(own, found, built.name))
    n_missing = sum(key not in found and not key.endswith(_COUNTER) for key in own)
    n_other = sum(key in found and found[key].shape != value.shape for key, value in own.items())
    n_extra = sum(key not in own for key in found)
    counts = f"{n_other} have another shape and {n_missing} are missing; {n_extra} are in the file alone."
    return ModelError(
        f"{weights.source} holds the weights of another network than {built.name}: {first}. Of {built.name}'s "
        f"{len(own)} tensors {counts}",
        hint=hint,
    )


def _shape(tensor: Tensor) -> str:
    return f"({', '.join(map(str, tensor.shape))})"


def _check_numbers(weights: Weights, key: str, value: Tensor, own: Tensor) -> None:
    if own.is_floating_point() and not value.is_floating_point():
        kind = str(value.dtype).removeprefix("torch.")
        raise ModelError(
            f"{weights.source} holds {key} as {kind}; weights are floating-point numbers.",
            hint="Give the weights as they were before they were quantised.",
        )
    if own.is_floating_point() and not bool(torch.isfinite(value.to(own.dtype)).all()):
        n = int((~torch.isfinite(value.to(own.dtype))).sum())
        raise ModelError(
            f"{weights.source} cannot be used: of {key}'s {value.numel():,} numbers {n:,} are NaN or infinite.",
            hint="Take weights from before their training went wrong.",
        )


def _advice(built: Built, own: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """What would make a file's weights fit, in a sentence; what there is to choose has been tried."""
    if channels := _other_channels(own, found):
        return (
            f"The weights read {channels[0]} channel{'s' if channels[0] > 1 else ''} and the data have {channels[1]}: "
            "give images with as many."
        )
    for flags, other in _alternatives(built):
        if (shapes := _shapes_of(other)) and not any(_misfits(*_without_head(shapes, found, other.n_classes))):
            return f"They fit with {flags}."
    return "Give weights of this architecture with the same options (see: convoscope models)."


def _other_channels(own: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> tuple[int, int] | None:
    """(the file's, the network's) channels where those are all that its first kernel differs in; else None."""
    first = next((key for key, value in own.items() if key in found and value.ndim == found[key].ndim == 4), "")
    if not first or own[first].shape == found[first].shape:
        return None
    a, b = found[first].shape, own[first].shape
    return (a[1], b[1]) if (a[0], *a[2:]) == (b[0], *b[2:]) else None


def _alternatives(built: Built) -> Iterator[tuple[str, Built]]:
    """Networks that the user may have meant, each with the options that give it."""
    others = []
    for item in dataclasses.fields(architecture_of(built.name).options):
        for choice in item.metadata.get("choices", ()):
            if choice != "auto":
                other = dataclasses.replace(built, options={**built.options, item.name: choice})
                others.append((f"--{item.name.replace('_', '-')} {choice}", other))
    yield from others
    if isinstance(built.shape, tuple) and min(built.shape[1:]) < _LARGE_SIDE:
        shape = (built.shape[0], _LARGE_SIDE, _LARGE_SIDE)
        for flag, other in others:
            large = dataclasses.replace(other, shape=shape)
            yield f"{flag} and larger images (--image-size {_LARGE_SIDE})", large
    # First those that such files are mostly of: resnet50 has the names and shapes of resnet50_v1.
    for name, entry in sorted(MODELS.items(), key=lambda item: not SHARED["torchvision"].fullmatch(item[0])):
        if name != built.name:
            yield f"--model {name}", Built(name, *entry.native)
    native = architecture_of(built.name).native
    if isinstance(native[0], tuple):
        yield f"images of {' x '.join(map(str, native[0]))}", Built(built.name, *native)


def _shapes_of(built: Built) -> dict[str, Tensor]:
    """A network's tensors without numbers; {} where it cannot be built."""
    try:
        with torch.device("meta"), undrawn():
            return dict(build(built.name, built.shape, built.n_classes, built.options).state_dict())
    except (ConvoscopeError, RuntimeError, NotImplementedError):
        return {}


def _without_head(
    own: Mapping[str, Tensor], found: Mapping[str, Tensor], n_classes: int
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Both without the rows for each class, which differ with the data alone."""
    same = ours(found, own)
    rows = {
        key for key in own if key in same and _rows_alone_differ(own[key], same[key]) and len(own[key]) == n_classes
    }
    return (
        {key: value for key, value in own.items() if key not in rows},
        {key: value for key, value in same.items() if key not in rows},
    )


def check_same(built: Built, tensors: Mapping[str, Tensor], library: str) -> None:
    """Raises ModelError where a library's network of the same name and classes could not take these tensors over.

    The library's network is ours of the shape that its weights are for, without options.

    Args:
        built: What the network was built as.
        tensors: Its state, by our names.
        library: Whose network it is to fit.
    """
    native = architecture_of(built.name).native[0]
    misfit = next(_misfits(_shapes_of(Built(built.name, native, built.n_classes)), tensors, f"{library}'s"), None)
    if misfit is not None:
        raise ModelError(
            f"{library}'s {built.name} cannot read these weights: {misfit.replace('in the file', 'here')}.",
            hint="Leave --like away; or train on colour images with the options that the library's network has "
            "(--stem imagenet).",
        )
