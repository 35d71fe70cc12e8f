"""`convoscope predict` as users give it: names from a pipe, patterns, files of rows, and what it says of them."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest
from nursery import Ended, command, here, trained
from PIL import Image


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for name in ("1.png", "2.png", "two\nlines.png", "deep/[3].png"):
        Image.new("L", (20, 14), 90).save(folder / name)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing more")
    return folder


def piped(content: bytes, *words: str) -> Ended:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        return here("predict", "latest", *words, cwd=trained())


def paths_of(ended: Ended) -> list[str]:
    return [row["path"] for row in json.loads(ended.out)["predictions"]]


def test_names_from_a_pipe(photos: Path) -> None:
    first, second, odd = (str(photos / name) for name in ("1.png", "2.png", "two\nlines.png"))
    for content, words, names in (
        (f"{first}\n\n{second}\r\n{first}".encode(), ("-",), [first, second, first]),
        (f"{odd}\0{first}\0".encode(), ("-", "-0"), [odd, first]),
        (f"{photos}/deep/[3].png\n{photos / 'deep'}\n".encode(), ("-",), [f"{photos}/deep/[3].png"] * 2),
        (f"{first}\n".encode(), (second, "-"), [second, first]),
    ):
        ended = piped(content, *words, "--json")
        assert ended.code == 0, ended.err
        assert paths_of(ended) == names
    missing = piped(os.fsencode(photos) + b"/\xff*.png\n", "-", "--json")
    assert missing.code == 1
    assert paths_of(missing) == [f"{photos}/\udcff*.png"]  # no pattern: names from a pipe are what they are


def test_a_pipe_with_nothing_in_it(photos: Path) -> None:
    for content, words, said in (
        (b"\n", ("-",), "No file and no text was given"),
        (b"", (str(photos / "1.png"), "-0"), "no names come from standard input"),
    ):
        ended = piped(content, *words)
        assert ended.code == 1
        assert said in ended.err
        assert ended.out == ""


def test_a_pattern_and_a_folder(photos: Path) -> None:
    ended = here("predict", "latest", str(photos / "**" / "*.png"), str(photos / "deep"), "--json", cwd=trained())
    assert ended.code == 1
    names = ["1.png", "2.png", "broken.png", "two\nlines.png", "deep/[3].png", "deep/[3].png"]
    assert paths_of(ended) == [str(photos / name) for name in names]
    assert ended.out.count("\n") == 1


def test_rows_in_a_file_and_a_word_of_them(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    ended = here("predict", "latest", str(photos), "--out", str(out), "--top", "2", cwd=trained())
    assert ended.code == 1
    assert ended.out.startswith("4 answered, 1 could not be read, in ")
    assert ended.err.startswith(str(photos / "broken.png"))
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["path", "class", "probability", "class_2", "probability_2", "error"]
    assert sorted(row[0] for row in rows[1:] if row[-1] == "") == sorted(
        str(photos / name) for name in ("1.png", "2.png", "two\nlines.png", "deep/[3].png")
    )
    again = here("predict", "latest", str(photos), "--out", str(out), cwd=trained())
    assert again.code == 1
    assert "is there already" in again.err
    assert "--force" in again.err


def test_an_error_before_the_first_row_is_the_whole_document(photos: Path) -> None:
    ended = here("predict", "nosuch", str(photos), "--json", cwd=trained())
    assert ended.code == 1
    assert json.loads(ended.out)["event"] == "error"


def test_raw_probabilities(photos: Path) -> None:
    told = [
        json.loads(here("predict", "latest", str(photos / "1.png"), "--json", *more, cwd=trained()).out)
        for more in ((), ("--raw",))
    ]
    calibration = json.loads((trained() / "runs" / "mlp-data-1" / "calibration.json").read_text())
    (own,), (raw,) = (document["predictions"] for document in told)
    assert own["predicted"] == raw["predicted"]
    assert (own["probability"] == raw["probability"]) is (calibration["temperature"] == 1)


@pytest.mark.slow
def test_a_reader_that_leaves_early(photos: Path) -> None:
    before = "import os, sys; reading, writing = os.pipe(); os.close(reading); sys.stdout = os.fdopen(writing, 'w')"
    ended = command("predict", "latest", str(photos / "1.png"), "--json", cwd=trained(), before=before)
    assert (ended.code, ended.err) == (1, "")


def test_a_bar_on_the_terminal_takes_nothing_from_the_output(photos: Path) -> None:
    before = "import os, pty, sys; sys.stderr = os.fdopen(pty.openpty()[1], 'w', buffering=1)"
    words = ("predict", "latest", str(photos / "1.png"), str(photos / "2.png"), "--json")
    ended = command(*words, cwd=trained(), before=before, env={"TERM": "xterm-256color"})
    assert ended.code == 0
    assert len(paths_of(ended)) == 2
