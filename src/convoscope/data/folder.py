"""Folders of images: one folder a class, or train/, val/ and test/ above them.

A scan never stops at a bad file. Every image that cannot be read is found and named first; then `broken` decides:
"stop" raises one BrokenImage with all of them, "quarantine" leaves them out and names each, "ignore" only counts them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convoscope.data.checks import DataFinding, few
from convoscope.data.dataset import Dataset
from convoscope.data.image import DecodeError, ImageHeader, ImagePolicy, decode_image, quiet_pillow, read_header
from convoscope.data.layout import Classes, Scan, find_classes
from convoscope.data.memory import memory_bytes
from convoscope.errors import BrokenImage, DataError

Progress = Callable[[int, int], None]
DEFAULT_SIDE = 64  # pixels, where the images differ in size or are large
LARGEST_COMMON_SIDE = 256  # pixels
_TITLES = {"train": "training set", "validation": "validation set", "test": "test set"}


@dataclass(frozen=True)
class FolderData:
    """An image folder, read: its splits (None where the folder has none), how images were read, and what was found."""

    train: Dataset
    validation: Dataset | None
    test: Dataset | None
    policy: ImagePolicy
    findings: tuple[DataFinding, ...]


@dataclass(frozen=True)
class _Item:
    """One image file and where it belongs."""

    path: Path
    split: str
    label: int


def read_folder(
    folder: str | Path,
    *,
    image_size: int | None = None,
    broken: str = "stop",
    policy: ImagePolicy | None = None,
    progress: Progress | None = None,
) -> FolderData:
    """Every image of a folder, decoded into memory, in natural order of class and file name.

    Args:
        folder: FOLDER/CLASS/IMAGE, or FOLDER/train/CLASS/IMAGE with val/ and test/ beside train/ (any case). Folders
            below a class belong to it.
        image_size: Pixels a side, 1 to 4096; None keeps the size all images share (up to 256 a side), else takes 64.
        broken: What to do with files that cannot be decoded: "stop", "quarantine" or "ignore".
        policy: What every image becomes; a run's own where it is judged on other images. It goes before `image_size`.
        progress: Called with (images done, images in all).

    Raises:
        DataError: No images; images without class folders; one class only; a class of val or test that train lacks;
            more pixels than the machine has memory for; an image size or a policy out of bounds.
        BrokenImage: Some files cannot be decoded and `broken` is "stop", or none can; `problems` names every one.
    """
    root = Path(folder)
    if image_size is not None and not 1 <= image_size <= 4096:
        raise DataError(f"An image size of {image_size} pixels was asked; it is 1 to 4096 a side.")
    if broken not in ("stop", "quarantine", "ignore"):
        raise DataError(f"Broken files were to be treated as {broken!r}; the choices are stop, quarantine and ignore.")
    scan = Scan(root)
    splits = find_classes(scan)
    class_names = tuple(splits["train"])
    items = _items(splits, class_names)
    with quiet_pillow(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        headers = dict(_sort_out(scan, zip(items, pool.map(_header, items), strict=True)))
        policy = _choose_policy(scan, image_size, list(headers.values()), policy)
        pixels, good = _decode(scan, pool, list(headers), policy, progress)
    _report(scan, broken)
    datasets = {split: _dataset(scan, split, class_names, pixels, good) for split in splits}
    return FolderData(datasets["train"], datasets.get("validation"), datasets.get("test"), policy, tuple(scan.findings))


def _items(splits: dict[str, Classes], class_names: tuple[str, ...]) -> list[_Item]:
    """Every image file with its split and label: split by split, class by class, in natural order."""
    return [
        _Item(path, split, label)
        for split, classes in splits.items()
        for label, name in enumerate(class_names)
        for path in classes.get(name, ())
    ]


def _header(item: _Item) -> ImageHeader | DecodeError:
    """The header of a file, or why there is none."""
    path = item.path
    if not path.is_file():  # a pipe would be waited for without end
        return DecodeError("it is no ordinary file" if path.exists() else "it is a link that leads nowhere")
    try:
        return read_header(path)
    except DecodeError as problem:
        return problem


def _sort_out(
    scan: Scan, results: Iterator[tuple[_Item, ImageHeader | DecodeError]]
) -> Iterator[tuple[_Item, ImageHeader]]:
    """The items that have a header; the others join the scan's problems."""
    for item, result in results:
        if isinstance(result, DecodeError):
            scan.problems.append((item.path, str(result)))
        else:
            yield item, result


