"""What a source of images holds, by names alone: which files or members there are, of which class, split and group.

Nothing is decoded here. The check-up and the decoder go on from a `Listing`, whatever the images lie in.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from convoscope.data.checks import DataFinding
from convoscope.data.division import PARTS, grouped
from convoscope.data.item import Item
from convoscope.data.layout import Classes, Scan, find_classes, not_a_file
from convoscope.data.manifest import SUFFIXES as MANIFESTS
from convoscope.data.manifest import check_classes, is_manifest, read_manifest
from convoscope.data.sample import class_names_of
from convoscope.data.shards import has_scheme, index, is_archive, is_pattern, items_of, shards_called, shards_in
from convoscope.errors import DataError


@dataclass(frozen=True, eq=False)
class Listing:
    """Images before they are decoded.

    Attributes:
        root: What item names and messages are relative to: the folder given, or that of the manifest or the shards.
        source: What was given, in words a reader of a report understands.
        items: What looks like an image, in the order train, validation, test; within a part as the source has it.
        class_names: The name of each label, in label order.
        findings: What is odd and stops nothing.
        problems: (path, reason in a clause) of what was to be an image or a folder of them, and cannot be read.
        hidden: Names of dot files and the system's own, which are not used.
        other: Names of what is no image by its name, and is not used.
        layout: "folder" (classes), "splits" (classes below train/, val/, test/), "manifest" or "shards".
        folds: The fold of each item, from 1, where the source says it (0 for none); else empty.
        grouped_by: The column that was taken for what belongs together though none was asked; "" otherwise.
    """

    root: Path
    source: str
    items: tuple[Item, ...]
    class_names: tuple[str, ...]
    findings: tuple[DataFinding, ...] = ()
    problems: tuple[tuple[Path, str], ...] = ()
    hidden: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    layout: str = "folder"
    folds: tuple[int, ...] = ()
    grouped_by: str = ""

    def parts(self) -> dict[str, int]:
        """How many items each part has, in order; only parts that have some."""
        counts = dict.fromkeys(PARTS, 0)
        for item in self.items:
            counts[item.split] += 1
        return {split: n for split, n in counts.items() if n}


def is_listed(name: str | Path) -> bool:
    """Whether a name means images in files though it may be no path: shards, a pattern of them, an address."""
    return has_scheme(str(name)) or is_pattern(str(name)) or is_archive(Path(name).expanduser())


def is_there(place: Path) -> bool:
    """Whether anything is at a path; what the system cannot even ask for (a name of 300 letters) is not."""
    try:
        return place.exists()
    except OSError:
        return False


def list_images(
    path: str | Path, *, label_column: str | None = None, group: str | None = None, judged: bool = False
) -> Listing:
    """What lies at a path.

    Args:
        path: A folder of images in class folders, with or without train/, val/ and test/ above them; a manifest (.csv,
            .tsv, .parquet); tar shards, or a folder or pattern of them.
        label_column: The column of labels of a manifest, by name or by number from 1; None finds it.
        group: What belongs together: a manifest's column, a key of the shards' records, or a regular expression
            searched in each item's name, whose first bracket (or whole match) is the group; "" for nothing, though a
            manifest has such a column.
        judged: Whether the images are to be judged, not learnt from: one class is enough, and parts may have classes
            that train lacks.

    Raises:
        DataError: there is no such path, or what lies there is laid out in no known way; a column that is not there; a
            group that some names do not have.
        RecipeError: `group` is neither a column nor a regular expression.
        MissingPackage: it needs a package that is not installed.
    """
    refuse_address(str(path))
    place = Path(path).expanduser()
    if place.suffix.casefold() in MANIFESTS and not place.is_dir():
        return _list_manifest(place, label_column, group, judged=judged)
    if label_column is not None:
        raise DataError(
            f"A column of labels was asked, {label_column!r}, and {place} is no table.", hint="Leave it out."
        )
    shards = shards_called(str(path)) if is_listed(path) else shards_in(place)
    if shards:
        return _list_shards(str(path), shards, group, judged=judged)
    listing = _list_folder(place, judged=judged)
    return replace(listing, items=grouped(listing.items, group)) if group else listing


def refuse_address(name: str) -> None:
    """Raises DataError for an address: what lies behind one is streamed in training, and cannot be listed before."""
    if not has_scheme(name):
        return
    scheme = name.split(":", 1)[0].casefold()
    if scheme in ("http", "https"):
        raise DataError(
            f"{name} is an address, and what lies there cannot be listed without fetching all of it.",
            hint="Train on it, which streams it once, or fetch the shards and point at them.",
        )
    raise DataError(
        f"{name} begins with {scheme}:, which would have another program fetch or make the data.",
        hint="Give a path, or an address that begins with https:// or http://.",
    )


def _list_manifest(path: Path, label_column: str | None, group: str | None, *, judged: bool) -> Listing:
    """A manifest's images, row by row."""
    found = read_manifest(path, label_column=label_column, group=group, judged=judged)
    order = sorted(range(len(found.items)), key=lambda i: PARTS.index(found.items[i].split))
    items = tuple(found.items[i] for i in order)
    if group and not found.grouped_by:
        items = grouped(items, group)
    return Listing(
        path.parent, str(path), items, found.class_names, tuple(found.findings), tuple(found.problems),
        layout="manifest", folds=tuple(found.folds[i] for i in order) if found.folds else (),
        grouped_by=found.grouped_by if group is None else "",
    )  # fmt: skip


