"""`convoscope data split`: the division of a folder, written as a manifest that can be kept, changed and trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from convoscope.cli.options import Json, answer
from convoscope.train.recipe import knobs


def split(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A folder of images, or a manifest.")],
    out: Annotated[Path, typer.Option(help="The manifest to write: .csv, .tsv or .parquet.")],
    validation: Annotated[float, typer.Option(help=knobs()["validation"].help)] = 0.1,
    test: Annotated[float, typer.Option(help=knobs()["test"].help)] = 0.0,
    group: Annotated[str | None, typer.Option(help=knobs()["group"].help)] = None,
    folds: Annotated[int, typer.Option(help="Write in which of so many folds each training image is.")] = 0,
    seed: Annotated[int, typer.Option(help="Decides which images are held out.")] = 0,
    label_column: Annotated[str | None, typer.Option(help=knobs()["label_column"].help)] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    json_lines: Json = False,
) -> None:
    """Split images into train, validation and test, and write who is where as a manifest."""
    from convoscope import lab

    facts = lab.split_data(
        path, out, validation=validation, test=test, folds=folds, seed=seed, group=group, label_column=label_column,
        force=force,
    )  # fmt: skip
    answer(facts, json_lines, lambda: _show(facts))


def _show(facts: dict[str, Any]) -> None:
    """How many images are where, and what should be known."""
    typer.echo(f"{facts['manifest']}: {facts['n']:,} images")
    for part, counts in facts["parts"].items():
        n, present = sum(counts.values()), [n for n in counts.values() if n]
        groups = f", {facts['groups'][part]:,} groups" if part in facts["groups"] else ""
        each = f"{min(present):,} to {max(present):,}" if min(present) < max(present) else f"{max(present):,}"
        typer.echo(f"  {part}: {n:,} images of {len(present):,} classes, {each} each{groups}")
    if facts["folds"]:
        typer.echo(f"  {len(facts['folds'])} folds: {', '.join(f'{n:,}' for n in facts['folds'])} images")
    for finding in facts["findings"]:
        typer.echo(f"{finding['message']} {finding['hint']}".strip())
    if facts["left_out"]:
        first = facts["left_out"][0]
        typer.echo(f"Left out ({len(facts['left_out']):,}): {first['path']}: {first['reason']} ...")
    flags = f" --folds {len(facts['folds'])} --fold 1" if facts["folds"] else ""
    typer.echo(f"Train on it: convoscope train --data {facts['manifest']}{flags}")