def _choose_policy(
    scan: Scan, image_size: int | None, headers: list[ImageHeader], given: ImagePolicy | None
) -> ImagePolicy:
    """The one given; else grey only where every image is, and the size asked, the one all share, or `DEFAULT_SIDE`.

    Raises BrokenImage where no image has a header, DataError where the pixels would not fit in memory.
    """
    if not headers:
        raise _broken(scan, f"{scan.root}: none of its {len(scan.problems)} image files can be decoded")
    sizes = Counter((header.height, header.width) for header in headers)
    height, width = next(iter(sizes))
    if image_size is not None:
        height = width = image_size
    elif len(sizes) > 1 or max(height, width) > LARGEST_COMMON_SIDE:
        height = width = DEFAULT_SIDE
    policy = given or ImagePolicy(1 if all(header.grey for header in headers) else 3, height, width)
    n_bytes, memory = len(headers) * policy.channels * height * width, memory_bytes()
    if memory and n_bytes > 0.75 * memory:
        raise DataError(
            f"{scan.root}: the decoded images need {n_bytes / 1e9:.1f} GB, and this machine has {memory / 1e9:.1f} GB.",
            hint="Ask for a smaller image size (--image-size).",
        )
    return policy


def _decode(
    scan: Scan, pool: ThreadPoolExecutor, items: list[_Item], policy: ImagePolicy, progress: Progress | None
) -> tuple[NDArray[np.uint8], list[_Item]]:
    """Pixels (M, C, H, W) and the items they belong to, in order; what cannot be decoded joins the problems."""
    pixels = np.empty((len(items), policy.channels, policy.height, policy.width), np.uint8)

    def decode(i: int) -> DecodeError | None:
        try:
            pixels[i] = decode_image(items[i].path, policy)
        except DecodeError as problem:
            return problem
        return None

    good: list[_Item] = []
    for i, problem in enumerate(pool.map(decode, range(len(items)))):
        if problem is None:
            if len(good) < i:  # close the gap that broken ones left
                pixels[len(good)] = pixels[i]
            good.append(items[i])
        else:
            scan.problems.append((items[i].path, str(problem)))
        if progress:
            progress(i + 1, len(items))
    return pixels[: len(good)], good


def _broken(scan: Scan, message: str) -> BrokenImage:
    """The error that names the first few broken files and carries all of them."""
    named = [f"{scan.relative(path)}: {reason}" for path, reason in scan.problems]
    return BrokenImage(
        f"{message}: {few(named, 3, joint='; ')}.",
        hint="Mend or remove them, or leave them out (--broken quarantine).",
        problems=scan.problems,
    )


def _report(scan: Scan, broken: str) -> None:
    """Turns what was left out into findings; raises BrokenImage where files are broken and `broken` is "stop"."""
    scan.problems.sort(key=lambda problem: str(problem[0]))
    n = len(scan.problems)
    if n and broken == "stop":
        raise _broken(scan, f"{scan.root}: {n} {'entry' if n == 1 else 'entries'} cannot be read as images")
    for path, reason in scan.problems:
        scan.findings.append(DataFinding("image-broken", f"{path} is left out: {reason}."))
    if scan.other:
        message = f"Entries that are no images by name are not used ({len(scan.other)}): {few(scan.other)}."
        scan.findings.append(DataFinding("file-ignored", message))
    if scan.hidden:
        message = f"Hidden and system files are not used ({len(scan.hidden)}): {few(scan.hidden)}."
        scan.findings.append(DataFinding("file-ignored", message))


def _dataset(
    scan: Scan, split: str, class_names: tuple[str, ...], pixels: NDArray[np.uint8], items: list[_Item]
) -> Dataset:
    """One split of the decoded images; a view of `pixels`, since the items of a split lie together."""
    at = [i for i, item in enumerate(items) if item.split == split]
    first, last = (at[0], at[-1] + 1) if at else (0, 0)
    labels = np.array([items[i].label for i in at], np.int64)
    names = tuple(scan.relative(items[i].path) for i in at)
    return Dataset(pixels[first:last], labels, class_names, f"{scan.root}, {_TITLES[split]}", names)
