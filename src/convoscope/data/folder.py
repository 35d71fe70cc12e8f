"""Images in files, opened: listed, divided, decoded, and what was left out told.

A scan never stops at a bad file. Every image that cannot be read is found and named first; then `broken` decides:
"stop" raises one BrokenImage with all of them, "quarantine" leaves them out and names each, "ignore" only counts them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from convoscope.data.checks import DataFinding, few
from convoscope.data.dataset import Dataset
from convoscope.data.division import PARTS, Division, divide
from convoscope.data.image import ImageHeader, ImagePolicy
from convoscope.data.item import Item
from convoscope.data.layout import printable
from convoscope.data.listing import Listing, list_images
from convoscope.data.mapped import part_of
from convoscope.data.pixels import Decoded, Progress, decode_items
from convoscope.data.reading import read_headers
from convoscope.errors import BrokenImage, DataError

DEFAULT_SIDE = 64  # pixels, where the images differ in size or are large
LARGEST_COMMON_SIDE = 256  # pixels
MOST_NAMED = 50  # broken files that get a finding each; more of them share one
CHOICES = ("stop", "quarantine", "ignore")
_TITLES = {"train": "training set", "validation": "validation set", "test": "test set"}

Problem = tuple[Path, str]


class Decode(Protocol):
    """Items to pixels, as `pixels.decode_items` does it."""

    def __call__(
        self, items: Sequence[Item], policy: ImagePolicy, *, memory: str, progress: Progress | None, source: str
    ) -> Decoded:
        """As `pixels.decode_items`."""
        ...


@dataclass(frozen=True)
class FolderData:
    """Images, read.

    Attributes:
        train: The training images.
        validation: Those to choose knobs on; None where the source has none and none were cut.
        test: Those to judge on; None where there are none.
        policy: What every image has become.
        findings: What was found.
        groups: What each image of a part belongs to; no entry where nothing is grouped.
        left_out: (path, reason in a clause) of what cannot be read.
    """

    train: Dataset
    validation: Dataset | None
    test: Dataset | None
    policy: ImagePolicy
    findings: tuple[DataFinding, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: tuple[Problem, ...] = ()


def read_folder(
    folder: str | Path,
    *,
    image_size: int | None = None,
    broken: str = "stop",
    policy: ImagePolicy | None = None,
    progress: Progress | None = None,
) -> FolderData:
    """Every image that `list_images` finds, decoded, in the parts that the source has; see `read_listing`."""
    check_choices(image_size, broken)
    return read_listing(
        list_images(folder), image_size=image_size, broken=broken, policy=policy, progress=progress, memory="memory"
    )


def check_choices(image_size: int | None, broken: str) -> None:
    """Raises DataError where an image size or a treatment of broken files was asked that does not exist."""
    if image_size is not None and not 1 <= image_size <= 4096:
        raise DataError(f"An image size of {image_size} pixels was asked; it is 1 to 4096 a side.")
    if broken not in CHOICES:
        raise DataError(f"Broken files were to be treated as {broken!r}; the choices are stop, quarantine and ignore.")


def read_listing(
    listing: Listing,
    *,
    division: Division | None = None,
    image_size: int | None = None,
    broken: str = "stop",
    policy: ImagePolicy | None = None,
    memory: str = "auto",
    strict: bool = True,
    progress: Progress | None = None,
    decode: Decode = decode_items,
) -> FolderData:
    """The images of a listing, divided by their labels and groups, then decoded part by part.

    Args:
        listing: Which images.
        division: How the training images are cut where the source is not cut itself; None leaves them whole.
        image_size: Pixels a side, 1 to 4096; None keeps the size all images share (up to 256 a side), else takes 64.
        broken: What to do with files that cannot be decoded: "stop", "quarantine" or "ignore".
        policy: What every image becomes; a run's own where it is judged on other images. It goes before `image_size`.
        memory: Where the pixels lie: "memory", "mapped" or "auto".
        strict: Whether it is an error to ask for a part that the source has itself.
        progress: Called with (images done, images in all).
        decode: What gives the items' pixels.

    Raises:
        DataError: more pixels than the machine has memory for, where they are to lie there; an image size or a policy
            out of bounds; too few groups.
        RecipeError: a part was asked that the source has itself.
        BrokenImage: Some files cannot be decoded and `broken` is "stop", or none can; `problems` names every one.
    """
    check_choices(image_size, broken)
    cut: dict[str, str] = {}
    whole = listing
    findings = [*listing.findings, *crossing(groups_by_part(listing))]
    if division is not None:
        listing, cut = divided(listing, division, strict=strict)
        findings += [*_kept_together(listing, cut), *_unused_folds(listing, division)]
    if policy is None:
        policy = choose_policy(listing, image_size)
    decoded = decode(listing.items, policy, memory=memory, progress=progress, source=listing.source)
    findings += decoded.findings
    problems = _problems(listing, decoded)
    if not len(decoded.kept):
        raise _broken(listing, problems, f"none of its {len(problems)} image files can be decoded")
    findings += _told(listing, problems, broken)
    if division is not None and decoded.problems:
        listing, cut, decoded = _divided_again(whole, division, listing, decoded, strict=strict)
    parts = {split: (split in cut or split == "train" or n > 0) for split, n in _counts(listing).items()}
    titles = _TITLES if division is not None or len(listing.parts()) > 1 else {**_TITLES, "train": "all"}
    made = {split: _dataset(listing, split, decoded, cut.get(split, titles[split])) for split in parts if parts[split]}
    groups = {}
    if any(item.group for item in listing.items):
        groups = {split: tuple(listing.items[i].group for i in _kept(listing, split, decoded)) for split in made}
    return FolderData(
        made["train"], made.get("validation"), made.get("test"), policy, tuple(findings), groups, tuple(problems)
    )


def divided(listing: Listing, division: Division, *, strict: bool = True) -> tuple[Listing, dict[str, str]]:
    """The listing with its training images cut as asked, and what each part that was cut is called.

    Raises:
        RecipeError: a part was asked that the source has itself.
        DataError: there are too few images or groups, or other folds than asked.
    """
    own = [split for split in listing.parts() if split != "train"]
    if strict:
        division.refuse(own, listing.source)
    items = listing.items
    at = np.array([i for i, item in enumerate(items) if item.split == "train"], np.int64)
    groups = [items[i].group for i in at] if any(item.group for item in items) else None
    folds = np.array(listing.folds, np.int64)[at] if listing.folds else None
    labels = np.array([items[i].label for i in at], np.int64)
    found = divide(labels, division, own=own, groups=groups, folds=folds)
    split_of = [item.split for item in items]
    for split, index in found.items():
        for i in at[index].tolist():
            split_of[i] = split
    order = sorted(range(len(items)), key=lambda i: PARTS.index(split_of[i]))
    cut = {
        split: f"fold {division.fold} of {division.folds}"
        if division.folds and split == "validation"
        else f"{split} part, held out"
        for split in found
        if split != "train"
    }
    return replace(
        listing,
        items=tuple(
            item if item.split == split else replace(item, split=split)
            for item, split in ((items[i], split_of[i]) for i in order)
        ),
        folds=tuple(listing.folds[i] for i in order) if listing.folds else (),
    ), cut


def _divided_again(
    whole: Listing, division: Division, listing: Listing, decoded: Decoded, *, strict: bool
) -> tuple[Listing, dict[str, str], Decoded]:
    """The division of the images that could be decoded alone: the shares are of what there is to learn from.

    Args:
        whole: The listing as the source has it.
        division: How it is cut.
        listing: The listing as it was decoded.
        decoded: Its pixels.
        strict: See `divided`.

    Returns:
        The listing without what is broken, what each part that was cut is called, and its pixels.
    """
    row_of = {_key(listing.items[i]): row for row, i in enumerate(decoded.kept.tolist())}
    good = [i for i, item in enumerate(whole.items) if _key(item) in row_of]
    folds = tuple(whole.folds[i] for i in good) if whole.folds else ()
    again, cut = divided(
        replace(whole, items=tuple(whole.items[i] for i in good), folds=folds), division, strict=strict
    )
    order = np.array([row_of[_key(item)] for item in again.items], np.int64)
    kept = np.arange(len(order), dtype=np.int64)
    return again, cut, Decoded(part_of(decoded.pixels, order), kept, ())


def _key(item: Item) -> tuple[Path, int]:
    """What tells an item from all others of its listing, whatever part it is in."""
    return item.path, item.offset


def _problems(listing: Listing, decoded: Decoded) -> list[Problem]:
    """What cannot be read, of the listing and of its images, by path."""
    undecodable = [(place_of(listing.root, listing.items[i]), reason) for i, reason in decoded.problems]
    return sorted([*listing.problems, *undecodable], key=lambda problem: str(problem[0]))


def crossing(groups: Mapping[str, Collection[str]]) -> Iterator[DataFinding]:
    """Groups that a source itself has in train and in a part that judges; `groups` has those of each part."""
    trained = {group for group in groups.get("train", ()) if group}
    for split in ("validation", "test"):
        judging = dict.fromkeys(group for group in groups.get(split, ()) if group)
        both = [group for group in judging if group in trained]
        if both:
            yield DataFinding(
                "group-leaked",
                f"Groups of {split} that are also in train ({len(both):,} of {len(judging):,}): {few(both)}.",
                f"The {split} accuracy counts them as if they were new: give each group to one part.",
            )


def _kept_together(listing: Listing, cut: Collection[str]) -> Iterator[DataFinding]:
    """That a division went by a column nobody named, and by which."""
    groups = groups_by_part(listing)
    if listing.grouped_by and groups and any(groups[part] for part in cut):
        n = len({item.group for item in listing.items if item.group})
        yield DataFinding(
            "group-kept",
            f"Images with the same {listing.grouped_by!r} were kept in one part: {n:,} groups.",
            'If it says nothing of what belongs together, turn that off: --group "".',
        )


def _unused_folds(listing: Listing, division: Division) -> Iterator[DataFinding]:
    """That a manifest has folds and none was asked for."""
    if listing.folds and not division.folds:
        k = max(listing.folds)
        yield DataFinding(
            "folds-unused",
            f"The manifest has {k} folds, and none was asked for.",
            f"To judge on the first while training: --folds {k} --fold 1.",
        )


def choose_policy(listing: Listing, image_size: int | None) -> ImagePolicy:
    """Grey only where every image is, and the size asked, the one all share, or `DEFAULT_SIDE`.

    Raises BrokenImage where no image has a header.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    grey, problems = True, list(listing.problems)
    for item, header in zip(listing.items, read_headers(listing.items), strict=True):
        if isinstance(header, ImageHeader):
            sizes[header.height, header.width] += 1
            grey = grey and header.grey
        else:
            problems.append((place_of(listing.root, item), str(header)))
    if not sizes:
        raise _broken(listing, problems, f"none of its {len(problems)} image files can be decoded")
    height, width = next(iter(sizes))
    if image_size is not None:
        height = width = image_size
    elif len(sizes) > 1 or max(height, width) > LARGEST_COMMON_SIDE:
        height = width = DEFAULT_SIDE
    return ImagePolicy(1 if grey else 3, height, width)


