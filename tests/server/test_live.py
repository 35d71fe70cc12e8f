"""Live events over real sockets: replay, then what comes, to every viewer, whatever happens to the log."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from served import RUN, client, data, listening, own_runs, runs, until
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as connect_here

from convoscope.runs.log import read_log
from convoscope.server import live
from convoscope.server.listening import Place
from convoscope.train.events import Step, to_json


def line(step: int) -> bytes:
    return (json.dumps(to_json(Step(step, 1, 0.5, 0.9, 0.1, 1.0, 100.0))) + "\n").encode()


def a_run(folder: Path, content: bytes = b"") -> Path:
    """A run that somebody else writes: its folder, and its log."""
    (folder / "a").mkdir()
    (folder / "a" / "recipe.json").write_text("{}")
    (folder / "a" / "events.jsonl").write_bytes(content)
    return folder / "a" / "events.jsonl"


@asynccontextmanager
async def watching(place: Place, run: str = "a", first: int = 0) -> AsyncIterator[ClientConnection]:
    address = f"ws://127.0.0.1:{place.port}/api/runs/{run}/live?from={first}"
    async with connect(address, compression=None, max_size=None) as socket:
        yield socket


async def told(socket: ClientConnection, until_step: int) -> list[dict[str, Any]]:
    """Lines until the one of that step."""
    found: list[dict[str, Any]] = []
    while not found or found[-1]["event"].get("step") != until_step:
        found += json.loads(await asyncio.wait_for(socket.recv(), 20))
    return found


def steps(lines: list[dict[str, Any]]) -> list[int]:
    return [row["event"]["step"] for row in lines]


def test_first_what_stands_there_then_what_comes(tmp_path: Path) -> None:
    log = a_run(tmp_path, b"".join(map(line, range(1300))))

    async def watch(place: Place) -> None:
        async with watching(place) as one, watching(place, first=1290) as other:
            assert [row["line"] for row in await told(one, 1299)] == list(range(1300))
            assert steps(await told(other, 1299)) == list(range(1290, 1300))
            with log.open("ab", buffering=0) as file:
                for step in range(1300, 1400):
                    file.write(line(step)[:40])
                    await asyncio.sleep(0.001)
                    file.write(line(step)[40:])
                file.write(b'{"torn\n')
                file.write(line(1400))
            for socket in (one, other):
                lines = await told(socket, 1400)
                assert steps(lines) == list(range(1300, 1401))
                assert [row["line"] for row in lines] == [*range(1300, 1400), 1401]

    with listening(tmp_path) as place:
        asyncio.run(watch(place))


def test_a_log_that_is_cut_or_replaced_is_told_anew(tmp_path: Path) -> None:
    log = a_run(tmp_path, b"".join(map(line, range(20))))

    async def watch(place: Place) -> None:
        async with watching(place) as socket, watching(place, first=500) as late:
            assert steps(await told(socket, 19)) == list(range(20))
            assert steps(await told(late, 19)) == list(range(20))  # it knew a longer log
            os.truncate(log, 5 * len(line(0)))
            assert steps(await told(socket, 4)) == list(range(5))
            other = log.with_name("other")
            other.write_bytes(b"".join(map(line, range(100, 140))))
            other.replace(log)
            lines = await told(socket, 139)
            assert steps(lines) == list(range(100, 140))
            assert lines[0]["line"] == 0

    with listening(tmp_path) as place:
        asyncio.run(watch(place))


def test_fifty_viewers_get_every_event_and_a_slow_one_delays_nobody(tmp_path: Path) -> None:
    n = 3000
    log = a_run(tmp_path)

    async def write() -> None:
        with log.open("ab", buffering=0) as file:
            for step in range(n):
                file.write(line(step))
                if step % 100 == 0:
                    await asyncio.sleep(0.01)

    async def view(place: Place) -> list[int]:
        async with watching(place) as socket:
            return steps(await told(socket, n - 1))

    async def watch(place: Place) -> None:
        async with watching(place) as sleeper:  # reads nothing meanwhile
            viewers = [asyncio.create_task(view(place)) for _ in range(50)]
            await write()
            for found in await asyncio.gather(*viewers):
                assert found == list(range(n))
            assert steps(await told(sleeper, n - 1)) == list(range(n))

    with listening(tmp_path) as place:
        asyncio.run(watch(place))


def test_the_log_is_read_once_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, looks, reads = a_run(tmp_path, line(0)), list[float](), list[int]()
    look, lines = live.Tail.look, live.Tail.lines

    def counted_look(tail: live.Tail) -> bool:
        looks.append(time.monotonic())
        return look(tail)

    def counted_lines(tail: live.Tail, first: int, **bounds: Any) -> live.Batch:
        reads.append(first)
        return lines(tail, first, **bounds)

    async def watch(place: Place) -> None:
        async with watching(place) as a, watching(place) as b, watching(place) as c, watching(place) as d:
            for socket in (a, b, c, d):
                assert steps(await told(socket, 0)) == [0]
            monkeypatch.setattr(live.Tail, "look", counted_look)
            monkeypatch.setattr(live.Tail, "lines", counted_lines)
            with log.open("ab") as file:
                file.write(line(1) + line(2))
            for socket in (a, b, c, d):
                assert steps(await told(socket, 2)) == [1, 2]
            assert reads == [1]
            await asyncio.sleep(3 * live.PERIOD)
            assert len(looks) < 10
        await asyncio.sleep(2 * live.PERIOD)  # nobody looks any more
        looks.clear()
        await asyncio.sleep(3 * live.PERIOD)
        assert looks == []

    with listening(tmp_path) as place:
        asyncio.run(watch(place))


def test_silence_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_run(tmp_path, line(0))
    monkeypatch.setattr(live, "HEARTBEAT", 0.05)

    async def watch(place: Place) -> None:
        async with watching(place) as socket:
            await told(socket, 0)
            assert [await socket.recv(), await socket.recv()] == ["[]", "[]"]

    with listening(tmp_path) as place:
        asyncio.run(watch(place))


def test_a_run_that_vanishes_says_so(tmp_path: Path) -> None:
    a_run(tmp_path, line(0))

    async def watch(place: Place) -> None:
        async with watching(place) as socket:
            await told(socket, 0)
            shutil.rmtree(tmp_path / "a")
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(socket.recv(), 10)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4404
            assert "gone" in closed.value.rcvd.reason
        for name in ("a", "nothing", "..", "%2e%2e", "a%00b", "x" * 200):
            async with watching(place, name) as socket:
                with pytest.raises(ConnectionClosed) as closed:
                    await socket.recv()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 4404

    with listening(tmp_path) as place:
        asyncio.run(watch(place))


def test_a_server_that_ends_closes_quickly(tmp_path: Path) -> None:
    a_run(tmp_path, line(0))
    with contextlib.ExitStack() as sockets:
        with listening(tmp_path) as place:
            socket = sockets.enter_context(connect_here(f"ws://127.0.0.1:{place.port}/api/runs/a/live"))
            assert len(json.loads(socket.recv())) == 1
            since = time.monotonic()
        assert time.monotonic() - since < 3
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012  # the service restarts: come again


def test_pages_of_events_end_where_the_next_begins(tmp_path: Path) -> None:
    log = a_run(tmp_path, b"".join(map(line, range(1200))))
    with client(tmp_path) as visitor:
        found, place = list[int](), 0
        while True:
            page = visitor.get("/api/runs/a/events", params={"from": place, "limit": 350}).json()
            if not page["events"]:
                break
            assert page["next"] == place + len(page["events"])
            found, place = found + steps(page["events"]), page["next"]
        assert found == list(range(1200))
        with log.open("ab") as file:
            file.write(b"{torn\n" + line(1200))
        page = visitor.get("/api/runs/a/events", params={"from": place}).json()
        assert (page["next"], steps(page["events"])) == (1202, [1200])
        assert visitor.get("/api/runs/a/events", params={"from": 99_999}).json()["events"][0]["line"] == 0
        log.unlink()
        assert visitor.get("/api/runs/a/events").json() == {"next": 0, "events": []}


@pytest.fixture
def training(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """A run that is being trained by another process, for as long as it is let."""
    words = ("train", "--data", str(data()), "--model", "linear", "--epochs", "100000", "--flat-epochs", "0")
    command = [
        sys.executable,
        "-m",
        "convoscope",
        *words,
        "--runs",
        str(tmp_path),
        "--keep",
        "last",
        "--snapshots",
        "0",
        "--threads",
        "1",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            until((tmp_path / "linear-bars-1" / "events.jsonl").exists, 60)
            yield tmp_path, process
        finally:
            process.kill()


def test_a_trainer_that_is_killed_is_told_as_interrupted(training: tuple[Path, subprocess.Popen[bytes]]) -> None:
    folder, process = training

    async def watch(place: Place) -> list[dict[str, Any]]:
        async with watching(place, "latest") as socket:
            found = json.loads(await socket.recv())
            while len(found) < 300:
                found += json.loads(await asyncio.wait_for(socket.recv(), 20))
            process.send_signal(signal.SIGKILL)
            process.wait()
            await asyncio.sleep(3 * live.PERIOD)
            n_events = len(list(read_log(folder / "linear-bars-1" / "events.jsonl")))
            while len(found) < n_events:
                found += json.loads(await asyncio.wait_for(socket.recv(), 10))
            return found

    with listening(folder) as place:
        found = asyncio.run(watch(place))
    log = list(read_log(folder / "linear-bars-1" / "events.jsonl"))
    assert [(row["line"], row["event"]) for row in found] == [(number, to_json(event)) for number, event in log]
    with client(folder) as visitor:
        (headline,) = visitor.get("/api/runs").json()
        assert headline["state"] == "interrupted"
        refused = visitor.post("/api/runs/latest/steer", json={"wish": "pause"})
        assert refused.status_code == 409
        assert refused.json()["error"] == "RunError"


def test_the_events_of_a_finished_run_are_all_there(tmp_path: Path) -> None:
    folder = own_runs(tmp_path)
    with client(folder) as visitor:
        page = visitor.get(f"/api/runs/{RUN}/events").json()
    log = list(read_log(runs() / RUN / "events.jsonl"))
    assert [(row["line"], row["event"]) for row in page["events"]] == [(n, to_json(event)) for n, event in log]
    assert page["events"][-1]["event"]["event"] == "finished"
