"""The peer: a network of the registry trained by a plain loop on batches already in memory, in torch's own settings.

python plain_zoo.py MODEL BATCH_SIZE STEPS PRECISION MEMORY_FORMAT      prints one JSON object
"""

from __future__ import annotations

import json
import sys
import time
from types import SimpleNamespace

import torch

# What Convoscope sets for its process (the allocator, how threads wait) is no part of a plain loop.
sys.modules["convoscope.process"] = SimpleNamespace(prepare=lambda: None, processor=lambda: "")  # type: ignore[assignment]

from torch.nn import functional as F

from convoscope.models import MODELS, build

_WARM_UP = 2


def main(name: str, batch_size: int, n_steps: int, precision: str, memory_format: str) -> None:
    torch.manual_seed(0)
    (C, H, W), n_classes = MODELS[name].native  # type: ignore[misc]
    model = build(name, (C, H, W), n_classes).train()
    form = torch.channels_last if memory_format == "channels-last" else torch.contiguous_format
    model = model.to(memory_format=form)  # type: ignore[call-overload]
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=0.0005)
    batches = [
        (torch.randn(batch_size, C, H, W).to(memory_format=form), torch.randint(n_classes, (batch_size,)))
        for _ in range(2)
    ]
    begin = 0.0
    for step in range(n_steps + _WARM_UP):
        if step == _WARM_UP:
            begin = time.perf_counter()
        x, labels = batches[step % len(batches)]
        optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            loss = F.cross_entropy(model(x), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    print(json.dumps({"images_per_second": n_steps * batch_size / (time.perf_counter() - begin)}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5])