def place_of(root: Path, item: Item) -> Path:
    """The path that names an item: its file, or its name where it lies in an archive."""
    return item.path if item.offset < 0 else root / item.name


def called(root: Path, path: Path) -> str:
    """A path as people read it: below the root where it lies there."""
    return printable(path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path))


def _broken(listing: Listing, problems: Sequence[Problem], message: str) -> BrokenImage:
    """The error that names the first few broken files and carries all of them."""
    named = [f"{called(listing.root, path)}: {reason}" for path, reason in problems]
    return BrokenImage(
        f"{listing.source}: {message}: {few(named, 3, joint='; ')}.",
        hint="Mend or remove them, or leave them out (--broken quarantine).",
        problems=problems,
    )


def _told(listing: Listing, problems: Sequence[Problem], broken: str) -> Iterator[DataFinding]:
    """What was left out, as findings; raises BrokenImage where files are broken and `broken` is "stop"."""
    n = len(problems)
    if n and broken == "stop":
        raise _broken(listing, problems, f"{n} {'entry' if n == 1 else 'entries'} cannot be read as images")
    if n and broken == "ignore":
        yield DataFinding("image-broken", f"Entries that cannot be read as images are left out: {n:,}.")
    elif n:
        for path, reason in problems[:MOST_NAMED]:
            yield DataFinding("image-broken", f"{path} is left out: {reason}.")
        if n > MOST_NAMED:
            yield DataFinding("image-broken", f"{n - MOST_NAMED:,} more entries are left out; all are in the list.")
    if listing.other:
        message = f"Entries that are no images by name are not used ({len(listing.other)}): {few(listing.other)}."
        yield DataFinding("file-ignored", message)
    if listing.hidden:
        message = f"Hidden and system files are not used ({len(listing.hidden)}): {few(listing.hidden)}."
        yield DataFinding("file-ignored", message)


def groups_by_part(listing: Listing) -> dict[str, list[str]]:
    """What the items of each part belong to; empty where nothing is grouped."""
    found: dict[str, list[str]] = {split: [] for split in PARTS}
    for item in listing.items:
        found[item.split].append(item.group)
    return found if any(any(groups) for groups in found.values()) else {}


def _counts(listing: Listing) -> dict[str, int]:
    there = listing.parts()
    return {split: there.get(split, 0) for split in PARTS}


def _kept(listing: Listing, split: str, decoded: Decoded) -> list[int]:
    """The items of a part that were decoded, by their index."""
    return [i for i in decoded.kept.tolist() if listing.items[i].split == split]


def _dataset(listing: Listing, split: str, decoded: Decoded, title: str) -> Dataset:
    """One part of the decoded images; a view of their pixels, since the items of a part lie together."""
    at = _kept(listing, split, decoded)
    first = int(np.searchsorted(decoded.kept, at[0])) if at else 0
    mine = part_of(decoded.pixels, slice(first, first + len(at)))
    labels = np.array([listing.items[i].label for i in at], np.int64)
    names = tuple(listing.items[i].name for i in at)
    return Dataset(mine, labels, listing.class_names, f"{listing.source}, {title}", names)
