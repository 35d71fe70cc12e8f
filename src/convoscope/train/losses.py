"""What training makes small: one number per image from its logits and its label, and the penalties on the weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from convoscope.registry import Registry

Loss = Callable[[Tensor, Tensor, float], Tensor]
LOSSES: Registry[Loss] = Registry("loss")


@LOSSES.register("cross-entropy")
def cross_entropy(logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Minus the sum over classes of q_k log softmax(logits)_k, for each image: (N, K), (N,) -> (N,).

    q is 1 at the label, smoothed: (1 - s) at the label plus s / K everywhere (Szegedy et al. 2016, section 7).
    """
    return F.cross_entropy(logits, labels, reduction="none", label_smoothing=label_smoothing)


@LOSSES.register("hinge")
def hinge(logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:  # noqa: ARG001 - one signature
    """The sum over the other classes k of max(0, 1 + z_k - z_label), for each image: (N, K), (N,) -> (N,).

    Weston and Watkins: Support vector machines for multi-class pattern recognition, 1999. torch's op divides by K.
    """
    return F.multi_margin_loss(logits, labels, margin=1.0, reduction="none") * logits.shape[1]


@LOSSES.register("squared-error")
def squared_error(logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:  # noqa: ARG001
    """The sum over classes of (z_k - t_k) squared, t one-hot, for each image: (N, K), (N,) -> (N,)."""
    targets = F.one_hot(labels, logits.shape[1]).to(logits.dtype)
    return (logits - targets).square().sum(dim=1)


def chance_accuracy(class_counts: Iterable[int]) -> float:
    """The accuracy (0-1) of always naming the most frequent class."""
    counts = list(class_counts)
    return max(counts) / sum(counts)


def is_at_chance(accuracy: float, n: int, chance: float) -> bool:
    """Whether `accuracy` over `n` images is no better than `chance`: within three standard errors, or 1 % above."""
    return accuracy <= chance + max(0.01, 3 * math.sqrt(chance * (1 - chance) / n))


def penalised(parameters: Iterable[Tensor]) -> list[Tensor]:
    """The parameters that l1 and l2 apply to: weights (two axes or more), not biases, slopes or norms."""
    return [parameter for parameter in parameters if parameter.ndim > 1]


@torch.no_grad()
def add_penalties(parameters: list[Tensor], l1: float, l2: float) -> float:
    """Adds the gradient of l1 sum|w| + l2/2 sum w^2 to each parameter's `.grad`; returns the penalty's value."""
    penalty = 0.0
    for weight in parameters:
        assert weight.grad is not None
        if l1:
            weight.grad.add_(weight.sign(), alpha=l1)
            penalty += l1 * float(weight.abs().sum())
        if l2:
            weight.grad.add_(weight, alpha=l2)
            penalty += 0.5 * l2 * float(weight.square().sum())
    return penalty
