"""`convoscope suspects`: the labels of a run's data to look at again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from convoscope.cli.options import RUNS, Json, RunName, Runs, answer


def suspects(
    run: RunName,
    top: Annotated[int, typer.Option(min=1, help="How many to list, the gravest first.")] = 40,
    table: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write them as a table too: .csv, .tsv or .parquet.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    runs: Runs = RUNS,
    json_lines: Json = False,
) -> None:
    """List the labels that a run's network and its data speak against: look at these first. Nothing is changed."""
    from convoscope import lab

    facts = lab.suspects(run, runs=runs, top=top, table=table, force=force)
    answer(facts, json_lines, lambda: _show(facts, table))


def _show(facts: dict[str, Any], table: Path | None) -> None:
    """The suspects as a table, and what they are."""
    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = 10_000  # a file has no edge to wrap at
    rows = facts["suspects"]
    judged = ", ".join(f"{n:,} of the {split} part" for split, n in facts["n_judged"].items())
    console.print(f"{_word(facts['run'])}: {judged or 'no labels'} were judged; {facts['n_doubted']:,} stand in doubt.")
    if rows:
        listed = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("part", "name", "label", "looks like", "margin"):
            listed.add_column(name, overflow="fold", justify="right" if name == "margin" else "left")
        for row in rows:
            words = (row["split"], row["name"], row["label"], row["suggested"])
            listed.add_row(*map(_word, words), f"{row['margin']:+.2f}")
        console.print(listed)
        more = facts["n_doubted"] - len(rows)
        console.print(
            "Look at these first, the gravest on top: a wrong label, or an image that is hard to tell. Nothing has "
            f"been changed.{f' {more:,} more stand in lesser doubt.' if more > 0 else ''}"
        )
    for note in facts["notes"]:
        console.print(_word(note))
    if table is not None:
        console.print(f"Written to {_word(table)}.")


def _word(text: object) -> str:
    """Text from outside as markup that prints it literally."""
    return escape("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text)))
