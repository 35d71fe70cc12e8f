"""Options that several commands share, and the answer of a command: for a reader, or in JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from convoscope.cli import render

Runs = Annotated[Path, typer.Option("--runs", envvar="CONVOSCOPE_RUNS", help="The folder that holds the runs.")]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, for machines.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help='A run: its name, its folder, or "latest".')]
AtStep = Annotated[
    int | None, typer.Option("--step", help="Use the checkpoint after this many steps, not the final weights.")
]
Image = Annotated[
    str, typer.Option("--image", help="test:45 (or train:, validation:) for one of the run's data, or a file.")
]
RUNS = Path("runs")


def answer(document: Any, as_json: bool, show: Callable[[], None]) -> None:  # noqa: ANN401 - any JSON value
    """Prints the document where JSON was asked for, else shows it."""
    if as_json:
        typer.echo(render.as_document(document))
    else:
        show()
