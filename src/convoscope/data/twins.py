"""Images that look the same although their bytes differ: resized, compressed again, made a little brighter.

Two steps. A perceptual hash names suspects: 64 signs of the lowest frequencies of a small grey copy (cosine transform,
against their median; after Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010). Two
such hashes that differ in few bits agree whole in one of twelve bands of 16 bits, so that sorting by each band brings
suspects side by side, and nothing is compared with everything. Then the small colour copies decide: by the correlation
of their pixels, which brightness and contrast do not change.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from convoscope.data.mapped import Rows

SIDE = 16  # pixels of a small copy
_N_BITS, _OF_BAND = 64, 16
_FAR = 10  # bits that differ, at most, between hashes of suspects
_UNLIKE = (0.004, 0.016)  # 1 - correlation, at most, of twins: never held stricter, never laxer
_STRICT = 0.08  # ... and in between this share of what lies between an image and its nearest, by the median
_SAMPLE = 128, 16_384  # images whose nearest is looked for, and those among which it is
_BRIGHTER = 48.0  # pixel values (0-255) that twins' means may lie apart
_FLAT = 2.0  # pixel values: below this deviation an image has nothing to be told apart by
_REACH = 64  # neighbours of equal band that are compared at most; where more agree, the nearest by their whole hash
_AT_ONCE = 4096  # pairs, or images, in work at a time

Index = NDArray[np.int64]
Small = NDArray[np.uint8]
Copies = Small | Rows  # in memory, or in a file


def shrink(images: NDArray[np.uint8]) -> Small:
    """Small colour copies, uint8 (N, SIDE, SIDE, 3), of decoded images (N, C, H, W) with C of 1 or 3."""
    N, _, H, W = images.shape
    rows, columns = _weights(H), _weights(W)
    small = np.empty((N, SIDE, SIDE, 3), np.uint8)
    for at in range(0, N, _AT_ONCE // 8):
        part = np.asarray(images[at : at + _AT_ONCE // 8], np.float32)
        small[at : at + len(part)] = np.rint(rows @ part @ columns.T).transpose(0, 2, 3, 1)  # grey fills all three
    return small


def _weights(n: int) -> NDArray[np.float32]:
    """(SIDE, n): how much of each pixel goes into each of the small copy; triangles as wide as two steps."""
    step = n / SIDE
    centres = (np.arange(SIDE) + 0.5) * step
    distance = np.abs(np.arange(n) + 0.5 - centres[:, None])
    weights = np.maximum(0.0, 1 - distance / max(step, 1.0))
    shares: NDArray[np.float32] = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return shares


def groups_of_twins(small: Copies) -> list[Index]:
    """The images that look the same: sorted indices of each group of two and more, groups in order of their first.

    A group is closed under likeness: its members may be alike one to the next, as frames of a film are.

    Args:
        small: uint8 (N, SIDE, SIDE, 3): small copies of images that are not known to be equal.
    """
    unlike = _limit(small)
    home = np.arange(len(small), dtype=np.int64)  # the least member known of each image's group
    for first, second in _suspects(signs_of(small), home):
        for at in range(0, len(first), _AT_ONCE):
            pair = first[at : at + _AT_ONCE], second[at : at + _AT_ONCE]
            alike = _alike(small[pair[0]], small[pair[1]], unlike)
            _join(home, pair[0][alike], pair[1][alike])
        while not np.array_equal(home[home], home):  # each member gets its group's least at once
            home[:] = home[home]
    return grouped(home)


def grouped(keys: NDArray[np.int64]) -> list[Index]:
    """Sorted indices of each two and more with an equal key, in order of their first."""
    order = np.argsort(keys, kind="stable")
    cuts = np.flatnonzero(np.diff(keys[order])) + 1
    return sorted((group for group in np.split(order, cuts) if len(group) > 1), key=lambda group: int(group[0]))


def signs_of(small: Copies) -> NDArray[np.bool_]:
    """The perceptual hash of small copies (N, SIDE, SIDE, 3), bit by bit from the lowest frequency up: (N, 64)."""
    k, x = np.arange(SIDE)[:, None], np.arange(SIDE)[None]
    cosines = np.cos(np.pi * (2 * x + 1) * k / (2 * SIDE)).astype(np.float32)
    lowest = sorted((i + j, i, j) for i in range(SIDE) for j in range(SIDE) if i + j)[:_N_BITS]
    chosen = [i * SIDE + j for _, i, j in lowest]
    signs = np.empty((len(small), _N_BITS), bool)
    for at in range(0, len(small), _AT_ONCE):
        part = small[at : at + _AT_ONCE].astype(np.float32)
        grey = part @ np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
        waves = (cosines @ grey @ cosines.T).reshape(len(part), -1)[:, chosen]
        signs[at : at + len(part)] = waves > np.median(waves, axis=1, keepdims=True)
    return signs


def _bands() -> list[NDArray[np.int64]]:
    """Which bits each band has: three ways to cut them into four.

    Neighbours, since where an image is smooth only the lowest frequencies are steady; bits of all frequencies, since
    the lowest of most photos are alike; and half a band from either end.
    """
    bits = np.arange(_N_BITS)
    ends = np.concatenate([bits.reshape(8, 8)[:4], bits.reshape(8, 8)[:3:-1]], axis=1)
    return [*bits.reshape(-1, _OF_BAND), *bits.reshape(_OF_BAND, -1).T, *ends]


def _suspects(signs: NDArray[np.bool_], home: Index) -> Iterator[tuple[Index, Index]]:
    """Pairs whose hashes agree in a band and differ in few bits altogether, many pairs at a time.

    Those with the same `home`, which may change between two answers, are left out.
    """
    hashes = np.packbits(signs, axis=1).view(">u8").ravel()  # (N,)
    for bits in _bands():
        equal = np.packbits(np.ascontiguousarray(signs[:, bits]), axis=1).view(">u2").ravel()
        # Equal in this band, sorted by all bits: the nearest stand side by side.
        order = np.lexsort((hashes, equal)).astype(np.int64)
        equal, whole = equal[order], hashes[order].astype(np.uint64)
        for step in range(1, min(_REACH, len(order))):
            agree = equal[step:] == equal[:-step]
            if not agree.any():
                break
            at = np.flatnonzero(agree & (home[order[step:]] != home[order[:-step]]))
            at = at[n_bits(whole[at] ^ whole[at + step]) <= _FAR]
            if len(at):
                yield order[at], order[at + step]


_BITS = np.array([value.bit_count() for value in range(1 << 16)], np.uint8)


def n_bits(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """How many bits are set in each word (N,), of shape (N,)."""
    if hasattr(np, "bitwise_count"):  # since NumPy 2.0
        counted: NDArray[np.int64] = np.bitwise_count(words).astype(np.int64)
    else:
        counted = _BITS[words[:, None].view(np.uint16)].sum(1, dtype=np.int64)
    return counted


def _alike(first: Small, second: Small, unlike: float) -> NDArray[np.bool_]:
    """Whether small copies (M, SIDE, SIDE, 3) show the same, pair by pair."""
    (one, mean, length), (other, mean_of_other, length_of_other) = _centred(first), _centred(second)
    near = np.abs(mean - mean_of_other).max(1) <= _BRIGHTER
    told_apart = np.minimum(length, length_of_other) / np.sqrt(one.shape[1]) >= _FLAT
    answer: NDArray[np.bool_] = near & told_apart & (1 - (one * other).sum(1) <= unlike)
    return answer


def _centred(small: Small) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Pixels (M, SIDE * SIDE * 3) less their means and of length 1, the means by colour (M, 3), the lengths before."""
    pixels = small.reshape(len(small), SIDE * SIDE, 3).astype(np.float32)
    means = pixels.mean(1)
    pixels = (pixels - means[:, None]).reshape(len(small), SIDE * SIDE * 3)
    lengths = np.sqrt(np.einsum("ij,ij->i", pixels, pixels))
    return pixels / np.maximum(lengths, 1e-6)[:, None], means, lengths


