"""How what the lab says looks in a terminal, in a file, and to a machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Column, Table

from convoscope.cli import judged
from convoscope.train.events import (
    Continued,
    EpochEnded,
    Event,
    Finding,
    Finished,
    Paused,
    Started,
    Step,
    Trained,
    to_json,
)

_SHOWN = 200  # characters of a text in a table or a line
_PLAIN_EVERY = 10.0  # seconds of training between lines where no bar can be drawn


@dataclass
class Outcome:
    """How a sitting ended, for the exit code."""

    stopped: bool = False


def training(events: Iterator[Event], *, as_json: bool) -> Outcome:
    """Shows a run as it goes: a bar in a terminal, lines elsewhere, one JSON object an event for machines."""
    if as_json:
        return _training_json(events)
    return _Board(Console(highlight=False, emoji=False, soft_wrap=True)).follow(events)


def _training_json(events: Iterator[Event]) -> Outcome:
    outcome = Outcome()
    for event in events:
        sys.stdout.write(as_document(to_json(event)) + "\n")
        sys.stdout.flush()
        outcome.stopped = isinstance(event, Trained) and event.reason == "stopped"
    return outcome


def as_document(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """The value as JSON on one line that every parser takes: ASCII, and null where a number is not finite."""
    return json.dumps(json.loads(json.dumps(value, default=str), parse_constant=lambda _: None))


class _Board:
    """The words of a run in a terminal or a file."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            BarColumn(bar_width=None, table_column=Column(ratio=1)),  # what is left of the line
            TextColumn("step {task.completed:.0f}/{task.total:.0f}"),
            TextColumn("loss {task.fields[loss]:.4f}"),
            TextColumn("accuracy {task.fields[accuracy]:.4f}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[speed]:,.0f} images/s"),
            expand=True,
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._said = 0.0
        self._run = ""
        self._n_steps = 0

    def follow(self, events: Iterator[Event]) -> Outcome:
        outcome = Outcome()
        with self._bar:
            for event in events:
                if isinstance(event, Started):
                    self._started(event)
                elif isinstance(event, Step):
                    self._step(event)
                elif isinstance(event, EpochEnded):
                    self._epoch(event)
                elif isinstance(event, Finding) and event.level != "fatal":  # a fatal one comes as the error
                    self._console.print(f"[yellow]{_word(event.message)}[/] {_word(event.hint)}".rstrip())
                elif isinstance(event, Paused | Continued):
                    self._held(event)
                elif isinstance(event, Trained) and event.reason == "stopped":
                    outcome.stopped = True
                    self._console.print(
                        f"Stopped at step {event.step}, all saved. Go on with: convoscope resume {_word(self._run)}"
                    )
                elif isinstance(event, Finished):
                    self._bar.stop()
                    self._finished(event)
        return outcome

    def _started(self, event: Started) -> None:
        self._run, self._n_steps = Path(event.run).name, event.n_steps
        where = f"{event.device}, {event.precision}"
        if event.shards > 1:
            where += f", {event.shards} shards a batch"
        verb = "Going on with" if event.step else "Training"
        self._console.print(
            f"{verb} {_word(self._run)}: {event.n_parameters:,} parameters, {event.n_train:,} examples to learn from, "
            f"{event.n_validation:,} to watch, {event.n_steps:,} steps ({where})"
        )
        self._task = self._bar.add_task(
            "training", total=event.n_steps, completed=event.step, loss=0, accuracy=0, speed=0
        )

    def _step(self, event: Step) -> None:
        if not self._bar.disable:
            self._bar.update(
                self._task,
                completed=event.step,
                loss=event.loss,
                accuracy=event.accuracy,
                speed=event.images_per_second,
            )
        elif event.seconds - self._said >= _PLAIN_EVERY:
            self._said = event.seconds
            self._console.print(
                f"step {event.step}/{self._n_steps}  loss {event.loss:.4f}  accuracy {event.accuracy:.4f}  "
                f"{event.images_per_second:,.0f} images/s  {event.seconds:.0f} s"
            )

    def _epoch(self, event: EpochEnded) -> None:
        watched = ""
        if event.validation_accuracy is not None and event.validation_loss is not None:
            watched = f"  validation: loss {event.validation_loss:.4f}, accuracy {event.validation_accuracy:.4f}"
        self._console.print(
            f"epoch {event.epoch}  train: loss {event.train_loss:.4f}, accuracy {event.train_accuracy:.4f}{watched}  "
            f"({event.seconds:.1f} s)"
        )

    def _held(self, event: Paused | Continued) -> None:
        said = f"Paused after step {event.step}, all saved." if isinstance(event, Paused) else "Going on."
        self._console.print(said)

    def _finished(self, event: Finished) -> None:
        say = self._console.print
        say(f"Trained {event.step:,} steps in {event.training_seconds:.1f} s ({event.reason}).")
        if event.test_accuracy is not None:
            on = f"on {event.n_test:,} examples never used before{judged.interval(event.test_accuracy, event.n_test)}"
            say(f"[bold]Test accuracy {event.test_accuracy:.4f}[/] {on}.")
        say(f"Run:    {_word(event.run)}")
        if event.report:
            say(f"Report: {_word(event.report)}")


