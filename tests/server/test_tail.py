"""A log that grows, tears, is cut and is replaced: every line once, in order."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from convoscope.errors import RunError
from convoscope.lab.tail import Batch, Tail
from convoscope.runs.log import read_log
from convoscope.train.events import Saved, Step, Thinned, to_json


def line(step: int) -> bytes:
    return (json.dumps(to_json(Step(step, 1, 0.5, 0.9, 0.1, 1.0, 100.0))) + "\n").encode()


def all_lines(tail: Tail) -> list[dict[str, Any]]:
    tail.look()
    found, place = [], 0
    while place < tail.n_lines:
        batch = tail.lines(place)
        assert batch.next > place
        found += [json.loads(text) for text in batch.texts]
        place = batch.next
    return found


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def test_it_tells_what_the_log_holds(log: Path) -> None:
    events = [Step(1, 1, 0.5, 0.9, 0.1, 1.0, 100.0), Saved(1, "epoch", "a", 3, "ff"), Thinned(1, "a", "été 卷积")]
    log.write_text("".join(json.dumps(to_json(event), ensure_ascii=False) + "\n" for event in events))
    told = all_lines(Tail(log))
    assert told == [{"line": number, "event": to_json(event)} for number, event in read_log(log)]


def test_a_line_that_is_being_written_is_not_there_yet(log: Path) -> None:
    tail = Tail(log)
    assert tail.look() is False  # no log is an empty one
    log.write_bytes(line(1) + line(2)[:20])
    assert tail.look() is True
    assert tail.n_lines == 1
    assert tail.look() is False
    with log.open("ab") as file:
        file.write(line(2)[20:])
    assert [told["event"]["step"] for told in all_lines(tail)] == [1, 2]


def test_what_is_no_event_has_a_number_and_is_not_told(log: Path) -> None:
    rows = [line(1), b'{"event": "step", "st\n', b"[1]\n", b'{"event": "of tomorrow"}\n', b"\xff\xfe\n", b"\n"]
    log.write_bytes(b"".join([*rows, b'{"event": "paused", "step": NaN}\n', line(2)]))
    assert [(told["line"], told["event"]["step"]) for told in all_lines(Tail(log))] == [(0, 1), (7, 2)]


def test_an_event_of_an_older_version_is_told_with_all_its_fields(log: Path) -> None:
    old = {key: value for key, value in json.loads(line(3)).items() if key != "gradient_norm"}
    log.write_text(json.dumps(old | {"of_another": 1}) + "\n")
    assert all_lines(Tail(log))[0]["event"] == json.loads(line(3))


@pytest.mark.parametrize("n", [1, 511, 512, 513, 2000])
def test_many_lines_come_in_blocks_each_once(log: Path, n: int) -> None:
    log.write_bytes(b"".join(map(line, range(n))))
    tail = Tail(log)
    assert [told["line"] for told in all_lines(tail)] == list(range(n))
    with log.open("ab") as file:
        file.write(b"".join(map(line, range(n, n + 600))))
    assert [told["event"]["step"] for told in all_lines(tail)] == list(range(n + 600))
    assert tail.generation == 0


def test_old_blocks_are_read_again_rather_than_kept(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convoscope.lab.tail._KEPT_BYTES", 1)
    log.write_bytes(b"".join(map(line, range(2000))))
    tail = Tail(log)
    for _ in range(2):
        assert len(all_lines(tail)) == 2000
        assert len(tail._older) == 1


def test_a_batch_is_bounded_in_lines_and_bytes(log: Path) -> None:
    log.write_bytes(b"".join(map(line, range(400))))
    tail = Tail(log)
    tail.look()
    assert tail.lines(3, limit=5).next == 8
    assert tail.lines(3, limit_bytes=1000).next < 20
    assert tail.lines(3, limit_bytes=0).next == 4  # one line in any case
    assert tail.lines(400) == Batch([], 400, 0)


@pytest.mark.parametrize("how", ["cut", "cut and grown", "replaced", "removed"])
def test_another_log_has_another_generation(log: Path, how: str) -> None:
    log.write_bytes(b"".join(map(line, range(600))))
    tail = Tail(log)
    assert len(all_lines(tail)) == 600
    if how == "cut":
        os.truncate(log, len(line(0)) * 5)
        left = range(5)
    elif how == "cut and grown":
        log.write_bytes(b"".join(map(line, range(1000, 2000))))
        left = range(1000, 2000)
    elif how == "replaced":
        other = log.with_name("other")
        other.write_bytes(b"".join(map(line, range(50, 700))))
        other.replace(log)
        left = range(50, 700)
    else:
        log.unlink()
        left = range(0)
    assert [told["event"]["step"] for told in all_lines(tail)] == list(left)
    assert tail.generation == 1


def test_a_run_that_is_gone_is_said_so(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "gone" / "events.jsonl")
    with pytest.raises(RunError, match="The run gone is gone"):
        tail.look()


def test_it_is_read_while_it_is_written(log: Path) -> None:
    n, log_file = 3000, log.open("wb", buffering=0)

    def write() -> None:
        for step in range(n):
            row = line(step)
            log_file.write(row[:30])
            log_file.write(row[30:])

    writer, tail, place, told = threading.Thread(target=write), Tail(log), 0, list[int]()
    writer.start()
    while place < n:
        tail.look()
        batch = tail.lines(place)
        told += [json.loads(text)["event"]["step"] for text in batch.texts]
        place = batch.next
    writer.join()
    log_file.close()
    assert told == list(range(n))
    assert tail.generation == 0
