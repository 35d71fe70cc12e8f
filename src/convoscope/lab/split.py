"""How data are split: the division as a manifest that can be kept and trained on, and the lists that a run keeps."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from convoscope import data as data_room
from convoscope.data import Examples, Opened
from convoscope.data.checks import few
from convoscope.data.division import PARTS, VALIDATION, Division, codes_of, fold_of
from convoscope.data.folder import called, crossing, divided, groups_by_part
from convoscope.data.listing import Listing, list_images
from convoscope.data.tabulate import csv_of, table_of
from convoscope.errors import DataError, InputError
from convoscope.runs.disk import write_whole
from convoscope.runs.store import Run


def split_data(
    data: str,
    out: Path,
    *,
    validation: float = VALIDATION,
    test: float = 0.0,
    folds: int = 0,
    seed: int = 0,
    group: str | None = None,
    label_column: str | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Divides images in files and writes the division as a manifest: path, label, split, and group and fold if any.

    Training on the manifest is training on the source with the same knobs. No image is opened.

    Args:
        data: A folder of images or a manifest.
        out: The manifest to write: .csv, .tsv or .parquet.
        validation: Share of the training images held out; with folds none is.
        test: Share of all images held out first, for the final judgement.
        folds: In how many folds the training images are cut, each of which is written; 0 is off.
        seed: Decides who is held out.
        group: What belongs together and is never cut apart; see `data.listing.list_images`.
        label_column: The column of labels of a manifest.
        force: Whether a file that is there is replaced.

    Returns:
        The manifest's path, `n` images, `parts` with how many of each class, `groups`, `folds` with how many images
        each has, `findings`, and `left_out`: what is no readable file.

    Raises:
        InputError: the file is there, or called as no table; the data lie in no files, or cannot be divided so.
        StorageError: the disk refused.
    """
    if out.exists() and not force:
        raise InputError(f"{out} is there already.", hint="Choose another name, or replace it with --force.")
    if not out.parent.is_dir():
        raise InputError(f"There is no folder {out.parent} for {out.name}.", hint="Make it, or choose another.")
    division = Division(validation, test, folds, seed=seed)
    table_of(out, {})  # a name that asks for no table is refused before the work
    listing, fold_column = _divided(_listed(data, label_column, group), division)
    groups = groups_by_part(listing)
    columns: dict[str, list[Any]] = {
        "path": [_path_from(out.parent, item.path) for item in listing.items],
        "label": [listing.class_names[item.label] for item in listing.items],
        "split": [item.split for item in listing.items],
    }
    if groups:
        columns["group"] = [item.group for item in listing.items]
    if fold_column is not None:
        columns["fold"] = fold_column
    write_whole(out, table_of(out, columns), "The manifest")
    return {
        "manifest": str(out),
        "data": data,
        "n": len(listing.items),
        "parts": _counts(listing),
        "groups": {part: len(set(of) - {""}) + of.count("") for part, of in groups.items() if of},
        "folds": [n for fold, n in sorted(Counter(fold for fold in fold_column or () if fold != "").items())],
        "findings": [finding.to_dict() for finding in (*listing.findings, *crossing(groups))],
        "left_out": [{"path": called(listing.root, path), "reason": reason} for path, reason in listing.problems],
    }


def lists_of(opened: Opened, broken: str) -> dict[str, bytes]:
    """The files by which a run remembers its data: who was in which part, and what was left out where that was asked.

    Args:
        opened: The run's data.
        broken: What the recipe says about examples that cannot be read.
    """
    found: dict[str, bytes] = {}
    parts = opened.splits.parts()
    if all(len(part.names) == len(part) for part in parts.values()):
        found["split.csv"] = csv_of(_who(opened, parts))
    if broken == "quarantine" and opened.left_out:
        rows = [{"path": str(path), "reason": reason} for path, reason in opened.left_out]
        text = json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
        found["quarantine.json"] = text.encode("utf-8", "backslashreplace")
    return found