def weights(facts: dict[str, Any]) -> None:
    """What was written, and where to."""
    named = "" if facts["like"] == "convoscope" else f", as {facts['like']} names them"
    _console().print(
        f"{_word(facts['file'])}: {facts['n_tensors']} tensors of {_word(facts['run'])}, {facts['n_numbers']:,} numbers"
        f"{named} ({facts['n_bytes'] / 1e6:.1f} MB)",
        soft_wrap=True,
    )


def runs(rows: list[dict[str, Any]], folder: Path) -> None:
    """The table of runs."""
    if not rows:
        _console().print(f"No runs in {_word(folder)} yet. Train one with: convoscope train", soft_wrap=True)
        return
    table = _table("run", "model", "data", "state", "steps", "test", "validation", "seconds", "started")
    for row in rows:
        steps = f"{row.get('step', 0)}/{row['n_steps']}" if row.get("n_steps") else str(row.get("step", ""))
        figures = (_share(row.get("test_accuracy")), _share(row.get("validation_accuracy")))
        seconds, started = (
            _number(row.get("training_seconds"), ".1f"),
            (row.get("started") or "")[:16].replace("T", " "),
        )
        what = (row["name"], row.get("model", ""), Path(row.get("data", "")).name, row["state"])
        _add_row(table, *what, steps, *figures, seconds, started)
    console = _console()
    console.print(table)
    for row in rows:
        if "error" in row:
            console.print(f"[yellow]{_word(row['name'])}: {_word(row['error'])}[/]", soft_wrap=True)


def run(facts: dict[str, Any]) -> None:
    """A run whole."""
    console = _console()
    console.print(f"[bold]{_word(facts['name'])}[/]  {facts['state']}  {_word(facts['folder'])}", soft_wrap=True)
    for title, document in (("recipe", facts["recipe"]), ("provenance", facts["provenance"]), ("plan", facts["plan"])):
        console.print(f"\n[bold]{title}[/]")
        for key, value in document.items():
            console.print(f"  {key:<18} {_word(_plain(value))}")
    if facts["epochs"]:
        table = _table("epoch", "step", "train loss", "train accuracy", "validation loss", "validation accuracy")
        for row in facts["epochs"]:
            training = (_number(row["train_loss"], ".4f"), _share(row["train_accuracy"]))
            watched = (_number(row["validation_loss"], ".4f"), _share(row["validation_accuracy"]))
            _add_row(table, str(row["epoch"]), str(row["step"]), *training, *watched)
        console.print("")
        console.print(table)
    for row in facts["findings"]:
        console.print(f"[yellow]{_word(row['message'])}[/] {_word(row['hint'])}")
    steps = [str(row["step"]) for row in facts["checkpoints"]]
    console.print(f"\ncheckpoints at steps {', '.join(steps) or 'none'}")
    if facts["checkpoints_missing"]:
        console.print(f"[yellow]missing on the disk: {', '.join(map(str, facts['checkpoints_missing']))}[/]")
    if facts["test_accuracy"] is not None:
        console.print(f"[bold]test accuracy {facts['test_accuracy']:.4f}[/]")
    for line in judged.lines(facts["evaluation"] or {}):
        console.print(_word(line))
    for key in ("weights", "report"):
        if facts[key]:
            console.print(f"{key}: {_word(facts[key])}", soft_wrap=True)


def evaluation(facts: dict[str, Any]) -> None:
    """The figures of a judgement."""
    console = _console()
    console.print(
        f"[bold]accuracy {facts['accuracy']:.4f}[/] on {facts['n']:,} {facts['split']} {facts['kind']} of "
        f"{_word(facts['data'])} (95 %: {facts['accuracy_95_low']:.4f} to {facts['accuracy_95_high']:.4f}; always the "
        f"most frequent class: {facts['majority_accuracy']:.4f}), loss {facts['loss']:.4f}"
    )
    for line in judged.lines(facts):
        console.print(_word(line))
    table = _table("class", facts["kind"], "precision", "recall", "F1")
    for row in facts["per_class"]:
        figures = (_share(row["precision"]), _share(row["recall"]), _share(row["f1"]))
        _add_row(table, row["name"], str(row["n"]), *figures)
    console.print(table)
    of_texts = facts["kind"] != "images"
    table = _table("hardest", "truth", "predicted", "probability", "loss", *(["text"] if of_texts else []))
    for row in facts["hardest"]:
        surely = (_share(row["probability"]), _number(row["loss"], ".3f"))
        _add_row(
            table, row["image"], row["truth"], row["predicted"], *surely, *([_short(row["text"])] if of_texts else [])
        )
    console.print(table)


