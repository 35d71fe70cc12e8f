"""Growth: images that are small in the first epochs of a training and whole in the last."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

_STEPS = 8  # that a side is divided into


@dataclass(frozen=True)
class Growth:
    """How large images are in each epoch: their sides grow by eighths from one epoch to the next, up to the whole.

    An epoch over images of half the side costs a quarter; coarse shapes, which are learnt first, are in them all the
    same (Howard 2018; Tan and Le 2021, section 4, progressive learning). Eighths, for a network halves its maps: of a
    side between them (29 of 32) it sees no more than of the next below, and works longer.

    Attributes:
        first: The share of the side in the first epoch, above 0; 1 is off.
        until: The share (0-1) of the epochs after which images are whole; the last epoch is so in any case.
        n_epochs: How many epochs there are.
    """

    first: float = 1.0
    until: float = 1.0
    n_epochs: int = 1

    @property
    def is_off(self) -> bool:
        """Whether images are whole from the first epoch on."""
        return self.first >= 1 or self.side(1_000_000, 0) == 1_000_000

    def side(self, whole: int, epoch: int) -> int:
        """How many pixels a side of `whole` pixels has in `epoch` (from 0); at least 1."""
        last = min(self.until * self.n_epochs, self.n_epochs - 1)
        passed = 1.0 if epoch >= last else epoch / last
        share = math.floor(_STEPS * (self.first + (1 - self.first) * passed) + 0.5) / _STEPS
        return max(1, round(whole * share))

    def sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Every height and width that images of this size have in the course of the epochs, each once, in order."""
        return list(dict.fromkeys((self.side(height, e), self.side(width, e)) for e in range(self.n_epochs)))

    def apply(self, images: Tensor, epoch: int) -> Tensor:
        """The images (N, C, H, W), uint8 or floating point, at their size in `epoch`: float32 unless they are whole."""
        H, W = images.shape[-2:]
        h, w = self.side(H, epoch), self.side(W, epoch)
        return images if (h, w) == (H, W) else shrink(images, h, w)


def shrink(images: Tensor, height: int, width: int) -> Tensor:
    """Images (N, C, H, W) to float32 (N, C, height, width): each pixel is the mean of the area that it covers.

    A pixel that lies across the edge of that area counts by the part of it that lies within.
    """
    rows, columns = _areas(images.shape[-2], height), _areas(images.shape[-1], width)
    return rows.to(images.device) @ (images.float() @ columns.to(images.device).t())


@functools.lru_cache(maxsize=64)
def _areas(n: int, m: int) -> Tensor:
    """float32 (m, n): the share that pixel i of a row of n has in pixel j of a row of m <= n; every row sums to 1."""
    edges = torch.arange(m + 1, dtype=torch.float64) * n / m
    pixels = torch.arange(n, dtype=torch.float64)
    within = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    return (within.clamp(min=0) * m / n).float()
