"""What a terminal shows: a bar that moves, no colour where none is wanted, and whole words where it is narrow."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
import threading
from pathlib import Path

import pytest
from nursery import NO_REPORT, command, make_idx, own_copy, start, trained

# Enough work for a bar to be drawn: it is drawn ten times a second.
RECIPE = ("train", "--data", "data", "--model", "mlp", "--epochs", "100", "--save-seconds", "1000", "--threads", "1")
STYLES = re.compile(r"\x1b\[[0-9;]*m")
MOVES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def in_terminal(*words: str, cwd: Path, columns: int = 80, env: dict[str, str] | None = None) -> tuple[int, str]:
    """The exit code of a command in a terminal of that width, and all that it wrote there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    said: list[bytes] = []

    def read() -> None:
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                return
            if not piece:
                return
            said.append(piece)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    settings = {"TERM": "xterm-256color", "COLORTERM": "", **(env or {})}
    child = start(*words, cwd=cwd, terminal=os.ttyname(theirs), env=settings, before=NO_REPORT)
    code = child.wait().code
    os.close(theirs)
    reader.join()
    os.close(ours)
    return code, b"".join(said).decode()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    make_idx(tmp_path / "data")
    return tmp_path


def test_a_bar_with_loss_accuracy_speed_and_time_left(data: Path) -> None:
    code, said = in_terminal(*RECIPE, cwd=data)
    assert code == 0, said
    plain = MOVES.sub("", STYLES.sub("", said))
    assert re.search(r"━ step \d+/1400 loss \d\.\d{4} accuracy \d\.\d{4} (\d:\d\d:\d\d|-:--:--) [\d,]+ images/s", plain)
    steps = [int(n) for n in re.findall(r"step (\d+)/1400", plain)]
    assert steps == sorted(steps)
    assert len(set(steps)) > 2
    assert "Test accuracy 1.0000" in plain
    assert said.count("\x1b[?25l") == said.count("\x1b[?25h") == 1  # the cursor comes back


def test_plain_lines_where_there_is_no_terminal(data: Path) -> None:
    ended = command("train", "--data", "data", "--model", "mlp", "--epochs", "3", cwd=data, before=NO_REPORT)
    assert ended.code == 0, ended.err
    assert "\x1b" not in ended.out
    assert "\r" not in ended.out
    lines = ended.out.splitlines()
    assert lines[0].startswith("Training mlp-data-1: ")
    assert [line.split("  ")[0] for line in lines[1:4]] == ["epoch 1", "epoch 2", "epoch 3"]
    assert lines[-2].startswith("Run:    ") or lines[-1].startswith("Run:    ")


def test_no_colour_where_none_is_wanted() -> None:
    code, said = in_terminal("show", "latest", cwd=trained(), env={"NO_COLOR": "1"})
    assert code == 0
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", said)
    code, said = in_terminal("predict", "latest", "none.png", cwd=trained())
    assert code == 1
    assert "\x1b[31m" in said


def test_a_terminal_that_can_do_nothing(data: Path) -> None:
    words = ("train", "--data", "data", "--model", "mlp", "--epochs", "2")
    code, said = in_terminal(*words, cwd=data, env={"TERM": "dumb"})
    assert code == 0
    assert "\x1b[?25l" not in said
    assert "Test accuracy" in said


@pytest.mark.parametrize("columns", [40, 60])
def test_a_narrow_terminal(columns: int, tmp_path: Path) -> None:
    copy = own_copy(tmp_path)
    for words in (
        ("runs",),
        ("models",),
        ("models", "lenet5"),
        ("evaluate", "latest"),
        ("data", "data"),
        ("train", "-h"),
    ):
        code, said = in_terminal(*words, cwd=copy, columns=columns)
        assert code == 0, said
        for line in STYLES.sub("", said).splitlines():
            assert len(line) <= columns, (words, line)


def test_a_bar_in_a_narrow_terminal(data: Path) -> None:
    code, said = in_terminal(*RECIPE, cwd=data, columns=40)
    assert code == 0
    for line in MOVES.sub("\n", STYLES.sub("", said)).splitlines():
        if line.startswith("step "):
            assert len(line) <= 40


def test_the_width_can_be_set(tmp_path: Path) -> None:
    _, said = in_terminal("models", cwd=tmp_path, env={"COLUMNS": "40"})
    assert max(map(len, STYLES.sub("", said).splitlines())) <= 40