def _limit(small: Copies) -> float:
    """How unlike twins may be among these images.

    Where all are of one kind, as digits on black are, strangers look as much alike as twins do elsewhere.
    """
    draw = np.random.default_rng(0).permutation(len(small))
    asked, others = draw[: _SAMPLE[0]], draw[: _SAMPLE[1]]
    asking, nearest = _centred(small[asked])[0], np.full(len(asked), np.inf, np.float32)
    for at in range(0, len(others), _AT_ONCE):
        gap = 1 - asking @ _centred(small[others[at : at + _AT_ONCE]])[0].T
        gap[asked[:, None] == others[at : at + _AT_ONCE]] = np.inf
        nearest = np.minimum(nearest, gap.min(1))
    strictest, laxest = _UNLIKE
    usual = float(np.median(nearest)) if len(small) > 1 else np.inf
    return min(max(_STRICT * usual, strictest), laxest)


def _join(home: Index, first: Index, second: Index) -> None:
    """Makes the groups of each pair one."""
    for i, j in zip(first.tolist(), second.tolist(), strict=True):
        one, other = _root(home, i), _root(home, j)
        if one != other:
            home[max(one, other)] = min(one, other)


def _root(home: Index, i: int) -> int:
    while home[i] != i:
        home[i] = home[home[i]]
        i = int(home[i])
    return i
