"""Training in a process of its own, and steering it: started here, it lives on when whoever started it ends.

What is known of a start lies in `.launches/ID/` below the folder of runs: request.json (what to train), outcome.json
(the run, or why there is none), stderr.txt (what the process said), alive.lock (held while it lives).
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from convoscope.errors import ConvoscopeError, InputError, ModelError, RunError
from convoscope.lab.ready import make_recipe, model_of, read_options
from convoscope.lab.sitting import refuse_what_has_ended
from convoscope.models import architecture_of
from convoscope.models.yours import is_python
from convoscope.runs import lock, store
from convoscope.runs.control import Control, read_control, write_control
from convoscope.runs.describe import LIVELY, living_state
from convoscope.runs.disk import read_json, storing, write_json
from convoscope.runs.log import last_of

Wish: TypeAlias = Literal["pause", "go", "step", "stop"]

REQUEST, OUTCOME = "request.json", "outcome.json"
_SAID, _ALIVE = "stderr.txt", "alive.lock"
_ID = re.compile(r"[0-9a-f]{16}")
_KEPT = 20  # launches that stay
_LINES, _CHARACTERS = 5, 600  # of what a dead process said last


@dataclass(frozen=True)
class Launch:
    """How a start went.

    Attributes:
        state: "starting" (it prepares), "started" (there is a run), or "failed" (there will be none).
        run: The run's name once it has started.
        error: Why it failed, in a sentence.
        hint: What to do about that.
    """

    state: Literal["starting", "started", "failed"]
    run: str | None = None
    error: str = ""
    hint: str = ""


def launch(values: Mapping[str, Any], *, runs: Path) -> str:
    """Starts a process that trains a new run; returns the id of the launch at once (see `launched`).

    Args:
        values: Knobs by name; None leaves one to the model's usual. `model_options` holds options by name, in their own
            types or typed as text. Paths are seen from the present folder.
        runs: The folder of runs.

    Raises:
        UnknownName: no such model.
        ModelError: the model is a file of code, which nobody but the command line has executed.
        RecipeError: a knob or an option that does not exist, or a value outside its bounds.
        StorageError: the disk refused.
    """
    given = {name: value for name, value in values.items() if value is not None}
    _refuse_code(given.get("model"))
    options = given.get("model_options")
    if isinstance(options, Mapping):
        given["model_options"] = _read_options(model_of(given), options)
    return _start({"recipe": make_recipe(given).to_dict()}, runs)


def launch_resume(name: str, *, runs: Path) -> str:
    """Starts a process that goes on with a run; returns the id of the launch at once (see `launched`).

    Raises:
        RunError: no such run, it is being trained, or it has finished or failed.
        StorageError: the disk refused.
    """
    run = store.find(runs, name)
    if store.is_being_written(run):
        raise RunError(f"The run {run.name} is being trained already.", hint="It can be paused, or stopped.")
    refuse_what_has_ended(run)
    return _start({"resume": str(run.folder)}, runs)


def launched(launch: str, *, runs: Path) -> Launch:
    """How a start goes.

    Raises:
        RunError: no such launch (the last 20 are known), or its outcome cannot be read.
    """
    folder = runs / ".launches" / launch
    if not _ID.fullmatch(launch) or not folder.is_dir():
        raise RunError(f"There is no launch {launch!r}.", hint="Look whether its run is in the list of runs.")
    lives = lock.is_held(folder / _ALIVE)  # asked first: what it had to say before it died is there then
    if (folder / OUTCOME).exists():
        return _outcome(folder)
    return Launch("starting") if lives else _died(folder)


def steer(name: str, wish: Wish, *, runs: Path) -> str:
    """Tells a run that is being trained, by whomever, to "pause", "go" on, make one "step" and wait, or "stop".

    A wish that already holds changes nothing; a run that has been told to stop stops.

    Returns:
        The run's state as this is asked: "training" or "paused". What comes of the wish is told by the run's events.

    Raises:
        RunError: no such run, or nobody is training it.
        InputError: no such wish.
        StorageError: the disk refused.
    """
    if wish not in get_args(Wish):
        raise InputError(f"A run was asked to {wish!r}; it can be asked to {', '.join(get_args(Wish))}.")
    run = store.find(runs, name)
    if not store.is_being_written(run):
        raise RunError(f"The run {run.name} is not being trained.", hint=f"Go on with: convoscope resume {run.name}")
    last = last_of(run.log_path, *LIVELY)
    step = last.step if isinstance(last, LIVELY) else 0
    write_control(run, _wished(read_control(run), wish, step))
    return living_state(last)


def _wished(control: Control, wish: Wish, step: int) -> Control:
    if wish == "stop":
        return dataclasses.replace(control, stop=True)
    return dataclasses.replace(control, pause_at={"pause": 0, "go": None, "step": step + 1}[wish])


def _refuse_code(model: object) -> None:
    """What is asked for here may come from a page: it names no code to execute."""
    if isinstance(model, str) and is_python(model):
        raise ModelError(
            f"The model {model} is Python code, which is trained from the command line only.",
            hint=f"In a terminal: convoscope train --model {model}",
        )


def _read_options(model: str, options: Mapping[str, Any]) -> dict[str, object]:
    """Options in their own types; a name that the model does not know is refused whatever its value."""
    known = {item.name for item in dataclasses.fields(architecture_of(model).options)}
    texts = {name: value for name, value in options.items() if isinstance(value, str) or name not in known}
    return {**options, **read_options(model, texts)}


def _start(request: Mapping[str, Any], runs: Path) -> str:
    """Starts a process on a request, in a session of its own: what ends ours does not reach it."""
    launch = secrets.token_hex(8)
    folder = runs / ".launches" / launch
    with storing("The launch", folder):
        folder.mkdir(parents=True)
        write_json(folder / REQUEST, {**request, "runs": str(runs)}, "The launch")
        # The child inherits the lock: it is held from now until the child ends, whatever becomes of us.
        alive = lock.take(folder / _ALIVE)
        assert alive is not None  # the folder is ours alone
        try:
            with (folder / _SAID).open("wb") as said:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "convoscope.lab.child", str(folder)],
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said,
                    pass_fds=(alive,) if os.name == "posix" else (), start_new_session=True,
                )  # fmt: skip
        finally:
            os.close(alive)
    # Its end is waited for, else it would stay in the system's table of processes for as long as we live.
    threading.Thread(target=process.wait, name=f"waits for {launch}", daemon=True).start()
    _tidy(runs / ".launches")
    return launch


def _tidy(launches: Path) -> None:
    """Removes all but the newest launches whose process has ended."""
    with contextlib.suppress(OSError):  # another may be tidying too
        folders = [folder for folder in launches.iterdir() if _ID.fullmatch(folder.name)]
        for folder in sorted(folders, key=lambda folder: folder.stat().st_mtime_ns, reverse=True)[_KEPT:]:
            if not lock.is_held(folder / _ALIVE):
                shutil.rmtree(folder, ignore_errors=True)


def _outcome(folder: Path) -> Launch:
    said = read_json(folder / OUTCOME, "The outcome of the launch")
    try:
        return Launch(**said)
    except TypeError:
        raise RunError(f"{folder / OUTCOME} does not hold the outcome of a launch.") from None


def _died(folder: Path) -> Launch:
    """A process that ended before it could say how its start went."""
    said = ""
    with contextlib.suppress(OSError):
        said = (folder / _SAID).read_text(encoding="utf-8", errors="replace")
    last = "\n".join(said.strip().splitlines()[-_LINES:])[-_CHARACTERS:]
    error = "The process that was to train ended before its run began"
    return Launch(
        "failed",
        error=f"{error}; the last that it said: {last}" if last else f"{error}, without a word: something killed it.",
        hint="Look whether the machine has memory left; a smaller batch or smaller images need less.",
    )


def tell(folder: Path, outcome: Launch) -> None:
    """Keeps how a start went, for `launched`.

    Raises:
        StorageError: the disk refused.
    """
    write_json(folder / OUTCOME, dataclasses.asdict(outcome), "The outcome of the launch")


def refused(error: ConvoscopeError) -> Launch:
    """The outcome of a start that came to an error."""
    return Launch("failed", error=error.message, hint=error.hint)


def requested(folder: Path) -> dict[str, Any]:
    """What a launch is to train: `runs`, and `recipe` (its fields) or `resume` (a run's folder).

    Raises:
        RunError: the request cannot be read.
    """
    request = read_json(folder / REQUEST, "The launch")
    if not isinstance(request, dict) or "runs" not in request or not {"recipe", "resume"} & request.keys():
        raise RunError(f"{folder / REQUEST} asks for nothing that can be trained.")
    return request
