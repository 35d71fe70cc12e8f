"""Property-based: any sizes, strides, paddings and groups."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from networks import Fn, check, square
from torch import Tensor

from convoscope.graph.build import build
from convoscope.look.capture import capture

EXAMPLES = settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def pair(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


def right(model: Fn, x: Tensor) -> None:
    with torch.no_grad():
        target = torch.randn(model(x).shape, dtype=torch.float64)
    graph = build(model, x, loss=square, target=target.float(), dynamic=False)
    seen = capture(graph, model, x, target, dtype=torch.float64)
    tally = check(seen, torch.float64, units=8)
    assert not tally.wrong, tally.wrong[:5]
    assert not tally.unruled


@given(st.data())
@EXAMPLES
def test_convolution(data: st.DataObject) -> None:
    draw = data.draw
    groups, n_in, n_out = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    kernel, stride, padding, dilation = (draw(pair(low, high)) for low, high in ((1, 4), (1, 4), (0, 3), (1, 2)))
    H, W = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    spans = [n + 2 * p - d * (k - 1) for n, p, d, k in zip((H, W), padding, dilation, kernel, strict=True)]
    assume(min(spans) > 0)
    weight = torch.randn(groups * n_out, n_in, *kernel)
    model = Fn(lambda x, w: F.conv2d(x, w, None, stride, padding, dilation, groups), w=weight)
    right(model, torch.randn(2, groups * n_in, H, W))


@given(st.data())
@EXAMPLES
def test_transposed_convolution(data: st.DataObject) -> None:
    draw = data.draw
    groups, kernel, stride = draw(st.integers(1, 2)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    padding, dilation, extra = draw(st.integers(0, 2)), draw(st.integers(1, 2)), draw(st.integers(0, 2))
    assume(extra < max(stride, dilation))
    n = draw(st.integers(1, 4))
    assume((n - 1) * stride - 2 * padding + dilation * (kernel - 1) + extra + 1 > 0)
    weight = torch.randn(groups * 2, 3, kernel, kernel)
    model = Fn(lambda x, w: F.conv_transpose2d(x, w, None, stride, padding, extra, groups, dilation), w=weight)
    right(model, torch.randn(1, groups * 2, n, n))


@given(st.data())
@EXAMPLES
def test_pools(data: st.DataObject) -> None:
    draw = data.draw
    kernel, stride, ceil = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.booleans())
    padding, dilation = draw(st.integers(0, kernel // 2)), draw(st.integers(1, 2))
    H, W = draw(st.integers(4, 9)), draw(st.integers(4, 9))
    assume(min(H, W) + 2 * padding >= dilation * (kernel - 1) + 1)
    x = torch.randint(-2, 3, (1, 2, H, W)).float()
    right(Fn(lambda x: F.max_pool2d(x, kernel, stride, padding, dilation, ceil)), x)
    counted, divisor = draw(st.booleans()), draw(st.sampled_from([None, 3]))
    right(Fn(lambda x: F.avg_pool2d(x, kernel, stride, padding, ceil, counted, divisor)), x)
    size = (draw(st.integers(1, 11)), draw(st.integers(1, 11)))
    right(Fn(lambda x: F.adaptive_avg_pool2d(x, size) + F.adaptive_max_pool2d(x, size)), x)


@given(st.data())
@EXAMPLES
def test_resizing_and_padding(data: st.DataObject) -> None:
    draw = data.draw
    H, W = draw(st.integers(2, 6)), draw(st.integers(2, 6))
    size = (draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    mode, corners = draw(st.sampled_from(["nearest", "bilinear", "bicubic", "nearest-exact"])), draw(st.booleans())
    x = torch.randn(1, 2, H, W)
    aligned = corners if mode.startswith("bi") else None
    # A float64 model would be resized with float64 weights: so is the capture.
    right(Fn(lambda x: F.interpolate(x, size=size, mode=mode, align_corners=aligned)), x)
    widths = [draw(st.integers(-1, 1)) for _ in range(4)]
    filled = draw(st.sampled_from(["constant", "reflect", "replicate", "circular"]))
    assume(filled == "constant" or min(widths) >= 0)
    right(Fn(lambda x: F.pad(x, widths, mode=filled)), x)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=4), st.data())
@EXAMPLES
def test_broadcasting_and_views(shape: list[int], data: st.DataObject) -> None:
    draw = data.draw
    other = [1 if draw(st.booleans()) else n for n in shape][draw(st.integers(0, len(shape) - 1)) :]
    order = draw(st.permutations(range(len(shape))))
    step = draw(st.integers(1, 2))

    def compute(x: Tensor, w: Tensor) -> Tensor:
        return ((x * w + w) / (w * w + 1) - x).permute(order)[::step].flatten().unsqueeze(0)

    right(Fn(compute, w=torch.randn(other)), torch.randn(shape))


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.booleans())
@EXAMPLES
def test_norms(n_groups: int, width: int, H: int, W: int, train: bool) -> None:
    C = n_groups * width
    assume(width * H * W > 1 and H * W > 1 and W > 1)
    x = torch.randn(2, C, H, W)

    def normed(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        y = F.group_norm(x, n_groups, w, b) + F.layer_norm(x, (W,)) + F.instance_norm(x, weight=w, bias=b)
        return y + F.batch_norm(x, w.detach() * 1, w.detach() ** 2 + 1, w, b, training=train)

    right(Fn(normed, w=torch.randn(C), b=torch.randn(C)), x)
