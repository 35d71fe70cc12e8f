"""Items decoded into one array of pixels: once, in parallel; whoever opens the same images again finds them decoded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convoscope.data.checks import DataFinding
from convoscope.data.image import DecodeError, ImagePolicy, decode_image, quiet_pillow
from convoscope.data.item import Item
from convoscope.data.kept import images_folder
from convoscope.data.ledger import Ledger, stamp_of
from convoscope.data.mapped import Rows
from convoscope.data.memory import free_bytes, processes_here
from convoscope.data.once import Progress as Progress
from convoscope.data.once import Request
from convoscope.data.reading import in_order, n_workers
from convoscope.errors import DataError, StorageError

MEMORIES = ("auto", "memory", "mapped")
_SMALL = 0.25  # of the free memory: what "auto" takes into memory
_MOST = 0.75  # of the free memory: what memory takes at all


@dataclass(frozen=True, eq=False)
class Decoded:
    """Items, decoded.

    Attributes:
        pixels: uint8 (M, C, H, W): those that could be decoded, in order; in memory, or in a file of the cache.
        kept: Which items those are, int64 (M,).
        problems: (which item, the reason in a clause) of the others, in order.
        findings: What the user should know of where they are kept.
    """

    pixels: NDArray[np.uint8] | Rows
    kept: NDArray[np.int64]
    problems: tuple[tuple[int, str], ...]
    findings: tuple[DataFinding, ...] = ()


def decode_items(
    items: Sequence[Item],
    policy: ImagePolicy,
    *,
    memory: str = "auto",
    progress: Progress | None = None,
    source: str = "",
) -> Decoded:
    """Every item as `policy` has it.

    What was decoded before, from files of the same content in the same way, comes out of the cache, and files that
    have not changed since are not even opened; the others are decoded and kept.

    Args:
        items: What to decode.
        policy: What every image becomes.
        memory: Where the pixels lie: "memory"; "mapped", in a file of the cache that is read as they are asked for; or
            "auto", memory where they fill less than a quarter of what is free.
        progress: Called with (items done, items in all).
        source: What the items are, for the list of what is kept; without it the folder that they lie in.

    Raises:
        DataError: `memory` is none of the three, or "memory" was asked for more than fits.
        StorageError: The cache cannot keep them, and they do not fit in memory.
    """
    mapped = _lies_in_file(memory, len(items) * math.prod(policy.shape))
    try:
        images_folder().mkdir(parents=True, exist_ok=True)
        with Ledger(images_folder()) as ledger:
            rows, problems = Request(items, policy, ledger, source, progress).rows()
        pixels: NDArray[np.uint8] | Rows = rows if mapped else rows[:]
        findings: tuple[DataFinding, ...] = ()
    except (OSError, StorageError) as refusal:
        findings = (_not_kept(refusal, len(items) * math.prod(policy.shape)),)
        pixels, problems = _in_memory(items, policy, progress)
    kept = np.setdiff1d(np.arange(len(items), dtype=np.int64), list(problems))
    return Decoded(pixels, kept, tuple(sorted(problems.items())), findings)


def _lies_in_file(memory: str, n_bytes: int) -> bool:
    """Whether pixels stay in the cache's file."""
    if memory not in MEMORIES:
        raise DataError(f"Pixels were to lie in {memory!r}; the choices are {', '.join(MEMORIES)}.")
    free = free_bytes() // processes_here()
    if memory == "memory" and free and n_bytes > _MOST * free:
        raise DataError(
            f"The decoded images need {n_bytes / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free.",
            hint="Leave them on the disk (--memory mapped), or ask for a smaller image size (--image-size).",
        )
    return memory == "mapped" or (memory == "auto" and bool(free) and n_bytes >= _SMALL * free)


def _not_kept(refusal: OSError | StorageError, n_bytes: int) -> DataFinding:
    """What is told when the cache refuses; StorageError where memory cannot take the images either."""
    free = free_bytes() // processes_here()
    if isinstance(refusal, StorageError):
        why, hint = refusal.message, refusal.hint
    else:
        why = f"The cache {images_folder()} cannot be used ({refusal.strerror or refusal})."
        hint = "Make room there, or set CONVOSCOPE_CACHE to another folder."
    if free and n_bytes > _MOST * free:
        raise StorageError(
            f"The decoded images cannot be kept: {why[0].lower()}{why[1:]} Nor do they fit in memory, of which "
            f"{free / 1e9:.1f} GB are free.",
            hint=f"{hint} Or ask for a smaller image size (--image-size).",
        ) from refusal
    return DataFinding("cache-unused", f"The decoded images are in memory and were not kept: {why}", hint)


def _in_memory(
    items: Sequence[Item], policy: ImagePolicy, progress: Progress | None
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """The rows of the items that can be decoded, in order, and the reasons of the others; nothing is kept."""
    pixels = np.empty((len(items), *policy.shape), np.uint8)
    problems: dict[int, str] = {}

    def decode(i: int) -> DecodeError | NDArray[np.uint8]:
        try:
            stamp_of(items[i])
            return decode_image(items[i].path if items[i].offset < 0 else items[i].read(), policy)
        except DecodeError as problem:
            return problem
        except OSError as error:
            return DecodeError(f"it cannot be read ({error.strerror or error})")

    n_good = 0
    with quiet_pillow():
        for i, found in enumerate(in_order(decode, range(len(items)), 2 * n_workers())):
            if isinstance(found, DecodeError):
                problems[i] = str(found)
            else:
                pixels[n_good] = found
                n_good += 1
            if progress:
                progress(i + 1, len(items))
    return pixels[:n_good], problems
