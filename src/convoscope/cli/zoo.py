"""How the architectures look in a terminal: the history of the field, and one of them with its table of layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table

from convoscope.cli.render import _add_row, _console, _plain, _table, _word

_INDENT = (0, 0, 0, 6)  # as wide as a year and two spaces
_NARROW = 80  # columns below which the list is no table
_PARAMETERS_WIDTH = 11
_UNCLAMPED = 10_000
_EXAMPLE = {"images": "image", "texts": "text", "trees": "tree"}
_UNITS = "kMGT"
_FORMULA = "N = floor((W - F + 2P)/S) + 1"


def models(rows: list[dict[str, Any]]) -> None:
    """The registry as a history: for each paper its year, its source and what it taught, and under it its networks."""
    console = _console()
    width = max((len(row["name"]) for row in rows), default=0)
    for (year, paper, taught), family in groupby(rows, lambda row: (row["year"], row["paper"], row["taught"])):
        console.print(f"[bold]{year}[/]  {_word(paper)}")
        console.print(Padding(f"[italic]{_word(taught)}[/]", _INDENT, expand=False))
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(style="bold", min_width=width)
        table.add_column(justify="right", min_width=_PARAMETERS_WIDTH)
        table.add_column()
        for row in family:
            cells = (_word(row["name"]), f"{row['n_parameters']:,}", _word(row["summary"]))
            if console.width >= _NARROW:
                table.add_row(*cells)
            else:
                console.print(Padding("[bold]{}[/]  {}  {}".format(*cells), _INDENT, expand=False))
        if table.row_count:
            console.print(Padding(table, _INDENT, expand=False))
        console.print("")
    console.print(
        "After each name, the parameters that it has for its paper's images or texts. One of them, layer by layer: "
        "convoscope models NAME. To train it: convoscope train --model NAME."
    )


def model(facts: dict[str, Any], *, all_layers: bool = False) -> None:
    """One architecture: what it is, the table of its layers, its figures, options and usual recipe."""
    console = _console()
    year = f" ({facts['year']})" if facts["year"] else ""  # a network of the user's own has none
    console.print(f"[bold]{_word(facts['name'])}[/]{year}  {_word(facts['paper'])}".rstrip())
    for said in (facts["summary"], facts["taught"] and f"What it taught: {facts['taught']}"):
        if said:
            console.print(_word(said))
    takes = "" if len(facts["takes"]) == 1 else f" It takes {', '.join(facts['takes'][:-1])} and {facts['takes'][-1]}."
    console.print(f"\nFor {_shaped(facts)} and {facts['n_classes']:,} classes: {_size(facts)}.{takes}\n")
    _layers(console, facts["layers"] if all_layers else list(_folded(facts["layers"])))
    console.print(f'"sees" is the field of one number of the output, padding included. {facts["counts"]}')
    _figures(console, facts["published"], facts["ours"])
    if facts["options"]:
        table = Table.grid(padding=(0, 2))
        for option in facts["options"]:
            choices = f"; one of {', '.join(option['choices'])}" if option["choices"] else ""
            default = "" if option["default"] is None else f" (default {_typed(option['default'])})"
            table.add_row(f"--{option['name'].replace('_', '-')}", _word(f"{option['help']}{choices}{default}"))
        console.print("\n[bold]options[/]", Padding(table, (0, 0, 0, 2), expand=False))
    _recipe(console, facts)


def _size(facts: dict[str, Any]) -> str:
    parts, each = [f"{facts['n_parameters']:,} parameters"], f"for one {_EXAMPLE[facts['input_kind']]}"
    if facts["n_trainable"] != facts["n_parameters"]:
        trained = f"{facts['n_trainable']:,}" if facts["n_trainable"] else "none"
        parts[0] += f", {trained} of them by gradients"
    if facts["n_buffers"]:
        parts.append(f"{facts['n_buffers']:,} numbers that are kept and not learned")
    if facts["flops"]:
        parts.append(f"{short(facts['multiply_adds'])} multiply-adds ({short(facts['flops'])} FLOPs) {each}")
    return "; ".join(parts)


def _shaped(facts: dict[str, Any]) -> str:
    """What one example is: "images of 3 x 224 x 224", "texts of 256 words out of 20,000"."""
    shape = facts["input_shape"]
    if facts["input_kind"] == "images":
        return f"images of {_sides(shape)}"
    if facts["input_kind"] == "texts":
        return f"texts of {shape['length']:,} words out of {shape['n_words']:,}"
    return f"trees of {shape['n_levels']} levels, up to {shape['width']} nodes wide, words out of {shape['n_words']:,}"


def _layers(console: Console, rows: Sequence[dict[str, Any]]) -> None:
    """The table; the arithmetic of sides stands in it where the line is long enough, else under it."""
    for inside in (True, False):
        heads = ("layer", "kind", "output", "parameters", "FLOPs", "sees")
        table = _table(*heads, *([_FORMULA] if inside else []))
        for column in table.columns[3:5]:
            column.justify = "right"
        for row in rows:
            calls = f" x {row['n_calls']}" if row["n_calls"] > 1 else ""
            cells = (row["name"] or "(itself)", row["kind"] + calls, _sides(row["output"]))
            field = row["field"] if isinstance(row["field"], str) else _sides(row["field"] or ())
            counted = (f"{row['n_parameters']:,}" if row["n_parameters"] else "", short(row["flops"]), field)
            _add_row(table, *cells, *counted, *([row["arithmetic"]] if inside else []))
        wanted = Measurement.get(console, console.options.update(max_width=_UNCLAMPED), table).maximum
        if not inside or wanted <= console.width:
            break
    console.print(table)
    if not inside and any(row["arithmetic"] for row in rows):
        table = Table.grid(padding=(0, 2))
        for line, alike in groupby((row for row in rows if row["arithmetic"]), lambda row: row["arithmetic"]):
            names = [row["name"] for row in alike]
            table.add_row(_word(line), _word(names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"))
        console.print(f"\n[bold]{_FORMULA}[/]", Padding(table, (0, 0, 0, 2), expand=False))
    console.print("")


def _folded(rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows, with blocks that have the same layers as the block before them as one row."""
    blocks = [list(group) for _, group in groupby(rows, lambda row: row["block"]["name"])]
    for _, alike in groupby(enumerate(blocks), lambda item: _likeness(*item)):
        (_, first), *more = alike
        yield from first
        if more:
            again = [row for _, block in more for row in block]
            first_again, last = again[0]["block"], again[-1]["block"]
            name = last["name"] if len(more) == 1 else f"{first_again['name']} to {last['name']}"
            kind = f"{len(more)} more such {last['kind']}{'s' if len(more) > 1 else ''}"
            totals = {key: sum(row[key] for row in again) for key in ("n_parameters", "flops")}
            yield {**last, **totals, "name": name, "kind": kind, "arithmetic": "", "n_calls": 1}


