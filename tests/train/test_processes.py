"""Several processes against one, through the command line, as users start them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from conftest import bars, write_idx

# 201 images in batches of 25: the last batch has a single image, so one of the processes has nothing to do there.
OPTIONS = [
    "train", "--json", "--model", "lenet5", "--epochs", "2", "--batch-size", "25", "--threads", "1",
    "--precision", "float32", "--memory-format", "contiguous", "--validation", "0.2", "--l2", "0.001", "--clip", "1",
]  # fmt: skip


def train(folder: Path, runs: Path, n_processes: int, *options: str) -> tuple[dict[str, torch.Tensor], list[dict]]:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n_processes)]
    command = [sys.executable, *(launcher if n_processes > 1 else []), "-m", "convoscope", *OPTIONS, *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    answer = subprocess.run(
        [*command, "--data", str(folder), "--runs", str(runs)],
        capture_output=True, text=True, timeout=100, env=environment, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    events = [json.loads(line) for line in answer.stdout.splitlines()]
    return load_file(Path(events[-1]["run"]) / "weights.safetensors"), events


def test_two_processes_give_the_bits_of_one_with_two_shards(tmp_path: Path) -> None:
    folder = tmp_path / "bars"
    folder.mkdir()
    write_idx(folder, "train", bars(251, 1))
    write_idx(folder, "t10k", bars(61, 2))
    alone, told = train(folder, tmp_path / "one", 1, "--shards", "2")
    together, told_together = train(folder, tmp_path / "two", 2, "--shards", "1")
    assert told_together[0]["n_processes"] == 2
    assert all(torch.equal(alone[name], together[name]) for name in alone)

    def figures(events: list[dict]) -> list[dict]:
        kept = ("step", "loss", "accuracy", "validation_loss", "validation_accuracy", "test_accuracy", "test_loss")
        return [{k: e[k] for k in kept if k in e} for e in events if e["event"] in {"step", "epoch", "finished"}]

    assert figures(told) == figures(told_together)  # evaluation counts every image once, on one process as on two
    assert told_together[-1]["n_test"] == 61
    assert len(list((tmp_path / "two").iterdir())) == 1  # one process writes
