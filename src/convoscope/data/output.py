"""Answers as files that other programs read: a row for each file that was asked about, written as they come."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from convoscope.data.layout import printable
from convoscope.data.parquet import arrow

Row = Mapping[str, Any]
Write = Callable[[Row], None]
_GROUP = 4096  # rows of a Parquet file that are held until they are written together


@contextmanager
def writing_rows(path: Path, n_top: int, about: Row) -> Iterator[Write]:
    """A function that writes one row; the file is there whole when the context ends well, and else not at all.

    The rows are those of `lab.predict`. In .csv, .tsv and .parquet they become the columns path, class, probability,
    class_2, probability_2 ... and error; .jsonl has a row as it is in each line, .json all of them in one document
    under "predictions". A name that is no text (bytes that are no UTF-8) has backslash codes, but for JSON, whose
    escapes keep it exactly.

    Args:
        path: The file; its suffix, one of `SUFFIXES`, says which form.
        n_top: How many classes each row names.
        about: What a .json document says beside the rows.

    Raises:
        OSError: the disk refused.
        MissingPackage: a .parquet file was asked for, and pyarrow is not installed.
    """
    aside = path.with_name(path.name + ".aside")
    try:
        with _FORMS[path.suffix.casefold()](aside, n_top, about) as write:
            yield write
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def columns_of(n_top: int) -> list[str]:
    """The names of the columns of a table of answers that name so many classes each."""
    numbered = [f"{name}_{k}" for k in range(2, n_top + 1) for name in ("class", "probability")]
    return ["path", "class", "probability", *numbered, "error"]


def _cells(row: Row, n_top: int) -> list[str | float | None]:
    """A row in the order of `columns_of`."""
    best = [cell for entry in row["top"] for cell in (printable(entry["class"]), entry["probability"])]
    error = row["error"]
    return [printable(row["path"]), *best, *[None] * (2 * n_top - len(best)), error and printable(error)]


def _opened(path: Path) -> IO[str]:
    return path.open("w", encoding="utf-8", newline="")


@contextmanager
def _table(path: Path, n_top: int, about: Row, delimiter: str) -> Iterator[Write]:  # noqa: ARG001 - one signature
    with _opened(path) as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(columns_of(n_top))
        yield lambda row: writer.writerow(_cells(row, n_top))


@contextmanager
def _csv(path: Path, n_top: int, about: Row) -> Iterator[Write]:
    with _table(path, n_top, about, ",") as write:
        yield write


@contextmanager
def _tsv(path: Path, n_top: int, about: Row) -> Iterator[Write]:
    with _table(path, n_top, about, "\t") as write:
        yield write


@contextmanager
def _jsonl(path: Path, n_top: int, about: Row) -> Iterator[Write]:  # noqa: ARG001 - one signature
    with _opened(path) as file:

        def write(row: Row) -> None:
            file.write(json.dumps(row) + "\n")

        yield write


@contextmanager
def _json(path: Path, n_top: int, about: Row) -> Iterator[Write]:  # noqa: ARG001 - one signature
    first = True

    def write(row: Row) -> None:
        nonlocal first
        file.write(("\n" if first else ",\n") + json.dumps(row))
        first = False

    with _opened(path) as file:
        file.write(json.dumps(dict(about))[:-1] + (", " if about else "") + '"predictions": [')
        yield write
        file.write("\n]}\n")


@contextmanager
def _parquet(path: Path, n_top: int, about: Row) -> Iterator[Write]:  # noqa: ARG001 - one signature
    pyarrow, parquet = arrow()
    names = columns_of(n_top)
    kinds = {name: pyarrow.float64() if name.startswith("probability") else pyarrow.string() for name in names}
    schema = pyarrow.schema(list(kinds.items()))
    held: list[list[str | float | None]] = []

    def flush() -> None:
        columns = zip(*held, strict=True) if held else [()] * len(names)
        file.write_table(pyarrow.table([list(cells) for cells in columns], schema=schema))
        held.clear()

    def write(row: Row) -> None:
        held.append(_cells(row, n_top))
        if len(held) == _GROUP:
            flush()

    with parquet.ParquetWriter(path, schema) as file:
        yield write
        flush()


_FORMS = {".csv": _csv, ".tsv": _tsv, ".json": _json, ".jsonl": _jsonl, ".parquet": _parquet}
SUFFIXES = tuple(_FORMS)
