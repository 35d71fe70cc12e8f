"""The log: appended line by line, readable however it was cut, and true to what holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from convoscope.errors import RunError, StorageError
from convoscope.runs.log import Log, history, last_of, read_log
from convoscope.train.events import (
    Continued,
    EpochEnded,
    Event,
    Finding,
    Finished,
    Paused,
    Saved,
    Started,
    Step,
    Trained,
    from_json,
    to_json,
)


def started(step: int) -> Started:
    return Started(
        "run", step, 20, 10, 100, 10, 5, "cpu", "float32", "contiguous", 1, 1, 1, "2026-01-01T00:00:00+00:00"
    )


def step(n: int, loss: float = 0.5) -> Step:
    return Step(n, 1 + (n - 1) // 10, loss, 0.5, 0.001, 0.1 * n, 100.0)


def saved(n: int) -> Saved:
    return Saved(n, "epoch", f"checkpoints/step-{n:08d}.safetensors", 10, "00")


def ended(n: int) -> EpochEnded:
    return EpochEnded(n // 10, n, 0.1, 0.9, None, None, 1.0)


def finished(n: int) -> Finished:
    return Finished(
        "run", "finished", n, 1.0, None, 0.9, 0.1, 10, "weights.safetensors", None, "2026-01-01T00:00:00+00:00"
    )


EVENTS: list[Event] = [
    started(0), saved(0), step(1), step(2, float("nan")), Finding("naïve", "note", "训练 [red]", "", None), ended(10),
    Trained(10, "finished", 1.0), finished(10),
]  # fmt: skip


def write(path: Path, *events: Event) -> None:
    log = Log(path)
    for event in events:
        log.append(event)
    log.close()


def plain(events: list[Event]) -> list[str]:
    """As text: NaN differs from itself."""
    return [json.dumps(to_json(event)) for event in events]


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    write(path, *EVENTS)
    assert plain([event for _, event in read_log(path)]) == plain(EVENTS)
    assert [number for number, _ in read_log(path)] == [*range(len(EVENTS))]
    assert [number for number, _ in read_log(path, from_line=5)] == [5, 6, 7]
    write(path, step(11))
    assert len([*read_log(path)]) == len(EVENTS) + 1
    for line in path.read_text(encoding="utf-8").splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(name))


def test_a_log_opens_wherever_it_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    write(path, *EVENTS)
    content = path.read_bytes()
    ends = [0, *(i + 1 for i, byte in enumerate(content) if byte == 10)]
    for n in range(len(content)):
        path.write_bytes(content[:n])
        whole = sum(end <= n for end in ends) - 1
        found = [*read_log(path)]
        assert len(found) == whole + (n + 1 in ends)  # the last line may lack its end alone
        # And what is appended after the cut is not glued to half a line.
        write(path, step(99))
        assert [event for _, event in read_log(path)][-1] == step(99)
        assert len([*read_log(path)]) == len(found) + 1


JUNK = [
    b"\n", b"\0" * 512 + b"\n", b"[]\n", b"null\n", b'"started"\n', b"\xff\xfe\n", b"{}\n", b"{" * 50 + b"\n",
    b'{"event": "of tomorrow", "x": 1}\n', b'{"event": "step", "step": 4}\n',
]  # fmt: skip


@pytest.mark.parametrize("junk", JUNK)
def test_junk_hides_nothing(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "events.jsonl"
    write(path, *EVENTS)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(junk.join([b"", *lines, b""]))
    assert plain([event for _, event in read_log(path)]) == plain(EVENTS)
    history(path)


def test_an_event_with_fields_of_tomorrow_is_read() -> None:
    assert from_json(to_json(step(3)) | {"colour": "blue"}) == step(3)


def test_history_leaves_out_what_was_undone(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    first = [started(0), saved(0), *map(step, range(1, 8)), saved(5), step(8)]
    second = [started(5), *map(step, range(6, 11)), ended(10), saved(10), Trained(10, "finished", 1.0), finished(10)]
    write(path, *first, *second)
    held = history(path)
    assert [event.step for event in held if isinstance(event, Step)] == [*range(1, 11)]
    assert [event.step for event in held if isinstance(event, Started)] == [0, 5]
    assert [event.step for event in held if isinstance(event, Saved)] == [0, 5, 10]
    # Going on from the very end takes back the end and nothing else.
    write(path, started(10))
    held = history(path)
    assert not [event for event in held if isinstance(event, Finished | Trained)]
    assert [event.step for event in held if isinstance(event, EpochEnded)] == [10]
    # Starting over takes back every step.
    write(path, started(0), step(1))
    assert [event.step for event in history(path) if isinstance(event, Step)] == [1]


def test_what_held_an_earlier_sitting_holds_no_more(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    first = [started(0), step(1), Paused(1), Continued(1), step(2), saved(2), Paused(2), Trained(2, "stopped", 1.0)]
    write(path, *first, started(2), step(3))
    held = history(path)
    assert [event for event in held if isinstance(event, Paused | Continued | Trained)] == [Paused(1), Continued(1)]
    assert {to_json(event)["event"]: from_json(to_json(event)) for event in (Paused(1), Continued(1))} == {
        "paused": Paused(1),
        "continued": Continued(1),
    }


@pytest.mark.parametrize("block", [1, 7, 100, 1 << 16])
def test_the_last_event_of_a_kind_is_found_from_the_end(
    tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convoscope.runs.log._BLOCK", block)
    path = tmp_path / "events.jsonl"
    assert last_of(path, Step) is None
    write(path, *EVENTS, started(10), step(11))
    with path.open("ab") as file:
        file.write(b'{"event": "paused", "st')  # torn
    assert last_of(path, Step) == step(11)
    assert last_of(path, Started) == last_of(path, Started, EpochEnded) == started(10)
    assert last_of(path, EpochEnded) == ended(10)
    assert last_of(path, Saved) == saved(0)
    assert last_of(path, Paused) is None
    with pytest.raises(RunError, match="cannot be read"):
        last_of(tmp_path, Step)


def test_no_log_is_an_empty_one(tmp_path: Path) -> None:
    assert history(tmp_path / "none.jsonl") == []
    with pytest.raises(RunError, match="cannot be read"):
        history(tmp_path)
    with pytest.raises(StorageError, match="a folder stands where"):
        Log(tmp_path)


def test_a_disk_that_fills_up_within_a_line_is_told(tmp_path: Path) -> None:
    log = Log(tmp_path / "events.jsonl")
    log.append(step(1))
    log.close()
    log._file = Path("/dev/full").open("ab", buffering=0)  # noqa: SIM115 - the log closes it
    with pytest.raises(StorageError, match="the disk is full"):
        log.append(step(2))
    log.close()
    assert len([*read_log(tmp_path / "events.jsonl")]) == 1
