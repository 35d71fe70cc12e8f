"""What the server's tests share: a small trained run, the application on it, and a server that listens."""

from __future__ import annotations

import atexit
import contextlib
import functools
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from conftest import bars, write_idx
from convoscope import lab
from convoscope.server.app import create_app
from convoscope.server.listening import Place, listen
from convoscope.server.serving import serve

HOST = "127.0.0.1:8808"
PAGE = f"http://{HOST}"


@functools.cache
def room() -> Path:
    """A folder for what several tests share."""
    folder = Path(tempfile.mkdtemp(prefix="convoscope-served-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def data() -> Path:
    """Images of four classes, 1 x 12 x 12."""
    folder = room() / "bars"
    folder.mkdir()
    write_idx(folder, "train", bars(201, 1))
    write_idx(folder, "t10k", bars(41, 2))
    return folder


@functools.cache
def runs() -> Path:
    """A folder with one run of LeNet-5, `lenet5-bars-1`; copy it before you change it."""
    knobs = {"data": str(data()), "model": "lenet5", "epochs": 2, "batch_size": 30, "validation": 0.1, "device": "cpu"}
    list(lab.train(lab.make_recipe(knobs), runs=room() / "runs"))
    return room() / "runs"


RUN = "lenet5-bars-1"


def own_runs(folder: Path) -> Path:
    """A copy of `runs()` below `folder`."""
    return Path(shutil.copytree(runs(), folder / "runs", ignore=shutil.ignore_patterns(".*")))


def client(folder: Path, *, headers: dict[str, str] | None = None, **knobs: Any) -> TestClient:
    """The application as a program asks it, at the address that it has by default."""
    return TestClient(create_app(folder, **knobs), base_url=PAGE, headers=headers, raise_server_exceptions=False)


@contextlib.contextmanager
def listening(folder: Path, **knobs: Any) -> Iterator[Place]:
    """A server in a thread, at a free port of this machine."""
    place, over, there = listen("127.0.0.1", 0, folder), threading.Event(), threading.Event()

    def answering() -> bool:
        there.set()
        over.wait()
        return False

    thread = threading.Thread(target=serve, args=(place, folder), kwargs={"answering": answering, **knobs})
    thread.start()
    try:
        assert there.wait(30), "the server did not answer"
        yield place
    finally:
        over.set()
        thread.join(20)
    assert not thread.is_alive(), "the server did not end"


def until(happened: Callable[[], Any], seconds: float = 20) -> None:
    """Waits until `happened()` is true."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)
