"""The peer: LeNet-5 trained by a plain loop on batches already in memory, with torch's default settings.

python plain_loop.py BATCH_SIZE STEPS      prints one JSON object
"""

from __future__ import annotations

import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


def main(batch_size: int, n_steps: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    optimiser = torch.optim.AdamW(model.parameters())
    batches = [(torch.randn(batch_size, 1, 28, 28), torch.randint(10, (batch_size,))) for _ in range(20)]
    begin = 0.0
    for step in range(n_steps + 5):
        if step == 5:
            begin = time.perf_counter()
        x, labels = batches[step % len(batches)]
        optimiser.zero_grad()
        F.cross_entropy(model(x), labels).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    print(json.dumps({"images_per_second": n_steps * batch_size / (time.perf_counter() - begin)}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
