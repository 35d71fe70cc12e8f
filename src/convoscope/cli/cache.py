"""`convoscope data cache`: the decoded images that are kept, removing them, and how much there may be."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from convoscope.cli.options import Json, answer


def cache(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="With --clear: of which set; its beginning will do.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove the set called NAME; without a name, all.")] = False,
    limit: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Keep at most so much from now on, such as 5GB.")
    ] = None,
    json_lines: Json = False,
) -> None:
    """List the decoded images that are kept, so that images are decoded once; remove them, or bound them."""
    from convoscope import lab

    if name is not None and not clear:
        raise typer.BadParameter(f"{name} was given without --clear; a name is for what is to be removed.")
    if limit is not None:
        lab.limit_kept(limit)
    removed = lab.clear_kept(name) if clear else []
    facts = lab.list_kept() | ({"removed": removed} if clear else {})
    answer(facts, json_lines, lambda: _show(facts))


def _show(facts: dict[str, Any]) -> None:
    """What went, then what is kept as a table, then how much that is."""
    console = Console(highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = 10_000  # a file has no edge to wrap at
    if "removed" in facts:
        console.print(f"Removed: {', '.join(facts['removed']) or 'nothing, since nothing was kept'}.")
    if facts["images"]:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("name", "images", "size", "MB", "last used", "source"):
            table.add_column(column, overflow="fold", justify="right" if column in ("images", "MB") else "left")
        for one in facts["images"]:
            channels, height, width = one["shape"]
            table.add_row(
                one["name"], f"{one['images']:,}", f"{channels} x {height} x {width}", f"{one['bytes'] / 1e6:,.1f}",
                time.strftime("%Y-%m-%d %H:%M", time.localtime(one["used"])), _printable(one["source"]),
            )  # fmt: skip
        console.print(table)
    console.print(
        f"{_size(facts['bytes'])} of decoded images in {facts['folder']}; the limit is {_size(facts['limit'])}, and "
        f"{_size(facts['free'])} are free on the disk."
    )


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:,.1f} MB"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
