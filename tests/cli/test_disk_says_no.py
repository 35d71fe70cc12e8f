"""A full disk, a read-only one, a folder that is a file: one sentence, a hint, and nothing lost that was good."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nursery import NO_REPORT, Ended, command, make_idx, own_copy

from convoscope.runs.log import read_log
from convoscope.runs.store import Run
from convoscope.train.events import Saved

RECIPE = ("train", "--data", "data", "--model", "mlp", "--hidden", "64", "--epochs", "3", "--threads", "1")
# The disk takes so many bytes of files and not one more, as a full one does: a part of the write that crosses it.
FULL_AFTER = """
import errno, io, os, pathlib
left = [{n}]
opened = pathlib.Path.open
class Full:
    def __init__(self, file): self.file = file
    def __enter__(self): return self
    def __exit__(self, *what): self.file.close()
    def __getattr__(self, name): return getattr(self.file, name)
    def write(self, content):
        if left[0] <= 0:
            raise OSError(errno.{error}, os.strerror(errno.{error}))
        taken = min(len(content), left[0])
        left[0] -= taken
        self.file.write(content[:taken])
        if taken < len(content) and not isinstance(self.file, io.FileIO):
            raise OSError(errno.{error}, os.strerror(errno.{error}))
        return taken
def open_full(path, mode="r", *rest, **named):
    file = opened(path, mode, *rest, **named)
    return Full(file) if "runs" in path.parts and mode in ("wb", "ab") else file
pathlib.Path.open = open_full
"""
Mount = Callable[..., Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a small file system of its own; the test is passed over where that is not allowed."""
    mounted: list[Path] = []

    def do(name: str, options: str) -> Path:
        place = tmp_path / name
        place.mkdir(exist_ok=True)
        words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if os.geteuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode != 0:
            pytest.skip("mounting is not allowed here")
        mounted.append(place)
        return place

    yield do
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


def said(ended: Ended) -> tuple[str, str]:
    """The sentence and the hint of a command that failed as it should."""
    assert ended.code == 1, ended
    lines = [line for line in ended.err.splitlines() if line]
    assert len(lines) == 2, ended.err
    assert lines[0].startswith("convoscope: ")
    assert lines[0].endswith(".")
    return lines[0], lines[1]


@pytest.mark.parametrize(("n", "error"), [(100_000, "ENOSPC"), (300_000, "EDQUOT"), (600_000, "EFBIG")])
def test_a_disk_that_fills_up(tmp_path: Path, n: int, error: str) -> None:
    make_idx(tmp_path / "data")
    ended = command(*RECIPE, cwd=tmp_path, before=NO_REPORT + FULL_AFTER.format(n=n, error=error))
    sentence, hint = said(ended)
    reason = {"ENOSPC": "the disk is full", "EDQUOT": "the disk quota is used up", "EFBIG": "the allowed size"}[error]
    assert reason in sentence
    assert "convoscope resume" in hint
    run = Run(tmp_path / "runs" / "mlp-data-1")
    kept = [event.step for _, event in read_log(run.log_path) if isinstance(event, Saved)]
    assert kept
    assert [run.load_checkpoint(step).step for step in kept] == kept
    assert not list(run.folder.rglob("*.aside"))
    assert "interrupted" in command("runs", cwd=tmp_path).out
    resumed = command("resume", "latest", cwd=tmp_path, before=NO_REPORT)
    assert resumed.code == 0, resumed.err
    assert command("show", "latest", cwd=tmp_path).code == 0


