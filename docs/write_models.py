"""Writes docs/models.md from the registry: python docs/write_models.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from convoscope import lab

PATH = Path(__file__).parent / "models.md"

HEAD = """# Models

A history of the field in which every row can be trained, opened and checked. Written by `python docs/write_models.py`
from the registry; a test holds it to the code. `convoscope models NAME` shows any of them layer by layer, for any shape
and number of classes, with the arithmetic of every side; `--json` is for machines.

Parameters and multiply-adds are those for the paper's input, which each section names. Multiply-adds are those of
convolutions and matrix products, forward, for one example; FLOPs are twice as many. *Sees* is the field of one number
of the output, padding included. Layers that hold and compute nothing, other than pools, are left out of the tables;
blocks that repeat the one before them share a row, which counts them all.
"""


def page() -> str:
    """The whole page."""
    facts = [lab.describe_model(row["name"]) for row in lab.list_models()]
    rows = [
        [one["year"], f"[{one['name']}](#{one['name']})", _number(one["n_parameters"]), _giga(one), one["summary"]]
        for one in facts
    ]
    contents = _table(("year", "model", ">parameters", ">multiply-adds", "what it is"), rows)
    return "\n".join([HEAD, *contents, *(line for one in facts for line in _section(one))]) + "\n"


def _section(facts: dict[str, Any]) -> Iterator[str]:
    yield from ("", f"## {facts['name']}", "", f"{facts['summary']} {facts['paper']}, {facts['year']}.", "")
    yield f"*What it taught:* {facts['taught']}"
    size = f"{_number(facts['n_parameters'])} parameters"
    if facts["n_trainable"] != facts["n_parameters"]:
        size += f" ({_number(facts['n_trainable']) or 'none'} of them by gradients)"
    counted = f", {_number(facts['multiply_adds'])} multiply-adds" if facts["multiply_adds"] else ""
    classes = f"{facts['n_classes']:,} classes"
    yield from ("", f"For {_shape(facts)} and {classes}: {size}{counted}. It takes {', '.join(facts['takes'])}.", "")
    heads = ("layer", "kind", "output", ">parameters", ">multiply-adds", "sees")
    yield from _table(heads, _folded(facts["layers"]))
    figures = [(kind, figure) for kind in ("published", "ours") for figure in facts[kind]]
    if figures:
        yield ""
        rows = [[figure["data"], kind, _accuracy(figure), figure["source"]] for kind, figure in figures]
        yield from _table(("data", "", ">accuracy", "source"), rows)
    if facts["options"]:
        yield ""
        rows = [[f"`--{one['name'].replace('_', '-')}`", one["help"], _default(one)] for one in facts["options"]]
        yield from _table(("option", "what it says", "default"), rows)
    knobs = " ".join(_knob(key.replace("_", "-"), value) for key, value in facts["recipe"].items())
    seen = "" if facts["is_fitted"] else f"; batches of {facts['batch_size']}, {_number(facts['n_seen'])} examples seen"
    yield from ("", f"Usual recipe: `{knobs}`{seen}." if knobs else f"Usual recipe: the general one{seen}.")


def _knob(name: str, value: object) -> str:
    """A knob as the command line takes it; a switch has no value."""
    return f"--{'' if value else 'no-'}{name}" if isinstance(value, bool) else f"--{name} {value}"


def _folded(layers: Sequence[dict[str, Any]]) -> list[list[object]]:
    """A row for each block, those that repeat the one before it in one."""
    blocks = [_block(list(rows)) for _, rows in groupby(layers, lambda row: row["block"]["name"])]
    told = [block for block in blocks if block["counts"] or "Pool" in block["kind"]]
    rows: list[list[object]] = []
    for _, group in groupby(enumerate(told), lambda item: item[1]["likeness"] or item[0]):
        alike = [block for _, block in group]
        first, last = alike[0], alike[-1]
        name = first["name"] if len(alike) == 1 else f"{first['name']} to {last['name']}"
        kind = first["kind"] if len(alike) == 1 else f"{first['kind']}, {len(alike)} times"
        counts = [sum(block[key] for block in alike) for key in ("n_parameters", "multiply_adds")]
        rows.append([name or "(itself)", kind, last["output"], *map(_number, counts), last["field"]])
    return rows


def _block(rows: list[dict[str, Any]]) -> dict[str, Any]:
    block = rows[0]["block"]
    counts = {key: sum(row[key] for row in rows) for key in ("n_parameters", "multiply_adds")}
    field = block["field"] if isinstance(block["field"], str) else _sides(block["field"] or ())
    kind = block["kind"] + (f", {block['n_calls']} calls" if block["n_calls"] > 1 else "")
    output = _sides(block["output"])
    likeness = (kind, output, *counts.values()) if len(rows) > 1 else None
    told = {"name": block["name"], "kind": kind, "output": output, "field": field}
    return {**told, **counts, "counts": any(counts.values()), "likeness": likeness}


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Markdown; a head that begins with > stands over numbers, at the right."""
    yield f"| {' | '.join(head.lstrip('>') for head in heads)} |"
    yield f"|{'|'.join('---:' if head.startswith('>') else '---' for head in heads)}|"
    for row in rows:
        yield f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |"


def _shape(facts: dict[str, Any]) -> str:
    shape = facts["input_shape"]
    if facts["input_kind"] == "images":
        return f"images of {_sides(shape)}"
    told = ", ".join(f"{key.removeprefix('n_')} {value:,}" for key, value in shape.items())
    return f"{facts['input_kind']} ({told})"


def _accuracy(figure: dict[str, Any]) -> str:
    seeds = f"mean of {figure['n_seeds']} seeds" if figure["n_seeds"] > 1 else ""
    spread = "" if figure["low"] is None else f"{100 * figure['low']:.2f} to {100 * figure['high']:.2f}"
    more = ", ".join(filter(None, (seeds, spread)))
    return f"{100 * figure['accuracy']:.2f} %" + (f" ({more})" if more else "")


def _default(option: dict[str, Any]) -> str:
    value = option["default"]
    return ",".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else str(value)


def _giga(facts: dict[str, Any]) -> str:
    return f"{facts['multiply_adds'] / 1e9:.3f} G" if facts["multiply_adds"] >= 1e8 else _number(facts["multiply_adds"])


def _number(count: int) -> str:
    return f"{count:,}" if count else ""


def _sides(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


if __name__ == "__main__":
    PATH.write_text(page(), encoding="utf-8")