def _likeness(number: int, block: Sequence[dict[str, Any]]) -> object:
    """Equal for blocks that are told in one row; a layer that is no block is like no other."""
    if len(block) == 1:
        return number
    cut = len(block[0]["block"]["name"])
    keys = ("kind", "output", "n_parameters", "flops", "arithmetic", "n_calls")
    return [(row["name"][cut:], *(row[key] for key in keys)) for row in block]


def _figures(console: Console, published: Sequence[dict[str, Any]], ours: Sequence[dict[str, Any]]) -> None:
    """Published accuracy beside ours, a line for each dataset."""
    if not published and not ours:
        return
    console.print("\n[bold]accuracy on test images, per cent[/]")
    table = _table("data", "published", "ours", "source")
    own = list(ours)
    for figure in published:
        beside = next((one for one in own if one["data"] == figure["data"]), None)
        own = [one for one in own if one is not beside]
        measured = "" if beside is None else _accuracy(beside)
        _add_row(table, figure["data"], _accuracy(figure), measured, figure["source"])
    for figure in own:
        _add_row(table, figure["data"], "", _accuracy(figure), figure["source"])
    console.print(table)


def _accuracy(figure: dict[str, Any]) -> str:
    """Per cent: "99.24", or "99.24 (10 seeds, 99.06 to 99.31)"."""
    more = [f"{figure['n_seeds']} seeds"] if figure["n_seeds"] > 1 else []
    if figure["low"] is not None and figure["high"] is not None:
        more.append(f"{100 * figure['low']:.2f} to {100 * figure['high']:.2f}")
    return f"{100 * figure['accuracy']:.2f}" + (f" ({', '.join(more)})" if more else "")


def _recipe(console: Console, facts: dict[str, Any]) -> None:
    knobs = ", ".join(f"{key.replace('_', '-')} {_plain(value)}" for key, value in facts["recipe"].items())
    if facts["is_fitted"]:
        knobs = ", ".join(filter(None, (knobs, "found from the training part in one pass, without steps of gradients")))
    else:
        seen = f"batches of {facts['batch_size']:,}, {facts['n_seen']:,} examples seen"
        knobs = ", ".join(filter(None, (knobs, seen)))
    console.print(f"\n[bold]usual recipe[/]  {_word(knobs)}")


def _typed(value: object) -> str:
    """An option's value as it is typed: 256,128."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _sides(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def short(count: int) -> str:
    """A count in four digits and its unit: 1.814 G, 236.0 M, 850; nothing for none."""
    if count < 1000:
        return str(count or "")
    rounded = float(f"{count:.3e}")
    power = min(len(_UNITS), (len(str(int(rounded))) - 1) // 3)
    return f"{rounded / 1000**power:#.4g} {_UNITS[power - 1]}"