@pytest.mark.parametrize("n", [0, 500])
def test_a_disk_that_is_full_from_the_first_leaves_no_half_run(tmp_path: Path, n: int) -> None:
    make_idx(tmp_path / "data")
    said(command(*RECIPE, cwd=tmp_path, before=FULL_AFTER.format(n=n, error="ENOSPC")))
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_full_disk_in_earnest(tmp_path: Path, mount: Mount) -> None:
    make_idx(tmp_path / "data")
    small = mount("small", "size=700k")
    ended = command(*RECIPE, "--runs", str(small), cwd=tmp_path, before=NO_REPORT)
    sentence, hint = said(ended)
    assert "the disk is full" in sentence
    assert "convoscope resume" in hint
    run = Run(small / "mlp-data-1")
    kept = [event.step for _, event in read_log(run.log_path) if isinstance(event, Saved)]
    assert [run.load_checkpoint(step).step for step in kept] == kept != []
    # Looking at the run needs no space; going on tells the same until there is some.
    assert "interrupted" in command("runs", "--runs", str(small), cwd=tmp_path).out
    assert "the disk is full" in said(command("resume", "latest", "--runs", str(small), cwd=tmp_path))[0]
    subprocess.run(["mount", "-o", "remount,size=20m", str(small)], check=True)
    resumed = command("resume", "latest", "--runs", str(small), cwd=tmp_path, before=NO_REPORT)
    assert resumed.code == 0, resumed.err


def test_a_read_only_folder(tmp_path: Path, mount: Mount) -> None:
    copy = own_copy(tmp_path)
    place = mount("place", "size=20m")
    subprocess.run(["cp", "-r", str(copy / "runs"), str(place)], check=True)
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    runs = str(place / "runs")
    sentence, hint = said(command(*RECIPE, "--runs", runs, cwd=copy))
    assert "the file system is read-only" in sentence
    assert "--runs" in hint
    (copy / "events.jsonl").write_bytes(b"")
    for words in (("runs",), ("show", "latest"), ("evaluate", "latest")):
        ended = command(*words, "--runs", runs, cwd=copy)
        assert ended.code == 0, ended.err


def test_going_on_in_a_read_only_folder(tmp_path: Path) -> None:
    copy = own_copy(tmp_path)
    (copy / "runs" / "mlp-data-1" / "weights.safetensors").unlink()
    before = """
import errno, os
opened = os.open
def refuse(path, flags, *rest, **named):
    if flags & (os.O_WRONLY | os.O_RDWR):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
    return opened(path, flags, *rest, **named)
os.open = refuse
"""
    sentence, hint = said(command("resume", "latest", cwd=copy, before=before))
    assert "the file system is read-only" in sentence
    assert hint


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_a_file_where_the_runs_should_be(tmp_path: Path, where: str) -> None:
    make_idx(tmp_path / "data")
    (tmp_path / "file").write_text("mine")
    sentence, hint = said(command(*RECIPE, "--runs", where, cwd=tmp_path))
    assert "a file stands where a folder is needed" in sentence
    assert "--runs" in hint
    assert (tmp_path / "file").read_text() == "mine"
    assert command("runs", "--runs", where, cwd=tmp_path).code == 0


def test_a_folder_that_vanishes_in_the_middle(tmp_path: Path) -> None:
    make_idx(tmp_path / "data")
    before = """
import shutil
from convoscope.runs.store import Writer
save = Writer._save
def vanish(self, checkpoint):
    if checkpoint.step > 5:
        shutil.rmtree(self.run.folder)
    yield from save(self, checkpoint)
Writer._save = vanish
"""
    sentence, hint = said(command(*RECIPE, cwd=tmp_path, before=before))
    assert re.search(r"step-\d+.safetensors: the folder is gone\.$", sentence)
    assert hint


def test_a_full_disk_in_json(tmp_path: Path) -> None:
    make_idx(tmp_path / "data")
    ended = command(*RECIPE, "--json", cwd=tmp_path, before=FULL_AFTER.format(n=300_000, error="ENOSPC"))
    said(ended)
    assert ended.events[-1]["event"] == "error"
    assert ended.events[-1]["error"] == "StorageError"
    assert "full" in ended.events[-1]["message"]
    assert ended.events[-1]["hint"]


def test_a_full_cache_costs_nothing(tmp_path: Path) -> None:
    make_idx(tmp_path / "data")
    (tmp_path / "file").write_text("")
    env = {"CONVOSCOPE_CACHE": str(tmp_path / "file" / "cache")}
    assert command(*RECIPE, "--epochs", "1", cwd=tmp_path, before=NO_REPORT, env=env).code == 0
