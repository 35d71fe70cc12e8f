"""Several processes against one, through the command line, as users start them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from conftest import bars, write_idx
from convoscope.errors import RunError
from convoscope.lab.control import steer

# 201 images in batches of 25: the last batch has a single image, so one of the processes has nothing to do there.
OPTIONS = [
    "train", "--json", "--model", "lenet5", "--epochs", "2", "--batch-size", "25", "--threads", "1",
    "--precision", "float32", "--memory-format", "contiguous", "--validation", "0.2", "--l2", "0.001", "--clip", "1",
]  # fmt: skip


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}

# One of several processes, that closes its machine or does not: which of its threads still run then?
ENDING = """
import atexit, os, sys
from pathlib import Path

def tell():
    names = sorted(path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm"))
    Path(sys.argv[1], os.environ["RANK"]).write_text(" ".join(name for name in names if "gloo" in name))

atexit.register(tell)  # the first to be registered runs last

import torch
from convoscope.train.device import Machine

machine = Machine("cpu")
torch.optim.SGD([torch.zeros(1, requires_grad=True)])  # brings in whatever of torch an optimiser needs
assert machine.sum_numbers([1.0]) == [2.0]
if sys.argv[2] == "closes":
    machine.close()
    machine.close()
"""


def launcher(n_processes: int) -> list[str]:
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n_processes)]


def words(folder: Path, runs: Path, n_processes: int, *options: str) -> list[str]:
    python = launcher(n_processes) if n_processes > 1 else [sys.executable]
    command = [*python, "-m", "convoscope", *OPTIONS, *options]
    return [*command, "--data", str(folder), "--runs", str(runs)]


def train(folder: Path, runs: Path, n_processes: int, *options: str) -> tuple[dict[str, torch.Tensor], list[dict]]:
    answer = subprocess.run(
        words(folder, runs, n_processes, *options), capture_output=True, text=True, timeout=100, env=ENVIRONMENT,
        check=False,
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


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system does not tell a process's threads")
@pytest.mark.parametrize("ending", ["closes", "does not close"])
def test_no_thread_of_the_group_outlives_it(tmp_path: Path, ending: str) -> None:
    script = tmp_path / "ending.py"
    script.write_text(ENDING)
    command = [*launcher(2), str(script), str(tmp_path), ending]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=100, env=ENVIRONMENT, check=False)
    assert answer.returncode == 0, answer.stderr
    assert [(tmp_path / rank).read_text() for rank in "01"] == ["", ""]


def ask(wish: str, runs: Path, state: str) -> None:
    """Asks until the run says that it is in this state."""
    for _ in range(600):
        try:
            if steer("latest", wish, runs=runs) == state:  # type: ignore[arg-type]
                return
        except RunError:  # not there yet
            pass
        time.sleep(0.05)
    pytest.fail(f"it never was {state}")


@pytest.mark.slow
def test_two_processes_pause_and_stop_together(tmp_path: Path) -> None:
    folder, runs = tmp_path / "bars", tmp_path / "runs"
    folder.mkdir()
    write_idx(folder, "train", bars(251, 1))
    command = words(folder, runs, 2, "--shards", "1", "--epochs", "2000", "--snapshots", "0", "--keep", "last")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as launched:
        ask("pause", runs, "paused")
        ask("step", runs, "training")  # it has left the pause, for one step
        ask("pause", runs, "paused")
        ask("go", runs, "training")
        steer("latest", "stop", runs=runs)
        out, _ = launched.communicate(timeout=60)
    events = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    held = [event["event"] for event in events if event["event"] in {"paused", "continued"}]
    assert len(held) >= 4  # a step is asked for until it is seen to be made, and may be made more than once
    assert held == ["paused", "continued"] * (len(held) // 2)
    assert (events[-1]["event"], events[-1]["reason"]) == ("trained", "stopped")
