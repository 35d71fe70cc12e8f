"""Parquet tables, read and written as columns; pyarrow is needed for them alone."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from convoscope.errors import DataError, MissingPackage

SUFFIXES = (".parquet", ".pq")


def read_parquet(path: Path) -> dict[str, list[Any]]:
    """The columns of a file by name, each value as Python has it; None where there is none.

    Raises:
        DataError: it cannot be read, is no Parquet file, or has columns that hold no single values.
        MissingPackage: pyarrow is not installed.
    """
    _, parquet = arrow()
    try:
        table = parquet.read_table(path)
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0].strip().rstrip(".")
        raise DataError(f"{path} cannot be read as Parquet ({reason}).") from None
    except Exception as error:  # noqa: BLE001 - pyarrow has a tree of its own, not imported only to be named
        raise DataError(
            f"{path} cannot be read as Parquet ({str(error).splitlines()[0].strip().rstrip('.')})."
        ) from None
    nested = [field.name for field in table.schema if "struct" in str(field.type) or "binary" in str(field.type)]
    if nested:
        raise DataError(
            f"{path} holds images or records themselves in its column {nested[0]}; a manifest says where files lie.",
            hint="Write the images to files, and their paths to the manifest.",
        )
    return {name: table.column(name).to_pylist() for name in table.column_names}


def parquet_of(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """A Parquet file of columns by name, all of one length; raises MissingPackage where pyarrow is not installed."""
    pyarrow, parquet = arrow()
    content = io.BytesIO()
    parquet.write_table(pyarrow.table({name: list(values) for name, values in columns.items()}), content)
    return content.getvalue()


def arrow() -> tuple[Any, Any]:
    """(pyarrow, pyarrow.parquet); raises MissingPackage where they are not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingPackage(
            "Parquet files need the package pyarrow, which is not installed.",
            hint='Install it with: pip install "convoscope[tables]"',
        ) from None
    return pyarrow, pyarrow.parquet
