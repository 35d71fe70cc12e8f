"""Runs steered through their folder, and runs started in processes of their own: not a bit is different."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import bars, write_idx
from convoscope import lab
from convoscope.errors import InputError, RecipeError, RunError, UnknownName
from convoscope.lab import control
from convoscope.runs import store
from convoscope.runs.control import Control, read_control, write_control
from convoscope.runs.describe import headline
from convoscope.runs.log import read_log
from convoscope.runs.store import Run
from convoscope.train.events import Continued, Event, Finished, Paused, Saved, Started, Step, Trained

# 180 images in batches of 30: 6 steps an epoch, 18 in all.
KNOBS = {"model": "mlp", "model_options": {"hidden": (16,), "dropout": 0.2}, "epochs": 3, "batch_size": 30,
         "ema": 0.9, "snapshots": 2, "device": "cpu", "threads": 1, "shards": 1, "validation": 0.1}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bars")
    write_idx(folder, "train", bars(200, 1))
    write_idx(folder, "t10k", bars(41, 2))
    return folder


@pytest.fixture(scope="module")
def straight(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run that nobody disturbs."""
    runs = tmp_path_factory.mktemp("straight")
    assert isinstance(train(folder, runs)[-1], Finished)
    return store.find(runs, "latest")


@pytest.fixture(autouse=True)
def _asks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convoscope.train.loop._PAUSE_SECONDS", 0.002)


def train(folder: Path, runs: Path, told: Callable[[Event], Any] = id, **knobs: Any) -> list[Event]:
    events = []
    for event in lab.train(lab.make_recipe({**KNOBS, "data": str(folder), **knobs}), runs=runs):
        events.append(event)
        told(event)
    return events


def same(one: Run, other: Run) -> bool:
    names = ("weights.safetensors", "evaluation.json", "answers.safetensors")
    return all((one.folder / name).read_bytes() == (other.folder / name).read_bytes() for name in names)


