"""Tables of texts: headers, columns, quotes and encodings, and one clear sentence for each row that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from convoscope import data as data_room
from convoscope.data.table import read_column, read_table
from convoscope.errors import DataError


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("a.csv", "text,label\na b,x\nc,y\n", [("a b", "x"), ("c", "y")]),
        ("a.csv", "\ufeffLabel,Review\nx,a b\r\ny,c", [("a b", "x"), ("c", "y")]),
        ("a.csv", "a b,x\nc,y\n", [("a b", "x"), ("c", "y")]),
        ("a.csv", 'text,label\n"a, ""b""\nc",x\n\nd,y\n', [('a, "b"\nc', "x"), ("d", "y")]),
        ("a.csv", "review;class;id\na, b;x;1\nc;y;2\n", [("a, b", "x"), ("c", "y")]),
        ("a.csv", "text,label\ra,x\rc,y\r", [("a", "x"), ("c", "y")]),
        ("a.csv", "id,text,label\n1,a,x,,\n2,c,y\n", [("a", "x"), ("c", "y")]),
        ("a.csv", "notes,label\na,x\nc,y\n", [("a", "x"), ("c", "y")]),
        ("a.tsv", 'sentence\tlabel\n"a b\tx\nc "d\ty\n', [('"a b', "x"), ('c "d', "y")]),
        ("a.tsv", 'sentence\tlabel\n"a ""b"""\tx\nc\ty\n', [('a "b"', "x"), ("c", "y")]),
        ("a.tsv", 'sentence\tlabel\n"a\nb"\tx\nc\ty\n', [("a\nb", "x"), ("c", "y")]),
    ],
)
def test_tables(tmp_path: Path, name: str, content: str, rows: list[tuple[str, str]]) -> None:
    found = read_table(written(tmp_path / name, content))
    assert [(row.text, row.label) for row in found.rows] == rows
    assert not found.problems


def test_columns_by_name_and_by_number(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "label,text,mood\nx,a,good\ny,c,bad\n")
    assert [row.label for row in read_table(path, label_column="Mood").rows] == ["good", "bad"]
    bare = written(tmp_path / "b.csv", "3,one,a b\n4,other,c\n")
    found = read_table(bare, text_column="3", label_column="1")
    assert [(row.text, row.label, row.name) for row in found.rows] == [("a b", "3", "row 1"), ("c", "4", "row 2")]
    assert [row.text for row in read_table(bare, label_column="1").rows] == ["one", "other"]


@pytest.mark.parametrize(
    ("content", "columns", "said"),
    [
        ("", {}, "is empty"),
        ("text,label\n", {}, "has a header in row 1 and no rows"),
        ("text\na\n", {}, "has one column"),
        ("text,a,b\nx,1,2\n", {}, "no column that is called as labels usually are; its columns are text, a, b"),
        ("text,label\na,x\n", {"text_column": "body"}, "no column 'body'; its columns are text, label"),
        ("text,label\na,x\n", {"text_column": "2", "label_column": "2"}, "both asked from column 2"),
        ('text,label\na,x\n"b,y\nc,x\n', {}, r"opens in row 3 \(line 3\) is not closed"),
        (b"\xff\xfet\0e\0", {}, "UTF-16"),
        (b"PK\x03\x04\0\0\0", {}, "is no text"),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, content: str | bytes, columns: dict[str, str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_table(written(tmp_path / "a.csv", content), **columns)


BROKEN = b"text,label,split\ngood film,x,train\nbad film,y,train\n,x,train\nm,n\nca\xe9,x,train\nw,,train\n... ,y,odd\n"
PROBLEMS = {
    "row 4": "its text is empty",
    "row 5": "it has 2 fields, and the first row has 3",
    "row 6": "its byte 0xE9 is no UTF-8",
    "row 7": "its label is empty",
    "row 8": "its split is 'odd'",
}


def test_every_bad_row_is_named_and_the_policy_decides(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", BROKEN)
    with pytest.raises(DataError, match=r"5 texts cannot be used: .*and 2 more"):
        data_room.open_data(path, validation=0.0)
    found = read_table(path)
    told = dict(found.problems)
    assert {name: told[name].startswith(why) for name, why in PROBLEMS.items() if name != "row 4"} == dict.fromkeys(
        [name for name in PROBLEMS if name != "row 4"], True
    )
    kept = data_room.open_data(path, validation=0.0, broken="quarantine")
    assert len(kept.splits.train) == 2
    (finding,) = [one for one in kept.findings if one.name == "text-broken"]
    assert "(5)" in finding.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text,label\na,x\nb,x\n", "one class only, 'x'"),
        ("text,label,split\na,x,train\nb,y,train\nc,z,test\n", r"test has 1 classes that train lacks \(z\)"),
        ("text,label,split\na,x,test\nb,y,test\n", "no text to train on"),
        ("text,label\n" + "".join(f"a {i},label {i}\n" for i in range(50)), "50 different labels for 50 training"),
    ],
)
def test_labels_that_cannot_be_learnt(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        data_room.open_data(written(tmp_path / "a.csv", content), validation=0.0)


def test_a_table_to_predict_needs_no_labels(tmp_path: Path) -> None:
    assert read_column(written(tmp_path / "a.csv", "text\na b\nc\n")) == [("row 2", "a b"), ("row 3", "c")]
    assert read_column(written(tmp_path / "b.csv", "a b\nc\n")) == [("row 1", "a b"), ("row 2", "c")]
    assert read_column(written(tmp_path / "c.csv", "id,body\n1,a\n2\n"), "body") == [("row 2", "a"), ("row 3", "")]
