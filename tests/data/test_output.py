from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest

from convoscope.data.output import SUFFIXES, columns_of, writing_rows

NAME = 'two\nlines, "quoted"\t数字 \'.png'
NO_TEXT = os.fsdecode(b"\xff\xfe.png")


def row(path: str, *best: tuple[str, float], error: str | None = None) -> dict[str, Any]:
    top = [{"class": name, "probability": probability} for name, probability in best]
    first = top[0] if top else {"class": None, "probability": None}
    return {"path": path, "predicted": first["class"], "probability": first["probability"], "top": top, "error": error}


ROWS = [
    row(NAME, ("cat", 2 / 3), ("a, b", 1 / 3)),
    row("none.png", error=f"{NO_TEXT}: it cannot be read."),
    row(NO_TEXT, ("a, b", 0.9), ("cat", 0.1)),
]
CELLS = [
    [NAME, "cat", 2 / 3, "a, b", 1 / 3, None],
    ["none.png", None, None, None, None, r"\udcff\udcfe.png: it cannot be read."],
    [r"\udcff\udcfe.png", "a, b", 0.9, "cat", 0.1, None],
]


def write(path: Path, rows: list[dict[str, Any]], n_top: int = 2) -> Path:
    with writing_rows(path, n_top, {"run": "net-1"}) as one:
        for told in rows:
            one(told)
        assert not path.exists()
    assert [other.name for other in path.parent.iterdir()] == [path.name]
    return path


def test_the_columns() -> None:
    assert columns_of(1) == ["path", "class", "probability", "error"]
    assert columns_of(3)[3:] == ["class_2", "probability_2", "class_3", "probability_3", "error"]


@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".tsv", "\t"), (".CSV", ",")])
def test_a_table(suffix: str, delimiter: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"rows{suffix}", ROWS)
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, delimiter=delimiter)
    assert header == columns_of(2)
    assert rows == [["" if cell is None else str(cell) for cell in cells] for cells in CELLS]


def test_json_keeps_every_name_exactly(tmp_path: Path) -> None:
    document = json.loads(write(tmp_path / "rows.json", ROWS).read_text(encoding="ascii"))
    assert document == {"run": "net-1", "predictions": ROWS}
    (tmp_path / "rows.json").unlink()
    lines = write(tmp_path / "rows.jsonl", ROWS).read_text(encoding="ascii").splitlines()
    assert [json.loads(line) for line in lines] == ROWS
    assert os.fsencode(json.loads(lines[2])["path"]) == b"\xff\xfe.png"


def test_parquet_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("convoscope.data.output._GROUP", 2)
    table = parquet.read_table(write(tmp_path / "rows.parquet", ROWS))
    assert table.column_names == columns_of(2)
    assert [str(field.type) for field in table.schema] == ["string", "string", "double", "string", "double", "string"]
    assert [list(cells) for cells in zip(*table.to_pydict().values(), strict=True)] == CELLS


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_rows_and_a_row_that_fails(suffix: str, tmp_path: Path) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    path = write(tmp_path / f"rows{suffix}", [])
    before = path.read_bytes()

    def fails() -> None:
        with writing_rows(path, 2, {}) as one:
            one(ROWS[0])
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        fails()
    assert path.read_bytes() == before  # what was there before stays
    assert [other.name for other in tmp_path.iterdir()] == [path.name]
