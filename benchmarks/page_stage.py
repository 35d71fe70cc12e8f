"""Where the page is measured: runs to look at, a server of them, and a browser with the probe in it."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from page_probe import PROBE

WINDOW = (1440, 900)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync")  # fmt: skip
_CLASSES, _SIDE = 4, 224


def lenet5(runs: Path) -> str:
    """Trains LeNet-5 on MNIST with the default recipe; the run's name."""
    return _train(runs, "--data", "mnist", "--model", "lenet5")


def resnet50(runs: Path) -> str:
    """Trains ResNet-50 at 224 x 224 for one epoch on coloured waves made here; the run's name."""
    folder = runs.parent / "waves"
    random = np.random.default_rng(0)
    for part, n in (("train", 6), ("test", 4)):
        for kind in range(_CLASSES):
            (folder / part / f"class-{kind}").mkdir(parents=True)
            for k in range(n):
                pixels = _wave(random, kind)
                Image.fromarray(pixels).save(folder / part / f"class-{kind}" / f"{k}.png")
    options = ("--image-size", str(_SIDE), "--epochs", "1", "--batch-size", "8", "--snapshots", "2")
    return _train(runs, "--data", str(folder), "--model", "resnet50", *options)


def _wave(random: np.random.Generator, kind: int) -> NDArray[np.uint8]:
    """A wave whose direction is the class, of any colour, length and phase: uint8 (H, W, 3)."""
    rows, columns = np.mgrid[:_SIDE, :_SIDE]
    angle = np.pi * kind / _CLASSES
    way = rows * np.sin(angle) + columns * np.cos(angle)
    colour, phase = random.uniform(60, 127, 3), random.uniform(0, 2 * np.pi, 3)
    wave = np.sin(way[..., None] / random.uniform(3, 12) + phase)
    return np.asarray(128 + colour * wave, np.uint8)


def _train(runs: Path, *options: str) -> str:
    before = set(runs.iterdir()) if runs.exists() else set()
    command = [sys.executable, "-m", "convoscope", "train", "--json", "--runs", str(runs), *options]
    subprocess.run(command, capture_output=True, text=True, check=True)
    (made,) = set(runs.iterdir()) - before
    return made.name


@contextmanager
def served(runs: Path) -> Iterator[str]:
    """A server of its own, from the moment that it says its address: "http://127.0.0.1:43210"."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "convoscope", "open", "--no-browser", "--runs", str(runs), "--port", port]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://[\w.:]+", process.stdout.readline())
            assert found, "the server did not say its address"
            yield found[0].rstrip("/")
        finally:
            process.terminate()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium without a window, painting on the processor."""
    path = shutil.which("chromium")
    assert path, "There is no chromium on this machine's path; on Debian: apt install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visitor(browser: Browser) -> Iterator[Page]:
    """Somebody who was never here before: nothing is kept, and the probe watches."""
    width, height = WINDOW
    context = browser.new_context(viewport={"width": width, "height": height}, locale="en-GB")
    context.add_init_script(PROBE)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    try:
        yield page
    finally:
        context.close()
    assert not faults, f"The page failed: {faults}"
