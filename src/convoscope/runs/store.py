"""The folder of a run.

recipe.json         every knob
provenance.json     versions, machine, data fingerprint, git commit, command, start
data.json           class names, image shape, how images are read, normalisation
split.csv           name, label, part and group of every example used, where they have names
quarantine.json     what could not be read and was left out, each with the reason, where that was asked
plan.json           how the arithmetic is laid out: shards, threads, number format
events.jsonl        what happened, one event a line
checkpoints/        step-00000128.safetensors: weights, optimiser state, averages, and where the run stood
weights.safetensors the final weights
evaluation.json     the final figures; calibration.json: the temperature of the probabilities
model.json          where a model of the user's own came from: its file, and the digests of what it is made from
model/              copies of these: code to be read and never executed, a description (TOML) to be opened
answers.safetensors what the final weights said of each image that they were judged on
suspects.json       the labels to look at again
report/             index.html and its figures
graph/              eval.json, train.json: the network's graph in that mode, as saved by `graph.save`
control.json        what others wish of the run while it is trained: to wait, to go on, to stop
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from convoscope.errors import ConvoscopeError, RunError, StorageError
from convoscope.models.pinned import COPIES, pin
from convoscope.runs import lock
from convoscope.runs.disk import read_json, storing, sync_folder, write_all, write_json, write_whole
from convoscope.runs.log import Log, history, read_log
from convoscope.train.checkpoint import MODEL, Checkpoint
from convoscope.train.events import Event, Finding, Finished, Saved, Thinned, Trained
from convoscope.train.gradient import Plan
from convoscope.train.recipe import Recipe, from_dict

SCHEMA = 1
_NONE: Mapping[str, bytes] = {}
_LOCK = "writer.lock"
_RESTORE = "Restore the file from a copy, or train again."
_CHECKPOINT = re.compile(r"step-(\d{8,})\.safetensors$")


@dataclass(frozen=True)
class Run:
    """A run on the disk. Reading never changes it; `Writer` appends."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def log_path(self) -> Path:
        """The log of events."""
        return self.folder / "events.jsonl"

    @property
    def weights_path(self) -> Path:
        """The final weights, there once the run has finished."""
        return self.folder / "weights.safetensors"

    @property
    def answers_path(self) -> Path:
        """What the final weights said of each image judged, there once the run has finished."""
        return self.folder / "answers.safetensors"

    @property
    def report_path(self) -> Path:
        """The report's page, there once the run has finished."""
        return self.folder / "report" / "index.html"

    def recipe(self) -> Recipe:
        """Every knob of the run; raises RunError for a missing or unreadable file, or a newer layout."""
        card = read_json(self.folder / "recipe.json", "The recipe of the run")
        if not isinstance(card, dict) or not isinstance(card.get("recipe"), dict):
            raise RunError(f"{self.folder} holds no recipe that can be read.", hint="Is this the folder of a run?")
        if card.get("schema") not in range(SCHEMA + 1):
            raise RunError(
                f"The run {self.name} was written by a newer Convoscope (layout {card.get('schema')}; this one knows "
                f"up to {SCHEMA}).",
                hint="Update with: pip install --upgrade convoscope",
            )
        try:
            recipe = self._where_the_images_are(from_dict(card["recipe"]))
            return replace(recipe, model=pin(recipe.model, self.folder))
        except (ConvoscopeError, TypeError) as error:
            said = error.message if isinstance(error, ConvoscopeError) else f"{error}."
            raise RunError(f"The recipe of the run {self.name} cannot be used: {said}", hint=_RESTORE) from None

    def _where_the_images_are(self, recipe: Recipe) -> Recipe:
        """The recipe with the images' whole path where its own does not lead there from the present folder."""
        try:
            path = self.card("data").get("path")
        except RunError:
            return recipe
        if not isinstance(path, str) or Path(recipe.data).expanduser().exists():
            return recipe
        return replace(recipe, data=path)

    def card(self, name: str, *needed: str) -> dict[str, Any]:
        """One of the run's JSON documents: "provenance", "data", "plan", "model" or "evaluation".

        Raises:
            RunError: it is missing, cannot be read, or lacks a key of `needed`.
        """
        document = read_json(self.folder / f"{name}.json", f"{name}.json of the run {self.name}")
        if not isinstance(document, dict) or not set(needed) <= document.keys():
            raise self.garbled(name)
        return document

    def plan(self) -> Plan:
        """How the arithmetic is laid out; raises RunError where that cannot be read."""
        plain = Plan()
        card = self.card("plan", *vars(plain))
        if any(type(card[name]) is not type(value) for name, value in vars(plain).items()):
            raise self.garbled("plan")
        return Plan(**{name: card[name] for name in vars(plain)})

    def garbled(self, name: str) -> RunError:
        """The error for a JSON document that holds something else."""
        return RunError(f"{self.folder / name}.json does not hold what a run writes there.", hint=_RESTORE)

    def events(self) -> list[Event]:
        """The events that hold, in order (see `history`)."""
        return history(self.log_path)

    def finished(self) -> Finished | None:
        """The last line of a finished run, else None."""
        ends = [event for event in self.events() if isinstance(event, Finished)]
        return ends[-1] if ends else None

    def failure(self) -> Finding | None:
        """What ended a run whose numbers went wrong, else None."""
        events = self.events()
        ends = [event.reason for event in events if isinstance(event, Trained)]
        fatal = [event for event in events if isinstance(event, Finding) and event.level == "fatal"]
        return fatal[-1] if fatal and ends[-1:] == ["failed"] else None

    def checkpoint_files(self) -> dict[int, Path]:
        """The checkpoints on the disk by step, in order."""
        found = {}
        for path in (self.folder / "checkpoints").glob("step-*.safetensors"):
            match = _CHECKPOINT.match(path.name)
            if match:
                found[int(match[1])] = path
        return dict(sorted(found.items()))

    def load_checkpoint(self, step: int) -> Checkpoint:
        """The state after `step` updates; raises RunError where its file is missing, damaged, or not what was saved."""
        path = self.folder / "checkpoints" / checkpoint_name(step)
        promised = {event.step: event.sha256 for _, event in read_log(self.log_path) if isinstance(event, Saved)}
        try:
            content = path.read_bytes()
            if step in promised and hashlib.sha256(content).hexdigest() != promised[step]:
                raise RunError(f"The checkpoint {path} is damaged: it is not what the log says was saved.")
            with safe_open(path, framework="pt") as file:
                card = json.loads((file.metadata() or {})["convoscope"])
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
            return Checkpoint(str(card["reason"]), tensors, {**card["progress"], "step": int(card["progress"]["step"])})
        except FileNotFoundError:
            kept = ", ".join(str(number) for number in self.checkpoint_files()) or "none"
            raise RunError(f"The run {self.name} has no checkpoint at step {step}.", hint=f"It has: {kept}.") from None
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise RunError(f"The checkpoint {path} is damaged: {error}.") from None

    def latest_checkpoint(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest checkpoint that can be read, and a sentence for each newer one that cannot or is gone.

        None where the run was stopped before its first, or none can be read: it then starts over, to the same end.
        """
        there, said = self.checkpoint_files(), [event for _, event in read_log(self.log_path)]
        promised = {event.step for event in said if isinstance(event, Saved)}
        removed = {event.step for event in said if isinstance(event, Thinned)}
        passed_over: list[str] = []
        for step in sorted(there.keys() | (promised - removed), reverse=True):
            try:
                return self.load_checkpoint(step), passed_over
            except RunError as error:
                passed_over.append(error.message)
        return None, passed_over

    def load_weights(self, step: int | None = None) -> dict[str, Tensor]:
        """The final weights by name, or those of the checkpoint at `step`.

        Raises:
            RunError: they are not there, or damaged.
        """
        if step is not None:
            checkpoint = self.load_checkpoint(step)
            return {k.removeprefix(MODEL): v for k, v in checkpoint.tensors.items() if k.startswith(MODEL)}
        try:
            with safe_open(self.weights_path, framework="pt") as file:
                return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
        except FileNotFoundError:
            raise RunError(
                f"The run {self.name} has no final weights yet.", hint=f"Go on with: convoscope resume {self.name}"
            ) from None
        except (OSError, SafetensorError) as error:
            raise RunError(
                f"The weights {self.weights_path} are damaged: {error}.",
                hint=f"Make them again from the last checkpoint with: convoscope resume {self.name}",
            ) from None


class Writer:
    """The one process that adds to a run; a second is refused while it lives.

    Raises:
        RunError: another process is writing to this run.
        StorageError: the folder cannot be written.
    """

    def __init__(self, run: Run, keep: str = "all") -> None:
        self.run = run
        self._keep = keep
        self._lock = _lock(run.folder / _LOCK, run.name)
        try:
            with storing("The run", run.folder):
                for aside in run.folder.rglob("*.aside"):  # what a killed process was writing
                    aside.unlink(missing_ok=True)
                (run.folder / "checkpoints").mkdir(exist_ok=True)
            self._log = Log(run.log_path)
        except StorageError:
            os.close(self._lock)
            raise
        self._reasons = {event.step: event.reason for _, event in read_log(run.log_path) if isinstance(event, Saved)}

    def append(self, event: Event) -> dict[str, Any]:
        """Appends one event to the log; returns it as JSON."""
        return self._log.append(event)

    def record(self, events: Iterator[Event | Checkpoint]) -> Iterator[Event]:
        """Logs each event and passes it on; a checkpoint is written, then told as `Saved` (and `Thinned`)."""
        for event in events:
            if isinstance(event, Checkpoint):
                for told in self._save(event):
                    self.append(told)
                    yield told
            else:
                self.append(event)
                yield event

    def write_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Writes the final weights."""
        content = save(_apart(weights))
        write_whole(self.run.weights_path, content, "The weights")

    def write_evaluation(self, summary: dict[str, Any]) -> None:
        """Writes the final figures."""
        write_json(self.run.folder / "evaluation.json", summary, "The evaluation")

    def close(self) -> None:
        """Closes the log and lets others write."""
        self._log.close()
        os.close(self._lock)

    def _save(self, checkpoint: Checkpoint) -> Iterator[Event]:
        name = checkpoint_name(checkpoint.step)
        card = json.dumps({"schema": SCHEMA, "reason": checkpoint.reason, "progress": dict(checkpoint.progress)})
        content = save(_apart(checkpoint.tensors), metadata={"convoscope": card})
        write_whole(self.run.folder / "checkpoints" / name, content, f"The checkpoint of step {checkpoint.step}")
        self._reasons[checkpoint.step] = checkpoint.reason
        yield Saved(
            checkpoint.step, checkpoint.reason, f"checkpoints/{name}", len(content), hashlib.sha256(content).hexdigest()
        )
        yield from self._thin(checkpoint.step)

    def _thin(self, newest: int) -> Iterator[Event]:
        """Removes what the recipe does not keep; the log says so."""
        for step, path in self.run.checkpoint_files().items():
            reason = self._reasons.get(step, "")
            if step >= newest:
                continue
            if reason in {"safety", "stopped"}:
                why = "replaced by a newer checkpoint"
            elif self._keep == "last":
                why = "only the last is kept (keep=last)"
            elif self._keep == "epochs" and reason == "snapshot":
                why = "only the ends of epochs are kept (keep=epochs)"
            else:
                continue
            with storing("The list of checkpoints", path):
                path.unlink(missing_ok=True)
            yield Thinned(step, f"checkpoints/{path.name}", why)


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as they are written: of two names for the same numbers each has its own."""
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, value in tensors.items():
        whole = value.detach().cpu().contiguous()
        place = whole.untyped_storage().data_ptr()
        found[name] = whole.clone() if place in seen else whole
        seen.add(place)
    return found


def checkpoint_name(step: int) -> str:
    """The file name of the checkpoint after `step` updates."""
    return f"step-{step:08d}.safetensors"


def create(
    root: Path,
    stem: str,
    recipe: Recipe,
    cards: Mapping[str, Mapping[str, Any]],
    sources: Mapping[str, bytes] = _NONE,
    lists: Mapping[str, bytes] = _NONE,
) -> Run:
    """Makes the folder `root/stem-N` with the first free N; writes into it the recipe, the cards and the sources.

    `lists` are further files by name, such as split.csv.

    Raises:
        StorageError: the folder cannot be made or written.
    """
    with storing("The folder of runs", root):
        root.mkdir(parents=True, exist_ok=True)
        taken = (re.fullmatch(rf"{re.escape(stem)}-([0-9]+)", path.name) for path in root.iterdir())
        numbers = [int(match[1]) for match in taken if match]
        number = max(numbers, default=0) + 1
        while True:
            folder = root / f"{stem}-{number}"
            try:
                folder.mkdir()
                break
            except FileExistsError:  # another process took it just now
                number += 1
    try:
        with storing("The folder of the run", folder):
            (folder / "checkpoints").mkdir()
            sync_folder(root)
        for name, card in cards.items():
            write_json(folder / f"{name}.json", card, f"{name}.json")
        write_all(folder / COPIES, sources, "The copy of the model")
        write_all(folder, lists, "The list of examples")
        write_json(folder / "recipe.json", {"schema": SCHEMA, "recipe": recipe.to_dict()}, "The recipe")
    except StorageError:
        shutil.rmtree(folder, ignore_errors=True)  # there is no run yet
        raise
    return Run(folder)


def all_runs(root: Path) -> list[Run]:
    """The runs in `root`, newest first; folders that are no run are passed over."""
    found = []
    for path in root.glob("*/recipe.json"):
        with contextlib.suppress(OSError):  # removed while we look
            found.append((path.stat().st_mtime_ns, path.parent))
    return [Run(folder) for _, folder in sorted(found, reverse=True)]


def find(root: Path, name: str) -> Run:
    """The run called `name` in `root`: its name, "latest", or the path of its folder.

    Raises:
        RunError: there is none; near names are listed.
    """
    runs = all_runs(root)
    if name == "latest" and runs:
        return runs[0]
    for run in runs:
        if run.name == name:
            return run
    path = Path(name)
    if (path / "recipe.json").is_file():
        return Run(path)
    known = ", ".join(run.name for run in runs[:10])
    hint = f"Known: {known}{' ...' if len(runs) > 10 else ''}." if runs else "Train one with: convoscope train"
    raise RunError(f"There is no run {name!r} in {root}.", hint=hint)


def is_being_written(run: Run) -> bool:
    """Whether a living process holds the run's lock."""
    return lock.is_held(run.folder / _LOCK)


def _lock(path: Path, name: str) -> int:
    with storing("The run's lock", path):
        handle = lock.take(path)
    if handle is None:
        raise RunError(f"The run {name} is being trained by another process.", hint="Wait for it, or stop it first.")
    return handle
