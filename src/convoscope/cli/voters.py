"""How the neighbours of an image look in a terminal: who voted, and what the distance to the nearest is made of."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def show(facts: dict[str, Any]) -> None:
    """The neighbours as a table, then each figure of the distance with what it says."""
    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = 10_000  # a file has no edge to wrap at
    truth = f"a {facts['class']}" if facts["class"] is not None else "of no known class"
    votes = ", ".join(f"{name} {share:.3f}" for name, share in facts["votes"].items())
    console.print(
        f"[bold]{_word(facts['image'])}[/], {_word(truth)}, is called {_word(facts['predicted'])} in "
        f"{_word(facts['run'])}: {_word(votes)} of the votes (k {facts['k']}, {facts['metric']}, {facts['weights']})"
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("neighbour", "class", "distance", "share of votes"):
        table.add_column(name, overflow="fold")
    for row in facts["neighbours"]:
        table.add_row(row["image"], _word(row["class"]), f"{row['distance']:.6g}", f"{row['share']:.4f}")
    console.print(table)
    console.print("\nThe squared difference to the nearest, pixel by pixel:")
    for name, value in facts["difference"].items():
        share = "  the images are equal" if value is None else f"{value:22.4f}"
        console.print(f"  {name:<14}{share}  {facts['meanings'][name]}")
    _moved(console, facts)


def _moved(console: Console, facts: dict[str, Any]) -> None:
    moved = facts["moved"]
    other = moved["nearest_other_class"]
    against = "" if other is None else f", to the nearest of another class {other:.6g}"
    console.print(f"\nThe distance to the nearest image is {moved['nearest']:.6g}{against}.")
    for row in moved["by"]:
        pixels = f"{row['pixels']} pixel{'s' if row['pixels'] > 1 else ''}"
        further = (
            ""
            if row["moved_further"] is None
            else f"; in {row['moved_further']} of {row['ways']} ways it is then further from itself than from that one"
        )
        console.print(f"  Moved by {pixels}, the image is at {row['median']:.6g} from itself (median){further}.")


def _word(text: object) -> str:
    """Text from outside as markup that prints it literally."""
    return escape("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text)))
