"""Convolutions of one to three axes, with stride, padding, dilation and groups, and their transposes."""

from __future__ import annotations

import numpy as np

from convoscope.graph.graph import Node, Ref
from convoscope.look.expr import Each, Expression, Places, Product, Sum
from convoscope.look.rules.line import Line, ints, window
from convoscope.look.rules.rule import At, Place, Rule, See, grid, name_of, none, optional, rule, summed


@rule("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
class Convolution(Rule):
    """y[o] = Σ over input channels and taps of x · w, + b[o].

    One axis, x = (1, 2, 3), w = (10, 1), b = 5: y0 = 1·10 + 2·1 + 5 = 17, y1 = 2·10 + 3·1 + 5 = 28.
    dloss/dy = (1, 2) gives dloss/dx1 = 1·1 + 2·10 = 21, dloss/dw0 = 1·1 + 2·2 = 5, dloss/db = 3. A transposed
    convolution is the same with the two ends of each line exchanged.
    """

    def forward(self, node: Node, at: At, see: See) -> Expression:
        """One term for each input channel and tap that is not padding, then the bias."""
        form = _Form(node, see)
        lead, o, position = form.split(at)
        lines = [one.reads(p) for one, p in zip(form.lines, position, strict=True)]
        channels = form.channels_read_by(o)
        x = grid(form.x_shape, *lead, channels, *(one.source for one in lines))
        w = form.weights(o, channels, lines)
        parts: list[Expression | Each] = [Each(Product((see.units(form.x, x), see.units(form.w, w))), len(x))]
        bias = node.argument("bias")
        if isinstance(bias, Ref):
            parts.append(see.unit(bias.node, (o,)))
        return Sum(tuple(parts))

    def backward(self, node: Node, place: Place, at: At, see: See) -> Expression:
        """By the input, the weight or the bias."""
        form = _Form(node, see)
        if place.name == "bias":
            shape = form.y_shape
            places = grid(shape, *(at[0] if axis == form.axis else np.arange(n) for axis, n in enumerate(shape)))
            return summed(see.gradients(node, places), len(places), "the op has no unit")
        return self._by_weight(node, form, at, see) if place.name == "weight" else self._by_input(node, form, at, see)

    def _by_input(self, node: Node, form: _Form, at: At, see: See) -> Expression:
        lead, c, position = form.split(at)
        lines = [one.read_by(p) for one, p in zip(form.lines, position, strict=True)]
        outputs = form.channels_that_read(c)
        y = grid(form.y_shape, *lead, outputs, *(one.out for one in lines))
        if not len(y):
            return none("no window covers it")
        w = form.weights(outputs, c, lines)
        return summed(Product((see.gradients(node, y), see.units(form.w, w))), len(y), "no window covers it")

    def _by_weight(self, node: Node, form: _Form, at: At, see: See) -> Expression:
        o, c = form.channels_of(at[0], at[1])
        lines = [one.through(tap) for one, tap in zip(form.lines, at[2:], strict=True)]
        lead = [np.arange(n) for n in form.y_shape[: form.axis]]
        y = grid(form.y_shape, *lead, o, *(one.out for one in lines))
        if not len(y):
            return none("it meets padding only")
        x = grid(form.x_shape, *lead, c, *(one.source for one in lines))
        return summed(Product((see.gradients(node, y), see.units(form.x, x))), len(y), "it meets padding only")


class _Form:
    """The sizes of one convolution, and which channel and tap meet which weight."""

    def __init__(self, node: Node, see: See) -> None:
        self.x, self.w = name_of(node.argument("input")), name_of(node.argument("weight"))
        self.x_shape, self.w_shape, self.y_shape = see.shape(self.x), see.shape(self.w), see.shape(node.name)
        n_axes = len(self.w_shape) - 2
        self.axis = len(self.y_shape) - n_axes - 1  # the channel axis: 1, or 0 without a batch
        self.transposed = "transpose" in node.op or bool(optional(node, "transposed", False))
        self.groups = int(node.argument("groups"))  # type: ignore[arg-type]  # its schema says int
        stride, dilation = ints(node.argument("stride"), n_axes), ints(node.argument("dilation"), n_axes)
        kernel = self.w_shape[2:]
        if node.argument("padding") == "same":
            # As torch: what does not halve evenly goes behind (aten/src/ATen/native/Convolution.cpp).
            padding = tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))
        elif node.argument("padding") == "valid":
            padding = (0,) * n_axes
        else:
            padding = ints(node.argument("padding"), n_axes)
        near, far = self.x_shape[self.axis + 1 :], self.y_shape[self.axis + 1 :]
        if self.transposed:
            near, far = far, near
        found = [window(*each) for each in zip(near, far, kernel, stride, padding, dilation, strict=True)]
        self.lines: list[Line] = [one.turned() for one in found] if self.transposed else found
        self.n_in, self.n_out = self.x_shape[self.axis] // self.groups, self.y_shape[self.axis] // self.groups

    def split(self, at: At) -> tuple[At, int, At]:
        """An index as batch, channel and position."""
        return at[: self.axis], at[self.axis], at[self.axis + 1 :]

    def channels_read_by(self, o: int) -> Places:
        """The input channels of an output channel's group."""
        group = o // self.n_out
        return np.arange(group * self.n_in, (group + 1) * self.n_in)

    def channels_that_read(self, c: int) -> Places:
        """The output channels of an input channel's group."""
        group = c // self.n_in
        return np.arange(group * self.n_out, (group + 1) * self.n_out)

    def weights(self, o: Places | int, c: Places | int, lines: list[Line]) -> Places:
        """The weights between channels, of which one is fixed, through the lines' taps."""
        first, second = (c, o % self.n_out) if self.transposed else (o, c % self.n_in)
        return grid(self.w_shape, first, second, *(one.tap for one in lines))

    def channels_of(self, first: int, second: int) -> tuple[int, int]:
        """The output and input channel of a weight."""
        if self.transposed:
            return first // self.n_in * self.n_out + second, first
        return first, first // self.n_out * self.n_in + second
