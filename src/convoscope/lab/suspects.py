"""Labels to look at again: found at a run's end or when they are asked for, kept with it, listed and shown."""

from __future__ import annotations

import contextlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from convoscope.data import Dataset, Splits, Texts
from convoscope.data.tabulate import table_of
from convoscope.errors import DataError, InputError, StorageError
from convoscope.lab.doubting import find_doubts
from convoscope.lab.ready import Ready
from convoscope.lab.trainee import Trainee, open_run
from convoscope.runs import store
from convoscope.runs.disk import write_whole
from convoscope.runs.report import Suspect
from convoscope.runs.store import Run
from convoscope.runs.suspects import Doubt, read_doubts, write_doubts
from convoscope.train.gradient import Plan

_MOST_PASSES = 12
_SHARE_OF_TRAINING = 0.25  # passes for each epoch: forward alone is a third of a step, so this costs a twelfth


def suspects(
    name: str, *, runs: Path, top: int | None = None, table: Path | None = None, force: bool = False
) -> dict[str, Any]:
    """The labels of a run's data to look at again, the gravest first; nothing is changed.

    They are kept with the run since its end. Where the training examples were not judged then, because that would have
    taken too long beside a short training, they are judged now, and kept.

    Args:
        name: The run.
        runs: The folder of runs.
        top: How many to give at most.
        table: A file that they are written to as well: .csv, .tsv or .parquet.
        force: Whether a file that is there is replaced.

    Returns:
        A JSON object: run, n_below, n_judged, steps, notes (see `Doubts`), and suspects, a list of `Doubt`s.

    Raises:
        RunError: no such run, or it has no final weights.
        DataError: the data are gone, or are not those that the run was trained on.
        InputError: the file is there, or is called as no table.
        StorageError: the disk refused.
    """
    if table is not None:
        table_of(table, {})  # a name that asks for no table is refused before the work
        if table.exists() and not force:
            raise InputError(f"{table} is there already.", hint="Choose another name, or replace it with --force.")
    run = store.find(runs, name)
    found = read_doubts(run)
    if found is None or not found.whole:
        trainee = open_run(str(run.folder), runs=runs)
        found = find_doubts(trainee, _own_data(trainee), _MOST_PASSES)
        with contextlib.suppress(StorageError):  # a read-only run can be looked at all the same
            write_doubts(run, found)
    document = {"run": str(run.folder), **found.to_dict()}
    document["suspects"] = document["suspects"][:top]
    if table is not None:
        columns = {item.name: [row[item.name] for row in document["suspects"]] for item in fields(Doubt)}
        write_whole(table, table_of(table, columns), "The labels to look at again")
    return document


def doubts_at_end(run: Run, ready: Ready, plan: Plan) -> tuple[Suspect, ...]:
    """Finds the doubts of a run that has just been trained, in about a twelfth of its time at most, and keeps them.

    Returns:
        What the report shows of them. Nothing where several processes train, or the recipe leaves them: the command
        `suspects` finds them later.

    Raises:
        StorageError: the disk refused.
    """
    if ready.machine.n_processes > 1 or not ready.recipe.suspects:
        return ()
    splits = ready.opened.splits
    trainee = Trainee(
        run, ready.recipe, ready.model, splits.train.class_names, ready.opened.policy, ready.normalisation,
        ready.machine, plan,
    )  # fmt: skip
    n_passes = min(_MOST_PASSES, int(_SHARE_OF_TRAINING * (ready.recipe.epochs or 0)))
    found = find_doubts(trainee, splits, n_passes)
    write_doubts(run, found)
    return tuple(_shown(doubt, splits) for doubt in found.doubts)


def _shown(doubt: Doubt, splits: Splits) -> Suspect:
    """A doubt as the report shows it."""
    part = splits.parts()[doubt.split]
    return Suspect(
        image=np.asarray(part.images[doubt.index]) if isinstance(part, Dataset) else np.zeros((0, 0, 0), np.uint8),
        name=doubt.name,
        split=doubt.split,
        label=part.class_names.index(doubt.label),
        suggested=part.class_names.index(doubt.suggested),
        score=doubt.margin,
        text=part.originals[doubt.index] if isinstance(part, Texts) else "",
    )


def _own_data(trainee: Trainee) -> Splits:
    """The data that the run was trained on; DataError where they are gone or others."""
    opened = trainee.opened()
    if opened.fingerprint != trainee.run.card("provenance", "data_fingerprint")["data_fingerprint"]:
        raise DataError(
            f"The {opened.splits.train.kind} in {trainee.recipe.data} are not those the run {trainee.run.name} was "
            "trained on: their fingerprint differs.",
            hint="Bring the same data back.",
        )
    return opened.splits
