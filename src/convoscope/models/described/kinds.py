"""The kinds of layers that a TOML file can name: what each takes, what it makes, and which input does not fit it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from torch import nn

from convoscope.errors import ModelError
from convoscope.models.activations import ACTIVATIONS, activation
from convoscope.models.arithmetic import shape_out, shortfall
from convoscope.registry import Registry

Sizes: TypeAlias = tuple[int, ...]
"""The shape of one example's values: (C, H, W), or (D,) once it is flat."""

Values: TypeAlias = Mapping[str, Any]
"""What a layer was given, by key, defaults filled in; what stands behind the kind itself is under the kind's name."""

Made: TypeAlias = tuple[nn.Module, Sizes]

REQUIRED: Any = object()
_MOST = 1_000_000  # of anything that is counted: more is a slip of the keyboard


@dataclass(frozen=True)
class Take:
    """What a key takes: how that is said, and its reader, which gives None for what it cannot take."""

    words: str
    read: Callable[[Any], Any]


@dataclass(frozen=True)
class Key:
    """A key of a layer: what it takes, and what stands where it is left away."""

    take: Take
    default: Any = REQUIRED


@dataclass(frozen=True)
class Kind:
    """A kind of layer.

    Attributes:
        example: How it is written.
        make: (values, shape of the input, n_classes) -> the module and the shape of its output. Raises ModelError whose
            message goes on behind "layer 7 (conv, kernel 5)".
        keys: What it takes by key; its own name among them where a value stands behind it.
        stands_alone: Whether its bare name is enough: "relu".
    """

    example: str
    make: Callable[[Values, Sizes, int], Made]
    keys: Mapping[str, Key] = field(default_factory=dict)
    stands_alone: bool = False


def _whole(low: int) -> Callable[[Any], int | None]:
    return lambda value: value if type(value) is int and low <= value <= _MOST else None


def _sides(low: int) -> Callable[[Any], tuple[int, int] | None]:
    """Rows and columns, from one number for both or a list of two."""

    def read(value: Any) -> tuple[int, int] | None:  # noqa: ANN401 - any TOML value
        pair = value if isinstance(value, list) else [value, value]
        fits = len(pair) == 2 and all(_whole(low)(side) is not None for side in pair)
        return (pair[0], pair[1]) if fits else None

    return read


def _number(low: float, high: float) -> Callable[[Any], float | None]:
    def read(value: Any) -> float | None:  # noqa: ANN401 - any TOML value
        return float(value) if type(value) in (int, float) and low <= value < high else None

    return read


def one_of(*names: str) -> Take:
    """Takes one of some names."""
    return Take(" or ".join(f'"{name}"' for name in names), lambda value: value if value in names else None)


COUNT = Take("a whole number of at least 1", _whole(1))
SIDES = Take("a whole number of at least 1, or [rows, columns]", _sides(1))
ROOM = Take("a whole number of at least 0, or [rows, columns]", _sides(0))
PADDING = Take('a whole number of at least 0, [rows, columns], or "same"', lambda v: v if v == "same" else _sides(0)(v))
UNITS = Take('a whole number of at least 1, or "classes"', lambda v: v if v == "classes" else _whole(1)(v))
FLAG = Take("true or false", lambda value: value if isinstance(value, bool) else None)
TRUE = Take("true", lambda value: value or None if isinstance(value, bool) else None)
SHARE = Take("a share, 0 up to below 1", _number(0, 1))
POSITIVE = Take("a number above 0", lambda v: None if not (read := _number(0, math.inf)(v)) else read)

KINDS: Registry[Kind] = Registry("layer")


def _units(value: Any, n_classes: int) -> int:  # noqa: ANN401 - a number or "classes"
    return n_classes if value == "classes" else int(value)


def shaped(shape: Sizes) -> str:
    """A shape as it is told: 16 x 5 x 5."""
    return " x ".join(map(str, shape))


def _maps(shape: Sizes, kind: str) -> None:
    """Refuses what is flat already."""
    if len(shape) == 1:
        raise ModelError(
            f"gets {shape[0]} numbers in a row; it takes maps of rows and columns.",
            hint=f'Put {kind} before "flatten".',
        )


def _slid(layer: nn.Module, shape: Sizes) -> Made:
    """A convolution or a pool on a shape that it must fit."""
    said = shortfall(layer, shape)
    if said:
        raise ModelError(f"{said}.", hint="Make its kernel smaller, pad its input, or halve less often before it.")
    return layer, shape_out(layer, shape)


def _padding(given: Any, kernel: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int]:  # noqa: ANN401
    """Zeros on each end; "same" keeps a side at stride 1 and divides it, rounded up, at others."""
    if given != "same":
        rows, columns = given
        return rows, columns
    spans = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    if any(span % 2 for span in spans):
        raise ModelError(
            f'has padding = "same" with a kernel of {shaped(kernel)}; only an odd one leaves both ends the same.',
            hint="Use an odd kernel, or give the padding as a number.",
        )
    return spans[0] // 2, spans[1] // 2


