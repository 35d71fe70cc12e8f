"""Random numbers by hash: what is drawn for an example depends on (seed, epoch, example, draw) and on nothing else."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

_LOW_BITS = 2**64 - 1


class Draw(IntEnum):
    """What a number is drawn for; each has its own, so that switching one knob on leaves the others' draws alone.

    These numbers never change: runs of older versions resume with the bits they had.
    """

    FLIP = 0
    TURN = 1
    SHIFT_X = 2
    SHIFT_Y = 3
    AREA = 4
    CROP_X = 5
    CROP_Y = 6
    MASK_X = 7
    MASK_Y = 8
    ASPECT = 9
    BRIGHTNESS = 10
    CONTRAST = 11
    SATURATION = 12
    HUE = 13
    PARTNER_CLASS = 14
    PARTNER = 15
    MIXING = 16
    BOX_X = 17
    BOX_Y = 18
    SHARE = 19
    SHARE_ANGLE = 20
    SHARE_TRIES = 1024  # and all above it: as many as it takes


class Draws:
    """Random numbers in [0, 1), one an example, that depend on (seed, epoch, example, draw) and nothing else.

    Args:
        seed: The run's seed.
        epoch: Which pass over the training set, from 0.
        index: Each example's number, uint64 (N,).
    """

    def __init__(self, seed: int, epoch: int, index: NDArray[np.uint64]) -> None:
        start = _mix(np.full(len(index), seed & _LOW_BITS, np.uint64))
        self._base = _mix(_mix(start ^ np.uint64(epoch & _LOW_BITS)) ^ index)

    def uniform(self, draw: int) -> NDArray[np.float64]:
        """Evenly spread over [0, 1), float64 of shape (N,): the highest 53 bits of the hash."""
        return _unit(self._base, draw)

    def between(self, draw: int, low: float, high: float) -> NDArray[np.float64]:
        """Evenly spread over [low, high), float64 of shape (N,)."""
        return low + (high - low) * self.uniform(draw)

    def below(self, draw: int, bound: NDArray[np.int64] | int) -> NDArray[np.int64]:
        """Whole numbers evenly spread over 0 .. bound - 1, int64 of shape (N,)."""
        return np.floor(self.uniform(draw) * bound).astype(np.int64)

    def symmetric_beta(self, a: float) -> NDArray[np.float64]:
        """Shares drawn from Beta(a, a), a > 0: float64 of shape (N,) in [0, 1].

        Above 1/2 the shadow of a point in the unit disc whose distance has the fitting distribution (Ulrich 1984);
        below, where that does not exist, by trying (Jöhnk 1964); both in Devroye 1986, chapter IX.
        """
        if a > 0.5:
            far = np.sqrt(1 - self.uniform(Draw.SHARE) ** (1 / (a - 0.5)))
            return 0.5 + 0.5 * far * np.cos(2 * np.pi * self.uniform(Draw.SHARE_ANGLE))
        shares = np.empty(len(self._base))
        open_, draw = np.arange(len(self._base)), int(Draw.SHARE_TRIES)
        while len(open_):
            # In logarithms: a small power of a small number is below the least that float64 holds.
            x, y = (np.log1p(-_unit(self._base[open_], draw + i)) / a for i in (0, 1))
            shares[open_] = 0.5 + 0.5 * np.tanh((x - y) / 2)  # x / (x + y) of the powers themselves
            open_ = open_[np.exp(x) + np.exp(y) > 1]
            draw += 2
        return shares


def _unit(base: NDArray[np.uint64], draw: int) -> NDArray[np.float64]:
    return (_mix(base ^ np.uint64(draw)) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One step of SplitMix64, modulo 2^64 (G. L. Steele, D. Lea, C. H. Flood, 2014)."""
    z = state + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
