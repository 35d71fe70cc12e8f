"""Where a run lies: its name is looked up among the folders of runs, and never joined to a path."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from convoscope.errors import RunError
from convoscope.runs import store
from convoscope.runs.store import Run


def folder_of(name: str, *, runs: Path) -> Path:
    """The folder of the run called `name`, exactly; "latest" is the newest one.

    For names that come from outside: other than `store.find`, it takes no path.

    Raises:
        RunError: there is no such run.
    """
    if name == "latest" and (all_of_them := store.all_runs(runs)):
        return all_of_them[0].folder
    with contextlib.suppress(OSError), os.scandir(runs) as entries:
        for entry in entries:
            if entry.name == name and Path(entry.path, "recipe.json").is_file():
                return Path(entry.path)
    known = [run.name for run in store.all_runs(runs)]
    listed = f"Known: {', '.join(known[:10])}{' ...' if len(known) > 10 else ''}."
    # Who asks from outside knows no folder of this machine, and none is told.
    message = f"There is no run {name!r} in the folder of runs."
    raise RunError(message, hint=listed if known else "Train one with: convoscope train")


def is_settled(name: str, *, runs: Path) -> bool:
    """Whether the run has its final weights: what is asked of them has one answer for ever.

    Raises:
        RunError: there is no such run.
    """
    return Run(folder_of(name, runs=runs)).weights_path.exists()


def report_of(name: str, *, runs: Path) -> bytes:
    """The report's page, HTML in UTF-8.

    Raises:
        RunError: there is no such run, or it has no report.
    """
    run = Run(folder_of(name, runs=runs))
    try:
        return run.report_path.read_bytes()
    except OSError:
        raise RunError(
            f"The run {run.name} has no report.", hint="A run's report is written when its training has finished."
        ) from None