def changed(run: Run, opened: Opened) -> str:
    """How the data that were opened differ from those that a run kept a list of, in a sentence; "" where none tells.

    Args:
        run: Its split.csv is read.
        opened: What its recipe opens today.
    """
    try:
        text = (run.folder / "split.csv").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    then = {row["name"]: (row["split"], row["label"]) for row in csv.DictReader(io.StringIO(text, newline=""))}
    who = _who(opened, opened.splits.parts())
    today = dict(zip(who["name"], zip(who["split"], who["label"], strict=True), strict=True))
    counts = {
        "are new": [name for name in today if name not in then],
        "are gone": [name for name in then if name not in today],
        "are in another part": [name for name in today if name in then and today[name][0] != then[name][0]],
        "have another label": [name for name in today if name in then and today[name][1] != then[name][1]],
    }
    told = [f"{len(names):,} {what} ({few(names, 2)})" for what, names in counts.items() if names]
    noun = opened.splits.train.kind
    return f"Of its {noun} {'; '.join(told)}." if told else f"Its {noun} have the names they had, and other content."


def _who(opened: Opened, parts: dict[str, Examples]) -> dict[str, list[str]]:
    """Name, label, part and group of every example."""
    groups = {name: opened.groups.get(name) or ("",) * len(part) for name, part in parts.items()}
    return {
        "name": [name for part in parts.values() for name in part.names],
        "label": [part.class_names[label] for part in parts.values() for label in part.labels.tolist()],
        "split": [name for name, part in parts.items() for _ in range(len(part))],
        "group": [group for of in groups.values() for group in of],
    }


def _listed(data: str, label_column: str | None, group: str | None) -> Listing:
    """The images in files; InputError for data of another kind."""
    if data in data_room.DATASETS or data_room.kind_of_data(data) != "images":
        raise InputError(
            f"{data} is no folder or manifest of image files, and only those are written as a manifest.",
            hint="Other data are divided as they are trained on: --validation, --test, --folds.",
        )
    listing = list_images(data, label_column=label_column, group=group)
    if listing.layout == "shards":
        raise InputError(
            f"{data} is in shards, whose images have no paths of their own.",
            hint="Shards called train-*.tar, val-*.tar and test-*.tar say which part they are.",
        )
    if not listing.items:
        raise DataError(f"{data} has no image that can be opened.", hint=few([why for _, why in listing.problems], 1))
    return listing


def _divided(listing: Listing, division: Division) -> tuple[Listing, list[int | str] | None]:
    """The listing with its items in their parts; with folds, the fold of each, "" outside train."""
    if not division.folds:
        return divided(listing, division)[0], None
    division.refuse([part for part in listing.parts() if part != "train"], listing.source)
    listing = divided(listing, Division(0.0, division.test, seed=division.seed), strict=False)[0]
    train = [item for item in listing.items if item.split == "train"]
    codes = codes_of([item.group for item in train]) if any(item.group for item in train) else None
    labels = np.array([item.label for item in train], np.int64)
    folds: list[int | str] = fold_of(labels, division, codes).tolist()
    return listing, folds + [""] * (len(listing.items) - len(train))


def _path_from(folder: Path, path: Path) -> str:
    """A file's path as a manifest in `folder` has it: from there where it lies below, else the whole."""
    here, there = (Path(os.path.abspath(place)) for place in (folder, path))  # noqa: PTH100 - links stay as they are
    return there.relative_to(here).as_posix() if there.is_relative_to(here) else str(there)


def _counts(listing: Listing) -> dict[str, dict[str, int]]:
    """How many images of each class each part has."""
    found: dict[str, dict[str, int]] = {part: dict.fromkeys(listing.class_names, 0) for part in PARTS}
    for item in listing.items:
        found[item.split][listing.class_names[item.label]] += 1
    return {part: counts for part, counts in found.items() if any(counts.values())}
