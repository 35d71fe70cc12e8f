"""`kill -9` and Ctrl-C at any moment: resuming goes on from what was reported saved and comes to the same bits."""

from __future__ import annotations

import functools
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from nursery import NO_REPORT, Ended, command, make_idx, room, start, until

from convoscope.runs.log import read_log
from convoscope.runs.store import Run
from convoscope.train.events import Finished, Saved, Started

# Dropout, the average and the optimiser have a state of their own; a checkpoint a step makes most moments a write.
RECIPE = (
    "train", "--data", "data", "--model", "mlp", "--hidden", "16", "--dropout", "0.2", "--ema", "0.9", "--epochs", "3",
    "--shift", "0.1", "--snapshots", "4", "--threads", "1", "--save-seconds", "0.01",
)  # fmt: skip
DIE_AT_SYNC = """
import os, signal
synced, fsync = [], os.fsync
def fsync_and_die(handle):
    fsync(handle)
    synced.append(handle)
    if len(synced) == {n}:
        os.kill(os.getpid(), signal.SIGKILL)
os.fsync = fsync_and_die
"""
DIE_IN = """
import os, signal
import {module} as module
module.{name} = lambda *rest, **named: os.kill(os.getpid(), signal.SIGKILL)
"""


@functools.cache
def uninterrupted() -> tuple[Run, float]:
    """The run that nobody disturbs, and the seconds it took."""
    folder = room() / "uninterrupted"
    make_idx(folder / "data")
    since = time.monotonic()
    ended = command(*RECIPE, cwd=folder, before=NO_REPORT)
    assert ended.code == 0, ended.err
    return Run(folder / "runs" / "mlp-data-1"), time.monotonic() - since


def check(folder: Path, promised: int | None, ended: Ended) -> None:
    """The sitting that ended went on from what was promised, and made the same run."""
    assert ended.code == 0, ended.err
    run, reference = Run(folder / "runs" / "mlp-data-1"), uninterrupted()[0]
    began = [event.step for _, event in read_log(run.log_path) if isinstance(event, Started)][-1]
    assert began >= (promised or 0)
    assert run.weights_path.read_bytes() == reference.weights_path.read_bytes()
    for name in ("recipe.json", "evaluation.json"):
        assert (run.folder / name).read_bytes() == (reference.folder / name).read_bytes()
    # The history holds every step once, whatever was done twice.
    mine, theirs = ([(type(e), getattr(e, "step", 0), getattr(e, "loss", 0)) for e in r.events()
                     if not isinstance(e, Saved | Started) and type(e).__name__ != "Thinned"]
                    for r in (run, reference))  # fmt: skip
    assert mine == theirs
    assert not list(run.folder.rglob("*.aside"))


def promised_step(folder: Path) -> int | None:
    """The newest step that the log reports as saved."""
    log = folder / "runs" / "mlp-data-1" / "events.jsonl"
    return max((event.step for _, event in read_log(log) if isinstance(event, Saved)), default=None)


def die(folder: Path, before: str) -> int | None:
    """Trains until `before` kills the process; returns the step that was reported saved."""
    make_idx(folder / "data")
    ended = command(*RECIPE, cwd=folder, before=NO_REPORT + before)
    assert ended.code == -signal.SIGKILL, ended.out + ended.err
    return promised_step(folder)


# 9: the recipe is in its place; 10: the log; 11: the first checkpoint beside its place; 12: in it; 13: told.
@pytest.mark.parametrize("n", [9, 11, 12, 13, 27])
def test_killed_while_a_file_is_written(tmp_path: Path, n: int) -> None:
    promised = die(tmp_path, DIE_AT_SYNC.format(n=n))
    assert (promised is None) == (n < 13)
    check(tmp_path, promised, command("resume", "latest", cwd=tmp_path, before=NO_REPORT))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("convoscope.lab.sitting", "Writer"),  # the run is there, with no log yet
        ("convoscope.train.loop", "evaluate"),
        ("convoscope.lab.ending", "write_report"),  # trained and judged, not told
    ],
)
def test_killed_in_another_stage(tmp_path: Path, module: str, name: str) -> None:
    promised = die(tmp_path, DIE_IN.format(module=module, name=name))
    check(tmp_path, promised, command("resume", "latest", cwd=tmp_path, before=NO_REPORT))


def test_killed_before_there_is_a_run_leaves_nothing_that_hinders(tmp_path: Path) -> None:
    assert die(tmp_path, DIE_AT_SYNC.format(n=3)) is None
    ended = command("resume", "latest", cwd=tmp_path)
    assert ended.code == 1
    assert "There is no run" in ended.err
    assert command("runs", cwd=tmp_path).code == 0
    assert command(*RECIPE, "--epochs", "0", cwd=tmp_path, before=NO_REPORT).code == 0


def test_a_report_is_drawn_after_a_kill_in_it(tmp_path: Path) -> None:
    die(tmp_path, DIE_IN.format(module="convoscope.lab.ending", name="write_report"))
    ended = command("resume", "latest", "--json", cwd=tmp_path)
    assert ended.code == 0, ended.err
    assert Path(ended.events[-1]["report"]).is_file()


