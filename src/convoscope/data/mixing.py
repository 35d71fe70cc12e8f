"""Mixing: each training image laid over another one, or with a box of it, so that labels count in proportion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from convoscope.data.draws import Draw, Draws
from convoscope.errors import RecipeError

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = 2**17  # numbers that are worked on at once: they stay in the processor's own memory


@dataclass(frozen=True)
class Mixing:
    """How training images are mixed two by two; where both ways are on, chance takes one of them for each image.

    Attributes:
        mixup: The share of the image itself is drawn from Beta(a, a) with this a, and the rest of every pixel is the
            other's (Zhang et al. 2018); 0 is off.
        cutmix: The same share of the area is the image's own, and a box is the other's (Yun et al. 2019); 0 is off.
    """

    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        for name in ("mixup", "cutmix"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise RecipeError(f"{name} was asked as {value}; it is 0 (off) or more.")

    @property
    def is_off(self) -> bool:
        """Whether images stay by themselves."""
        return not (self.mixup or self.cutmix)

    def mix(self, images: Tensor, others: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Each image mixed with the other one at its place.

        Args:
            images: (N, C, H, W), before normalisation, uint8 or floating point; never written to.
            others: The same for what each is mixed with.
            draws: Each image's random numbers.

        Returns:
            The mixed images, float32 or, where all have a box, of the images' own dtype; and the shares (0-1) that are
            the images' own, float32 (N,).
        """
        import torch

        H, W = images.shape[-2:]
        by_box = _chosen(draws, self.mixup, self.cutmix)
        rows, columns, of_box = _boxes(draws, self.cutmix, H, W)
        of_blend = draws.symmetric_beta(self.mixup) if self.mixup else of_box
        shares = torch.from_numpy(np.where(by_box, of_box, of_blend).astype(np.float32)).to(images.device)
        box = (rows[:, :, None] & columns[:, None, :])[:, None]  # (N, 1, H, W)
        if by_box.all():
            return torch.where(torch.from_numpy(box).to(images.device), others, images), shares
        share = shares[:, None, None, None]
        if by_box.any():
            in_box = torch.from_numpy(box).to(images.device)
            whole = torch.from_numpy(by_box).to(images.device)[:, None, None, None]
            share = torch.where(whole, (~in_box).float(), share)  # (N, 1, H, W)
        return _blended(images, others, share), shares


def _blended(images: Tensor, others: Tensor, share: Tensor) -> Tensor:
    """share x images + (1 - share) x others, float32 (N, C, H, W); `share` is (N, 1, 1, 1) or (N, 1, H, W).

    Multiplied and added one by one: a fused sum may round differently in batches of different size.
    """
    mixed = images * share
    n = max(1, _BLOCK // images[0].numel()) if images.device.type == "cpu" else len(images)
    for first in range(0, len(images), n):
        own = slice(first, first + n)
        mixed[own] += others[own] * (1 - share[own])
    return mixed


def _chosen(draws: Draws, mixup: float, cutmix: float) -> NDArray[np.bool_]:
    """Which images are mixed by a box, (N,)."""
    chance = draws.uniform(Draw.MIXING)
    return chance < 0.5 if mixup and cutmix else np.full(len(chance), cutmix > 0)


def _boxes(draws: Draws, a: float, H: int, W: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64]]:
    """Each image's box: its rows (N, H), its columns (N, W), and the share of the area outside it (N,).

    The box has the image's shape, its centre falls anywhere, and what is past the border is cut off, after which the
    share is counted again (Yun et al. 2019, appendix A).
    """
    side = np.sqrt(1 - draws.symmetric_beta(a)) if a else 0 * draws.uniform(Draw.SHARE)
    edges = []
    for length, draw in ((H, Draw.BOX_Y), (W, Draw.BOX_X)):
        half, centre = np.floor(length * side) / 2, draws.below(draw, length)
        first, last = np.ceil(centre - half), np.ceil(centre + half)  # this one is outside
        place = np.arange(length)
        edges.append((place >= first[:, None]) & (place < last[:, None]))
    rows, columns = edges
    return rows, columns, 1 - rows.sum(1) * columns.sum(1) / (H * W)