def _conv(values: Values, shape: Sizes, n_classes: int) -> Made:
    _maps(shape, "conv")
    units, groups, C = _units(values["conv"], n_classes), values["groups"], shape[0]
    if C % groups or units % groups:
        raise ModelError(
            f"has groups = {groups}, which must divide both its {C} input channels and its {units} output channels.",
            hint=f"Divisors of both: {', '.join(map(str, _divisors(math.gcd(C, units))))}.",
        )
    kernel, dilation = values["kernel"], values["dilation"]
    padding = _padding(values["padding"], kernel, dilation)
    return _slid(
        nn.Conv2d(C, units, kernel, values["stride"], padding, dilation, groups, values["bias"]),
        shape,
    )


def _depthwise(values: Values, shape: Sizes, n_classes: int) -> Made:  # noqa: ARG001 - one signature
    _maps(shape, "depthwise")
    C, kernel, dilation = shape[0], values["depthwise"], values["dilation"]
    padding = _padding(values["padding"], kernel, dilation)
    return _slid(
        nn.Conv2d(C, C * values["multiplier"], kernel, values["stride"], padding, dilation, C, values["bias"]),
        shape,
    )


def _conv_transpose(values: Values, shape: Sizes, n_classes: int) -> Made:
    _maps(shape, "conv_transpose")
    units = _units(values["conv_transpose"], n_classes)
    kernel, stride, padding, extra = (values[key] for key in ("kernel", "stride", "padding", "output_padding"))
    if any(e >= s for e, s in zip(extra, stride, strict=True)):
        raise ModelError(f"has output_padding = {shaped(extra)}; it must be smaller than its stride {shaped(stride)}.")
    sides = tuple(
        (side - 1) * s - 2 * p + k + e
        for side, k, s, p, e in zip(shape[1:], kernel, stride, padding, extra, strict=True)
    )
    if min(sides) < 1:
        raise ModelError(f"would put out maps of {shaped(sides)} from {shaped(shape[1:])}.", hint="Pad it less.")
    layer = nn.ConvTranspose2d(shape[0], units, kernel, stride, padding, extra, bias=values["bias"])
    return layer, (units, *sides)


def _pool(kind: str) -> Callable[[Values, Sizes, int], Made]:
    def make(values: Values, shape: Sizes, n_classes: int) -> Made:  # noqa: ARG001 - one signature
        _maps(shape, kind)
        kernel, padding = values[kind], values["padding"]
        if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
            raise ModelError(f"has padding {shaped(padding)}; it is at most half of its kernel {shaped(kernel)}.")
        stride = values["stride"] or kernel
        if kind == "max_pool":
            layer: nn.Module = nn.MaxPool2d(kernel, stride, padding, values["dilation"], ceil_mode=values["ceil"])
        else:
            layer = nn.AvgPool2d(kernel, stride, padding, values["ceil"], values["count_padding"])
        return _slid(layer, shape)

    return make


def _adaptive(kind: str, make: Callable[[Any], nn.Module]) -> Callable[[Values, Sizes, int], Made]:
    def made(values: Values, shape: Sizes, n_classes: int) -> Made:  # noqa: ARG001 - one signature
        _maps(shape, kind)
        sides = (1, 1) if kind.startswith("global") else values[kind]
        return make(1 if sides == (1, 1) else sides), (shape[0], *sides)

    return made


def _linear(values: Values, shape: Sizes, n_classes: int) -> Made:
    if len(shape) > 1:
        raise ModelError(
            f"gets {shaped(shape)} = {math.prod(shape):,} numbers in maps; it takes them in a row.",
            hint='Put "flatten" before it.',
        )
    units = _units(values["linear"], n_classes)
    return nn.Linear(shape[0], units, bias=values["bias"]), (units,)


def _flatten(values: Values, shape: Sizes, n_classes: int) -> Made:  # noqa: ARG001 - one signature
    return nn.Flatten(), (math.prod(shape),)


def _batch_norm(values: Values, shape: Sizes, n_classes: int) -> Made:  # noqa: ARG001 - one signature
    norm = nn.BatchNorm1d if len(shape) == 1 else nn.BatchNorm2d
    return norm(shape[0], eps=values["eps"], momentum=values["momentum"]), shape


def _group_norm(values: Values, shape: Sizes, n_classes: int) -> Made:  # noqa: ARG001 - one signature
    groups = values["group_norm"]
    if shape[0] % groups:
        raise ModelError(
            f"has {groups} groups, which do not divide {shape[0]} channels.",
            hint=f"Divisors: {', '.join(map(str, _divisors(shape[0])))}.",
        )
    return nn.GroupNorm(groups, shape[0], eps=values["eps"]), shape


def _layer_norm(values: Values, shape: Sizes, n_classes: int) -> Made:  # noqa: ARG001 - one signature
    return nn.LayerNorm(shape, eps=values["eps"]), shape


def _lrn(values: Values, shape: Sizes, n_classes: int) -> Made:  # noqa: ARG001 - one signature
    _maps(shape, "lrn")
    return nn.LocalResponseNorm(values["lrn"], values["alpha"], values["beta"], values["k"]), shape


