"""Where the squared difference between two images lies: shares of it that say what a pixel distance is made of."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def parts_of(one: Floats, other: Floats) -> dict[str, float | None]:
    """Shares, 0-1, of the squared difference of two images (C, H, W); None where they are equal.

    Returns:
        `outside_half`: outside the centred box with half of the area. `largest_tenth`: in the tenth of the pixels
        that differ most (a pixel with all its channels). `brightness`: what goes when both are brought to the same mean
        in each channel. `paper`: of the pixels, not of the difference: those where both have the most frequent value of
        the first.
    """
    squares = (one - other) ** 2
    whole = float(squares.sum())
    paper = float(_both_paper(one, other).mean())
    if not whole:
        return {"outside_half": None, "largest_tenth": None, "brightness": None, "paper": paper}
    rows, columns = half_box(*one.shape[1:])
    at_each = np.sort(squares.sum(0), axis=None)[::-1]
    offset = (one - other).mean(axis=(1, 2))
    return {
        "outside_half": 1 - float(squares[:, rows, columns].sum()) / whole,
        "largest_tenth": float(at_each[: math.ceil(at_each.size / 10)].sum()) / whole,
        "brightness": float((offset**2).sum()) * one[0].size / whole,
        "paper": paper,
    }


def half_box(H: int, W: int) -> tuple[slice, slice]:
    """Rows and columns of the centred box whose sides are those of the image over the root of 2, rounded."""
    height, width = (min(side, max(1, round(side / math.sqrt(2)))) for side in (H, W))
    top, left = (H - height) // 2, (W - width) // 2
    return slice(top, top + height), slice(left, left + width)


def _both_paper(one: Floats, other: Floats) -> NDArray[np.bool_]:
    """(H, W): where both images have the value that most pixels of the first have."""
    values, counts = np.unique(one.reshape(len(one), -1), axis=1, return_counts=True)
    paper = values[:, counts.argmax()][:, None, None]
    found: NDArray[np.bool_] = ((one == paper) & (other == paper)).all(0)
    return found
