"""Options that several commands share, and the answer of a command: for a reader, or in JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from convoscope.cli import render
from convoscope.errors import RecipeError

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


def extra_options(words: list[str]) -> dict[str, str]:
    """Options the recipe does not have, as typed: `--hidden 512,256` or `--hidden=512,256`."""
    found: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        name, is_joined, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not name:
            raise RecipeError(
                f"{word!r} is no option.", hint="Options begin with two dashes; see: convoscope train --help"
            )
        if not is_joined:
            value = next(rest, "")
            if not value or value.startswith("--"):
                raise RecipeError(f"The option --{name} was given no value.", hint=f"For example: --{name} VALUE")
        found[name.replace("-", "_")] = value
    return found
