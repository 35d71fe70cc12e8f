"""What tests share: a cache of their own, one thread, and a tiny dataset that can be learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings

from convoscope.data import Dataset, Splits

# The time one example takes says more of the machine's other work than of the code.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache; its own lies beside its folder, which may be the data themselves."""
    monkeypatch.setenv("CONVOSCOPE_CACHE", str(tmp_path.with_name(f"{tmp_path.name}-cache")))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Tests run beside each other and beside other work; two threads an operation would slow both."""
    torch.set_num_threads(1)


def bars(n: int, seed: int = 0, n_classes: int = 4, side: int = 12) -> Dataset:
    """Noisy images with one bright row band a class: uint8 (n, 1, side, side), easy to learn."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(n_classes, size=n).astype(np.int64)
    images = generator.integers(0, 60, size=(n, 1, side, side)).astype(np.uint8)
    height = side // n_classes
    for image, label in zip(images, labels, strict=True):
        image[0, label * height : (label + 1) * height] += np.uint8(150)
    return Dataset(images, labels, tuple(f"bar {k}" for k in range(n_classes)), "bars")


def write_idx(folder: Path, part: str, dataset: Dataset) -> None:
    N, _, H, W = dataset.images.shape
    header = b"\0\0\x08\x03" + b"".join(size.to_bytes(4, "big") for size in (N, H, W))
    (folder / f"{part}-images-idx3-ubyte").write_bytes(header + dataset.images.tobytes())
    labels = dataset.labels.astype(np.uint8).tobytes()
    (folder / f"{part}-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + N.to_bytes(4, "big") + labels)


@pytest.fixture
def splits() -> Splits:
    """200 training, 40 validation and 60 test images of four classes."""
    return Splits(bars(200, 1), bars(40, 2), bars(60, 3))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Says once how to get the browser that tests were skipped for."""
    reasons = {str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", ())}
    for reason in sorted(reason.removeprefix("Skipped: ") for reason in reasons):
        terminalreporter.write_line(f"Skipped: {reason}")
