"""Command lines run as processes of their own that can be killed, without paying for `import torch` each time.

One process imports everything and then forks a child for each command; the child runs the whole command line as
`convoscope ...` would, with its own environment, folder, standard streams, and a few lines of Python run before it (to
make the disk full at the seventh write, say).
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import io
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convoscope import cli


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (negative: the signal that killed it) and what it said."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """Its output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Child:
    """A command that runs."""

    def __init__(self, pid: int, server: subprocess.Popen[str], out: Path, err: Path) -> None:
        self.pid = pid
        self._server = server
        self._out, self._err = out, err

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Sends a signal; nothing happens where it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self) -> Ended:
        """Waits for its end."""
        code = _ask(self._server, {"wait": self.pid})
        return Ended(int(code), *(path.read_text(encoding="utf-8", errors="surrogateescape") for path in self._said))

    @property
    def _said(self) -> tuple[Path, Path]:
        return self._out, self._err


# Typer asks which shell started it, and has no answer for the plain sh of make; told not to ask, it takes the name
# that is given.
ANY_SHELL = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}


@functools.cache
def _server() -> subprocess.Popen[str]:
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    server = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | one | ANY_SHELL,
    )
    atexit.register(server.kill)
    return server


def _ask(server: subprocess.Popen[str], question: dict[str, Any]) -> str:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(question) + "\n")
    server.stdin.flush()
    return server.stdout.readline().strip()


@functools.cache
def room() -> Path:
    """A folder for what several tests share, and for what children say."""
    folder = Path(tempfile.mkdtemp(prefix="convoscope-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


NO_REPORT = "from convoscope.lab import ending; ending.write_report = lambda run, *rest, **more: run.report_path\n"


def start(
    *words: str, cwd: Path, before: str = "", terminal: str | None = None, env: dict[str, str] | None = None
) -> Child:
    """Starts `convoscope *words` in `cwd`; `before` is Python run first, `terminal` the path of one to run in."""
    said = Path(tempfile.mkdtemp(dir=room()))
    for name in ("out", "err"):
        (said / name).touch()
    own = {"CONVOSCOPE_CACHE": str(room() / "cache"), "CONVOSCOPE_RUNS": str(cwd / "runs")}
    question = {
        "start": list(words), "cwd": str(cwd), "before": before, "terminal": terminal, "env": own | (env or {}),
        "out": str(said / "out"), "err": str(said / "err"),
    }  # fmt: skip
    return Child(int(_ask(_server(), question)), _server(), said / "out", said / "err")


def command(*words: str, cwd: Path, before: str = "", env: dict[str, str] | None = None) -> Ended:
    """Runs `convoscope *words` in `cwd` to its end."""
    return start(*words, cwd=cwd, before=before, env=env).wait()


def here(*words: str, cwd: Path) -> Ended:
    """Runs `convoscope *words` in this process: quicker, and every warning is an error."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["convoscope", *words])
        patch.setenv("CONVOSCOPE_RUNS", str(cwd / "runs"))
        patch.chdir(cwd)
        with pytest.raises(SystemExit) as end:
            cli.main()
    assert isinstance(end.value.code, int)
    return Ended(end.value.code, out.getvalue(), err.getvalue())


def until(happened: Callable[[], Any], seconds: float = 20) -> None:
    """Waits until `happened()` is true."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


def make_idx(folder: Path, n: int = 240, n_test: int = 40, n_classes: int = 4, side: int = 12) -> Path:
    """Writes an IDX dataset of noisy images with one bright band a class, easy to learn."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(5)
    for part, count in (("train", n), ("t10k", n_test)):
        labels = np.arange(count) % n_classes
        images = generator.integers(0, 60, size=(count, side, side)).astype(np.uint8)
        height = side // n_classes
        for image, label in zip(images, labels, strict=True):
            image[label * height : (label + 1) * height] += np.uint8(150)
        header = struct.pack(">IIII", 0x803, count, side, side)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        content = struct.pack(">II", 0x801, count) + labels.astype(np.uint8).tobytes()
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(content)
    return folder


@functools.cache
def trained() -> Path:
    """A folder that holds data, and runs/mlp-data-1, trained on them for two epochs; copy it before you change it."""
    folder = room() / "trained"
    make_idx(folder / "data")
    words = ("train", "--data", "data", "--model", "mlp", "--hidden", "8", "--epochs", "2")
    ended = command(*words, cwd=folder, before=NO_REPORT)
    assert ended.code == 0, ended.err
    return folder


def own_copy(folder: Path) -> Path:
    """A copy of `trained()` below `folder`."""
    return Path(shutil.copytree(trained(), folder / "copy"))


def _run_child(question: dict[str, Any]) -> None:
    if question["terminal"]:
        os.setsid()
        handle = os.open(question["terminal"], os.O_RDWR)  # the first terminal that a new session opens is its own
        handles = (handle, handle, handle)
    else:
        writing = os.O_WRONLY | os.O_CREAT
        handles = (os.open(os.devnull, os.O_RDONLY), *(os.open(question[name], writing) for name in ("out", "err")))
    for number, handle in enumerate(handles):
        os.dup2(handle, number)
    for number in range(3):
        os.set_inheritable(number, True)
    for name in ("COLUMNS", "LINES"):  # those of whoever runs the tests
        os.environ.pop(name, None)
    os.environ.update(question["env"])
    os.chdir(question["cwd"])
    sys.stdin, sys.stdout = open(0), open(1, "w")  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1)  # noqa: SIM115
    sys.argv = ["convoscope", *question["start"]]
    exec(question["before"], {})  # noqa: S102 - the tests' own lines
    try:
        cli.main()
    except SystemExit as end:
        sys.stdout.flush()
        os._exit(end.code if isinstance(end.code, int) else 0)


def _serve() -> None:
    import gc
    import importlib

    heavy = ("accelerate", "torch._dynamo", "matplotlib.backends.backend_agg", "matplotlib.figure", "matplotlib.ticker")
    for name in (*heavy, "convoscope.cli.app", "convoscope.lab", "rich.table"):
        importlib.import_module(name)
    sys.argv = ["convoscope", "runs", "--runs", "nowhere"]  # a first command, for what is imported when it is run
    with Path(os.devnull).open("w") as nothing, contextlib.redirect_stdout(nothing), contextlib.suppress(SystemExit):
        cli.main()
    gc.freeze()
    for line in sys.stdin:
        question = json.loads(line)
        if "wait" in question:
            _, status = os.waitpid(question["wait"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if answer == 0:
                try:
                    _run_child(question)
                except BaseException:  # noqa: BLE001 - whatever it is, this process ends here
                    import traceback

                    traceback.print_exc()
                    sys.stderr.flush()
                os._exit(70)
        print(answer, flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    _serve()
