"""Tables of texts and labels: a CSV or TSV file to rows, and a reason for each row that cannot be used."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from convoscope.data.layout import SPLITS
from convoscope.data.vocabulary import not_utf8
from convoscope.errors import DataError

SUFFIXES = (".csv", ".tsv")
TEXT_NAMES = (
    *("text", "review", "sentence", "document", "content", "body", "comment", "message", "tweet", "post", "phrase"),
    *("tree", "question", "utterance", "headline", "title"),
)
LABEL_NAMES = (
    *("label", "labels", "class", "category", "target", "sentiment", "polarity", "topic", "intent", "rating", "stars"),
    "y",
)
SPLIT_NAMES = ("split", "subset", "partition")
SPLIT_OF = {name: split for split, names in SPLITS.items() for name in names} | {"dev": "validation"}
MOST_CHARACTERS = 1 << 24  # of one field: csv's own bound, 131,072, is less than a chapter


class Row(NamedTuple):
    """One text: its label, the split it belongs to ("" where the table does not say), and what it is called."""

    text: str
    label: str
    split: str
    name: str


@dataclass
class Table:
    """What was read of one or several files.

    Attributes:
        rows: The rows that can be used, in order.
        problems: (what a row or file is called, why it cannot be used).
        has_splits: Whether the rows say which split they belong to.
    """

    rows: list[Row] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    has_splits: bool = False


class _Columns(NamedTuple):
    """Where things stand in a row; `split` is None for nowhere."""

    text: int
    label: int
    split: int | None
    has_header: bool


def read_table(
    path: Path, *, text_column: str | None = None, label_column: str | None = None, most_bytes: int | None = None
) -> Table:
    """The rows of a table with a text and a label in each.

    The first row is a header where it names a column as texts or labels are usually called, or as was asked; without
    one the first column is the text and the second the label. Fields are parted by commas (in a .tsv by tabs), or by
    semicolons or tabs where the first row has no comma.

    Args:
        path: The file.
        text_column: What the column of texts is called in the header, or its number from 1; None finds it.
        label_column: The same of the labels.
        most_bytes: How much of the file to read, up to the last whole line in it; None for all.

    Raises:
        DataError: the file cannot be read, is no text, is empty, has a quotation that does not end, or lacks a column.
    """
    rows = read_rows(path, most_bytes)
    if not rows:
        raise DataError(f"{path} is empty; a table of texts has a text and a label in each row.")
    (first_number, first), n_fields = rows[0], len(rows[0][1])
    columns = _find_columns(path, first, text_column, label_column)
    table = Table(has_splits=columns.split is not None)
    for number, row in rows[columns.has_header :]:
        name = f"row {number}"
        problem = _problem(row, n_fields, columns)
        if problem:
            table.problems.append((name, problem))
            continue
        split = SPLIT_OF[row[columns.split].strip().casefold()] if columns.split is not None else ""
        table.rows.append(Row(row[columns.text], row[columns.label].strip(), split, name))
    if not table.rows and not table.problems:
        raise DataError(f"{path} has a header in row {first_number} and no rows below it.")
    return table


def read_rows(path: Path, most_bytes: int | None = None) -> list[tuple[int, list[str]]]:
    """(number from 1, fields) of each row of a .csv or .tsv file that is not blank, counted as a spreadsheet does.

    Args:
        path: The file.
        most_bytes: How much of it to read, up to the last whole line in it; None for all.

    Raises:
        DataError: it cannot be read, is no text in UTF-8, or has a quotation that does not end.
    """
    return list(_rows(path, _text_of(path, most_bytes)))


def read_column(path: Path, text_column: str | None = None) -> list[tuple[str, str]]:
    """(what it is called, text) of each row of a table whose labels, if there are any, do not matter.

    Args:
        path: The file.
        text_column: What the column of texts is called, or its number from 1; where there is none of that name, as
            where None is given, it is the one called as texts usually are, else the first.

    Raises:
        DataError: the file cannot be read as a table.
    """
    rows = read_rows(path)
    names = [cell.strip().casefold() for cell in rows[0][1]] if rows else []
    asked = (text_column or "").strip().casefold()
    usual = column_named(names, TEXT_NAMES)
    if asked.isdecimal() and 1 <= int(asked) <= len(names):
        at, has_header = int(asked) - 1, usual is not None
    elif asked in names:
        at, has_header = names.index(asked), True
    else:
        at, has_header = usual or 0, usual is not None or column_named(names, LABEL_NAMES) is not None
    return [(f"row {number}", row[at] if at < len(row) else "") for number, row in rows[has_header:]]


def _text_of(path: Path, most_bytes: int | None) -> str:
    """A file as text; a byte that is no UTF-8 becomes a surrogate, by which its row is found.

    Raises:
        DataError: it cannot be read, or is no text in UTF-8 at all.
    """
    try:
        with path.open("rb") as file:
            content = file.read() if most_bytes is None else file.read(most_bytes)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from None
    if most_bytes is not None and len(content) == most_bytes:
        content = content[: content.rfind(b"\n") + 1]
    if b"\0" in content[:4096]:
        kind = "UTF-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "no text"
        raise DataError(f"{path} is {kind}; a table of texts is in UTF-8.", hint="Save it as CSV in UTF-8.")
    return content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")


def _rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """(number from 1, fields) of each row that is not blank, counted as a spreadsheet counts them."""
    lines = text.split("\n" if "\n" in text else "\r")
    delimiter = "\t" if path.suffix.casefold() == ".tsv" else _delimiter(lines[0] if lines else "")
    if delimiter == "\t" and (plain := _unquoted(lines)) is not None:
        yield from plain
        return
    csv.field_size_limit(MOST_CHARACTERS)
    ended = False

    def fed() -> Iterator[str]:
        nonlocal ended
        yield from (f"{line}\n" for line in lines)
        ended = True

    number, begin = 0, 1
    reader = csv.reader(fed(), delimiter=delimiter)
    try:
        for number, row in enumerate(reader, 1):
            if ended:  # the reader asked for a line after the last to end this row
                raise DataError(
                    f"{path}: the quotation mark that opens in row {number} (line {begin}) is not closed.",
                    hint='Close it; a quotation mark inside a quoted text is written twice: "".',
                )
            begin = reader.line_num + 1
            if row:
                yield number, row
    except csv.Error as error:
        raise DataError(f"{path}, row {number + 1} (line {begin}) cannot be read as a table: {error}.") from None


def _delimiter(line: str) -> str:
    return next((sign for sign in (",", ";", "\t") if sign in line), ",")


def _unquoted(lines: list[str]) -> list[tuple[int, list[str]]] | None:
    """Rows parted by tabs whose quotation marks are part of the texts; None where quotes hold fields together.

    Tables of tabs are written in both ways. Where every line by itself has as many fields as the first, no quotes are
    needed to part them.
    """
    rows = [(number, line.rstrip("\r").split("\t")) for number, line in enumerate(lines, 1) if line.strip("\r")]
    if not rows or any(len(fields) != len(rows[0][1]) for _, fields in rows):
        return None
    return [(number, [_bare(field) for field in fields]) for number, fields in rows]


def _bare(field: str) -> str:
    """A field without the quotes around all of it."""
    if len(field) > 1 and field[0] == field[-1] == '"':
        inside = field[1:-1].replace('""', "\0")
        if '"' not in inside:
            return inside.replace("\0", '"')
    return field


def _find_columns(path: Path, first: list[str], text: str | None, label: str | None) -> _Columns:
    """Where text, label and split stand; raises DataError where one of the first two is not to be found."""
    names = [cell.strip().casefold() for cell in first]
    if len(names) < 2:
        raise DataError(
            f"{path} has one column; a table of texts has a text and a label in each row.",
            hint="Part the two by a comma, and put a text with commas in quotation marks.",
        )
    at = {
        "text": column_named(names, TEXT_NAMES),
        "label": column_named(names, LABEL_NAMES),
        "split": column_named(names, SPLIT_NAMES),
    }
    has_header = at["text"] is not None or at["label"] is not None
    if not has_header:
        at["split"] = None
    for what, asked in (("text", text), ("label", label)):
        if asked is None:
            continue
        wanted = asked.strip().casefold()
        if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
            at[what] = int(wanted) - 1
        elif wanted in names:
            at[what], has_header = names.index(wanted), True
        else:
            raise _no_column(path, what, first, f"no column {asked!r}")
    for what, other in (("text", "label"), ("label", "text")):
        if at[what] is None or (at[what] == at[other] and (label if what == "label" else text) is None):
            free = [i for i in range(len(names)) if i not in (at[other], at["split"])]
            if not free or (has_header and len(free) > 1):
                raise _no_column(path, what, first, f"no column that is called as {what}s usually are")
            at[what] = free[0]
    assert at["text"] is not None
    assert at["label"] is not None
    if at["text"] == at["label"]:
        raise DataError(f"{path}: the text and the label were both asked from column {at['text'] + 1}.")
    return _Columns(at["text"], at["label"], at["split"], has_header)


def column_named(names: list[str], known: tuple[str, ...]) -> int | None:
    """Where the first of the known names stands among a header's."""
    return next((names.index(name) for name in known if name in names), None)


def _no_column(path: Path, what: str, first: list[str], reason: str) -> DataError:
    shown = ", ".join(cell.strip()[:40] or '""' for cell in first[:12]) + (" ..." if len(first) > 12 else "")
    return DataError(
        f"{path} has {reason}; its columns are {shown}.",
        hint=f"Say which it is: --{what}-column NAME, or its number from 1.",
    )


def _problem(row: list[str], n_fields: int, columns: _Columns) -> str:
    """Why a row cannot be used, in a clause; "" where it can."""
    if len(row) != n_fields and (len(row) < n_fields or any(row[n_fields:])):
        return f"it has {len(row)} field{'' if len(row) == 1 else 's'}, and the first row has {n_fields}"
    bad = not_utf8(row[columns.text] + row[columns.label])
    if bad:
        return bad
    if not row[columns.label].strip():
        return "its label is empty"
    if columns.split is not None and row[columns.split].strip().casefold() not in SPLIT_OF:
        return f"its split is {row[columns.split].strip()[:40]!r}; it is train, validation or test"
    return ""
