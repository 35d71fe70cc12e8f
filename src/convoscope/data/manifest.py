"""Manifests of images: a CSV, TSV or Parquet table that says where each image lies, what it shows, and its part."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from convoscope.data.checks import DataFinding, few
from convoscope.data.columns import PEEKED_BYTES, Columns, Rows, find_columns, label_key, path_column, read_table
from convoscope.data.item import Item
from convoscope.data.layout import natural_key, not_a_file, printable
from convoscope.data.parquet import SUFFIXES as PARQUET
from convoscope.data.table import SPLIT_OF
from convoscope.data.table import SUFFIXES as TABLES
from convoscope.errors import DataError

SUFFIXES = (*TABLES, *PARQUET)
_MOST_CLASSES = 20  # however many images there are; more must have two images each


@dataclass
class Manifest:
    """What a manifest lists.

    Attributes:
        items: The images, in the order of their rows.
        class_names: The name of each label, in label order.
        folds: The fold of each item, from 1, or empty.
        findings: What is odd and stops nothing.
        problems: (path, reason) of rows that cannot be used.
        grouped_by: The column that says what belongs together; "" where there is none.
    """

    items: list[Item] = field(default_factory=list)
    class_names: tuple[str, ...] = ()
    folds: list[int] = field(default_factory=list)
    findings: list[DataFinding] = field(default_factory=list)
    problems: list[tuple[Path, str]] = field(default_factory=list)
    grouped_by: str = ""


def is_manifest(path: Path, text_column: str | None = None) -> bool:
    """Whether a file is a manifest of images, by its first rows: one that is not may be a table of texts."""
    suffix = path.suffix.casefold()
    if suffix in PARQUET:
        return path.is_file()
    if suffix not in TABLES or text_column is not None or not path.is_file():
        return False
    try:
        return path_column(read_table(path, PEEKED_BYTES)) is not None
    except DataError:
        return False


def read_manifest(
    path: Path, *, label_column: str | None = None, group: str | None = None, judged: bool = False
) -> Manifest:
    """The images of a manifest.

    A column is found by how it is usually called (path, label, split, group, fold), that of paths also by what it
    holds; the first row is a header where its cell in that column is no image's path. Paths are relative to the
    manifest's folder, or absolute.

    Args:
        path: A .csv, .tsv or .parquet file.
        label_column: The column of labels, by name or by number from 1; None finds it.
        group: The column of what belongs together, by name; "" for none; None finds it.
        judged: Whether the images are to be judged, not learnt from: then one class is enough.

    Raises:
        DataError: it cannot be read as a table, lacks a column or rows, has a part of no known name, none to train on,
            or files of which none is there.
        MissingPackage: it is Parquet, and pyarrow is not installed.
    """
    table = read_table(path)
    columns = find_columns(table, label_column, group)
    found = Manifest(grouped_by="" if columns.group is None else table.called(columns.group))
    _read(table, columns, found)
    if not judged:
        check_classes(str(path), found.items, found.class_names, judged=judged)
        _check_labels(table, columns, found)
    return found


class _Line(NamedTuple):
    """One row that can be used."""

    number: int
    name: str
    path: Path
    label: str
    split: str
    group: str
    fold: int


def _read(table: Rows, columns: Columns, found: Manifest) -> None:
    """Fills `found` from the rows; each file counts once."""
    lines: dict[str, _Line] = {}
    labels: set[str] = set()
    repeated: list[str] = []
    contradicted: dict[str, str] = {}
    lost = 0
    for number, fields in table.rows:
        line, problem = _line(table, columns, number, fields)
        if line is None:
            found.problems.append((_place(table, columns, fields), f"row {number}: {problem}"))
            continue
        labels.add(line.label)
        key = os.path.normpath(line.path)
        before = lines.setdefault(key, line)
        if before is not line:
            difference = _difference(before, line)
            if difference:
                contradicted[key] = f"rows {before.number} and {number} {difference}"
            else:
                repeated.append(f"{line.name} (row {number})")
        elif not os.path.isfile(line.path):  # noqa: PTH113 - a name that is too long is no error here
            lost += 1
            contradicted[key] = f"row {number}: {not_a_file(line.path)}"
    if lines and lost == len(lines):
        raise _nothing_there(table, next(iter(lines.values())))
    found.problems += [(lines[key].path, reason) for key, reason in contradicted.items()]
    found.class_names = tuple(sorted(labels, key=label_key(labels)))
    number_of = {name: label for label, name in enumerate(found.class_names)}
    used = [line for key, line in lines.items() if key not in contradicted]
    found.items = [Item(x.name, x.path, x.split, number_of[x.label], x.group) for x in used]
    found.folds = _folds(table, used) if columns.fold is not None else []
    if repeated:
        message = f"Files that {table.path.name} lists more than once ({len(repeated)}): {few(repeated)}."
        found.findings.append(DataFinding("file-repeated", message, "Each is used once."))


def _line(table: Rows, columns: Columns, number: int, fields: list[str]) -> tuple[_Line | None, str]:
    """A row, or why it cannot be used; raises DataError where its part or fold has no known name."""
    width = len(table.names) or len(table.rows[0][1])
    if len(fields) != width and (len(fields) < width or any(fields[width:])):
        return None, f"it has {len(fields)} field{'' if len(fields) == 1 else 's'}, and the first row has {width}"

    def cell(at: int | None) -> str:
        return "" if at is None else fields[at].strip()

    written, label = cell(columns.path), cell(columns.label)
    if not written:
        return None, "its path is empty"
    if "://" in written:
        return None, "its path is a web address, and only files are read"
    if not label:
        return None, "its label is empty"
    split = cell(columns.split).casefold()
    if columns.split is not None and split not in SPLIT_OF:
        given = f"its {table.called(columns.split)} is {cell(columns.split)[:40]!r}" if split else "it is in no part"
        raise DataError(f"{table.path}, row {number}: {given}; it is train, validation or test.")
    fold = cell(columns.fold)
    if fold and not fold.isdecimal():
        raise DataError(f"{table.path}, row {number}: its fold is {fold[:40]!r}; it is a whole number.")
    path = _resolved(table.path.parent, fields[columns.path])
    name = printable(written)
    label = printable(label)
    return _Line(
        number, name, path, label, SPLIT_OF.get(split, "train"), printable(cell(columns.group)), int(fold or -1)
    ), ""


def _resolved(folder: Path, written: str) -> Path:
    """Where a path leads, from the manifest's folder; written as Windows does, it is found elsewhere too."""
    plain = written.strip()
    for other in (plain, written, plain.replace("\\", "/")):
        if os.path.lexists(folder / other):
            return folder / other
    return folder / plain


