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


def weighed(
    loss: Loss, logits: Tensor, targets: Iterable[tuple[Tensor, Tensor | None]], label_smoothing: float
) -> Tensor:
    """The loss of each example against several labels, each of which counts its part: (n, K) -> (n,).

    Args:
        loss: One of `LOSSES`.
        logits: float32 (n, K).
        targets: Labels int64 (n,), and what each counts, float32 (n,); None where all count 1.
        label_smoothing: As in `cross_entropy`.
    """
    parts = [
        loss(logits, labels, label_smoothing) if weights is None else weights * loss(logits, labels, label_smoothing)
        for labels, weights in targets
    ]
    return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]


def is_at_chance(accuracy: float, n: float, chance: float) -> bool:
    """Whether `accuracy` over `n` images is no better than `chance`: within three standard errors, or 1 % above.

    Half of the way from chance to all right is never called chance: where a class is nearly all images, or images are
    few, there is no more room. Where images count unequally `n` is how many that count alike would tell as much.
    """
    margin = max(0.01, 3 * math.sqrt(chance * (1 - chance) / n))
    return accuracy <= chance + min(margin, (1 - chance) / 2)


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
