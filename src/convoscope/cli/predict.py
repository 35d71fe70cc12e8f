"""`convoscope predict`: what a run's network says of files, folders, patterns, names from a pipe, and texts."""

from __future__ import annotations

import itertools
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskProgressColumn, TextColumn

from convoscope.cli import render
from convoscope.cli.options import RUNS, AtStep, Json, RunName, Runs
from convoscope.cli.render import _word
from convoscope.errors import RecipeError

_STDIN = "-"
_BLOCK = 1 << 16  # bytes
_TOLD = 10  # rows without an answer, and classes, that are named where a file has them all

Row = dict[str, Any]


def predict(
    run: RunName,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE...",
            help="Image files, folders, quoted patterns ('photos/**/*.jpg'), or - for names from standard input, one a "
            "line; of texts, files of one each and tables (.csv).",
        ),
    ] = None,
    text: Annotated[list[str] | None, typer.Option("--text", help="A text itself; may be given several times.")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many classes to name for each.")] = 3,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the rows to this file: .csv, .tsv, .json, .jsonl or .parquet.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Probabilities as the network gives them, not calibrated.")
    ] = False,
    null: Annotated[
        bool, typer.Option("--null", "-0", help="Names from standard input end in a zero byte, as find -print0 has it.")
    ] = False,
    step: AtStep = None,
    runs: Runs = RUNS,
    json_lines: Json = False,
) -> None:
    """Say what a run's network sees in image files, or reads in texts.

    Ends with 1 where a file could not be read, when all others have been answered.
    """
    from convoscope import lab

    if not files and not text:
        raise RecipeError(
            "`predict` was given nothing to tell.", hint="Give image files, folders, text files, or --text."
        )
    if null and _STDIN not in (files or ()):
        raise RecipeError("--null was given, and no names come from standard input.", hint="Give - among the files.")
    given = itertools.chain.from_iterable(_named(one, null=null) for one in files or ())
    rows = lab.predict(run, given, texts=text or (), runs=runs, top=top, step=step, raw=raw, out=out, force=force)
    counted = _Counted(rows, shows_bar=out is not None or not sys.stdout.isatty())
    if json_lines:
        _print_document(run, counted)
    elif out is None:
        render.predictions(counted)
    else:
        counted.tell(out)
    if counted.n_failed:
        raise typer.Exit(1)


class _Counted(Iterable[Row]):
    """Rows as they come, counted, with a bar where standard error is a terminal and nothing else is written there."""

    def __init__(self, rows: Iterator[Row], *, shows_bar: bool) -> None:
        self._rows, self._shows_bar = rows, shows_bar
        self._by_class: Counter[str] = Counter()
        self.n_failed = 0

    def __iter__(self) -> Iterator[Row]:
        console = Console(stderr=True)
        columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} answered"), TaskProgressColumn(show_speed=True))
        is_off = not (self._shows_bar and console.is_terminal)
        # Left to itself the bar would take what goes to standard output for its own terminal.
        with Progress(*columns, console=console, transient=True, redirect_stdout=False, disable=is_off) as bar:
            task = bar.add_task("", total=None)
            for row in self._rows:
                self.n_failed += row["error"] is not None
                self._by_class[row["predicted"]] += row["error"] is None
                yield row
                bar.advance(task)

    def tell(self, out: Path) -> None:
        """Takes all rows; then says in words what the file that they went to holds."""
        failed: list[Row] = []
        for row in self:
            if row["error"] and len(failed) < _TOLD:
                failed.append(row)
        render.predictions(failed)
        if self.n_failed > _TOLD:
            typer.echo(f"... and {self.n_failed - _TOLD:,} more", err=True)
        named = [f"{_word(name)} {n:,}" for name, n in self._by_class.most_common(_TOLD) if n]
        more = " ..." if len(self._by_class) > _TOLD else ""
        unread = f", {self.n_failed:,} could not be read" if self.n_failed else ""
        Console(highlight=False, emoji=False, soft_wrap=True).print(
            f"{self._by_class.total():,} answered{unread}, in {_word(out)}: {', '.join(named)}{more}"
        )


def _print_document(run: str, rows: Iterable[Row]) -> None:
    """One JSON document on one line, written as the rows come: a hundred thousand of them need no memory."""
    told = enumerate(rows)
    first = next(told, None)  # an error before the first row is the only thing said
    sys.stdout.write(render.as_document({"run": run})[:-1] + ', "predictions": [')
    for i, row in itertools.chain([first] if first else [], told):
        sys.stdout.write((", " if i else "") + render.as_document(row))
    sys.stdout.write("]}\n")


def _named(given: str, *, null: bool) -> Iterator[str | Path]:
    """What an argument names: itself, or the names that standard input has, which are no patterns."""
    if given != _STDIN:
        yield given
        return
    for name in _names(sys.stdin.buffer, b"\0" if null else b"\n"):
        yield Path(os.fsdecode(name))


def _names(stream: BinaryIO, end: bytes) -> Iterator[bytes]:
    """The names in a stream, each as soon as it is there; in a list from Windows without carriage returns."""
    rest = b""
    while block := stream.read1(_BLOCK) if hasattr(stream, "read1") else stream.read(_BLOCK):
        *names, rest = (rest + block).split(end)
        yield from filter(None, (_without_return(name, end) for name in names))
    if rest:
        yield _without_return(rest, end)


def _without_return(name: bytes, end: bytes) -> bytes:
    return name.removesuffix(b"\r") if end == b"\n" and not os.path.lexists(name) else name