def _list_shards(source: str, shards: list[Path], group: str | None, *, judged: bool) -> Listing:
    """The images of tar shards, shard by shard."""
    folders = list(dict.fromkeys(path.parent for path in shards))
    root = Path(os.path.commonpath(folders))
    found = index(shards, root, group)
    if not found.samples:
        reason = f", such as {found.problems[0][0]}: {found.problems[0][1]}" if found.problems else ""
        raise DataError(
            f"{source} has no sample with an image in its {len(shards)} shards{reason}.",
            hint="A sample is KEY.jpg with its class beside it in KEY.cls, KEY.json or KEY.txt.",
        )
    class_names, label_of = class_names_of((sample for sample, _, _ in found.samples), [*folders, root])
    items = sorted(items_of(found, label_of), key=lambda item: PARTS.index(item.split))
    check_classes(source, items, class_names, judged=judged)
    if group and not any(item.group for item in items):
        items = list(grouped(items, group))
    return Listing(
        root, source, tuple(items), class_names, problems=tuple(found.problems), hidden=tuple(found.hidden),
        other=tuple(found.other),
        layout="shards",
    )  # fmt: skip


def _list_folder(root: Path, *, judged: bool) -> Listing:
    """A folder's images, class by class, in natural order."""
    scan = Scan(root)
    try:
        splits = find_classes(scan, judged=judged)
    except DataError as error:
        tables = [path for path in (root.iterdir() if root.is_dir() else ()) if is_manifest(path)]
        if tables:
            error.hint = f"If {tables[0].name} says which image is what, point at it: {tables[0]}. {error.hint}"
        raise
    class_names = tuple(dict.fromkeys(name for classes in splits.values() for name in classes))
    items = tuple(_items(scan, splits, class_names))
    return Listing(
        root, str(root), items, class_names, tuple(scan.findings), tuple(scan.problems), tuple(scan.hidden),
        tuple(scan.other), "splits" if len(splits) > 1 or scan.in_splits else "folder",
    )  # fmt: skip


def _items(scan: Scan, splits: dict[str, Classes], class_names: tuple[str, ...]) -> Iterator[Item]:
    """Every file that can be opened as one; what cannot joins the scan's problems."""
    for split, classes in splits.items():
        for label, name in enumerate(class_names):
            for path in classes.get(name, ()):
                if os.path.isfile(path):  # noqa: PTH113 - of the two the one that never raises
                    yield Item(scan.relative(path), path, split, label)
                else:  # a pipe would be waited for without end
                    scan.problems.append((path, not_a_file(path)))