def _place(table: Rows, columns: Columns, fields: Sequence[str]) -> Path:
    """What a row that cannot be used is about: its file, or the manifest."""
    written = fields[columns.path].strip() if columns.path < len(fields) else ""
    return table.path.parent / written if written and "://" not in written else table.path


def _difference(one: _Line, other: _Line) -> str:
    """How two rows of one file contradict each other; "" where they do not."""
    for what in ("label", "split", "group", "fold"):
        first, second = getattr(one, what), getattr(other, what)
        if first != second:
            return f"say different things of it: the {what} {first!r}, and {second!r}"
    return ""


def _folds(table: Rows, lines: Sequence[_Line]) -> list[int]:
    """The fold of each row, from 1; those of a manifest that counts from 0 are one more. 0 is none."""
    first = 0 if any(line.fold == 0 for line in lines) else 1
    missing = [line for line in lines if line.fold < 0 and line.split == "train"]
    if missing and len(missing) < sum(line.split == "train" for line in lines):
        raise DataError(f"{table.path}, row {missing[0].number}: it has no fold, and other rows have one.")
    if missing:
        return []
    return [line.fold + 1 - first if line.fold >= 0 else 0 for line in lines]


def _nothing_there(table: Rows, line: _Line) -> DataError:
    """The error for a manifest none of whose files is there, with where they may be."""
    folder = table.path.parent
    name = glob.escape(Path(line.name).name)
    elsewhere = next((path for form in (f"*/{name}", f"{name}.*", f"*/{name}.*") for path in folder.glob(form)), None)
    hint = "Paths are relative to the folder that the manifest lies in, or absolute."
    if elsewhere is not None:
        hint += f" There is {elsewhere.relative_to(folder)}."
    return DataError(f"{table.path}: none of the files it lists is there, such as {line.path}.", hint=hint)


def _check_labels(table: Rows, columns: Columns, found: Manifest) -> None:
    """Raises DataError where what was taken for the column of labels looks like none."""
    trained = [item for item in found.items if item.split == "train"]
    known = {item.label for item in trained}
    hint = "Say which column is the label: --label-column NAME."
    if len(known) > max(_MOST_CLASSES, len(trained) / 2):
        names = [repr(found.class_names[label][:40]) for label in sorted(known)]
        raise DataError(
            f"{table.path} has {len(known):,} different labels in {table.called(columns.label)} for {len(trained):,} "
            f"training images, such as {few(names, 3)}.",
            hint=hint,
        )


def check_classes(source: str, items: Sequence[Item], class_names: Sequence[str], *, judged: bool) -> None:
    """Raises DataError where there is nothing to learn from: no training image, one class, or classes train lacks.

    Args:
        source: What the items were read from.
        items: All of them.
        class_names: The name of each label.
        judged: Whether they are to be judged only, for which nothing of this matters.
    """
    if judged or not items:
        return
    known = {item.label for item in items if item.split == "train"}
    names = [class_names[label] for label in sorted(known)]
    if not known:
        raise DataError(f"{source} has no image to train on.", hint="Mark some of them as train.")
    if len(known) == 1:
        raise DataError(
            f"{source} has one class only, {names[0]!r}; telling classes apart needs at least two.",
            hint="Add images of other classes, or say where the label stands (of a table: --label-column NAME).",
        )
    strange = [item for item in items if item.label not in known]
    if strange:
        lacking = sorted({class_names[item.label] for item in strange}, key=natural_key)
        raise DataError(
            f"{source}: {strange[0].split} has {len(lacking)} classes that train lacks ({few(lacking)}); a network "
            "only answers with classes it was trained on.",
            hint=f"Rename or remove them, or add training images. Train has: {few(names, 12)}.",
        )
