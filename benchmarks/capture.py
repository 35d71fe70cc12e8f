"""What looking costs: capturing every value and gradient of ResNet-50, against running it plainly.

One run prints ratios: each is of two things timed by turns, with n and the spread (10th to 90th percentile) of the
ratios of neighbours. `python benchmarks/capture.py --threads 1 --rounds 10`; with torchlens installed, against it too.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import convoscope  # noqa: F401 - before torch: it sets how torch's threads wait

# isort: split
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convoscope.graph.build import build
from convoscope.graph.graph import Graph
from convoscope.graph.save import load, save
from convoscope.look.capture import capture
from convoscope.look.captured import Captured


class Bottleneck(nn.Module):
    """1×1, 3×3, 1×1 convolutions and a skip, as torchvision writes them: ReLU and skip in place."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or channels != 4 * width:
            skip = nn.Conv2d(channels, 4 * width, 1, stride, bias=False)
            self.downsample = nn.Sequential(skip, nn.BatchNorm2d(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        """The block of (N, C, H, W)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += self.downsample(x)
        return self.relu(out)  # type: ignore[no-any-return]


class ResNet50(nn.Module):
    """He, Zhang, Ren and Sun 2016, the stride in the 3×3 convolution: 25.6 million weights, (N, 3, 224, 224) images."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        channels = 64
        for number, (width, depth) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), start=1):
            blocks = []
            for block in range(depth):
                blocks.append(Bottleneck(channels, width, 2 if block == 0 and number > 1 else 1))
                channels = 4 * width
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(channels, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """The logits (N, 1000) of images (N, 3, 224, 224)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)
        return self.fc(self.avgpool(x).flatten(1))  # type: ignore[no-any-return]


def ratios(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> list[float]:
    """The time of `ours` over that of `theirs`, measured by turns after one warm-up of each."""
    found = []
    for round_ in range(rounds + 1):
        start = time.perf_counter()
        kept = ours()
        middle = time.perf_counter()
        del kept
        between = time.perf_counter()
        theirs()
        end = time.perf_counter()
        if round_:
            found.append((middle - start) / (end - between))
    return found


def report(name: str, found: list[float], bound: str) -> None:
    ordered = sorted(found)
    low, high = ordered[len(ordered) // 10], ordered[-1 - len(ordered) // 10]
    print(f"{name:58} {statistics.median(found):6.2f}x  ({low:.2f}-{high:.2f}, n={len(found)})  {bound}", flush=True)


def kept_bytes(seen: Captured, graph: Graph) -> int:
    """The bytes of the values and gradients a capture keeps, each piece of memory once; weights are the model's."""
    memory: dict[int, int] = {}
    for node in graph.nodes.values():
        if node.dtype == "tuple":
            continue
        value = seen.value(node.name) if node.kind == "op" else None
        for tensor in (value, seen.gradient(node.name)):
            if tensor is not None:
                storage = tensor.untyped_storage()
                memory[storage.data_ptr()] = storage.nbytes()
    return sum(memory.values())


def peak_memory(path: Path) -> None:
    """Prints how far one capture lifts the process's memory, over the bytes kept; wants a process of its own."""
    model, graph = ResNet50().eval(), load(path)
    image, target = torch.randn(1, 3, 224, 224), torch.tensor([7])
    before = _memory("VmRSS")
    seen = capture(graph, model, image, target)
    kept = kept_bytes(seen, graph)
    ratio = (_memory("VmHWM") - before) / kept
    name = "peak memory / the values and gradients kept"
    print(f"{name:58} {ratio:6.2f}x  ({kept >> 20} MiB kept)  at most 1.5x")


def _memory(field: str) -> int:
    """The process's memory now (VmRSS) or at its most (VmHWM), in bytes; Linux only."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("Peak memory is measured on Linux only.")


def against_torchlens(model: nn.Module, image: Tensor, ours: Callable[[], object], rounds: int) -> None:
    if importlib.util.find_spec("torchlens") is None:
        print("torchlens is not installed: pip install torchlens, to compare with it.")
        return
    torchlens = importlib.import_module("torchlens")

    def theirs() -> object:
        with torch.no_grad():
            return torchlens.trace(model, image)

    found = [1 / ratio for ratio in ratios(ours, theirs, rounds)]
    report(f"torchlens {torchlens.__version__}, all values / ours", found, "at least 15x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--memory", type=Path, help="measure the peak memory only, with the graph in this file")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    if arguments.memory:
        peak_memory(arguments.memory)
        return
    model, image, target = ResNet50().eval(), torch.randn(1, 3, 224, 224), torch.tensor([7])
    start = time.perf_counter()
    graph = build(model, image, loss=F.cross_entropy, target=target)
    print(f"torch {torch.__version__}, {arguments.threads} threads; build took {time.perf_counter() - start:.1f} s")

    def plain() -> None:
        with torch.no_grad():
            model(image)

    def plain_backward() -> None:
        for parameter in model.parameters():
            parameter.grad = None
        F.cross_entropy(model(image), target).backward()  # type: ignore[no-untyped-call]

    rounds = arguments.rounds
    report("values / plain forward", ratios(lambda: capture(graph, model, image), plain, rounds), "at most 1.25x")
    both = ratios(lambda: capture(graph, model, image, target), plain_backward, rounds)
    report("values and gradients / plain forward and backward", both, "at most 1.2x")
    with tempfile.TemporaryDirectory() as folder:
        save(graph, Path(folder) / "graph.json")
        command = [sys.executable, __file__, "--memory", f"{folder}/graph.json", "--threads", str(arguments.threads)]
        subprocess.run(command, check=True)
    against_torchlens(model, image, lambda: capture(graph, model, image), max(2, rounds // 5))


if __name__ == "__main__":
    main()
