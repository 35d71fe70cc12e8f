"""How a check-up of image files looks in a terminal: the bar while it runs, and its answer in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

_MOST_CLASSES = 50  # rows of the table of classes


@contextmanager
def bar(name: str, *, as_json: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr while files are checked, where it is a terminal; called with files done and files in all."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = as_json or not console.is_terminal
    progress = Progress(*columns, console=console, disable=hidden, transient=True)
    task = progress.add_task(_word(name), total=None)

    def update(done: int, total: int) -> None:
        progress.start()  # with the first file: what is no image file shows no bar
        progress.update(task, completed=done, total=total)

    try:
        yield update
    finally:
        progress.stop()


def show(facts: dict[str, Any]) -> None:
    """The summary first, then how many images each class has, then every finding with what to do about it."""
    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = 10_000  # a file has no edge to wrap at
    parts = ", ".join(f"{part} {one['n_images']:,}" for part, one in facts["splits"].items())
    console.print(
        f"[bold]{_word(facts['name'])}[/]: {facts['n_images']:,} images in {facts['n_classes']:,} classes ({parts}), "
        f"{facts['n_bytes'] / 1e6:,.1f} MB",
        soft_wrap=True,
    )
    if facts["n_images"]:
        console.print(
            f"{_sizes(facts['sizes'])}; {_counted(facts['formats'])}; {_counted(facts['modes'])}{_turned(facts)}"
        )
    console.print(_classes(facts), "", sep="\n")
    for one in facts["findings"]:
        grave = one["name"] == "image-broken" and not facts["passed"]
        console.print(f"[{'red' if grave else 'yellow'}]{_word(one['message'])}[/]", soft_wrap=True)
        if one["hint"]:
            console.print(f"  {_word(one['hint'])}", soft_wrap=True)
    if not facts["findings"]:
        console.print("Nothing suspicious was found.")


def _sizes(sizes: dict[str, Any]) -> str:
    """The one size, or the spread of many."""
    width, height = sizes["width"], sizes["height"]
    if sizes["n_distinct"] == 1:
        return f"all {width['min']:,} x {height['min']:,} pixels"
    return (
        f"{width['min']:,} x {height['min']:,} to {width['max']:,} x {height['max']:,} pixels (median "
        f"{width['median']:,.0f} x {height['median']:,.0f}, {sizes['n_distinct']:,} sizes)"
    )


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{_word(name)} {n:,}" for name, n in counts.items())


def _turned(facts: dict[str, Any]) -> str:
    """How many images are turned upright by their EXIF orientation."""
    n = sum(n for orientation, n in facts["orientations"].items() if orientation != "1")
    return f"; {n:,} turned upright (EXIF)" if n else ""


def _classes(facts: dict[str, Any]) -> Table:
    parts = list(facts["splits"])
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("class", *parts):
        table.add_column(column, overflow="fold", justify="left" if column == "class" else "right")
    for k, name in enumerate(facts["class_names"][:_MOST_CLASSES]):
        table.add_row(_word(name), *(f"{facts['splits'][part]['n_per_class'][k]:,}" for part in parts))
    more = facts["n_classes"] - _MOST_CLASSES
    if more > 0:
        rest = (sum(facts["splits"][part]["n_per_class"][_MOST_CLASSES:]) for part in parts)
        table.add_row(f"and {more:,} more classes", *(f"{n:,}" for n in rest))
    table.add_row("[bold]all[/]", *(f"[bold]{facts['splits'][part]['n_images']:,}[/]" for part in parts))
    return table


def _word(text: object) -> str:
    """Text from outside as markup that prints it literally, control characters shown escaped."""
    return escape("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text)))
