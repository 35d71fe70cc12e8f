"""Columns as the bytes of a table: CSV, TSV or Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from convoscope.data.parquet import SUFFIXES as PARQUET
from convoscope.data.parquet import parquet_of
from convoscope.errors import InputError

SUFFIXES = (".csv", ".tsv", *PARQUET)


def table_of(path: Path, columns: Mapping[str, Sequence[Any]]) -> bytes:
    """The columns as a table of the kind that a file's name asks for; all of one length.

    Raises:
        InputError: the name asks for no kind of table.
        MissingPackage: it is Parquet, and pyarrow is not installed.
    """
    suffix = path.suffix.casefold()
    if suffix in PARQUET:
        return parquet_of(columns)
    if suffix not in SUFFIXES:
        raise InputError(f"{path} is called as no table is; its name ends in {', '.join(SUFFIXES)}.")
    return csv_of(columns, "\t" if suffix == ".tsv" else ",")


def csv_of(columns: Mapping[str, Sequence[Any]], delimiter: str = ",") -> bytes:
    """The columns as CSV in UTF-8, the first row naming them; bytes of a path that are no UTF-8 stay as they are."""
    content = io.StringIO()
    writer = csv.writer(content, delimiter=delimiter, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return content.getvalue().encode("utf-8", "surrogateescape")
