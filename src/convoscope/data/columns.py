"""Where things stand in a manifest: which column holds paths, labels, parts, groups and folds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from convoscope.data.checks import few
from convoscope.data.image import SUFFIXES as IMAGE_SUFFIXES
from convoscope.data.layout import natural_key
from convoscope.data.parquet import SUFFIXES as PARQUET
from convoscope.data.parquet import read_parquet
from convoscope.data.table import LABEL_NAMES, SPLIT_NAMES, SPLIT_OF, TEXT_NAMES, column_named, read_rows
from convoscope.errors import DataError

PATH_NAMES = (
    *("path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "image_file", "img"),
    *("img_path", "image_name", "imagepath", "imagename", "images", "image_id", "relative_path"),
)
CLASS_NAMES = (
    *LABEL_NAMES,
    *("class_name", "classname", "label_name", "species", "breed", "diagnosis", "class_id", "label_id", "dx"),
)
GROUP_NAMES = (
    *("group", "group_id", "patient", "patient_id", "patientid", "subject", "subject_id", "video", "video_id"),
    *("session", "session_id", "scene", "scene_id", "case_id"),
)
PART_NAMES = (*SPLIT_NAMES, "part", "set", "data_split", "phase", "fold")  # the last ones only where all are parts
FOLD_NAMES = ("fold", "folds", "kfold")
PEEKED, PEEKED_BYTES = 50, 1 << 18  # how many rows are looked at to tell a manifest from a table of texts


@dataclass(frozen=True)
class Rows:
    """A table as text.

    Attributes:
        path: The file.
        names: What its columns are called; empty where the first row is no header.
        rows: (number, fields) of each row below the header.
    """

    path: Path
    names: tuple[str, ...]
    rows: list[tuple[int, list[str]]]

    def column(self, at: int, most: int | None = None) -> list[str]:
        """The values of one column, "" where a row has none."""
        return [fields[at].strip() if at < len(fields) else "" for _, fields in self.rows[:most]]

    def called(self, at: int) -> str:
        """The name of a column, or its number from 1."""
        return self.names[at] if self.names else f"column {at + 1}"


class Columns(NamedTuple):
    """Where things stand in a row; None for nowhere."""

    path: int
    label: int
    split: int | None
    group: int | None
    fold: int | None


def read_table(path: Path, most_bytes: int | None = None) -> Rows:
    """A file's rows, its header apart; raises DataError where it has none."""
    if path.suffix.casefold() in PARQUET:
        columns = read_parquet(path)
        rows = [[_as_text(value) for value in values] for values in zip(*columns.values(), strict=True)]
        table = Rows(path, tuple(columns), list(enumerate(rows, 1)))
    else:
        numbered = read_rows(path, most_bytes)
        if not numbered:
            raise DataError(f"{path} is empty; a manifest has a path and a label in each row.")
        first = numbered[0][1]
        headless = any(_is_image_path(cell) for cell in first)
        names = () if headless else tuple(cell.strip() for cell in first)
        table = Rows(path, names, numbered if headless else numbered[1:])
    if not table.rows:
        raise DataError(f"{path} has a header and no rows below it.")
    return table


def _as_text(value: Any) -> str:  # noqa: ANN401 - whatever Parquet holds
    """A value as a CSV would have it; whole numbers without a fraction, though absent neighbours made them floats."""
    if value is None or value != value:  # NaN is what pandas writes for nothing
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _is_image_path(cell: str) -> bool:
    cell = cell.strip()
    return "\n" not in cell and Path(cell[-300:]).suffix.casefold() in IMAGE_SUFFIXES


def path_column(table: Rows) -> int | None:
    """The column of paths: one that mostly holds images' names, else one that is called so; None for a table of texts.

    A column of texts before it makes it one.
    """
    names = [name.strip().casefold() for name in table.names]
    width = max(len(table.names), len(table.rows[0][1]))
    holding = []
    for at in range(width):
        values = [value for value in table.column(at, PEEKED) if value]
        if sum(map(_is_image_path, values)) * 2 > len(values):
            holding.append(at)
    called = [names.index(name) for name in PATH_NAMES if name in names]
    best = next((at for at in called if at in holding), holding[0] if holding else next(iter(called), None))
    text = column_named(names, TEXT_NAMES)
    if best is None or (text is not None and (text < best or best not in holding)):
        return None
    return best


def find_columns(table: Rows, label: str | None, group: str | None) -> Columns:
    """Where things stand; raises DataError where the paths or the labels are not to be found."""
    names = [name.strip().casefold() for name in table.names]
    width = max(len(table.names), len(table.rows[0][1]))
    path = path_column(table)
    if path is None:
        raise _no_column(table, "no column of paths", "Call it path.")
    split = next((names.index(name) for name in PART_NAMES if name in names and _holds_parts(table, name)), None)
    fold = next((names.index(name) for name in FOLD_NAMES if name in names and names.index(name) != split), None)
    taken = {path, split, fold}
    if group is None:
        free = [name for name in GROUP_NAMES if name in names and names.index(name) not in taken]
        group_at = names.index(free[0]) if free else None
    else:
        group_at = names.index(group.strip().casefold()) if group and group.strip().casefold() in names else None
    taken.add(group_at)
    if label is not None:
        return Columns(path, _asked(table, names, width, label), split, group_at, fold)
    at = column_named([name if i not in taken else "" for i, name in enumerate(names)], CLASS_NAMES)
    rest = [i for i in range(width) if i not in taken]
    if at is None and (len(rest) == 1 or (rest and not names)):
        at = rest[0]
    if at is None:
        raise _no_column(
            table, "no column that is called as labels usually are", "Say which it is: --label-column NAME."
        )
    if not names:  # without a header a third column may still say the part
        split = next((i for i in rest if i != at and _all_parts(table.column(i))), None)
    return Columns(path, at, split, group_at, fold)


def _asked(table: Rows, names: list[str], width: int, label: str) -> int:
    wanted = label.strip().casefold()
    if wanted in names:
        return names.index(wanted)
    if wanted.isdecimal() and 1 <= int(wanted) <= width:
        return int(wanted) - 1
    raise _no_column(table, f"no column {label!r}", "Say which it is: --label-column NAME, or its number from 1.")


def _holds_parts(table: Rows, name: str) -> bool:
    """Whether a column so called says the part: always by its usual names, else where every word is one."""
    at = [other.strip().casefold() for other in table.names].index(name)
    values = table.column(at)
    return any(values) if name in SPLIT_NAMES else _all_parts(values)


def _all_parts(values: Iterable[str]) -> bool:
    found = {value.casefold() for value in values}
    return bool(found) and found <= SPLIT_OF.keys()


def _no_column(table: Rows, reason: str, hint: str) -> DataError:
    names = table.names or [f"{i} ({cell.strip()[:20]})" for i, cell in enumerate(table.rows[0][1], 1)]
    return DataError(f"{table.path} has {reason}; its columns are {few([name[:40] for name in names], 12)}.", hint=hint)


def label_key(labels: Iterable[str]) -> Any:  # noqa: ANN401 - a key for sorted
    """How class names are put in order: numbers by what they are worth, all others as people do."""
    try:
        worth: Mapping[str, float] = {label: float(label) for label in labels}
    except ValueError:
        return natural_key
    if not all(map(math.isfinite, worth.values())):  # a class may be called "nan" or "inf"
        return natural_key
    return lambda label: (worth[label], label)
