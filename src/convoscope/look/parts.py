"""Parts of a channel: what each channel of its sources adds to it, as maps: the sum one level above the single number.

y[d] = Σ over c of x[c] * w[d, c], plus the bias: a convolution's channel is the sum of one map for each input channel,
and a linear layer's unit the sum of one number for each input. Backward the same sum runs over the readers' channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_input

from convoscope.graph.graph import Graph, Node, Ref
from convoscope.look.captured import Captured


@dataclass(frozen=True)
class Parts:
    """What the channels of one source add to a channel.

    Attributes:
        node: The source; backward, the reader.
        channels: Its channels, in order.
        kernels: The weights between each and the channel, float32 (n, kh, kw); None where there are none.
        partials: What each adds, float32 (n, rows, columns); None where it is not a sum.
    """

    node: str
    channels: tuple[int, ...]
    kernels: Tensor | None
    partials: Tensor | None


def forward_parts(seen: Captured, node: Node, channel: int) -> Parts | None:
    """The sum that a channel is of its source's channels; None where its op is no such sum."""
    found = _FORWARD.get(node.op)
    return found(seen, node, channel) if found else None


def backward_parts(seen: Captured, reader: Node, source: str, channel: int) -> Parts | None:
    """The sum that a channel's gradient is of its reader's channels; None where the op is no such sum."""
    found = _BACKWARD.get(reader.op)
    gradient = seen.gradient(reader.name)
    if found is None or gradient is None or _name(reader, "input") != source:
        return None
    return found(seen, reader, gradient, channel)


def _name(node: Node, argument: str) -> str:
    found = node.argument(argument)
    assert isinstance(found, Ref)
    return found.node


def _convolution(seen: Captured, node: Node, channel: int) -> Parts:
    source, w = _name(node, "input"), seen.value(_name(node, "weight"))
    groups = int(str(node.argument("groups")))
    n = w.shape[1]
    first = channel // (w.shape[0] // groups) * n
    x = seen.value(source)[:1, first : first + n]
    # One group for each input channel: the terms of the sum, before they are summed.
    stride, padding, dilation = _windows(node)
    partials = F.conv2d(x, w[channel][:, None], None, stride, padding, dilation, n)[0]
    return Parts(source, tuple(range(first, first + n)), w[channel].float(), partials.float())


def _convolution_back(seen: Captured, reader: Node, gradient: Tensor, channel: int) -> Parts | None:
    x, w = seen.value(_name(reader, "input")), seen.value(_name(reader, "weight"))
    groups = int(str(reader.argument("groups")))
    D, n = w.shape[0] // groups, w.shape[1]
    first, within = channel // n * D, channel % n
    kernels = w[first : first + D, within]
    stride, padding, dilation = _windows(reader)
    if isinstance(padding, str):
        return None
    g = gradient[:1, first : first + D].contiguous()
    shape = (1, D, *x.shape[2:])
    whole = kernels[:, None].contiguous()
    partials = conv2d_input(shape, whole, g, stride, padding, dilation, D)  # type: ignore[no-untyped-call]
    return Parts(reader.name, tuple(range(first, first + D)), kernels.float(), partials[0].float())


def _windows(node: Node) -> tuple[list[int], list[int] | str, list[int]]:
    def ints(name: str) -> list[int]:
        found = node.argument(name)
        return [int(str(one)) for one in found] if isinstance(found, tuple) else [int(str(found))] * 2

    padding = node.argument("padding")
    return ints("stride"), padding if isinstance(padding, str) else ints("padding"), ints("dilation")


def _linear(seen: Captured, node: Node, channel: int) -> Parts | None:
    source, w = _name(node, "input"), seen.value(_name(node, "weight"))
    x = seen.value(source)
    if x.dim() != 2:
        return None
    return Parts(source, tuple(range(w.shape[1])), w[channel].float()[:, None, None],
                 (x[0] * w[channel]).float()[:, None, None])  # fmt: skip


def _linear_back(seen: Captured, reader: Node, gradient: Tensor, channel: int) -> Parts | None:
    w = seen.value(_name(reader, "weight"))
    if gradient.dim() != 2:
        return None
    return Parts(reader.name, tuple(range(w.shape[0])), w[:, channel].float()[:, None, None],
                 (gradient[0] * w[:, channel]).float()[:, None, None])  # fmt: skip


_FORWARD: dict[str, Callable[[Captured, Node, int], Parts | None]] = {"conv2d": _convolution, "linear": _linear}
_BACKWARD: dict[str, Callable[[Captured, Node, Tensor, int], Parts | None]] = {
    "conv2d": _convolution_back,
    "linear": _linear_back,
}


def single_numbers(graph: Graph, node: Node, n_channels: int) -> list[str]:
    """The parameters and buffers of which each channel of a node has one number: biases, scales, running figures."""
    return [
        name
        for name in dict.fromkeys(node.inputs)
        if graph.nodes[name].kind in ("parameter", "buffer", "constant") and graph.nodes[name].shape == (n_channels,)
    ]
