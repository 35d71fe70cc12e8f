"""How long it takes to open one number of a pass: python benchmarks/why.py [n]. Milliseconds, median and p95.

The claim of the README: at most 5 ms, and at most 20 ms for the unit with the most terms, VGG's first linear layer
(25,088 terms and the bias). Measured on one thread, after the capture, n units a node, opened in random order.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from torch import Tensor, nn

from convoscope.graph.build import build
from convoscope.look.capture import capture
from convoscope.look.derive import Why, derive


class Block(nn.Module):
    """A residual block of ResNet-18's kind."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out)
        self.conv2, self.bn2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out)
        self.short = nn.Conv2d(n_in, n_out, 1, stride, bias=False) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, n_in, H, W) to (N, n_out, H / stride, W / stride)."""
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        found: Tensor = (y + self.short(x)).relu()
        return found


def network() -> nn.Module:
    """A 224 x 224 network with VGG's widest linear layer: 512 x 7 x 7 = 25,088 inputs."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
        Block(64, 64, 1), Block(64, 128, 2), Block(128, 256, 2), Block(256, 512, 2),
        nn.Flatten(), nn.Linear(25088, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip


def main(n_units: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, x, target = network().eval(), torch.randn(1, 3, 224, 224), torch.tensor([3])
    graph = build(model, x, loss=nn.functional.cross_entropy, target=target)
    seen = capture(graph, model, x, target)
    random = np.random.default_rng(0)
    asked = []
    for node in graph.nodes.values():
        shape = tuple(seen.value(node.name).shape)
        for _ in range(n_units):
            at = tuple(int(random.integers(size)) for size in shape)
            if node.kind == "op":
                asked.append((node.name, node.op, at, "forward"))
            if seen.gradient(node.name) is not None:
                asked.append((node.name, node.op or node.kind, at, "backward"))
    random.shuffle(asked)
    times: dict[str, list[float]] = {}
    sizes: dict[str, int] = {}
    for name, op, at, direction in asked:
        start = time.perf_counter()
        why = derive(seen, name, at, direction)  # type: ignore[arg-type]  # one of its two words
        spent = 1000 * (time.perf_counter() - start)
        for key in ("all", f"{direction} {op}", *([f"{direction} {name}"] if name == "9" else [])):
            times.setdefault(key, []).append(spent)
            sizes[key] = max(sizes.get(key, 0), terms_of(why))
    print(f"{'':32}{'n':>7}{'most terms':>12}{'median ms':>11}{'p95 ms':>9}{'worst ms':>10}")
    for key in sorted(times, key=lambda k: -float(np.median(times[k]))):
        t = times[key]
        row = f"{key:32}{len(t):>7}{sizes[key]:>12}{np.median(t):>11.2f}{np.percentile(t, 95):>9.2f}{max(t):>10.2f}"
        print(row)
    wide = [derive(seen, "9", (0, k)) for k in range(3)]
    start = time.perf_counter()
    text = wide[0].text()
    spent = 1000 * (time.perf_counter() - start)
    print(f"\nas text, {terms_of(wide[0])} terms: {spent:.2f} ms, {len(text)} characters")


def terms_of(why: Why) -> int:
    """How many terms the sum has."""
    terms = getattr(why.expression, "terms", ())
    return len(terms)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
