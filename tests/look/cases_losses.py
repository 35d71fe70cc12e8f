"""The cases of losses, each in its odd settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from cases import CASES
from networks import Case
from torch import Tensor, nn


def with_loss(
    name: str, loss: Callable[[Any, Tensor], Tensor], target: Tensor, *shape: int, probability: bool = False
) -> None:
    """A case of a linear layer and this loss."""

    def make() -> Case:
        n_classes = shape[1] if len(shape) > 1 else shape[0]
        parts: list[nn.Module] = [nn.Conv2d(3, n_classes, 1)] if len(shape) > 2 else [nn.Linear(3, n_classes)]
        x = torch.randn(shape[0], 3, *shape[2:])
        return Case(nn.Sequential(*parts, *([nn.Sigmoid()] if probability else [])), x, loss, target)

    CASES[name] = make


WEIGHTS = torch.tensor([0.5, 1.0, 2.0, 0.1])
LABELS, SHARES = (
    torch.tensor([1, 3, 0]),
    torch.tensor([[0.1, 0.2, 0.3, 0.4], [1.0, 0.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]]),
)
SIGNS, REALS = torch.tensor([[1.0, -1, 1, -1], [-1, -1, 1, 1], [1, 1, 1, -1]]), torch.linspace(-2, 2, 12).view(3, 4)


class Weighted(nn.Module):
    """A loss with class weights as a buffer."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("weight", WEIGHTS)

    def forward(self, y: Tensor, target: Tensor) -> Tensor:
        loss = F.cross_entropy(y, target, self.get_buffer("weight"), **self.settings)
        return loss if loss.dim() == 0 else (loss * torch.arange(1, loss.numel() + 1).view(loss.shape)).sum()


with_loss("cross_entropy", F.cross_entropy, LABELS, 3, 4)
with_loss("cross_entropy_weighted_smooth", Weighted(label_smoothing=0.2), LABELS, 3, 4)
with_loss("cross_entropy_ignored", Weighted(label_smoothing=0.1, ignore_index=3), LABELS, 3, 4)
with_loss("cross_entropy_none", Weighted(reduction="none"), LABELS, 3, 4)
with_loss("cross_entropy_sum", Weighted(reduction="sum", label_smoothing=0.3), LABELS, 3, 4)
with_loss("cross_entropy_shares", Weighted(label_smoothing=0.1), SHARES, 3, 4)
with_loss("cross_entropy_image", Weighted(reduction="none"), torch.randint(0, 4, (3, 2, 5)), 3, 4, 2, 5)
with_loss("nll", lambda y, t: F.nll_loss(y, t, ignore_index=0), LABELS, 3, 4)
with_loss("hinge", lambda y, t: F.multi_margin_loss(y, t, margin=0.8), LABELS, 3, 4)
with_loss("hinge_squared", lambda y, t: F.multi_margin_loss(y, t, p=2, reduction="none").pow(2).sum(), LABELS, 3, 4)
with_loss("mse", F.mse_loss, REALS, 3, 4)
with_loss(
    "mse_one_hot", lambda y, t: F.mse_loss(y, F.one_hot(t, 4).to(y.dtype), reduction="none").mean(1).sum(), LABELS, 3, 4
)
with_loss("l1", lambda y, t: F.l1_loss(y, t, reduction="sum"), REALS, 3, 4)
with_loss("smooth_l1", lambda y, t: F.smooth_l1_loss(y, t, beta=0.7), REALS, 3, 4)
with_loss("huber", lambda y, t: F.huber_loss(y, t, delta=0.7), REALS, 3, 4)
with_loss("bce", F.binary_cross_entropy, SHARES, 3, 4, probability=True)
with_loss(
    "bce_logits",
    lambda y, t: F.binary_cross_entropy_with_logits(y, t, pos_weight=torch.tensor(2.0, dtype=y.dtype)),
    SHARES,
    3,
    4,
)
with_loss("kl", lambda y, t: F.kl_div(y, t, reduction="batchmean"), SHARES.clamp(0.1), 3, 4)
with_loss("soft_margin", lambda y, t: F.soft_margin_loss(y, t.to(y.dtype)), SIGNS.long(), 3, 4)
with_loss("hinge_embedding", F.hinge_embedding_loss, SIGNS, 3, 4)
