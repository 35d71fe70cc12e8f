"""`convoscope find-lr`: which learning rate to train with, and the curve that says so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from convoscope.cli.knobs import takes_knobs
from convoscope.cli.options import RUNS, Json, Runs, answer, extra_options

_WIDTH, _HEIGHT = 64, 12  # characters of the curve
_ABOVE = 0.35  # of the loss's fall, above its start: what grows beyond is cut off


@takes_knobs
def find_lr(
    ctx: typer.Context,
    recipe_name: Annotated[
        str | None,
        typer.Option("--recipe", help="A recipe by name (speed); knobs that are given go before its own."),
    ] = None,
    low: Annotated[
        float | None, typer.Option("--from", min=0, help="The first rate; else 1e-5 times the optimiser's usual.")
    ] = None,
    high: Annotated[
        float | None, typer.Option("--to", min=0, help="The last rate; else 1000 times the optimiser's usual.")
    ] = None,
    steps: Annotated[int, typer.Option("--steps", min=20, help="How many rates are tried, each in one step.")] = 100,
    out: Annotated[
        Path | None, typer.Option("--out", help="Draw the curve into this file: .png, .svg or .html.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    runs: Runs = RUNS,
    json_lines: Json = False,
    **given: Any,  # noqa: ANN401
) -> None:
    """Find a learning rate: train some steps at a rate that rises, and see where the loss falls and where it bursts.

    Takes the knobs of `convoscope train`, and makes no run. Options of the model go here too.
    """
    from convoscope import lab

    values = {name: value for name, value in given.items() if value is not None}
    options = extra_options(ctx.args)
    if options:
        values["model"] = lab.model_of(values, recipe_name)
        values["model_options"] = lab.read_options(values["model"], options)
    recipe = lab.make_recipe(values, recipe_name)
    told = lab.find_lr(recipe, runs=runs, n_steps=steps, low=low, high=high, picture=out, force=force)
    console = Console(stderr=True)
    columns = (
        TextColumn("learning rate {task.fields[lr]:.1e}"),
        BarColumn(),
        TextColumn("loss {task.fields[loss]:.4f}"),
    )
    rates = None
    with Progress(*columns, console=console, transient=True, disable=json_lines or not console.is_terminal) as bar:
        task = bar.add_task("", total=steps, lr=0.0, loss=0.0)
        for one in told:
            if isinstance(one, lab.Rates):
                rates = one
            else:
                bar.update(task, completed=one.step, lr=one.lr, loss=one.loss)
    if rates is not None:  # of several processes one alone has it
        facts = rates.to_dict()
        answer(facts, json_lines, lambda: _show(facts))


def _show(facts: dict[str, Any]) -> None:
    """The curve, and what it says."""
    console = Console(highlight=False, emoji=False, soft_wrap=True)
    points = [point for point in facts["points"] if point["smoothed"] is not None]
    for line in sketch([point["lr"] for point in points], [point["smoothed"] for point in points], facts["suggested"]):
        console.print(escape(line))
    ended = {
        "diverged": "the loss had grown to four times its least",
        "not-finite": "the loss was no finite number any more",
        "range": "that was the highest rate asked for",
    }[facts["ended"]]
    last = facts["points"][-1]
    console.print(f"{len(facts['points'])} steps to a learning rate of {last['lr']:.2g}: {ended}.")
    if facts["suggested"] is None:
        console.print(
            "[yellow]The loss did not fall clearly at any rate, so none is suggested.[/] Try more --steps, a larger "
            "--batch-size, another range (--from, --to), or look whether the labels belong to the images."
        )
    else:
        console.print(
            f"The loss falls fastest at {facts['steepest']:.2g} and is least at {facts['least']:.2g}.\n"
            f"[bold]Suggested: --lr {facts['suggested']:.2g}[/] with {facts['optimiser']} (the recipe has "
            f"{facts['lr']:.2g})"
        )
    if facts["picture"]:
        console.print(f"The curve is in {escape(facts['picture'])}")


def sketch(lrs: Sequence[float], losses: Sequence[float], mark: float | None) -> list[str]:
    """A curve in characters, losses upwards, rates to the right by their logarithm, with a line at `mark`."""
    if len(lrs) < 2:
        return []
    least = min(losses)
    most = max(losses[0], least) + _ABOVE * max(losses[0] - least, 0.05 * abs(least), 1e-9)
    low, high = math.log10(lrs[0]), math.log10(lrs[-1])

    def column(lr: float) -> int:
        return round((math.log10(lr) - low) / (high - low) * (_WIDTH - 1))

    rows = [[" "] * _WIDTH for _ in range(_HEIGHT)]
    if mark is not None:
        for row in rows:
            row[column(mark)] = "|"
    for lr, loss in zip(lrs, losses, strict=True):
        if loss <= most:
            rows[round((most - loss) / (most - least) * (_HEIGHT - 1))][column(lr)] = "*"
    names = {0: f"{most:.3g}", _HEIGHT - 1: f"{least:.3g}"}
    lines = [f"{names.get(i, ''):>9} {''.join(row).rstrip()}" for i, row in enumerate(rows)]
    axis = [" "] * (_WIDTH + 8)
    for decade in range(math.ceil(low), math.floor(high) + 1):
        at = column(10.0**decade)
        name = f"1e{decade}"
        if all(character == " " for character in axis[max(0, at - 1) : at + len(name) + 1]):
            axis[at : at + len(name)] = name
    return [*lines, f"{'':>9} {''.join(axis).rstrip()}"]
