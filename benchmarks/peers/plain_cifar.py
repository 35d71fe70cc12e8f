"""The peer: CIFAR-10 to 94 % as airbench94_muon is published (Jordan 2024), as one plain script with everything inside.

Eight epochs in batches of 2,000: whitened 2x2 patches, six convolutions that begin at the identity, alternating flips,
moves by up to two pixels, label smoothing 0.2, Muon for kernels with their length held, Nesterov momentum for the rest,
rates that fall straight to 0, and judging in six views. Everything lies on the device in half precision; torch's
default threads. It knows nothing of Convoscope. A GPU is warmed up by an epoch that is thrown away.

    python plain_cifar.py FOLDER SEED [compile] [EPOCHS]      FOLDER holds the .bin files; prints one JSON object
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

BATCH, EPOCHS, SMOOTHING = 2000, 8, 0.2
MUON_LR, BIAS_LR, HEAD_LR, DECAY = 0.24, 0.053, 0.67, 2e-6 * BATCH
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
HALF = torch.float16 if DEVICE.type == "cuda" else torch.bfloat16


def load(folder: Path, names: list[str]) -> tuple[Tensor, Tensor]:
    """Normalised images (N, 3, 32, 32) in half precision, channels innermost, and labels (N,)."""
    rows = np.concatenate([np.fromfile(next(folder.rglob(name)), np.uint8).reshape(-1, 3073) for name in names])
    images = torch.from_numpy(rows[:, 1:].reshape(-1, 3, 32, 32)).to(DEVICE).to(HALF) / 255
    mean = torch.tensor(MEAN, device=DEVICE, dtype=HALF).view(1, 3, 1, 1)
    deviation = torch.tensor(DEVIATION, device=DEVICE, dtype=HALF).view(1, 3, 1, 1)
    labels = torch.from_numpy(rows[:, 0].astype(np.int64)).to(DEVICE)
    return ((images - mean) / deviation).contiguous(memory_format=torch.channels_last), labels


def convolution(n_in: int, n_out: int) -> nn.Conv2d:
    layer = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
    nn.init.dirac_(layer.weight.data[:n_in])
    return layer


def norm(n: int) -> nn.BatchNorm2d:
    layer = nn.BatchNorm2d(n, eps=1e-12 if DEVICE.type == "cuda" else 1e-5, momentum=0.4)
    layer.weight.requires_grad = False
    return layer


def block(n_in: int, n_out: int) -> list[nn.Module]:
    return [
        convolution(n_in, n_out), nn.MaxPool2d(2), norm(n_out), nn.GELU(), convolution(n_out, n_out), norm(n_out),
        nn.GELU(),
    ]  # fmt: skip


def network(images: Tensor) -> nn.Sequential:
    first, last = nn.Conv2d(3, 24, 2), nn.Linear(256, 10, bias=False)
    patches = F.unfold(images[:5000].float(), 2).transpose(1, 2).reshape(-1, 12)
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    filters = (vectors / (values + 5e-4).sqrt()).T.reshape(12, 3, 2, 2)
    first.weight.data = torch.cat((filters, -filters))
    first.weight.requires_grad = False
    first.bias = nn.Parameter(torch.zeros(24))
    last.weight.data /= last.weight.data.std()
    layers = [first, nn.GELU(), *block(24, 64), *block(64, 256), *block(256, 256), nn.MaxPool2d(3), nn.Flatten(), last]
    model = nn.Sequential(*layers).to(DEVICE).to(HALF)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.float()
    return model


def orthogonal(gradient: Tensor) -> Tensor:
    """Three steps of Newton-Schulz towards the nearest matrix with orthogonal rows."""
    x = gradient.flatten(1).bfloat16()
    x = x / (x.norm() + 1e-7)
    x = x.T if len(x) > x.shape[1] else x
    for _ in range(3):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    whole: Tensor = x if len(gradient) == len(x) else x.T
    return whole.view_as(gradient)


def moved(images: Tensor) -> Tensor:
    """Each image moved by up to two pixels, its edge mirrored inwards."""
    wider = F.pad(images, (2, 2, 2, 2), "reflect")
    by = torch.randint(0, 5, (len(images), 2), device=DEVICE)
    out = torch.empty_like(images)
    for y in range(5):
        for x in range(5):
            chosen = (by[:, 0] == y) & (by[:, 1] == x)
            out[chosen] = wider[chosen, :, y : y + 32, x : x + 32]
    return out


def judged(model: nn.Module, images: Tensor, labels: Tensor, *, views: bool) -> float:
    """Accuracy, of the images alone or in six views."""

    def both(x: Tensor) -> Tensor:
        total: Tensor = model(x) + model(x.flip(-1))
        return total / 2

    right = 0
    with torch.no_grad():
        for x, y in zip(torch.split(images, 2000), torch.split(labels, 2000), strict=True):
            logits = model(x)
            if views:
                wider = F.pad(x, (1, 1, 1, 1), "reflect")
                logits = both(x) / 2 + (both(wider[..., :32, :32]) + both(wider[..., 2:, 2:])) / 4
            right += int((logits.argmax(1) == y).sum())
    return right / len(images)


def run(images: Tensor, labels: Tensor, model: nn.Module, plain: nn.Module, epochs: int) -> None:
    """Trains `model`; `plain` is the same without compilation, whose parameters are told apart by their shapes."""
    kernels = [p for p in plain.parameters() if p.ndim == 4 and p.requires_grad]
    whiten, *biases = [p for p in plain.parameters() if p.ndim == 1 and p.requires_grad]
    head = [p for p in plain.parameters() if p.ndim == 2]
    groups = [
        {"params": [whiten], "lr": BIAS_LR, "weight_decay": DECAY / BIAS_LR},
        {"params": biases, "lr": BIAS_LR, "weight_decay": DECAY / BIAS_LR},
        {"params": head, "lr": HEAD_LR, "weight_decay": DECAY / HEAD_LR},
    ]
    rest = torch.optim.SGD(groups, momentum=0.85, nesterov=True)
    peaks, momenta = [group["lr"] for group in rest.param_groups], [torch.zeros_like(kernel) for kernel in kernels]
    n, step = epochs * (len(images) // BATCH), 0
    first = images[torch.arange(len(images))]
    flip = torch.rand(len(images), device=DEVICE) < 0.5
    first[flip] = first[flip].flip(-1)
    model.train()
    for epoch in range(epochs):
        seen = moved(first.flip(-1) if epoch % 2 else first)
        for index in torch.split(torch.randperm(len(images), device=DEVICE), BATCH):
            logits = model(seen[index].contiguous(memory_format=torch.channels_last)) / 256
            loss = F.cross_entropy(logits.float(), labels[index], label_smoothing=SMOOTHING, reduction="sum")
            loss.backward()  # type: ignore[no-untyped-call]
            factor, first_layer, step = 1 - step / n, max(0.0, 1 - step / (n * 3 / 8)), step + 1
            for group, peak in zip(rest.param_groups, peaks, strict=True):
                group["lr"] = peak * (first_layer if group is rest.param_groups[0] else factor)
            rest.step()
            with torch.no_grad():
                for kernel, momentum in zip(kernels, momenta, strict=True):
                    assert kernel.grad is not None
                    momentum.mul_(0.6).add_(kernel.grad)
                    kernel.mul_(len(kernel) ** 0.5 / kernel.norm())
                    kernel.sub_(orthogonal(kernel.grad + 0.6 * momentum).to(HALF), alpha=MUON_LR * factor)
            plain.zero_grad()


def main(folder: Path, seed: int, epochs: int, *, compiled: bool) -> None:
    images, labels = load(folder, [f"data_batch_{number}.bin" for number in range(1, 6)])
    test = load(folder, ["test_batch.bin"])
    plain = network(images)
    model: nn.Module = torch.compile(plain, mode="max-autotune") if compiled else plain  # type: ignore[assignment]
    for n_epochs in (1, epochs) if DEVICE.type == "cuda" else (epochs,):
        torch.manual_seed(seed)
        begin = time.perf_counter()
        plain.load_state_dict(network(images).state_dict())
        run(images, labels, model, plain, n_epochs)
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - begin
    plain.eval()
    alone = judged(plain, *test, views=False)
    print(json.dumps({"seconds": seconds, "accuracy": judged(plain, *test, views=True), "alone": alone}))


if __name__ == "__main__":
    words = sys.argv[3:]
    numbers = [int(word) for word in words if word != "compile"]
    main(Path(sys.argv[1]), int(sys.argv[2]), *(numbers or [EPOCHS]), compiled="compile" in words)