def of(events: list[Event], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def until(happened: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
    return found


def in_background(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_stopped_through_the_folder_and_resumed(folder: Path, tmp_path: Path, straight: Run) -> None:
    told = train(
        folder, tmp_path, lambda e: isinstance(e, Step) and e.step == 8 and lab.steer("latest", "stop", runs=tmp_path)
    )
    assert isinstance(told[-1], Trained)
    assert (told[-1].step, told[-1].reason) == (9, "stopped")
    run = store.find(tmp_path, "latest")
    assert headline(run)["state"] == "stopped"
    assert read_control(run).stop  # and yet:
    assert isinstance(list(lab.resume("latest", runs=tmp_path))[-1], Finished)
    assert same(run, straight)


def test_paused_and_stepped_ten_times_and_let_go(folder: Path, tmp_path: Path, straight: Run) -> None:
    states: list[str] = []

    def drive() -> None:
        run = store.find(tmp_path, "latest")
        for step in range(3, 14):
            until(lambda step=step: Paused(step) in [event for _, event in read_log(run.log_path)])
            states.append(headline(run)["state"])
            assert lab.steer(run.name, "pause", runs=tmp_path) == "paused"  # changes nothing
            lab.steer(run.name, "step" if step < 13 else "go", runs=tmp_path)

    waiting: list[threading.Thread] = []

    def told(event: Event) -> None:
        if isinstance(event, Started):
            write_control(store.find(tmp_path, "latest"), Control(pause_at=3))
            waiting.append(in_background(drive))

    events = train(folder, tmp_path, told)
    waiting[0].join()
    assert states == ["paused"] * 11
    assert [e.step for e in of(events, Paused)] == [e.step for e in of(events, Continued)] == list(range(3, 14))
    assert set(range(3, 14)) <= {e.step for e in of(events, Saved) if e.reason in {"snapshot", "epoch"}}
    assert isinstance(events[-1], Finished)
    assert same(store.find(tmp_path, "latest"), straight)


def test_a_run_that_waits_is_stopped_at_once(folder: Path, tmp_path: Path) -> None:
    def told(event: Event) -> None:
        if isinstance(event, Step) and event.step == 4:
            lab.steer("latest", "step", runs=tmp_path)
        if isinstance(event, Paused):
            lab.steer("latest", "stop", runs=tmp_path)
            assert lab.steer("latest", "go", runs=tmp_path) == "paused"  # what has been told to stop stops

    events = train(folder, tmp_path, told)
    assert [type(event) for event in events[-2:]] == [Paused, Trained]
    assert events[-1].step == 5  # type: ignore[union-attr]


def test_who_is_not_being_trained_cannot_be_steered(straight: Run) -> None:
    runs = straight.folder.parent
    with pytest.raises(RunError, match="not being trained") as error:
        lab.steer("latest", "pause", runs=runs)
    assert "convoscope resume" in error.value.hint
    assert not (straight.folder / "control.json").exists()
    with pytest.raises(RunError, match="no run"):
        lab.steer("nobody", "pause", runs=runs)
    with pytest.raises(InputError, match="pause, go, step, stop"):
        lab.steer("latest", "fly", runs=runs)  # type: ignore[arg-type]


@pytest.mark.parametrize("junk", ["", "{", "[]", '{"pause_at": true, "stop": 1}', '{"pause_at": "3"}', "\x00"])
def test_a_file_that_makes_no_sense_wishes_nothing(tmp_path: Path, junk: str) -> None:
    (tmp_path / "control.json").write_text(junk)
    assert read_control(Run(tmp_path)) == Control()


def test_the_graph_is_there_when_the_run_is_looked_at(
    straight: Run, monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path
) -> None:
    assert (straight.folder / "graph" / "eval.json").is_file()
    with monkeypatch.context() as patch:
        patch.setattr("convoscope.lab.microscope.build_graph", lambda *_, **__: pytest.fail("exported again"))
        assert lab.look("latest", "test:0", runs=straight.folder.parent)["nodes"]

    def unexportable(*_: Any, **__: Any) -> None:
        raise RuntimeError("no graph")

    monkeypatch.setattr("convoscope.lab.microscope.build_graph", unexportable)
    assert isinstance(train(folder, tmp_path)[-1], Finished)
    run = store.find(tmp_path, "latest")
    assert headline(run)["state"] == "finished"
    assert not (run.folder / "graph" / "eval.json").exists()
    assert same(run, straight)


def test_a_run_of_its_own_process(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = 60  # epochs: time enough to stop it
    train(folder, tmp_path / "straight", epochs=long)
    straight = store.find(tmp_path / "straight", "latest")
    monkeypatch.chdir(folder.parent)
    runs = tmp_path / "runs"
    options = {"hidden": "16", "dropout": 0.2}  # typed as text, and in its own type
    begun = lab.launch({**KNOBS, "model_options": options, "data": folder.name, "epochs": long, "lr": None}, runs=runs)
    assert lab.launched(begun, runs=runs) == lab.Launch("starting")
    launch = until(lambda: (said := lab.launched(begun, runs=runs)).state != "starting" and said)
    assert launch == lab.Launch("started", run=f"mlp-{folder.name}-1")
    run = store.find(runs, launch.run)
    lab.steer(run.name, "stop", runs=runs)
    until(lambda: headline(run)["state"] == "stopped")
    assert run.card("provenance")["command"] == ["page"]
    again = lab.launch_resume(run.name, runs=runs)
    assert until(lambda: (said := lab.launched(again, runs=runs)).state != "starting" and said).run == run.name
    until(run.finished)
    assert same(run, straight)
    until(lambda: not store.is_being_written(run))
    assert not any(thread.name == f"waits for {begun}" for thread in threading.enumerate())  # no zombie
    with pytest.raises(RunError, match="has finished"):
        lab.launch_resume(run.name, runs=runs)


SERVER = """
import json, os, sys
from pathlib import Path
from convoscope import lab
print(lab.launch(json.loads(sys.argv[1]), runs=Path(sys.argv[2])), flush=True)
os.kill(0, 9)
"""


def test_it_outlives_whoever_started_it(folder: Path, tmp_path: Path) -> None:
    values = json.dumps({**KNOBS, "data": str(folder), "epochs": 2000})
    dead = subprocess.run(
        [sys.executable, "-c", SERVER, values, str(tmp_path)], capture_output=True, text=True, start_new_session=True,
        check=False,
    )  # fmt: skip
    assert dead.returncode == -signal.SIGKILL
    begun = dead.stdout.strip()
    launch = until(lambda: (said := lab.launched(begun, runs=tmp_path)).state != "starting" and said)
    assert launch.run is not None
    run = store.find(tmp_path, launch.run)
    until(lambda: any(isinstance(event, Step) for _, event in read_log(run.log_path)))
    assert lab.steer(launch.run, "pause", runs=tmp_path) == "training"
    until(lambda: headline(run)["state"] == "paused")
    lab.steer(launch.run, "stop", runs=tmp_path)
    until(lambda: headline(run)["state"] == "stopped")


def test_what_cannot_start_says_why(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="lenet"):
        lab.launch({"model": "lenet"}, runs=tmp_path)
    for values in ({"lr": -1}, {"speed": 1}, {"model": "mlp", "model_options": {"wings": 2}},
                   {"model": "mlp", "model_options": {"hidden": "x"}}, {"model_options": 3}):  # fmt: skip
        with pytest.raises(RecipeError):
            lab.launch(values, runs=tmp_path)
    assert not list(tmp_path.iterdir())
    begun = lab.launch({"data": str(folder / "nowhere")}, runs=tmp_path)
    killed = lab.launch({**KNOBS, "data": str(folder)}, runs=tmp_path)
    (child,) = [thread for thread in threading.enumerate() if thread.name == f"waits for {killed}"]
    process = child._target.__self__  # type: ignore[attr-defined]
    os.kill(process.pid, signal.SIGKILL)
    child.join()
    assert lab.launched(killed, runs=tmp_path).state == "failed"
    assert "something killed it" in lab.launched(killed, runs=tmp_path).error
    launch = until(lambda: (said := lab.launched(begun, runs=tmp_path)).state != "starting" and said)
    assert launch.state == "failed"
    assert "nowhere" in launch.error
    assert launch.hint
    assert lab.list_runs(tmp_path) == []


@pytest.mark.parametrize("launch", ["..", "0" * 15, "G" * 16, "0" * 16 + "\n", "../" + "0" * 16, "", "0" * 16])
def test_what_is_no_launch_is_refused(tmp_path: Path, launch: str) -> None:
    (tmp_path / ".launches").mkdir()
    with pytest.raises(RunError, match="no launch"):
        lab.launched(launch, runs=tmp_path)


def test_old_launches_are_tidied_and_living_ones_stay(tmp_path: Path) -> None:
    for i in range(30):
        launch = tmp_path / f"{i:016x}"
        launch.mkdir()
        os.utime(launch, (i, i))
    (tmp_path / "no launch").mkdir()
    handle = control.lock.take(tmp_path / f"{0:016x}" / "alive.lock")
    assert handle is not None
    os.utime(tmp_path / f"{0:016x}", (0, 0))
    control._tidy(tmp_path)
    os.close(handle)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [f"{i:016x}" for i in (0, *range(10, 30))] + ["no launch"]


def test_the_last_words_of_a_process_are_told(tmp_path: Path) -> None:
    launch = tmp_path / ".launches" / ("0" * 16)
    launch.mkdir(parents=True)
    (launch / "stderr.txt").write_text("\n".join(f"line {i}" for i in range(20)))
    said = lab.launched("0" * 16, runs=tmp_path)
    assert said.state == "failed"
    assert said.error.endswith("line 15\nline 16\nline 17\nline 18\nline 19")
