"""Items decoded into one array of pixels: once, in parallel; whoever opens the same images again finds them decoded."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convoscope.data.image import DecodeError, ImagePolicy, decode_image, quiet_pillow
from convoscope.data.item import Item

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Decoded:
    """Items, decoded.

    Attributes:
        pixels: uint8 (M, C, H, W): those that could be decoded, in order.
        kept: Which items those are, int64 (M,).
        problems: (which item, the reason in a clause) of the others, in order.
    """

    pixels: NDArray[np.uint8]
    kept: NDArray[np.int64]
    problems: tuple[tuple[int, str], ...]


def decode_items(
    items: Sequence[Item],
    policy: ImagePolicy,
    *,
    memory: str = "auto",  # noqa: ARG001 - a first version
    progress: Progress | None = None,
) -> Decoded:
    """Every item as `policy` has it.

    Args:
        items: What to decode.
        policy: What every image becomes.
        memory: Where the pixels lie: "memory", "mapped" or "auto" (see the knob `memory` of the recipe).
        progress: Called with (items done, items in all).
    """
    pixels = np.empty((len(items), *policy.shape), np.uint8)

    def decode(i: int) -> DecodeError | None:
        try:
            pixels[i] = decode_image(items[i].path if items[i].offset < 0 else items[i].read(), policy)
        except DecodeError as problem:
            return problem
        return None

    problems: list[tuple[int, str]] = []
    with quiet_pillow(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for i, problem in enumerate(pool.map(decode, range(len(items)))):
            if problem is not None:
                problems.append((i, str(problem)))
            if progress:
                progress(i + 1, len(items))
    kept = np.setdiff1d(np.arange(len(items), dtype=np.int64), [i for i, _ in problems])
    return Decoded(pixels if len(kept) == len(items) else pixels[kept], kept, tuple(problems))
