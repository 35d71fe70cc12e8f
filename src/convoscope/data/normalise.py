"""Normalisation: y = (x - offset) / scale, one offset and scale a channel, from training images alone or as fixed.

Every figure comes from an integer histogram of the pixel values, so means and deviations are exact to the last bit of
a double whatever the number of images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convoscope.data.mapped import Rows, blocks
from convoscope.errors import DataError
from convoscope.registry import Registry

Method = Callable[[NDArray[np.int64]], tuple[float, float]]
METHODS: Registry[Method] = Registry("normalisation")

# By name, (offset, scale) of each channel for images that are to look like those of another dataset.
FIXED: dict[str, tuple[tuple[float, float], ...]] = {
    # Mean and deviation over ImageNet's training images, as torchvision's and timm's weights expect them.
    "imagenet": ((255 * 0.485, 255 * 0.229), (255 * 0.456, 255 * 0.224), (255 * 0.406, 255 * 0.225)),
}


@dataclass(frozen=True)
class Normalisation:
    """What is done to every pixel before the network sees it: y = (x - offset) / scale.

    Attributes:
        method: The name in `METHODS` or `FIXED` that chose the figures.
        offset: One a channel, in pixel values (0-255).
        scale: One a channel, in pixel values, never 0; a channel without spread has 1.
    """

    method: str
    offset: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def fit(cls, method: str, images: NDArray[np.uint8] | Rows) -> Normalisation:
        """The figures of `method` for training images, uint8 of shape (N, C, H, W).

        Raises:
            UnknownName: `method` is neither of `METHODS` nor of `FIXED`.
            DataError: There is no image, or `method` is fixed for another number of channels.
        """
        choose = METHODS[method] if method not in FIXED else None
        if images.size == 0:
            raise DataError("Normalisation was asked of 0 training images; it needs at least one.")
        pairs = _fixed(method, images.shape[1]) if choose is None else [choose(counts) for counts in histograms(images)]
        return cls(method, tuple(offset for offset, _ in pairs), tuple(scale for _, scale in pairs))

    def to_dict(self) -> dict[str, Any]:
        """The form that is kept with a run, of JSON types only."""
        return {"method": self.method, "offset": list(self.offset), "scale": list(self.scale)}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Normalisation:
        """The inverse of `to_dict`; DataError where a figure is missing, not finite, or a scale is 0."""
        try:
            method = str(record["method"])
            offset = tuple(float(value) for value in record["offset"])
            scale = tuple(float(value) for value in record["scale"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"A kept normalisation cannot be read: {record!r}.") from error
        if not offset or len(offset) != len(scale) or 0 in scale or not all(map(math.isfinite, offset + scale)):
            raise DataError(f"A kept normalisation needs one finite offset and non-zero scale a channel: {record!r}.")
        return cls(method, offset, scale)


def _fixed(method: str, C: int) -> Sequence[tuple[float, float]]:
    pairs = FIXED[method]
    if len(pairs) != C:
        raise DataError(
            f"The normalisation {method} has figures for {len(pairs)} channels, and the images have {C}.",
            hint="Use --normalise z-score.",
        )
    return pairs


def histograms(images: NDArray[np.uint8] | Rows) -> NDArray[np.int64]:
    """How often each channel has each pixel value: int64 of shape (C, 256) for uint8 images (N, C, H, W)."""
    _, C, H, W = images.shape
    counts = np.zeros((C, 256), np.int64)
    pairs_seen = np.zeros((C, 1 << 16), np.int64)
    n_block = max(1, (1 << 20) // max(1, H * W))  # images at a time: the copy stays in the processor's cache
    for block in blocks(images, n_block):
        for c in range(C):
            values = np.ascontiguousarray(block[:, c]).reshape(-1)
            if values.size % 2:
                counts[c, values[-1]] += 1
            # Two bytes at a time halve the work; which of the two is the high one does not matter to the sum.
            pairs_seen[c] += np.bincount(values[: values.size // 2 * 2].view(np.uint16), minlength=1 << 16)
    tables = pairs_seen.reshape(C, 256, 256)
    counts += tables.sum(1) + tables.sum(2)
    return counts


def mean_and_deviation(counts: NDArray[np.int64]) -> tuple[float, float]:
    """Mean and population standard deviation of one channel's histogram (256,), in pixel values.

    The variance is (n * sum(x^2) - sum(x)^2) / n^2 over whole numbers, so nothing cancels.
    """
    seen = [(value, int(count)) for value, count in enumerate(counts.tolist()) if count]
    n = sum(count for _, count in seen)
    total = sum(value * count for value, count in seen)
    squares = sum(value * value * count for value, count in seen)
    return total / n, math.sqrt(Fraction(n * squares - total * total, n * n))


@METHODS.register("z-score")
def z_score(counts: NDArray[np.int64]) -> tuple[float, float]:
    """Mean 0 and standard deviation 1: offset = mean, scale = standard deviation."""
    mean, deviation = mean_and_deviation(counts)
    return mean, deviation or 1.0


@METHODS.register("min-max")
def min_max(counts: NDArray[np.int64]) -> tuple[float, float]:
    """From 0 to 1: offset = smallest value, scale = largest - smallest."""
    seen = np.flatnonzero(counts)
    low, high = float(seen[0]), float(seen[-1])
    return low, (high - low) or 1.0


@METHODS.register("decimal")
def decimal(counts: NDArray[np.int64]) -> tuple[float, float]:
    """Within -1 to 1: scale = 10^j for the smallest whole j that brings every value below 1 (Han and Kamber).

    The largest value 255 gives j = 3, so 255 becomes 0.255; 99 gives j = 2.
    """
    largest = int(np.flatnonzero(counts)[-1])
    return 0.0, float(10 ** len(str(largest))) if largest else 1.0


@METHODS.register("none")
def none(counts: NDArray[np.int64]) -> tuple[float, float]:  # noqa: ARG001 - every method takes the histogram
    """Pixel values as they are, 0 to 255: offset = 0, scale = 1."""
    return 0.0, 1.0