def _dropout(values: Values, shape: Sizes, n_classes: int) -> Made:  # noqa: ARG001 - one signature
    if values["maps"]:
        _maps(shape, "dropout with maps = true")
        return nn.Dropout2d(values["dropout"]), shape
    return nn.Dropout(values["dropout"]), shape


def _upsample(values: Values, shape: Sizes, n_classes: int) -> Made:  # noqa: ARG001 - one signature
    _maps(shape, "upsample")
    scale = values["upsample"]
    return nn.Upsample(scale_factor=scale, mode=values["mode"]), (shape[0], *(side * scale for side in shape[1:]))


def _identity(values: Values, shape: Sizes, n_classes: int) -> Made:  # noqa: ARG001 - one signature
    return nn.Identity(), shape


def _activation(name: str) -> Callable[[Values, Sizes, int], Made]:
    return lambda values, shape, n_classes: (activation(name), shape)  # noqa: ARG005 - one signature


def _divisors(number: int) -> list[int]:
    return [n for n in range(1, number + 1) if number % n == 0]


_SLIDES = {"stride": Key(SIDES, (1, 1)), "padding": Key(PADDING, (0, 0)), "dilation": Key(SIDES, (1, 1))}
_BIAS = {"bias": Key(FLAG, True)}
_POOLS = {"stride": Key(SIDES, None), "padding": Key(ROOM, (0, 0)), "ceil": Key(FLAG, False)}
_EPS = {"eps": Key(POSITIVE, 1e-5)}

KINDS.add(
    "conv",
    Kind(
        "{conv = 16, kernel = 3}",
        _conv,
        {"conv": Key(UNITS), "kernel": Key(SIDES), **_SLIDES, "groups": Key(COUNT, 1), **_BIAS},
    ),
)
KINDS.add(
    "depthwise",
    Kind(
        '{depthwise = 3, padding = "same"}',
        _depthwise,
        {"depthwise": Key(SIDES), "multiplier": Key(COUNT, 1), **_SLIDES, **_BIAS},
    ),
)
KINDS.add(
    "conv_transpose",
    Kind(
        "{conv_transpose = 16, kernel = 2, stride = 2}",
        _conv_transpose,
        {
            "conv_transpose": Key(UNITS), "kernel": Key(SIDES), "stride": Key(SIDES, (1, 1)),
            "padding": Key(ROOM, (0, 0)), "output_padding": Key(ROOM, (0, 0)), **_BIAS,
        },
    ),
)  # fmt: skip
KINDS.add(
    "max_pool",
    Kind("{max_pool = 2}", _pool("max_pool"), {"max_pool": Key(SIDES), **_POOLS, "dilation": Key(SIDES, (1, 1))}),
)
KINDS.add(
    "avg_pool",
    Kind("{avg_pool = 2}", _pool("avg_pool"), {"avg_pool": Key(SIDES), **_POOLS, "count_padding": Key(FLAG, True)}),
)
for _name, _make in (("max_pool", nn.AdaptiveMaxPool2d), ("avg_pool", nn.AdaptiveAvgPool2d)):
    KINDS.add(
        f"adaptive_{_name}",
        Kind(f"{{adaptive_{_name} = 7}}", _adaptive(f"adaptive_{_name}", _make), {f"adaptive_{_name}": Key(SIDES)}),
    )
    _global = f"global_{_name}"
    KINDS.add(_global, Kind(f'"{_global}"', _adaptive(_global, _make), {_global: Key(TRUE, True)}, True))
KINDS.add(
    "batch_norm",
    Kind('"batch_norm"', _batch_norm, {"batch_norm": Key(TRUE, True), "momentum": Key(SHARE, 0.1), **_EPS}, True),
)
KINDS.add("group_norm", Kind("{group_norm = 8}", _group_norm, {"group_norm": Key(COUNT), **_EPS}))
KINDS.add("layer_norm", Kind('"layer_norm"', _layer_norm, {"layer_norm": Key(TRUE, True), **_EPS}, True))
KINDS.add(
    "lrn",
    Kind(
        "{lrn = 5}",
        _lrn,
        {"lrn": Key(COUNT), "alpha": Key(POSITIVE, 1e-4), "beta": Key(POSITIVE, 0.75), "k": Key(POSITIVE, 1.0)},
    ),
)
KINDS.add("dropout", Kind("{dropout = 0.5}", _dropout, {"dropout": Key(SHARE), "maps": Key(FLAG, False)}))
for _name, _entry in ACTIVATIONS.items():
    if not _entry.cannot_learn:
        KINDS.add(_name, Kind(f'"{_name}"', _activation(_name), {_name: Key(TRUE, True)}, True))
KINDS.add("flatten", Kind('"flatten"', _flatten, {"flatten": Key(TRUE, True)}, True))
KINDS.add("linear", Kind('{linear = "classes"}', _linear, {"linear": Key(UNITS), **_BIAS}))
KINDS.add(
    "upsample",
    Kind("{upsample = 2}", _upsample, {"upsample": Key(COUNT), "mode": Key(one_of("nearest", "bilinear"), "nearest")}),
)
KINDS.add("identity", Kind('"identity"', _identity, {"identity": Key(TRUE, True)}, True))