def random_kills(folder: Path, n: int, seed: int) -> None:
    """One run, killed `n` times at random moments and resumed each time; it may finish and begin anew in between."""
    moments, seconds = np.random.default_rng(seed), uninterrupted()[1]
    make_idx(folder / "data")
    log = folder / "runs" / "mlp-data-1" / "events.jsonl"
    words: tuple[str, ...] = RECIPE
    for _ in range(n):
        child = start(*words, cwd=folder, before=NO_REPORT)
        if words is RECIPE:
            until(log.exists)
        time.sleep(moments.uniform(0, 0.7 * seconds))
        child.kill()
        ended = child.wait()
        assert ended.code in (0, -signal.SIGKILL), ended.err
        # One that is killed after its last word, while it keeps the graph, has finished too.
        finished = any(isinstance(event, Finished) for _, event in read_log(log))
        if finished:
            break
        words = ("resume", "latest")
    promised = promised_step(folder)
    ended = command("resume", "latest", cwd=folder, before=NO_REPORT)
    if finished:
        assert "has finished" in ended.err
        ended = Ended(0, "", "")
        promised = None
    check(folder, promised, ended)


def test_killed_at_random_moments(tmp_path: Path) -> None:
    random_kills(tmp_path, 3, seed=time.time_ns())


SIGNAL_AT_STEP = """
import os
from convoscope.runs.log import Log
append = Log.append
def append_and_signal(self, event):
    line = append(self, event)
    if line["event"] == "step" and line["step"] == 20:
        os.kill(os.getpid(), {number})
    return line
Log.append = append_and_signal
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path, number: int) -> None:
    make_idx(tmp_path / "data")
    before = NO_REPORT + SIGNAL_AT_STEP.format(number=int(number))
    ended = command(*RECIPE, "--save-seconds", "1000", cwd=tmp_path, before=before)
    assert ended.code == 130
    assert "Saving and stopping" in ended.err
    assert "Traceback" not in ended.err
    assert ended.out.splitlines()[-1].endswith("all saved. Go on with: convoscope resume mlp-data-1")
    promised = promised_step(tmp_path)
    assert promised in (20, 21)
    assert "stopped" in command("runs", cwd=tmp_path).out
    resumed = command("resume", "mlp-data-1", cwd=tmp_path, before=NO_REPORT)
    assert "Going on with mlp-data-1: 2,388 parameters" in resumed.out
    run = Run(tmp_path / "runs" / "mlp-data-1")
    assert resumed.code == 0, resumed.err
    assert run.weights_path.read_bytes() == uninterrupted()[0].weights_path.read_bytes()
    assert [event.step for _, event in read_log(run.log_path) if isinstance(event, Started)] == [0, promised]


def test_json_says_that_it_was_stopped(tmp_path: Path) -> None:
    make_idx(tmp_path / "data")
    before = NO_REPORT + SIGNAL_AT_STEP.format(number=int(signal.SIGINT))
    ended = command(*RECIPE, "--json", cwd=tmp_path, before=before)
    assert ended.code == 130
    assert ended.events[-1]["event"] == "trained"
    assert ended.events[-1]["reason"] == "stopped"


def test_a_second_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    make_idx(tmp_path / "data")
    twice = "(os.kill(os.getpid(), signal.SIGINT), os.kill(os.getpid(), signal.SIGINT), time.sleep(60))"
    before = DIE_IN.format(module="convoscope.lab.ending", name="write_report")
    before = "import time\n" + before.replace("os.kill(os.getpid(), signal.SIGKILL)", twice)
    ended = command(*RECIPE, cwd=tmp_path, before=before)
    assert ended.code == 130
    assert "Traceback" not in ended.err
    check(tmp_path, promised_step(tmp_path), command("resume", "latest", cwd=tmp_path, before=NO_REPORT))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_fifty_random_moments(tmp_path: Path) -> None:
    for turn in range(17):
        random_kills(tmp_path / str(turn), 3, seed=turn)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_every_sync(tmp_path: Path) -> None:
    n = 8
    while True:
        n += 1
        folder = tmp_path / str(n)
        make_idx(folder / "data")
        ended = command(*RECIPE, "--save-seconds", "1000", cwd=folder, before=NO_REPORT + DIE_AT_SYNC.format(n=n))
        if ended.code == 0:
            break
        promised = promised_step(folder)
        run, reference = Run(folder / "runs" / "mlp-data-1"), uninterrupted()[0]
        finished = run.finished() is not None  # killed after its last word, while it kept what its network costs
        resumed = command("resume", "latest", cwd=folder, before=NO_REPORT)
        assert run.weights_path.read_bytes() == reference.weights_path.read_bytes()
        if finished:
            assert "has finished" in resumed.err
            continue
        assert resumed.code == 0, resumed.err
        began = [event.step for _, event in read_log(run.log_path) if isinstance(event, Started)][-1]
        assert began >= (promised or 0)
    assert n > 30
