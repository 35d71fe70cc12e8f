"""What fifty people who watch one run cost it, and whether each of them is told everything.

    python benchmarks/viewers.py [--rounds 5] [--viewers 50] [--epochs 8]

LeNet-5 on MNIST, the default recipe, in a process of its own as the page starts it; one server beside it. Rounds take
turns: nobody watches, then all watch live from the first event to the last. Viewers are sockets of one process that
yields to all others (nice 19): they stand for browsers on other machines. Each must have been told exactly the lines of
the log, in order. Images/s are the run's own, over its training time; each ratio is of neighbouring runs.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from websockets.asyncio.client import connect

from convoscope.runs.log import read_log
from convoscope.server.listening import health, listen
from convoscope.train.events import EpochEnded, Started
from measure import spread

_MOST_SECONDS = 120.0


@functools.lru_cache(maxsize=4096)
def lines(message: str) -> tuple[tuple[int, str], ...]:
    """Line numbers and names of events; many viewers are sent the same message."""
    return tuple((row["line"], row["event"]["event"]) for row in json.loads(message))


async def view(port: int, run: str) -> list[int]:
    """The line numbers that one viewer is told, up to the end of the run."""
    told: list[int] = []
    address = f"ws://127.0.0.1:{port}/api/runs/{run}/live"
    async with connect(address, compression=None, max_size=None, open_timeout=60) as socket:
        while True:
            for number, name in lines(str(await socket.recv())):
                told.append(number)
                if name == "finished":
                    return told


async def watch(port: int, run: str, n: int) -> list[list[int]]:
    """All viewers."""
    return await asyncio.gather(*(view(port, run) for _ in range(n)))


def start_viewers(port: int, n: int) -> subprocess.Popen[str]:
    """Viewers that have all they need but the name of a run, which they read."""
    words = [sys.executable, __file__, "--watch", str(port), "--viewers", str(n)]
    viewers = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert viewers.stdout is not None
    viewers.stdout.readline()
    return viewers


def train(runs: Path, port: int, epochs: int, n_viewers: int) -> tuple[float, bool]:
    """Images/s of one run, and whether every viewer was told every event."""
    before = set(runs.iterdir())
    viewers = start_viewers(port, n_viewers) if n_viewers else None
    words = ["train", "--data", "mnist", "--model", "lenet5", "--epochs", str(epochs), "--runs", str(runs)]
    with subprocess.Popen([sys.executable, "-m", "convoscope", *words], stdout=subprocess.DEVNULL) as trainer:
        while not (fresh := [path for path in set(runs.iterdir()) - before if (path / "events.jsonl").exists()]):
            assert trainer.poll() is None, "training did not begin"
            time.sleep(0.01)
        if viewers is not None:
            assert viewers.stdin is not None
            viewers.stdin.write(fresh[0].name + "\n")
            viewers.stdin.flush()
        trainer.wait()
    log = list(read_log(fresh[0] / "events.jsonl"))
    n_train = next(event.n_train for _, event in log if isinstance(event, Started))
    seconds = max(event.seconds for _, event in log if isinstance(event, EpochEnded))
    everything = True
    if viewers is not None:
        told: list[list[int]] = json.loads(viewers.communicate(timeout=_MOST_SECONDS)[0])
        wanted = [number for number, _ in log]
        everything = len(told) == n_viewers and all(one == wanted for one in told)
    return epochs * n_train / seconds, everything


def main(rounds: int, viewers: int, epochs: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        runs = Path(name)
        place = listen("127.0.0.1", 0, runs)
        assert place.listener is not None
        place.listener.close()
        environment: dict[str, Any] = {key: value for key, value in os.environ.items() if key != "CI"}
        words = [sys.executable, "-m", "convoscope", "open", "--no-browser", "--runs", name, "--port", str(place.port)]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, env=environment) as server:
            try:
                while health("127.0.0.1", place.port, _MOST_SECONDS) is None:
                    time.sleep(0.1)
                ratios, shares, complete = list[float](), list[float](), 0
                process = psutil.Process(server.pid)
                for turn in range(rounds + 1):
                    alone, _ = train(runs, place.port, epochs, 0)
                    used, begin = process.cpu_times(), time.perf_counter()
                    watched, everything = train(runs, place.port, epochs, viewers)
                    seconds, now = time.perf_counter() - begin, process.cpu_times()
                    if turn:  # the first warms up
                        shares.append(100 * (now.user + now.system - used.user - used.system) / seconds)
                        ratios.append(100 * (watched / alone - 1))
                        complete += everything
            finally:
                server.terminate()
    print(f"images/s with {viewers} viewers over none: {spread(ratios, '+.1f')} %")
    print(f"the server's share of one core meanwhile: {spread(shares, '.1f')} %")
    print(f"runs in which every viewer was told every event: {complete} of {rounds}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--watch", help=argparse.SUPPRESS)
    given = vars(parser.parse_args())
    if where := given.pop("watch"):
        os.nice(19)
        print("ready", flush=True)
        run = sys.stdin.readline().strip()
        print(json.dumps(asyncio.run(watch(int(where), run, given["viewers"]))))
    else:
        main(**given)
