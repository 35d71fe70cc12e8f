"""A case for distances: of images to images that are remembered, by each metric, as bytes and as real numbers."""

from __future__ import annotations

import torch
from cases import case, free
from networks import Case
from torch import Tensor, nn

from convoscope.models.neighbours import METRICS, distances


class Distances(nn.Module):
    """The distances of (N, 6), added to the sum of its numbers, through which alone gradients go back."""

    bytes: Tensor
    reals: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bytes", torch.randint(0, 256, (5, 6), dtype=torch.uint8))
        self.register_buffer("reals", torch.randn(5, 6))
        self.bytes[3] = 0

    def forward(self, x: Tensor) -> Tensor:
        away = [distances(x.detach(), r, metric) for r in (self.bytes, self.reals) for metric in METRICS]
        return torch.stack(away, dim=1).to(x.dtype) + x.sum(1)[:, None, None]


@case
def remembered_images() -> Case:
    return free(Distances(), torch.cat([torch.randint(0, 256, (2, 6)).float(), torch.zeros(1, 6)]))
