"""Several processes against one, with every way of changing what is learnt from; and what each judges."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}

# 61 training images in batches of 20: the last one has a single image, so that a process has nothing to do there.
OPTIONS = [
    "--json", "--model", "lenet5", "--epochs", "2", "--batch-size", "20", "--threads", "1", "--precision", "float32",
    "--memory-format", "contiguous", "--image-size", "20", "--flip", "--alternate", "--rotate", "10", "--shift", "0.1",
    "--crop", "0.6", "--aspect", "1.3", "--border", "reflect", "--brightness", "0.2", "--contrast", "0.2",
    "--saturation", "0.2", "--hue", "20", "--mask", "0.05", "--mixup", "0.3", "--cutmix", "1",
]  # fmt: skip

# Judges numbered images: which were seen by whom, and what was made of their answers.
JUDGING = """
import sys
from pathlib import Path

import numpy as np
import torch
from convoscope.data import Dataset, Normalisation
from convoscope.train import evaluate
from convoscope.train.device import Machine
from convoscope.train.feed import Feed
from convoscope.train.gradient import Plan, workers

evaluate._BATCH = 7
machine, n = Machine("cpu"), int(sys.argv[1])
seen = torch.zeros(n)

class Witness(torch.nn.Module):
    def forward(self, x):
        numbers = x[:, 0, 0, 0]
        seen.index_add_(0, numbers.long(), torch.ones(len(x)))
        return torch.stack([numbers, -numbers], 1)

images = np.zeros((n, 1, 2, 2), np.uint8) + np.arange(n, dtype=np.uint8)[:, None, None, None]
feed = Feed(
    Dataset(images, np.zeros(n, np.int64), ("a", "b"), "numbers"), Normalisation("none", (0.0,), (1.0,)), machine.device
)
with workers(Plan(shards=2)) as crew:
    table = evaluate.logits_of(Witness(), feed, machine, Plan(shards=2), crew)
assert machine.sum_tensors([seen])[0].tolist() == [1.0] * n, "an image was judged twice, or not at all"
assert table[:, 0].tolist() == list(range(n)), "answers stand at other images"
Path(sys.argv[2], str(machine.rank)).write_text("agreed")
machine.close()
"""


def launch(n_processes: int, *words: str) -> subprocess.CompletedProcess[str]:
    several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n_processes)]
    command = [sys.executable, *(several if n_processes > 1 else []), *words]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=200, env=ENVIRONMENT, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Colour photographs of three classes of unequal size, of several sizes, with a test part of 13."""
    folder, numbers = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for part, counts in (("train", (44, 12, 5)), ("val", (7, 3, 1)), ("test", (8, 3, 2))):
        for k, n in enumerate(counts):
            (folder / part / "abc"[k]).mkdir(parents=True)
            for i in range(n):
                pixels = numbers.integers(0, 90, (24 + i % 3, 28, 3))
                pixels[:, :, k] += 120
                Image.fromarray(pixels.astype(np.uint8)).save(folder / part / "abc"[k] / f"{i}.png")
    return folder


def train(photos: Path, runs: Path, n_processes: int, *options: str) -> tuple[dict[str, torch.Tensor], list[dict]]:
    words = ["-m", "convoscope", "train", *OPTIONS, *options, "--data", str(photos), "--runs", str(runs)]
    events = [json.loads(line) for line in launch(n_processes, *words).stdout.splitlines()]
    kept = (
        "step",
        "loss",
        "accuracy",
        "train_loss",
        "validation_loss",
        "validation_accuracy",
        "test_accuracy",
        "n_test",
    )
    figures = [{k: e[k] for k in kept if k in e} for e in events if e["event"] in {"step", "epoch", "finished"}]
    assert figures[-1]["n_test"] == 13
    return load_file(Path(events[-1]["run"]) / "weights.safetensors"), figures


@pytest.mark.slow
@pytest.mark.parametrize(
    ("balance", "memory"), [("none", "memory"), ("weights", "mapped"), ("sampling", "mapped"), ("sampling", "memory")]
)
def test_two_processes_give_the_bits_of_one(photos: Path, tmp_path: Path, balance: str, memory: str) -> None:
    alone, told = train(photos, tmp_path / "one", 1, "--shards", "2", "--balance", balance, "--memory", "memory")
    together, told_together = train(
        photos, tmp_path / "two", 2, "--shards", "1", "--balance", balance, "--memory", memory
    )
    assert told == told_together
    assert all(torch.equal(alone[name], together[name]) for name in alone)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "n_processes"), [(1, 2), (7, 2), (23, 2), (8, 3), (36, 3)])
def test_every_image_is_judged_once_by_several_processes(tmp_path: Path, n: int, n_processes: int) -> None:
    script = tmp_path / "judging.py"
    script.write_text(JUDGING, encoding="utf-8")
    launch(n_processes, str(script), str(n), str(tmp_path))
    assert [(tmp_path / str(rank)).read_text() for rank in range(n_processes)] == ["agreed"] * n_processes
