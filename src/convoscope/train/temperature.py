"""How sure a network's answers may be taken to be: one temperature for its logits, found on held-out examples.

Guo, Pleiss, Sun, Weinberger: On calibration of modern neural networks, ICML 2017, section 4.2: the logits z are divided
by one number T > 0 before softmax, the T of least mean cross-entropy. No prediction changes, for the greatest stays the
greatest; only how sure it sounds.

In b = 1/T the cross-entropy mean(log sum_k exp(b z_k) - b z_label) is convex. Its slope, the mean of E_p[z] - z_label,
begins at mean(mean(z) - z_label) for b = 0 and comes to mean(max(z) - z_label). So there is one best T where the first
is below 0 and the second above it, and none where either fails.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST = 30  # examples: fewer say too little about how sure one may be
_MOST_NUMBERS = 10_000_000  # logits looked at: 80 MB in float64
_MOST_STEPS = 200
_PRECISION = 1e-10  # relative, of b

WHY = {
    "no-part": "there is no validation part to find it on",
    "too-few": f"fewer than {LEAST} held-out examples say too little",
    "not-finite": "some logits are not finite",
    "all-right": "every held-out example is right, which sets no bound to how sure the network may be",
    "uninformed": "the logits of the held-out examples do not favour their labels",
    "checkpoint": "it is found for the final weights alone",
    "not-kept": "the run keeps none",
}

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """The temperature of a network, and what it was found on.

    Attributes:
        temperature: What logits are divided by before softmax; above 1 the network was too sure, below 1 too unsure.
        split: The part it was found on, "" where there is none.
        n: How many examples of it were used.
        loss_before: Their mean cross-entropy at temperature 1, in nats; None where none were used.
        loss_after: The same at `temperature`.
        why: Why the temperature is left at 1, a key of `WHY`; "" where it was found.
    """

    temperature: float = 1.0
    split: str = ""
    n: int = 0
    loss_before: float | None = None
    loss_after: float | None = None
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return dataclasses.asdict(self)


def calibrate(logits: NDArray[np.floating[Any]], labels: NDArray[np.int64], split: str) -> Calibration:
    """The temperature of least cross-entropy, in float64; the same numbers give the same temperature.

    Args:
        logits: (N, K).
        labels: (N,).
        split: What the examples are called.
    """
    n = len(labels)
    if n * max(1, logits.shape[1]) > _MOST_NUMBERS:
        n = max(1, _MOST_NUMBERS // logits.shape[1])
        index = np.linspace(0, len(labels) - 1, n).round().astype(np.int64)
        logits, labels = logits[index], labels[index]
    z = logits.astype(np.float64)
    if n < LEAST:
        return Calibration(split=split, n=n, why="too-few")
    if not np.isfinite(z).all():
        return Calibration(split=split, n=n, why="not-finite")
    z -= z.max(axis=1, keepdims=True)  # softmax does not change, and nothing overflows
    own = z[np.arange(n), labels]
    before = _loss(z, own, 1.0)
    why = "all-right" if not own.any() else "uninformed" if (z.mean(axis=1) - own).mean() >= 0 else ""
    if why:
        return Calibration(split=split, n=n, loss_before=before, loss_after=before, why=why)
    b = _best(z, own)
    return Calibration(1 / b, split, n, before, _loss(z, own, b))


def _best(z: Floats, own: Floats) -> float:
    """The b > 0 where the slope is 0: Newton's method between bounds that close in, halving where it would leave them.

    Args:
        z: (N, K), the greatest of each row 0.
        own: The label's, (N,).
    """
    low, high, b = 0.0, np.inf, 1.0
    for _ in range(_MOST_STEPS):
        slope, curve = _slope(z, own, b)
        if slope == 0:
            break
        low, high = (b, high) if slope < 0 else (low, b)
        step = b - slope / curve if curve > 0 else np.inf
        # Where Newton's step leaves the bounds the slope is far from a line: halve, or double while there is no bound.
        new = step if low < step < high and step < 8 * b else (2 * b if high == np.inf else (low + high) / 2)
        if abs(new - b) <= _PRECISION * b:
            return float(new)
        b = new
    return b


def _slope(z: Floats, own: Floats, b: float) -> tuple[float, float]:
    """First and second derivative by b of the mean cross-entropy: means of E_p[z] - z_label and of Var_p[z]."""
    p = np.exp(b * z)
    p /= p.sum(axis=1, keepdims=True)
    mean = (p * z).sum(axis=1)
    return float((mean - own).mean()), float(((p * z**2).sum(axis=1) - mean**2).mean())


def _loss(z: Floats, own: Floats, b: float) -> float:
    return float((np.log(np.exp(b * z).sum(axis=1)) - b * own).mean())
