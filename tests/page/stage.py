"""Where the page is played: digits to learn, runs to open, and a server of its own on a free port."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from conftest import write_idx
from convoscope import lab
from convoscope.data import Dataset, open_data
from convoscope.server.page import BUILT

N_TRAIN, N_TEST = 1500, 400
LENET = "lenet5-digits-1"
RESNET = "resnet18-tiles-1"
GRU = "gru-reviews-1"
_AT = re.compile(r"Convoscope is at (http://\S+)")


def browser_path() -> str:
    """Debian's Chromium; without it, or without the page, the test is skipped, or fails where a browser is required."""
    found = shutil.which("chromium")
    if found is None:
        missing("The page's tests need Chromium: apt-get install chromium fonts-noto-cjk")
    if not (BUILT / "index.html").is_file():
        missing("The page's tests need the page built: make web")
    return str(found)


def missing(what: str) -> None:
    """Skips a test for want of something, or fails it where a browser is required."""
    if os.environ.get("CONVOSCOPE_BROWSER") == "required":
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


@dataclass(frozen=True)
class House:
    """A folder with data and trained runs; `runs` is what the server shows."""

    folder: Path

    @property
    def runs(self) -> Path:
        """The folder of runs."""
        return self.folder / "runs"

    @property
    def digits(self) -> Path:
        """Some of MNIST, in its own format."""
        return self.folder / "digits"

    @property
    def reviews(self) -> Path:
        """Short texts in a table, two classes."""
        return self.folder / "reviews.csv"

    @property
    def tiles(self) -> Path:
        """Colour images of 32 x 32 in folders, three classes."""
        return self.folder / "tiles"


def build_house(folder: Path) -> House:
    """Writes the data and trains LeNet-5 on some digits: enough to be mostly right, and wrong now and then."""
    house = House(folder)
    house.digits.mkdir(parents=True)
    splits = open_data("mnist", validation=0).splits
    assert splits.test is not None
    write_idx(house.digits, "train", some(splits.train, N_TRAIN))
    write_idx(house.digits, "t10k", some(splits.test, N_TEST))
    train(house.runs, data=str(house.digits), model="lenet5", epochs=2, batch_size=30, device="cpu", seed=1)
    return house


def train(runs: Path, **knobs: object) -> None:
    """Trains a run to its end, in this process."""
    for _ in lab.train(lab.make_recipe(knobs), runs=runs):
        pass


def train_resnet(house: House) -> None:
    """A ResNet-18 that has seen a few colour tiles once: its arithmetic is as true as that of a good one."""
    from PIL import Image

    generator = np.random.default_rng(0)
    for name, colour in {"red": (200, 60, 60), "green": (60, 180, 80), "blue": (70, 90, 210)}.items():
        place = house.tiles / name
        place.mkdir(parents=True)
        for k in range(12):
            noise = generator.integers(-50, 50, size=(32, 32, 3))
            Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(place / f"{k}.png")
    train(house.runs, data=str(house.tiles), model="resnet18", epochs=1, batch_size=12, device="cpu", validation=0.2)


def train_gru(house: House) -> None:
    """A small recurrent network that tells praise from blame, and knows no other words."""
    praise, blame = ("lovely", "bright", "clever"), ("dull", "slow", "noisy")
    lines = ["text,label,split"]
    for k in range(90):
        words, label = (praise, "good") if k % 2 else (blame, "bad")
        first, second = words[k % 3], words[(k // 3) % 3]
        more = f" and {second}" if k % 4 > 1 else f" with a {second} story in it"
        lines.append(f"The film was {first}{more}.,{label},{'train' if k < 66 else 'test'}")
    house.reviews.write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = {"hidden": 8, "embedding": 6}
    train(
        house.runs, data=str(house.reviews), model="gru", model_options=options, epochs=4, batch_size=11, device="cpu"
    )


def some(dataset: Dataset, n: int) -> Dataset:
    """The first n images."""
    return Dataset(dataset.images[:n], dataset.labels[:n], dataset.class_names, dataset.source)


@dataclass(frozen=True)
class Server:
    """A server that answers at `address`."""

    address: str
    runs: Path
    process: subprocess.Popen[str]

    def end(self) -> None:
        """Ends it as Ctrl-C would."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


@contextlib.contextmanager
def serving(runs: Path, *, port: int | None = None) -> Iterator[Server]:
    """`convoscope open --no-browser` on a folder of runs, until the end of the block."""
    wanted = port or free_port()
    line = [sys.executable, "-m", "convoscope", "open", "--no-browser", "--runs", str(runs), "--port", str(wanted)]
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment["CONVOSCOPE_CACHE"] = str(runs.parent / "cache")
    environment["OMP_NUM_THREADS"] = "1"  # as in the tests: sums in another order have other last bits
    process = subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, text=True, bufsize=1)
    try:
        server = Server(_address(process), runs, process)
        try:
            yield server
        finally:
            server.end()
    finally:
        process.kill()
        process.wait(10)
        if process.stdout:
            process.stdout.close()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        if select.select([process.stdout], [], [], 1)[0] and (found := _AT.search(process.stdout.readline())):
            return found[1].rstrip("/")  # it listens by now
    raise AssertionError("the server did not say where it is")


def free_port() -> int:
    """A port that nothing listens at."""
    with socket.socket() as here:
        here.bind(("127.0.0.1", 0))
        return int(here.getsockname()[1])


def until(happened: Callable[[], object], seconds: float = 30) -> None:
    """Waits until `happened()` is true."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