def look(facts: dict[str, Any]) -> None:
    """The network on one image as a table."""
    console = _console()
    best = sorted(facts["probabilities"].items(), key=lambda item: -item[1])[:3]
    said = "  ".join(f"{escape(name)} {probability:.4f}" for name, probability in best)
    console.print(
        f"[bold]{escape(facts['image'])}[/] in {escape(facts['run'])}: {said}; loss {facts['loss']:.6g} against "
        f"{escape(facts['target'])} ({facts['target_is']})"
    )
    if "words" in facts:
        unknown = f"; not in the vocabulary: {escape(_short(', '.join(facts['unknown'])))}" if facts["unknown"] else ""
        console.print(f"{len(facts['words']):,} words: {escape(_short(' '.join(facts['words'])))}{unknown}")
    table = _table("node", "op", "shape", "parameters", "FLOPs", "sees", "min", "mean", "max", "dead")
    for row in facts["nodes"]:
        table.add_row(
            row["node"], row["op"], " x ".join(map(str, row["shape"])), f"{row['n_parameters']:,}", f"{row['flops']:,}",
            " x ".join(map(str, row["field"])), f"{row['min']:.5g}", f"{row['mean']:.5g}", f"{row['max']:.5g}",
            f"{row['dead']:.2f}",
        )  # fmt: skip
    console.print(table)
    one, parts = ("text", "words") if "words" in facts else ("image", "input pixels")
    console.print(f"{facts['n_parameters']:,} parameters, {facts['flops']:,} FLOPs for one {one}. {facts['counts']}")
    console.print(f'"sees" is the field of the middle unit in {parts}; "dead" the share of channels that are all 0.')


def predictions(rows: Iterable[dict[str, Any]]) -> None:
    """A line for each image; what is wrong with those that cannot be read goes to stderr."""
    console, errors = _console(), _console(stderr=True)
    for row in rows:
        if row["error"]:
            errors.print(f"[red]{_word(row['error'])}[/]", soft_wrap=True)
        else:
            best = "  ".join(f"{_word(entry['class'])} {entry['probability']:.4f}" for entry in row["top"])
            console.print(f"{_word(row['path'])}: {best}", soft_wrap=True)


def datasets(rows: list[dict[str, str]]) -> None:
    """The datasets known by name."""
    table = _table("dataset", "what it is")
    for row in rows:
        _add_row(table, row["name"], row["summary"])
    _console().print(table)


def dataset(facts: dict[str, Any]) -> None:
    """What a dataset holds."""
    console = _console()
    what = _words_told(facts) if "text" in facts else _shape_told(facts["shape"])
    console.print(f"[bold]{_word(facts['name'])}[/]: {what}, fingerprint {facts['fingerprint'][:16]}")
    parts = list(facts["splits"])
    table = _table("class", *parts)
    for k, name in enumerate(facts["class_names"]):
        _add_row(table, name, *(str(facts["splits"][part]["n_per_class"][k]) for part in parts))
    table.add_row("[bold]all[/]", *(f"[bold]{facts['splits'][part]['n_images']:,}[/]" for part in parts))
    console.print(table)
    for row in facts["findings"]:
        console.print(f"[yellow]{_word(row['message'])}[/] {_word(row['hint'])}")


def _shape_told(shape: dict[str, int]) -> str:
    return f"images of {' x '.join(str(shape[axis]) for axis in shape)} ({' x '.join(shape)})"


def _words_told(facts: dict[str, Any]) -> str:
    """Lengths, vocabulary and coverage of texts, in one clause."""
    text, words = facts["text"], facts["text"]["words"]
    known = ", ".join(f"{share:.1%} of {part}" for part, share in text["coverage"].items())
    deep = f" in up to {text['n_levels']} levels" if facts["kind"] == "trees" else f" (at most {text['length']:,} kept)"
    return (
        f"{facts['kind']} of {words['shortest']:,} to {words['longest']:,} words{deep}, median {words['median']:,}; a "
        f"vocabulary of {text['n_words'] - 2:,} words covers {known}"
    )


@contextmanager
def download(name: str, *, as_json: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar for a download; called with bytes done and bytes in all."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=as_json or not console.is_terminal) as bar:
        task = bar.add_task(_word(name), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _console(*, stderr: bool = False) -> Console:
    console = Console(highlight=False, emoji=False, stderr=stderr)
    if not console.is_terminal:
        console.width = 10_000  # a file has no edge to wrap at
    return console


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold", no_wrap=name == "run")  # a run's name is there to be copied
    return table


def _add_row(table: Table, *cells: str) -> None:
    table.add_row(*map(_word, cells))


def _word(text: object) -> str:
    """Text from outside as markup that prints it literally: no brackets are read, control characters show escaped."""
    return escape("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text)))


def _short(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]} ..."


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _plain(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | tuple) else str(value)
