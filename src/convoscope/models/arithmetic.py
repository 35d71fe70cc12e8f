"""The arithmetic of shapes, a line a layer: N = floor((W - F + 2P)/S) + 1, and what it leaves over or lacks.

Dumoulin, Visin: A guide to convolution arithmetic for deep learning, 2016. W is a side of the input, F the side of the
kernel (of a dilated one, the side it spans: D(F - 1) + 1), P the zeros put on each end, S the stride.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from torch import nn

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_MAX_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
_AVERAGE_POOLS = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
_ADAPTIVE_POOLS = (
    nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d,
    nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d,
)  # fmt: skip
_AXES = {1: ("places",), 2: ("rows", "columns"), 3: ("planes", "rows", "columns")}


@dataclass(frozen=True)
class Window:
    """A window that slides along one side.

    Attributes:
        kernel: Numbers under it.
        stride: How far it goes from place to place.
        before: Zeros put before the side.
        after: Zeros put after it.
        dilation: How far its numbers are apart.
        ceil: Whether a last place that sticks out counts, as long as it begins inside.
    """

    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1
    ceil: bool = False

    @property
    def span(self) -> int:
        """The side it covers."""
        return self.dilation * (self.kernel - 1) + 1

    def places(self, side: int) -> int:
        """How many places it has on `side` numbers; 0 where it does not fit once."""
        room = side - self.span + self.before + self.after
        if not self.ceil:
            return max(0, room // self.stride + 1)
        n_places = math.ceil(room / self.stride) + 1
        # As torch has it: the last place begins inside, or in the zeros before.
        return max(0, n_places - 1 if (n_places - 1) * self.stride >= side + self.before else n_places)

    def lacking(self, side: int) -> int:
        """How many numbers `side` is short of one place; 0 where it fits."""
        return 0 if self.places(side) else self.span - self.before - self.after - side

    def left_over(self, side: int) -> int:
        """How many numbers at the end, zeros among them, no place covers."""
        return max(0, side + self.before + self.after - (self.places(side) - 1) * self.stride - self.span)

    def line(self, side: int) -> str:
        """The formula with its numbers, and what comes of it: `floor((16 - 3 + 2*0)/1) + 1 = 14`."""
        kernel = f"{self.kernel}" if self.dilation == 1 else f"({self.dilation}*({self.kernel} - 1) + 1)"
        padding = f"2*{self.before}" if self.before == self.after else f"({self.before} + {self.after})"
        inside = replace(self, ceil=False).places(side)
        beyond = " + 1 that sticks out" if self.places(side) > inside else ""
        return f"floor(({side} - {kernel} + {padding})/{self.stride}) + 1{beyond} = {self.places(side)}"


def windows(layer: nn.Module, n_sides: int) -> tuple[Window, ...]:
    """The window of a convolution or a pool along each of its `n_sides` sides; () for any other layer."""
    if isinstance(layer, _CONVOLUTIONS):
        kernel, stride, dilation = (_each(v, n_sides) for v in (layer.kernel_size, layer.stride, layer.dilation))
        if layer.padding == "same":  # an odd zero goes to the end, as torch puts it
            spare = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
            ends = [(total // 2, total - total // 2) for total in spare]
        else:
            ends = [(p, p) for p in _each(0 if layer.padding == "valid" else layer.padding, n_sides)]
        return tuple(Window(k, s, *end, d) for k, s, end, d in zip(kernel, stride, ends, dilation, strict=True))
    if isinstance(layer, (*_MAX_POOLS, *_AVERAGE_POOLS)):
        kernel = _each(layer.kernel_size, n_sides)
        stride = _each(layer.stride or layer.kernel_size, n_sides)
        padding, dilation = _each(layer.padding, n_sides), _each(getattr(layer, "dilation", 1), n_sides)
        return tuple(
            Window(k, s, p, p, d, bool(layer.ceil_mode))
            for k, s, p, d in zip(kernel, stride, padding, dilation, strict=True)
        )
    return ()


def arithmetic(layer: nn.Module, shape_in: tuple[int, ...]) -> str:
    """How the sides of a layer's output come about, in one line: `floor((16 - 3 + 2*0)/1) + 1 = 14`.

    Rows and columns that a stride leaves over are told behind it. Where rows and columns differ each has its own.

    Args:
        layer: A layer of torch's.
        shape_in: What it is given for one example, (C, H, W) for a map of an image.

    Returns:
        The line; "" for a layer that has none: it keeps the shape, or its output's is what it was told.
    """
    sides = shape_in[1:]
    slides = windows(layer, len(sides)) if 1 <= len(sides) <= 3 else ()
    if slides:
        lines = [window.line(side) for window, side in zip(slides, sides, strict=True)]
        left = _counted([w.left_over(side) for w, side in zip(slides, sides, strict=True)], len(sides))
        return _by_axis(lines) + (f", {left} left over" if left and all(map(Window.places, slides, sides)) else "")
    if isinstance(layer, _TRANSPOSED) and 1 <= len(sides) <= 3:
        return _by_axis(_transposed(layer, sides))
    if isinstance(layer, _ADAPTIVE_POOLS) and sides:
        wanted = _each(layer.output_size, len(sides))
        return f"{_shaped(sides)} to {_shaped([w or side for w, side in zip(wanted, sides, strict=True)])}"
    if isinstance(layer, nn.Upsample) and layer.scale_factor is not None and sides:
        scales = _each(layer.scale_factor, len(sides))
        return _by_axis([f"{side}*{k:g} = {math.floor(side * k)}" for side, k in zip(sides, scales, strict=True)])
    if isinstance(layer, nn.Flatten) and layer.start_dim == 1 and layer.end_dim == -1 and len(shape_in) > 1:
        return f"{'*'.join(map(str, shape_in))} = {math.prod(shape_in)}"
    return ""


def shortfall(layer: nn.Module, shape_in: tuple[int, ...]) -> str:
    """By how much an input is too small for a convolution or a pool; "" where it fits.

    "needs at least 5 x 5 and gets 4 x 3: 1 row and 2 columns short".
    """
    sides = shape_in[1:]
    slides = windows(layer, len(sides)) if 1 <= len(sides) <= 3 else ()
    lacking = [window.lacking(side) for window, side in zip(slides, sides, strict=False)]
    if not any(lacking):
        return ""
    least = [max(1, window.span - window.before - window.after) for window in slides]
    return f"needs at least {_shaped(least)} and gets {_shaped(sides)}: {_counted(lacking, len(sides))} short"


def shape_out(layer: nn.Module, shape_in: tuple[int, ...]) -> tuple[int, ...]:
    """The sides of a convolution's or a pool's output for an input (C, H, W), behind the channels it gives."""
    slides = windows(layer, len(shape_in) - 1)
    channels = layer.out_channels if isinstance(layer, _CONVOLUTIONS) else shape_in[0]
    return (int(channels), *(window.places(side) for window, side in zip(slides, shape_in[1:], strict=True)))


def _transposed(layer: nn.Module, sides: Sequence[int]) -> list[str]:
    each = [
        _each(getattr(layer, name), len(sides))
        for name in ("kernel_size", "stride", "padding", "dilation", "output_padding")
    ]
    return [
        f"({side} - 1)*{s} - 2*{p} + {d}*({k} - 1) + {o} + 1 = {(side - 1) * s - 2 * p + d * (k - 1) + o + 1}"
        for side, k, s, p, d, o in zip(sides, *each, strict=True)
    ]


def _by_axis(lines: Sequence[str]) -> str:
    if len(set(lines)) == 1:
        return lines[0]
    return "; ".join(f"{axis}: {line}" for axis, line in zip(_AXES[len(lines)], lines, strict=True))


def _counted(numbers: Sequence[int], n_sides: int) -> str:
    """What there is of each axis, as in "1 row and 2 columns"; "" for nothing."""
    said = [
        f"{number} {axis if number != 1 else axis[:-1]}"
        for number, axis in zip(numbers, _AXES[n_sides], strict=True)
        if number
    ]
    return " and ".join(said)


def _shaped(shape: Iterable[int]) -> str:
    return " x ".join(map(str, shape))


def _each(value: object, n_sides: int) -> tuple[int, ...]:
    """One number for each side, from one for all or one for each."""
    if isinstance(value, (tuple, list)):
        return tuple(value)
    return (value,) * n_sides  # type: ignore[return-value]  # torch's own fields hold numbers
